package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// environment describes the machine, the versions and the day of a report.
type environment struct {
	Quick    bool
	Day      string
	Cores    int
	System   string // operating system and architecture
	Load     string // of the machine before the benchmarks; empty if unknown
	Go       string
	Commit   string // of the library; empty outside of a repository
	Versions []version
	Contract string // the table of package conformance; empty in a quick pass
}

type version struct{ Path, Version string }

// peerModules returns the modules that are measured beside reauth.
func peerModules() []string {
	return []string{
		"golang.org/x/oauth2", "github.com/hashicorp/go-retryablehttp", "github.com/failsafe-go/failsafe-go",
		"github.com/bradleyfalzon/ghinstallation/v2", "github.com/anthropics/anthropic-sdk-go",
		"github.com/openai/openai-go/v3",
		"github.com/router-for-me/CLIProxyAPI/v7",
	}
}

// describe returns the environment of this run.
func describe(ctx context.Context) (environment, error) {
	env := environment{
		Day: day(time.Now()), Cores: runtime.NumCPU(), Go: runtime.Version(),
		System: strings.TrimSpace(systemName() + " " + runtime.GOOS + "/" + runtime.GOARCH),
	}
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		env.Load, _, _ = strings.Cut(string(text), " ")
	}
	args := append([]string{"list", "-m", "-f", "{{.Path}} {{.Version}}"}, peerModules()...)
	out, err := exec.CommandContext(ctx, "go", args...).Output() //nolint:gosec // constants
	if err != nil {
		return env, fmt.Errorf("asking for the versions of the peers: %w", err)
	}
	for line := range strings.Lines(string(out)) {
		path, v, _ := strings.Cut(strings.TrimSpace(line), " ")
		env.Versions = append(env.Versions, version{path, v})
	}
	commit, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--abbrev=12").Output()
	if err == nil {
		env.Commit = strings.TrimSpace(string(commit))
	}
	return env, nil
}

// systemName returns the name that a Linux distribution gives itself, or "" on other systems.
func systemName() string {
	file, err := os.Open("/etc/os-release")
	if err != nil {
		return ""
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if name, ok := strings.CutPrefix(lines.Text(), "PRETTY_NAME="); ok {
			return strings.Trim(name, `"`)
		}
	}
	return ""
}
