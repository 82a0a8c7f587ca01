//go:build unix

package sealkey_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/cmd/reauth/internal/sealkey"
)

// key has bytes that the two alphabets of Base64 write in different ways.
var key = bytes.Repeat([]byte{0xfb, 0xef, 0xbe, 0xff}, 8)

func TestDecode(t *testing.T) {
	for name, text := range map[string]string{
		"Base64":              base64.StdEncoding.EncodeToString(key),
		"without padding":     base64.RawStdEncoding.EncodeToString(key),
		"of URLs":             base64.URLEncoding.EncodeToString(key),
		"that without it":     base64.RawURLEncoding.EncodeToString(key),
		"hexadecimal":         hex.EncodeToString(key),
		"capital hexadecimal": strings.ToUpper(hex.EncodeToString(key)),
		"a line":              base64.StdEncoding.EncodeToString(key) + "\r\n",
		"among blanks":        " \t\n" + hex.EncodeToString(key) + " \n\n",
	} {
		got, err := sealkey.Decode(text)
		require.NoError(t, err, name)
		assert.Equal(t, key, got, name)
	}
	fresh, err := sealkey.Decode(sealkey.New())
	require.NoError(t, err)
	assert.NotEqual(t, fresh, make([]byte, 32))
	assert.NotEqual(t, sealkey.New(), sealkey.New())
}

func TestWhatIsNoKey(t *testing.T) {
	for text, want := range map[string]string{
		"":                                 "empty",
		" \n":                              "empty",
		string(key):                        "32 bytes that are not encoded (base64 encodes a file)",
		"correct horse battery staple":     "a text of 28 characters",
		hex.EncodeToString(key[:16]):       "16 bytes in hexadecimal digits",
		hex.EncodeToString(append(key, 1)): "33 bytes in hexadecimal digits",
		base64.StdEncoding.EncodeToString(key[:20]):                               "20 bytes in Base64",
		base64.RawURLEncoding.EncodeToString(append(key, key...)):                 "64 bytes in Base64",
		base64.StdEncoding.EncodeToString(key) + "\n" + hex.EncodeToString(key):   "several lines",
		base64.StdEncoding.EncodeToString(key)[:42] + "-=":                        "a text of 44 characters",
		"-----BEGIN PRIVATE KEY-----\nMC4C\n-----END PRIVATE KEY-----\n":          "several lines",
		`{"key":"` + base64.StdEncoding.EncodeToString(key) + `"}`:                "a text of 54 characters",
		strings.TrimRight(base64.StdEncoding.EncodeToString(key), "=")[:42] + "/": "a text of 43 characters",
	} {
		_, err := sealkey.Decode(text)
		require.ErrorContains(t, err, "it is no key but "+want+"; a key is 32 random bytes")
		require.ErrorContains(t, err, "reauth store key")
		if len(text) > 10 {
			require.NotContains(t, err.Error(), text[:10])
		}
	}
}

// names returns how the sources call themselves.
func names(t *testing.T, texts ...string) (list []string) {
	t.Helper()
	sources, err := sealkey.Parse(texts)
	require.NoError(t, err, texts)
	for _, s := range sources {
		list = append(list, s.String())
	}
	return list
}

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   "",
		"keyring":                            "keyring",
		"keyring:reauth":                     "keyring",
		"keyring:other":                      "keyring:other",
		"env:NEW, env:OLD":                   "env:NEW env:OLD",
		"keyring:new,keyring":                "keyring:new keyring",
		"keyring,file:/a,b,env:C":            "keyring file:/a,b env:C",
		"file:keyring,x":                     "file:keyring,x",
		"command:pass show a,b,file:/k":      "command:pass file:/k",
		`command:["x","a,env:B"],env:C`:      "command:x env:C",
		`command:["x",",keyring"]`:           "command:x",
		"command:/usr/bin/x --secret s3cr3t": "command:/usr/bin/x",
		"  env:A  ":                          "env:A",
	} {
		assert.Equal(t, want, strings.Join(names(t, text), " "), text)
	}
	assert.Equal(t, []string{"env:A", "env:B", "keyring"}, names(t, "env:A", "env:B,keyring"))
}

func TestParseRefuses(t *testing.T) {
	text := base64.RawURLEncoding.EncodeToString(key)
	for given, want := range map[string]string{
		"key":                             "named by keyring, env:NAME",
		"keyring:":                        "named by keyring",
		"env:":                            "named by keyring",
		"env:s3cr3t-key":                  "named by keyring",
		"env:$KEY":                        "named by keyring",
		"file:":                           "named by keyring",
		"vault:s3cr3t":                    "named by keyring",
		"env:A,":                          "named by keyring",
		"command:":                        "wants a program",
		"command:  ":                      "wants a program",
		"command:[]":                      "wants a program",
		`command:[""]`:                    "wants a program",
		`command:["s3cr3t`:                "an array of texts",
		"command:[1]":                     "an array of texts",
		`command:echo "s3cr3t"`:           "no shell",
		"command:cat s3cr3t | head":       "no shell",
		`command:cat my\ s3cr3t`:          "no shell",
		text:                              "the key itself",
		"env:" + text:                     "the key itself",
		"file:" + text:                    "the key itself",
		"file:" + hex.EncodeToString(key): "the key itself",
	} {
		_, err := sealkey.Parse([]string{"env:GOOD", given})
		require.ErrorContains(t, err, want, given)
		assert.NotContains(t, err.Error(), "s3cr3t", given)
		assert.NotContains(t, err.Error(), text[:10], given)
	}
}

// keyOf returns the key of the one source that a text names.
func keyOf(t *testing.T, text string) ([]byte, error) {
	t.Helper()
	sources, err := sealkey.Parse([]string{text})
	require.NoError(t, err)
	require.Len(t, sources, 1)
	return sources[0].Key(t.Context())
}

func TestKeyOfEachSource(t *testing.T) {
	text := base64.StdEncoding.EncodeToString(key)
	folder := t.TempDir()
	file := filepath.Join(folder, "my key, the first")
	require.NoError(t, os.WriteFile(file, []byte(text+"\n"), 0o400))
	program := filepath.Join(folder, "program")
	require.NoError(t, os.WriteFile(program, []byte("#!/bin/sh\necho warning >&2\n[ $# = 2 ] && cat \"$2\"\n"), 0o700))
	t.Setenv("REAUTH_TEST_KEY", text+"\n")
	for _, source := range []string{
		"env:REAUTH_TEST_KEY", "file:" + file, "command:" + program + " --  /dev/stdin",
		`command:["` + program + `","--","` + file + `"]`,
	} {
		got, err := keyOf(t, source)
		if strings.HasSuffix(source, "/dev/stdin") {
			require.ErrorContains(t, err, "no key but empty", "there is nothing to read")
			continue
		}
		require.NoError(t, err, source)
		assert.Equal(t, key, got)
	}
}

func TestNoKeyInASource(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "key")
	require.NoError(t, os.WriteFile(file, []byte("s3cr3t\n"), 0o600))
	open := filepath.Join(folder, "open")
	require.NoError(t, os.WriteFile(open, []byte(sealkey.New()), 0o644))
	large := filepath.Join(folder, "large")
	require.NoError(t, os.WriteFile(large, bytes.Repeat([]byte("s3cr3t"), 1000), 0o600))
	t.Setenv("REAUTH_TEST_KEY", "s3cr3t")
	t.Setenv("REAUTH_TEST_EMPTY", "")
	for source, want := range map[string]string{
		"env:REAUTH_TEST_KEY":         "no key but a text of 6 characters",
		"env:REAUTH_TEST_EMPTY":       "env:REAUTH_TEST_EMPTY: the variable is not set, or empty",
		"file:" + file:                "no key but a text of 6 characters",
		"file:" + open:                "others can read or write it",
		"file:" + large:               "at most 4096 are read",
		"file:" + folder:              "a folder",
		"file:" + folder + "/none":    "no such file",
		"command:" + folder + "/none": "no such file",
		"command:no-such-program":     "not found",
		"command:cat " + file:         "no key but a text of 6 characters",
		"command:cat " + file + "/x":  "the command failed (exit status 1); run it by hand",
		"command:yes s3cr3t":          "the command printed more than 4 KiB",
	} {
		_, err := keyOf(t, source)
		require.ErrorContains(t, err, want, source)
		require.ErrorContains(t, err, "reauth: the key that seals the store, ")
		require.NotContains(t, err.Error(), "s3cr3t")
	}
}

// A command ends with the context.
func TestCommandThatHangs(t *testing.T) {
	began := filepath.Join(t.TempDir(), "began")
	sources, err := sealkey.Parse([]string{`command:["sh","-c","touch ` + began + `; sleep 1000"]`})
	require.NoError(t, err)
	enough := errors.New("that is enough")
	ctx, stop := context.WithCancelCause(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := sources[0].Key(ctx)
		ended <- err
	}()
	require.Eventually(t, func() bool { _, err := os.Stat(began); return err == nil }, 30*time.Second, time.Millisecond)
	stop(enough)
	require.ErrorIs(t, <-ended, enough)
}
