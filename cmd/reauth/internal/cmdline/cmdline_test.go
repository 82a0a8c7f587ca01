package cmdline_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/cmd/reauth/internal/cmdline"
)

func TestSplit(t *testing.T) {
	for text, want := range map[string][]string{
		"gh":                             {"gh"},
		" az account  get-access-token ": {"az", "account", "get-access-token"},
		"vault read -field=key a/b":      {"vault", "read", "-field=key", "a/b"},
		`["pass","show","my key"]`:       {"pass", "show", "my key"},
		` ["sh","-c","echo $KEY | cat"]`: {"sh", "-c", "echo $KEY | cat"},
	} {
		words, err := cmdline.Split(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, words, text)
	}
	for text, want := range map[string]error{
		"":                 cmdline.ErrNoProgram,
		"  ":               cmdline.ErrNoProgram,
		"[]":               cmdline.ErrNoProgram,
		`[""]`:             cmdline.ErrNoProgram,
		`["a",`:            cmdline.ErrNoArray,
		`["a",1]`:          cmdline.ErrNoArray,
		"pass show 'a b'":  cmdline.ErrShell,
		"echo $KEY":        cmdline.ErrShell,
		"pass show a|head": cmdline.ErrShell,
		"a; b":             cmdline.ErrShell,
		"a `b`":            cmdline.ErrShell,
		"a > b":            cmdline.ErrShell,
		"~/bin/key":        cmdline.ErrShell,
		"cat ~/key":        cmdline.ErrShell,
	} {
		_, err := cmdline.Split(text)
		require.ErrorIs(t, err, want, text)
	}
}
