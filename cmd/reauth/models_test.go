package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/cmd/reauth/internal/statusjson"
)

// A token that has expired is no trouble while something renews it. The state says which it is.
func TestStatusOfExpiredTokens(t *testing.T) {
	s := newShell(t)
	past := time.Now().Add(-90 * time.Minute)
	s.put(reauth.Credential{ID: "login", AccessToken: "at-" + marker, RefreshToken: "rt-" + marker, Expiry: past})
	s.put(reauth.Credential{ID: "token", AccessToken: "at-" + marker + "2", Expiry: past})
	out := inLines(s.run("", "status").ok())
	assert.Regexp(t, `login [0-9a-f]{8} - good; token expired 1h30m ago, renewed on use`, out)
	assert.Regexp(t, `token [0-9a-f]{8} - expired 1h30m ago, nothing renews it`, out)
}

// A credential that is put aside for a model stays good for others, and status says both.
func TestStatusTellsModels(t *testing.T) {
	s := newClearShell(t)
	s.run("key-"+marker, "add", "anthropic", "--key-stdin", "--id", "team").ok()
	store := reauth.NewFileStore(s.store())
	snap, err := store.Load(t.Context(), "")
	require.NoError(t, err)
	require.Len(t, snap.Entries, 1)
	of, now := snap.Entries[0].Login.UTC().Format(time.RFC3339Nano), time.Now()
	for key, m := range map[string]reauth.Mark{
		"model:opus*": {Until: now.Add(50 * time.Hour), Reason: "usage", Of: of, At: now},
		"model:claude-sonnet-4-5 api.anthropic.com": {Until: now.Add(5 * time.Minute), Reason: "plan", Of: of, At: now},
	} {
		require.NoError(t, store.Mark(context.Background(), "anthropic", "team", key, m, time.Time{}))
	}
	row := s.run("", "status").ok()
	row = strings.Join(strings.Fields(row), " ")
	assert.Contains(t, row, "good, claude-sonnet-4-5 at api.anthropic.com put aside until ")
	assert.Regexp(t, `opus\* put aside until [0-9-]+ [0-9:]+ \(in 2d01h\), usage`, row)

	var doc struct{ Credentials []statusjson.Credential }
	require.NoError(t, json.Unmarshal([]byte(s.run("", "status", "--json").ok()), &doc))
	require.Len(t, doc.Credentials[0].Models, 2)
	assert.Equal(t, "api.anthropic.com", doc.Credentials[0].Models[0].Host)
	assert.Equal(t, "opus*", doc.Credentials[0].Models[1].Model)
	assert.Equal(t, "aside", doc.Credentials[0].Models[1].State)
	assert.Contains(t, s.run("", "reset", "anthropic", "team").ok(), "team")
	assert.NotContains(t, s.run("", "status").ok(), "opus")
}
