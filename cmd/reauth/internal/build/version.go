// Package build tells which build of the command runs.
package build

import (
	"cmp"
	"runtime/debug"
	"strings"
)

// release is the version of a released binary, which the linker sets: a build in a workspace has
// neither a version nor a commit.
var release string //nolint:gochecknoglobals // never changed

// Version returns the version of the module, as "go install" records it or the release was built.
// For a build from a checkout it is the commit, as far as it is known.
func Version() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && v == "(devel)" {
			return "devel-" + s.Value[:min(len(s.Value), 12)]
		}
	}
	return strings.Trim(cmp.Or(v, "unknown"), "()")
}
