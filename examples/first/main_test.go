package main

import (
	"bytes"
	"log/slog"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

// The program starts three times, each time with an expired token in its file. The fake provider ends a
// login whose refresh token is used twice.
func TestFirstKeepsItsLogin(t *testing.T) {
	fake := reauthtest.New(reauthtest.XAI)
	network, logger := http.DefaultTransport, slog.Default()
	t.Cleanup(func() { http.DefaultTransport = network; slog.SetDefault(logger) })
	http.DefaultTransport = fake.Transport()
	var told bytes.Buffer
	slog.SetDefault(slog.New(slog.NewTextHandler(&told, nil)))
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	access, refresh := fake.Login()
	store(t, fake, reauth.Credential{Provider: "xai-oauth", AccessToken: access, RefreshToken: refresh})
	for range 3 {
		fake.Expire()
		var out bytes.Buffer
		pool, err := open(t.Context())
		require.NoError(t, err)
		require.NoError(t, fake.Use(pool))
		require.NoError(t, ask(pool, &out))
		require.NoError(t, pool.Close())
		assert.Contains(t, out.String(), "Hello from the fake provider.")
	}
	assert.True(t, fake.Alive(refresh))
	assert.Equal(t, 3, fake.Exchanges())
	assert.Zero(t, fake.Reuses())
	assert.Contains(t, told.String(), "refreshed")
	assert.NotContains(t, told.String(), access)
}

// store adds the login to the program's file, as the command does.
func store(t *testing.T, fake *reauthtest.Provider, login reauth.Credential) {
	t.Helper()
	path, err := reauth.DefaultStorePath()
	require.NoError(t, err)
	pool, err := reauth.OpenPool(t.Context(), reauth.NewFileStore(path))
	require.NoError(t, err)
	require.NoError(t, fake.Use(pool))
	_, err = pool.Add(t.Context(), login)
	require.NoError(t, err)
	require.NoError(t, pool.Close())
}
