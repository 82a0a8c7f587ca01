// Package licences holds no code. Its test finds the licences of the modules that a program with reauth
// contains, in their own files, and compares them with docs/licences.md; "go test -update" writes the
// table anew.
package licences

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/licensecheck"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the table of docs/licences.md from this run")

const (
	root     = "../.."
	document = root + "/docs/licences.md"
)

// parts are what a user may take, with the packages whose modules count. The first part that has a
// module is where the table names it.
var parts = []struct {
	name, folder string
	packages     []string
}{
	{"library", ".", []string{".", "./login"}},
	{"keyring", "keyring", []string{"./..."}},
	{"command", "cmd/reauth", []string{"."}},
}

// module is a row of the table.
type module struct{ path, version, dir, part string }

// modules returns those of others that the packages import on any of the systems of a release.
func modules(t *testing.T) []module {
	t.Helper()
	var found []module
	for _, part := range parts {
		for _, system := range []string{"linux", "darwin", "windows"} {
			cmd := exec.CommandContext(t.Context(), "go", append([]string{
				"list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}",
			}, part.packages...)...)
			cmd.Dir = filepath.Join(root, part.folder)
			cmd.Env = append(os.Environ(), "GOOS="+system, "CGO_ENABLED=0")
			cmd.Stderr = os.Stderr
			out, err := cmd.Output()
			require.NoError(t, err)
			for line := range strings.Lines(string(out)) {
				f := strings.Fields(line)
				require.Len(t, f, 3, "%s is in no folder", line)
				if !slices.ContainsFunc(found, func(m module) bool { return m.path == f[0] }) {
					found = append(found, module{f[0], f[1], f[2], part.name})
				}
			}
		}
	}
	return found
}

// licenceOf returns the SPDX names of what stands in a module's licence files.
func licenceOf(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "LICEN[CS]E*"))
	require.NoError(t, err)
	more, err := filepath.Glob(filepath.Join(dir, "COPYING*"))
	require.NoError(t, err)
	var names []string
	for _, file := range append(files, more...) {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, match := range licensecheck.Scan(text).Match {
			if !slices.Contains(names, match.ID) {
				names = append(names, match.ID)
			}
		}
	}
	require.NotEmpty(t, names, "%s has no licence that is known", dir)
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// Each licence lets a program of any kind contain the module; MPL-2.0 asks for the source of that
// module alone.
var allowed = []string{"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MPL-2.0"}

func TestLicences(t *testing.T) {
	var table strings.Builder
	table.WriteString("| module | version | licence | first in |\n|---|---|---|---|\n")
	found := modules(t)
	require.NotEmpty(t, found)
	for _, m := range found {
		licence := licenceOf(t, m.dir)
		for name := range strings.SplitSeq(licence, ", ") {
			require.Contains(t, allowed, name, m.path)
		}
		fmt.Fprintf(&table, "| %s | %s | %s | %s |\n", m.path, m.version, licence, m.part)
	}
	text, err := os.ReadFile(document)
	require.NoError(t, err)
	before, _, ok := strings.Cut(string(text), "| module |")
	require.True(t, ok, "%s has no table", document)
	want := before + table.String()
	if *update {
		require.NoError(t, os.WriteFile(document, []byte(want), 0o600))
	}
	require.Equal(t, want, string(text), "if the modules are right: go test ./licences -update")
}
