package main

import (
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A record that cannot be read is named by each command: it would look like a login that is gone.
func TestBrokenRecordIsNamed(t *testing.T) {
	s := newShell(t)
	require.Zero(t, s.run("key-EXAMPLE-one\n", "add", "openai", "--key-stdin", "--id", "one").code)
	content, err := os.ReadFile(s.store())
	require.NoError(t, err)
	spoilt := regexp.MustCompile(`"access_token": "[^"]*"`).ReplaceAll(content, []byte(`"access_token": 5`))
	require.NotEqual(t, content, spoilt)
	require.NoError(t, os.WriteFile(s.store(), spoilt, 0o600))
	for _, args := range [][]string{{"status"}, {"status", "--json"}, {"probe", "openai"}, {"remove", "openai", "one"}} {
		r := s.run("", args...)
		assert.Contains(t, r.errors, "record openai-api/one: ", args)
		assert.Contains(t, r.errors, "mend the record in the file", args)
	}
}
