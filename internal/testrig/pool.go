package testrig

import (
	"context"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

// TokenURL is where the refreshers of RefresherAt ask. Nothing is served there: the request ends in
// the round tripper that RefresherAt was given.
const TokenURL = "https://auth.example.com" + reauthtest.TokenPath

// RefresherAt returns the provider's own refresher, whose token endpoint is rt.
func RefresherAt(t testing.TB, provider string, rt http.RoundTripper) reauth.Refresher {
	t.Helper()
	r, err := reauth.BuiltinRefresher(provider, reauth.OAuth2Config{
		TokenURL: TokenURL, HTTPClient: &http.Client{Transport: rt},
	})
	require.NoError(t, err)
	return r
}

// Register registers a built-in provider with the pool, after change has changed it.
func Register(t testing.TB, pool *reauth.Pool, provider string, change func(*reauth.Provider)) {
	t.Helper()
	p, ok := reauth.LookupProvider(provider)
	require.True(t, ok)
	change(&p)
	require.NoError(t, pool.Register(p))
}

// StatusOf returns how a credential of the pool stands. It must be there.
func StatusOf(t testing.TB, pool *reauth.Pool, provider, id string) reauth.CredentialStatus {
	t.Helper()
	for _, s := range pool.Status() {
		if s.Provider == provider && s.ID == id {
			return s
		}
	}
	t.Fatalf("no credential %q", id)
	return reauth.CredentialStatus{}
}

// Send sends a request, and reads and closes the answer's body.
func Send(client *http.Client, req *http.Request) (status int, body string, err error) {
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// EventLog keeps the events of a pool whose Observe is set to its Observe.
type EventLog struct {
	mu   sync.Mutex
	list []reauth.Event
}

// Observe adds an event.
func (l *EventLog) Observe(_ context.Context, e reauth.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, e)
}

// All returns the events so far: those of the types, or of all types when none is given.
func (l *EventLog) All(types ...reauth.EventType) (list []reauth.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.list {
		if len(types) == 0 || slices.Contains(types, e.Type) {
			list = append(list, e)
		}
	}
	return list
}
