package scantest

import (
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// Dump returns what pg_dump writes of a schema in the PostgreSQL at a URL: what a backup holds.
func Dump(t testing.TB, url, schema string) []byte {
	t.Helper()
	program := "pg_dump"
	if found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/pg_dump"); len(found) > 0 { // the pattern is good
		program = slices.Max(found)
	}
	out, err := exec.Command(program, "--inserts", "--schema="+schema, url).Output()
	require.NoError(t, err, "pg_dump comes with PostgreSQL's server")
	return out
}
