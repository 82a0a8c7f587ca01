package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// program is the test program of a module's root package, and the folder in which it finds its files.
type program struct{ path, folder string }

// programs are those of two commits.
type programs struct{ before, after program }

// build builds the benchmarks of the commit and those of the folder root. remove removes them.
func build(ctx context.Context, root, commit string) (p programs, remove func(), err error) {
	dir, err := os.MkdirTemp("", "reauth-guard-")
	if err != nil {
		return p, nil, err
	}
	remove = func() { _ = os.RemoveAll(dir) }
	p = programs{
		before: program{filepath.Join(dir, "before.test"), filepath.Join(dir, "before")},
		after:  program{filepath.Join(dir, "after.test"), root},
	}
	err = checkOut(ctx, root, commit, p.before.folder)
	if err == nil {
		err = p.after.build(ctx)
	}
	if err == nil {
		if failed := p.before.build(ctx); failed != nil {
			err = fmt.Errorf("%w: %w", errNoBase, failed)
		}
	}
	if err != nil {
		remove()
		return p, nil, err
	}
	return p, remove, nil
}

// errNoBase says that the commit before does not build, which is no fault of this one.
var errNoBase = errors.New("there is nothing to compare with")

// checkOut writes the files of the commit to a folder. The repository stays as it is.
func checkOut(ctx context.Context, root, commit, folder string) error {
	if err := os.Mkdir(folder, 0o700); err != nil {
		return err
	}
	archive := exec.CommandContext(ctx, "git", "archive", "--format=tar", commit) //nolint:gosec // a commit's name
	archive.Dir = root
	files, err := archive.Output()
	if err != nil {
		return fmt.Errorf("git archive: %w", err)
	}
	unpack := exec.CommandContext(ctx, "tar", "-xf", "-", "-C", folder) //nolint:gosec // a path of our own
	unpack.Stdin = bytes.NewReader(files)
	if out, err := unpack.CombinedOutput(); err != nil {
		return fmt.Errorf("tar: %w\n%s", err, out)
	}
	return nil
}

func (p program) build(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, "go", "test", "-c", "-o", p.path, ".") //nolint:gosec // a path of our own
	cmd.Dir = p.folder
	// A workspace of a folder around is none of these modules'.
	if _, err := os.Stat(filepath.Join(p.folder, "go.work")); errors.Is(err, fs.ErrNotExist) {
		cmd.Env = append(os.Environ(), "GOWORK=off")
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building the benchmarks in %s: %w\n%s", p.folder, err, out)
	}
	return nil
}

// run runs benchmarks, one sample of each, and returns what they printed.
func (p program) run(ctx context.Context, bench string, each time.Duration) ([]byte, error) {
	cmd := exec.CommandContext(ctx, p.path, "-test.run=^$", "-test.benchmem", "-test.bench="+bench, //nolint:gosec // built by build
		"-test.benchtime="+each.String())
	cmd.Dir = p.folder
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("running the benchmarks in %s: %w\n%s", p.folder, err, out)
	}
	return out, nil
}
