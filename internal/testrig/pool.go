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

// TokenURL is the token endpoint of the refreshers of RefresherAt. No server is there: the round
// tripper of RefresherAt answers the requests.
const TokenURL = "https://auth.example.com" + reauthtest.TokenPath

// RefresherAt returns the refresher of a built-in provider. rt answers its token requests.
func RefresherAt(t testing.TB, provider string, rt http.RoundTripper) reauth.Refresher {
	t.Helper()
	r, err := reauth.BuiltinRefresher(provider, reauth.OAuth2Config{
		TokenURL: TokenURL, HTTPClient: &http.Client{Transport: rt},
	})
	require.NoError(t, err)
	return r
}

// Register registers a built-in provider with the pool, as changed by change.
func Register(t testing.TB, pool *reauth.Pool, provider string, change func(*reauth.Provider)) {
	t.Helper()
	p, ok := reauth.LookupProvider(provider)
	require.True(t, ok)
	change(&p)
	require.NoError(t, pool.Register(p))
}

// StatusOf returns the status of a credential of the pool. It fails the test if there is no such
// credential.
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

// Send sends a request, and reads and closes the body of the answer.
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

// All returns the events so far that have one of the types, or all events if no type is given.
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
