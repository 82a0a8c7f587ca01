// Package commandtest builds the command for tests, which run what a user runs.
package commandtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
)

// Build builds the command, whose source is in a folder, in a temporary folder. remove removes it.
// When the tests look for races, the command reports its own.
func Build(folder string) (path string, remove func(), err error) {
	dir, err := os.MkdirTemp("", "reauth-cmd-")
	if err != nil {
		return "", nil, err
	}
	remove = func() { _ = os.RemoveAll(dir) }
	path = filepath.Join(dir, "reauth")
	args := []string{"build", "-o", path}
	race := debug.BuildSetting{Key: "-race", Value: "true"}
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, race) {
		args = append(args, "-race")
		if os.Getenv("GORACE") == "" {
			// By default the race detector makes each process wait a second before it exits.
			err = os.Setenv("GORACE", "atexit_sleep_ms=20")
		}
	}
	if err == nil {
		var out []byte
		if out, err = exec.Command("go", append(args, folder)...).CombinedOutput(); err != nil { //nolint:gosec // a folder of ours
			err = fmt.Errorf("build the command: %w\n%s", err, out)
		}
	}
	if err != nil {
		remove()
		return "", nil, err
	}
	return path, remove, nil
}
