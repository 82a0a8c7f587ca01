package main

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

func TestFromenvShowsTheLifeOfAKey(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out, nil), "%s", &out)
	assert.Equal(t, `the first request reads the key:
  the key of "EXAMPLE_KEY" was read
  sent with it: OK
the key is replaced; the old one is refused:
  sent with it: Unauthorized
  the key of "EXAMPLE_KEY" was read
  sent with it: OK
`, out.String())
}

// The reference is read anew each time: the variable, or the file, as it is then.
func TestFromEnv(t *testing.T) {
	source := fromEnv("EXAMPLE")
	read := func() (string, error) {
		got, err := source.Refresh(context.Background(), reauth.Credential{Provider: "openai"})
		return got.AccessToken, err
	}
	_, err := read()
	require.EqualError(t, err, "there is no key: set EXAMPLE, or EXAMPLE_FILE to the path of a file")
	for _, key := range []string{"sk-EXAMPLE-1", "sk-EXAMPLE-2"} {
		t.Setenv("EXAMPLE", key+"\n")
		got, err := read()
		require.NoError(t, err)
		assert.Equal(t, key, got)
	}
	path := filepath.Join(t.TempDir(), "key")
	t.Setenv("EXAMPLE_FILE", path)
	_, err = read()
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, os.WriteFile(path, []byte("sk-EXAMPLE-3\n"), 0o600))
	got, err := read()
	require.NoError(t, err)
	assert.Equal(t, "sk-EXAMPLE-3", got, "the file is preferred")
}

// With a key the program asks the provider itself, whose place the fake one takes here.
func TestFromenvWithAKey(t *testing.T) {
	fake := reauthtest.New(reauthtest.OpenAI)
	fake.AddKey("sk-EXAMPLE")
	network := http.DefaultTransport
	t.Cleanup(func() { http.DefaultTransport = network })
	http.DefaultTransport = fake.Transport()

	var out bytes.Buffer
	require.ErrorContains(t, run(t.Context(), &out, []string{"EXAMPLE"}), "the provider answers Unauthorized")
	assert.Contains(t, out.String(), `the key of "EXAMPLE" was not read: there is no key: set EXAMPLE`)

	t.Setenv("EXAMPLE", "sk-EXAMPLE")
	out.Reset()
	require.NoError(t, run(t.Context(), &out, []string{"EXAMPLE"}), "%s", &out)
	sent := fake.Requests()
	assert.Equal(t, "sk-EXAMPLE", sent[len(sent)-1].Token)
	assert.NotContains(t, out.String(), "sk-EXAMPLE")
}
