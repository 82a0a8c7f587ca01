package reauth_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/testrig"
)

// codexWorld is a server in the place of chatgpt.com, behind net/http's own transport, which refuses
// a header that cannot be sent.
type codexWorld struct {
	client *http.Client
	pool   *reauth.Pool
	events eventLog

	mu   sync.Mutex
	dead string        // the access token that is refused
	got  []http.Header // of each request
}

const codexURL = "https://chatgpt.com/backend-api/codex/responses"

func newCodexWorld(t *testing.T, pool *reauth.Pool) *codexWorld {
	t.Helper()
	w := &codexWorld{pool: pool}
	pool.Observe = w.events.observe
	server := httptest.NewTLSServer(w)
	base := &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
		},
	}
	w.client = &http.Client{Transport: reauth.NewRecoveringTransport(base, pool)}
	t.Cleanup(func() {
		base.CloseIdleConnections()
		server.Close()
		require.NoError(t, pool.Close())
	})
	return w
}

func (w *codexWorld) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.got = append(w.got, r.Header)
	if w.dead != "" && r.Header.Get("Authorization") == "Bearer "+w.dead {
		http.Error(rw, `{"error":{"code":"token_expired"}}`, http.StatusUnauthorized)
	}
}

// send sends a request, which must be served, and returns token and account that the server got.
func (w *codexWorld) send(t *testing.T) (token, account string) {
	t.Helper()
	resp, err := w.client.Get(codexURL)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 200, resp.StatusCode)
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.got[len(w.got)-1]
	return h.Get("Authorization"), h.Get("Chatgpt-Account-Id")
}

// refreshBy registers the provider with a refresher that returns c and err.
func (w *codexWorld) refreshBy(t *testing.T, c reauth.Credential, err error) {
	t.Helper()
	testrig.Register(t, w.pool, "openai-codex", func(p *reauth.Provider) {
		p.Refresher = reauth.RefresherFunc(func(context.Context, reauth.Credential) (reauth.Credential, error) { return c, err })
	})
}

// unsendable are values that net/http would refuse in a header, or no store could keep.
var unsendable = []string{"a\nb", "a\r\nEvil: 1", "a\x00b", "a\x7fb", "a\x1b[31mb", "a\u0085b", "a\xffb"}

// What a refresher returns and cannot be sent counts as absent: the rest of it is used, saved, and
// the trouble is told.
func TestUnfitValuesOfARefresher(t *testing.T) {
	old := reauth.Credential{
		Provider: "openai-codex", ID: "me", AccessToken: "at-old", RefreshToken: "rt-old", AccountID: "acct-old",
	}
	for _, bad := range unsendable {
		for name, c := range map[string]struct{ got, want reauth.Credential }{
			"account": {
				reauth.Credential{AccessToken: "at-new", RefreshToken: "rt-new", AccountID: bad},
				reauth.Credential{AccessToken: "at-new", RefreshToken: "rt-new", AccountID: "acct-old"},
			},
			"refresh token": {
				reauth.Credential{AccessToken: "at-new", RefreshToken: bad, AccountID: "acct-new"},
				reauth.Credential{AccessToken: "at-new", RefreshToken: "rt-old", AccountID: "acct-new"},
			},
			"metadata": {
				reauth.Credential{AccessToken: "at-new", RefreshToken: "rt-new", Metadata: map[string]string{"k": "a\xffb"}},
				reauth.Credential{AccessToken: "at-new", RefreshToken: "rt-new", AccountID: "acct-old"},
			},
		} {
			t.Run(fmt.Sprintf("%s %q", name, bad), func(t *testing.T) {
				store := reauth.NewMemStore()
				pool, err := reauth.OpenPool(t.Context(), store)
				require.NoError(t, err)
				w := newCodexWorld(t, pool)
				w.refreshBy(t, c.got, nil)
				_, err = pool.Add(t.Context(), old)
				require.NoError(t, err)
				w.dead = "at-old"
				token, account := w.send(t)
				assert.Equal(t, []string{"Bearer at-new", c.want.AccountID}, []string{token, account})
				stored := store.Record(t, "openai-codex", "me").Credential
				stored.Provider, stored.ID, stored.Metadata = "", "", nil
				assert.Equal(t, c.want, stored)
				assert.Empty(t, w.events.all(reauth.StoreFailed))
				told := w.events.all(reauth.RefreshFailed)
				require.Len(t, told, 1)
				assert.Equal(t, "refresh:bad_token", told[0].Reason)
				assert.Len(t, w.events.all(reauth.Refreshed), 1)
			})
		}
	}
}

// What no store can keep beside the tokens is left out of a refresher's result, and told: else the pair
// would be lost with the process.
func TestWhatNoStoreKeepsOfARefresher(t *testing.T) {
	notes := map[string]string{"notes": strings.Repeat("n", 40<<10)}
	for name, got := range map[string]reauth.Credential{
		"more metadata than fits": {Metadata: map[string]string{"more": strings.Repeat("m", 40<<10)}},
		"the library's own note":  {Metadata: map[string]string{"reauth-sealed": "1.a.b.c"}},
		"a long account":          {AccountID: strings.Repeat("a", 5000)},
	} {
		t.Run(name, func(t *testing.T) {
			store := reauth.NewMemStore()
			pool, err := reauth.OpenPool(t.Context(), store)
			require.NoError(t, err)
			w := newCodexWorld(t, pool)
			got.AccessToken, got.RefreshToken = "at-new", "rt-new"
			w.refreshBy(t, got, nil)
			c := reauth.Credential{
				Provider: "openai-codex", ID: "me", AccessToken: "at-old", RefreshToken: "rt-old", AccountID: "acct-1",
				Metadata: notes,
			}
			_, err = pool.Add(t.Context(), c)
			require.NoError(t, err)
			require.NoError(t, pool.Refresh(t.Context(), "codex", "me"))
			c.AccessToken, c.RefreshToken = "at-new", "rt-new"
			assert.Equal(t, c, store.Record(t, "openai-codex", "me").Credential)
			assert.Empty(t, w.events.all(reauth.StoreFailed))
			told := w.events.all(reauth.RefreshFailed)
			require.Len(t, told, 1)
			assert.Equal(t, "refresh:bad_token", told[0].Reason)
		})
	}
}

// An access token that cannot be sent is no new one; a refresh token beside it is kept.
func TestUnfitAccessTokenOfARefresher(t *testing.T) {
	for _, bad := range unsendable {
		store := reauth.NewMemStore()
		pool, err := reauth.OpenPool(t.Context(), store)
		require.NoError(t, err)
		w := newCodexWorld(t, pool)
		w.refreshBy(t, reauth.Credential{AccessToken: bad, RefreshToken: "rt-new"}, nil)
		c := reauth.Credential{Provider: "openai-codex", ID: "me", AccessToken: "at-old", RefreshToken: "rt-old"}
		_, err = pool.Add(t.Context(), c)
		require.NoError(t, err)
		var re *reauth.RefreshError
		require.ErrorAs(t, pool.Refresh(t.Context(), "codex", "me"), &re)
		assert.Equal(t, "bad_token", re.Code)
		token, _ := w.send(t)
		assert.Equal(t, "Bearer at-old", token)
		assert.Equal(t, "rt-new", store.Record(t, "openai-codex", "me").Credential.RefreshToken)
	}
}

// The built-in refresher of Codex takes the account from a claim of the token.
func TestUnfitAccountOfARefreshedJWT(t *testing.T) {
	access := exampleJWT(`{"sub":"user-1","https://api.openai.com/auth":{"chatgpt_account_id":"acct\n2"}}`)
	pool := reauth.NewPool()
	w := newCodexWorld(t, pool)
	endpoint := roundTripFunc(func(req *http.Request) (*http.Response, error) {
		return answer(req, 200, fmt.Sprintf(`{"access_token":%q,"refresh_token":"rt-new"}`, access)), nil
	})
	refresher := testrig.RefresherAt(t, "openai-codex", endpoint)
	testrig.Register(t, pool, "openai-codex", func(p *reauth.Provider) { p.Refresher = refresher })
	_, err := pool.Add(t.Context(), reauth.Credential{
		Provider: "codex", ID: "me", AccessToken: "at-old", RefreshToken: "rt-old", AccountID: "acct-1",
	})
	require.NoError(t, err)
	require.NoError(t, pool.Refresh(t.Context(), "codex", "me"))
	token, account := w.send(t)
	assert.Equal(t, []string{"Bearer " + access, "acct-1"}, []string{token, account})
}

// A record of a store with a value that cannot be sent serves without that value, and is told.
func TestUnfitValuesOfAStore(t *testing.T) {
	good := reauth.Credential{Provider: "openai-codex", ID: "me", AccessToken: "at-1", RefreshToken: "rt-1", AccountID: "acct-1"}
	for name, c := range map[string]struct {
		spoil          func(c *reauth.Credential)
		token, account string
		says           string
	}{
		"account":       {func(c *reauth.Credential) { c.AccountID = "acct\n1" }, "Bearer at-1", "", "AccountID holds"},
		"access token":  {func(c *reauth.Credential) { c.AccessToken = "SECRET\n1" }, "Bearer at-new", "acct-1", "AccessToken holds"},
		"refresh token": {func(c *reauth.Credential) { c.RefreshToken = "SECRET\n1" }, "Bearer at-1", "acct-1", "RefreshToken holds"},
		"both tokens": {
			func(c *reauth.Credential) { c.AccessToken, c.RefreshToken = "SECRET\n1", "SECRET\n2" }, "", "",
			"AccessToken, RefreshToken holds",
		},
	} {
		spoilt := good
		c.spoil(&spoilt)
		memory := reauth.NewMemStore()
		memory.Put(t, good, time.Time{})
		memory.PutBack(t, "openai-codex", "me", reauth.Entry{Credential: spoilt, Login: time.Now(), Generation: 1})
		path := filepath.Join(t.TempDir(), "auth.json")
		write(t, path, fmt.Sprintf(`{"format":"reauth","version":2,"identity":"I","credentials":[{"provider":"openai-codex",`+
			`"id":"me","access_token":%q,"refresh_token":%q,"account_id":%q,"login":"2026-01-01T00:00:00Z","generation":1}]}`,
			spoilt.AccessToken, spoilt.RefreshToken, spoilt.AccountID))
		for store, s := range map[string]reauth.Store{"memory": memory, "file": reauth.NewFileStore(path)} {
			t.Run(name+" "+store, func(t *testing.T) {
				pool, err := reauth.OpenPool(t.Context(), s)
				require.NoError(t, err)
				w := newCodexWorld(t, pool)
				w.refreshBy(t, reauth.Credential{AccessToken: "at-new", RefreshToken: "rt-new"}, nil)
				token, account := w.send(t)
				assert.Equal(t, []string{c.token, c.account}, []string{token, account})
				require.NoError(t, pool.Reset(t.Context(), "codex", "me")) // it looks at the store
				told := w.events.all(reauth.StoreFailed)
				require.Len(t, told, 1)
				assert.Equal(t, "record", told[0].Reason)
				require.ErrorContains(t, told[0].Err, c.says)
				assert.NotContains(t, told[0].Err.Error(), "SECRET")

				// A person adds the login anew.
				_, err = pool.Add(t.Context(), reauth.Credential{Provider: "codex", ID: "me", AccessToken: "at-1", AccountID: "acct-2"})
				require.NoError(t, err)
				again, err := reauth.OpenPool(t.Context(), s)
				require.NoError(t, err)
				require.NoError(t, again.Close())
				next, err := again.Token(t.Context(), "codex")
				require.NoError(t, err)
				assert.NotContains(t, next.AccessToken+next.RefreshToken, "SECRET")
			})
		}
	}
}

// A followed program's token names an account that cannot be sent.
func TestUnfitAccountOfAFollowedLogin(t *testing.T) {
	const file = `{"tokens":{"access_token":%q,"refresh_token":"programs-refresh-token"}}`
	access := exampleJWT(`{"sub":"user-1","https://api.openai.com/auth":{"chatgpt_account_id":"acct\n2"}}`)
	f := newProgramFile(t, file)
	f.write(access)
	pool := reauth.NewPool()
	w := newCodexWorld(t, pool)
	_, err := pool.Add(t.Context(), reauth.Follow("codex", f.path))
	require.NoError(t, err)
	token, account := w.send(t)
	assert.Equal(t, []string{"Bearer " + access, ""}, []string{token, account})
}

// The followed program writes a token that cannot be sent: the one before serves on.
func TestUnfitTokenOfAFollowedLogin(t *testing.T) {
	f := newProgramFile(t, `{"tokens":{"access_token":%q,"refresh_token":"programs-refresh-token"}}`)
	f.write("at-1")
	pool := reauth.NewPool()
	w := newCodexWorld(t, pool)
	_, err := pool.Add(t.Context(), reauth.Follow("codex", f.path))
	require.NoError(t, err)
	f.write("at\n2")
	err = pool.Refresh(t.Context(), "codex", pool.Status()[0].ID)
	require.ErrorContains(t, err, "it holds no login of openai-codex; log in there first")
	token, _ := w.send(t)
	assert.Equal(t, "Bearer at-1", token)
}

func TestAddRefusesUnfitValues(t *testing.T) {
	for _, bad := range unsendable {
		for field, c := range map[string]reauth.Credential{
			"AccessToken":  {AccessToken: bad},
			"RefreshToken": {AccessToken: "k", RefreshToken: bad},
			"AccountID":    {AccessToken: "k", AccountID: bad},
		} {
			c.Provider = "xai"
			_, err := poolOf(t).Add(t.Context(), c)
			require.ErrorContains(t, err, "reauth: add credential: "+field, "%q", bad)
		}
	}
}
