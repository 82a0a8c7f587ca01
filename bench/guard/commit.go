package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// before returns the commit to compare with, or why there is nothing to compare.
func (g *guard) before(ctx context.Context) (commit, why string, err error) {
	base := g.base
	if base == "" {
		changed, err := git(ctx, g.root, "status", "--porcelain", "--untracked-files=no")
		if err != nil {
			return "", "", err
		}
		if base = "HEAD~1"; changed != "" {
			base = "HEAD"
		}
	}
	commit, err = git(ctx, g.root, "rev-parse", "--verify", "--quiet", base+"^{commit}")
	if err != nil { // in a shallow clone, and of the first commit
		return "", fmt.Sprintf("%s is not in this clone: there is nothing to compare with", base), nil //nolint:nilerr // as said
	}
	files, err := git(ctx, g.root, "diff", "--name-only", "--relative", commit, "--", ".")
	if err != nil {
		return "", "", err
	}
	if !slices.ContainsFunc(strings.Split(files, "\n"), g.counts) {
		return "", "no source of the library differs from " + base, nil
	}
	return commit, "", nil
}

// counts reports whether a file is in the programs that are compared, and is no test.
func (g *guard) counts(file string) bool {
	if strings.HasSuffix(file, "_test.go") || !strings.HasSuffix(file, ".go") && file != "go.mod" && file != "go.sum" {
		return false
	}
	folder, _, _ := strings.Cut(file, "/")
	_, err := os.Stat(filepath.Join(g.root, folder, "go.mod"))
	nested := err == nil && folder != file
	return !nested && folder != "cmd" && folder != "examples"
}

// slower is a line of a commit's message that gives a reason.
var slower = regexp.MustCompile(`(?m)^Slower: ([\w/=.-]+): \S`)

// unexplained returns those of the benchmarks for which the commit's message gives no reason.
func (g *guard) unexplained(ctx context.Context, names []string) ([]string, error) {
	message, err := git(ctx, g.root, "log", "-1", "--format=%B")
	if err != nil {
		return nil, err
	}
	for _, m := range slower.FindAllStringSubmatch(message, -1) {
		names = slices.DeleteFunc(names, func(name string) bool {
			return name == m[1] || strings.HasPrefix(name, m[1]+"/")
		})
	}
	return names, nil
}

func git(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...) //nolint:gosec // arguments of our own
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w", args[0], err)
	}
	return strings.TrimSpace(string(out)), nil
}
