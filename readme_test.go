package reauth_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/fixturetest"
	"github.com/reauth-go/reauth/internal/testrig"
	"github.com/reauth-go/reauth/reauthtest"
)

// openPool is the program of docs/keep-a-login.md.

// openPool returns a pool over the file of the command reauth, which keeps the newest tokens.
func openPool(ctx context.Context, accessToken, refreshToken string) (*reauth.Pool, error) {
	path, err := reauth.DefaultStorePath()
	if err != nil {
		return nil, err
	}
	pool, err := reauth.OpenPool(ctx, reauth.NewFileStore(path))
	if err != nil {
		return nil, err
	}
	pool.Logger = slog.Default()
	// A pair that the file has seen before changes nothing: what has replaced it since is in use.
	_, err = pool.Add(ctx, reauth.Credential{Provider: "xai-oauth", AccessToken: accessToken, RefreshToken: refreshToken})
	if err != nil {
		return nil, errors.Join(err, pool.Close())
	}
	return pool, nil
}

// complete sends a request, as the program of the README does.
func complete(pool *reauth.Pool) error {
	client := &http.Client{Transport: reauth.NewRecoveringTransport(nil, pool)}
	resp, err := client.Post("https://api.x.ai/v1/chat/completions", "application/json",
		strings.NewReader(`{"model":"grok-4","messages":[{"role":"user","content":"Hello"}]}`))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(os.Stdout, resp.Body)
	return err
}

// A program that gets its login from its environment starts three times with the same pair, as the
// program of docs/keep-a-login.md does. The provider revokes a login whose refresh token is used twice.
func TestReadmeProgramKeepsItsLogin(t *testing.T) {
	fake := reauthtest.New(reauthtest.XAI)
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	network, output, logger := http.DefaultTransport, os.Stdout, slog.Default()
	t.Cleanup(func() { http.DefaultTransport, os.Stdout = network, output; slog.SetDefault(logger) })
	http.DefaultTransport = fake.Transport()
	var log strings.Builder
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	access, refresh := fake.Login()
	for range 3 {
		pool, err := openPool(t.Context(), access, refresh)
		require.NoError(t, err)
		testrig.Register(t, pool, "xai-oauth", func(p *reauth.Provider) {
			p.Refresher = testrig.RefresherAt(t, "xai-oauth", fake.Transport())
		})
		token, err := pool.Token(t.Context(), "xai-oauth")
		require.NoError(t, err)
		fake.Expire(token.AccessToken)
		answer, err := os.CreateTemp(t.TempDir(), "")
		require.NoError(t, err)
		os.Stdout = answer
		require.NoError(t, complete(pool))
		os.Stdout = output
		require.NoError(t, answer.Close())
		got, err := os.ReadFile(answer.Name())
		require.NoError(t, err)
		assert.Contains(t, string(got), "choices")
		require.NoError(t, pool.Close())
	}
	assert.Equal(t, 3, strings.Count(log.String(), "reason=persisted")+strings.Count(log.String(), "refreshed"), log.String())
}

// openOnHost and openOnFleet are the two ways to share a pool of docs/many-machines.md.

func openOnHost(ctx context.Context, path string) (*reauth.Pool, error) {
	return reauth.OpenPool(ctx, reauth.NewFileStore(path))
}

func openOnFleet(ctx context.Context, url string) (*reauth.Pool, error) {
	db, err := sql.Open("pgx", url)
	if err != nil {
		return nil, err
	}
	store, err := reauth.NewSQLStore(ctx, db) // makes its tables, reauth_*, if they are not there
	if err != nil {
		return nil, err
	}
	return reauth.OpenPool(ctx, store)
}

// addCommand is the source of docs/sources.md.

func addCommand(ctx context.Context, pool *reauth.Pool) error {
	// The command runs at the first use, before the key ends, and when the provider has refused it.
	source := reauth.CommandSource("vault", "read", "-field=key", "secret/openai")
	_, err := pool.AddSource(ctx, reauth.Credential{Provider: "openai"}, source)
	return err
}

func TestReadmeSource(t *testing.T) {
	pool := reauth.NewPool()
	require.NoError(t, addCommand(t.Context(), pool))
	assert.Equal(t, `reauth.CommandSource("vault")`, testrig.StatusOf(t, pool, "openai-api", "source").Source)
	require.NoError(t, pool.Close())
}

func TestReadmeSharing(t *testing.T) {
	pool, err := openOnHost(t.Context(), filepath.Join(t.TempDir(), "auth.json"))
	require.NoError(t, err)
	require.NoError(t, pool.Close())
	_, err = openOnFleet(t.Context(), "postgres://")
	require.ErrorContains(t, err, "pgx", "this module imports no driver; integration/ uses PostgreSQL")
}

// newMyStore and TestMyStore are the example of docs/stores.md, with a store that keeps its word.

var myStores = make(map[string]reauth.Store)

func newMyStore(path string) reauth.Store {
	if myStores[path] == nil {
		myStores[path] = reauth.NewMemStore()
	}
	return myStores[path]
}

func TestMyStore(t *testing.T) {
	folder := t.TempDir()
	reauthtest.TestStore(t, func(_ *testing.T, place string) reauth.Store {
		return newMyStore(filepath.Join(folder, place))
	})
}

// The README is a front page: a newcomer reads it in a few minutes.
func TestReadmeIsShort(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	assert.LessOrEqual(t, strings.Count(string(readme), "\n"), 150)
}

func TestReadmeFigures(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	assert.Contains(t, string(readme), fmt.Sprintf("reading is tested on %d answers", len(fixturetest.Answers(t, "fixtures"))))
	assert.Contains(t, string(readme), fmt.Sprintf("headers of %d providers", len(reauth.ProviderNames())))
	for _, name := range reauth.ProviderNames() {
		p, _ := reauth.LookupProvider(name)
		if p.Refresher != nil && name != "minimax-cn" {
			assert.Contains(t, string(readme), name)
		}
	}
}
