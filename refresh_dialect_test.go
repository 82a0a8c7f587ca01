package reauth_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/testrig"
	"github.com/reauth-go/reauth/internal/vendors"
	"github.com/reauth-go/reauth/reauthtest"
)

// dialectRig is a pool with one login of a built-in provider, made at a fake that speaks its dialect.
// The built-in refresher asks the provider's own addresses, which all lead to the fake.
type dialectRig struct {
	t      *testing.T
	fake   *reauthtest.Provider
	pool   *reauth.Pool
	login  reauth.Credential
	client *http.Client
}

func newDialectRig(t *testing.T, provider string) *dialectRig {
	r := &dialectRig{t: t, fake: reauthtest.New(reauthtest.OpenAI)}
	access, refresh := r.fake.Login()
	r.login = reauth.Credential{Provider: provider, ID: "me", AccessToken: access, RefreshToken: refresh}
	refresher, err := reauth.BuiltinRefresher(provider, reauth.OAuth2Config{
		HTTPClient: &http.Client{Transport: r.fake.Transport()},
	})
	require.NoError(t, err)
	r.pool = loginPool(t, refresher, r.login)
	r.client = &http.Client{Transport: reauth.NewRecoveringTransport(r.fake.Transport(), r.pool)}
	return r
}

// post sends a request to the provider's API and returns the status of the answer.
func (r *dialectRig) post() int {
	r.t.Helper()
	p, _ := reauth.LookupProvider(r.login.Provider)
	req, err := http.NewRequest(http.MethodPost, p.BaseURL+"/chat/completions", strings.NewReader(`{"model":"m"}`))
	require.NoError(r.t, err)
	status, _, err := testrig.Send(r.client, req)
	require.NoError(r.t, err)
	return status
}

// refresh renews the login and returns the error.
func (r *dialectRig) refresh() error {
	return r.pool.Refresh(context.Background(), r.login.Provider, r.login.ID)
}

// held returns the login as the pool has it now.
func (r *dialectRig) held() reauth.Credential { return heldBy(r.t, r.pool, r.login) }

// A refused request waits for one exchange in the dialect of its provider and is replayed. The server
// has rotated the token, and the pool has the new one. A login that is revoked is dead.
func TestEachDialectRecovers(t *testing.T) {
	for _, provider := range builtinProviders {
		if provider == "copilot" {
			continue // its GitHub token is not spent
		}
		onFakeClock(t, provider, func(t *testing.T) {
			r := newDialectRig(t, provider)
			for exchanges := range 3 {
				assert.Equal(t, http.StatusOK, r.post())
				assert.Equal(t, exchanges, r.fake.Exchanges())
				assert.True(t, r.fake.Current(r.held().RefreshToken))
				r.fake.Expire()
			}
			r.fake.Revoke(r.held().RefreshToken)
			assert.Equal(t, http.StatusUnauthorized, r.post(), "the provider's own refusal")
			assert.True(t, refreshError(t, r.refresh()).Permanent)
			assert.Zero(t, r.fake.Reuses())
		})
	}
}

// send sends a request to a URL and returns the status of the answer.
func (r *dialectRig) send(raw string) int {
	r.t.Helper()
	req, err := http.NewRequest(http.MethodPost, raw, strings.NewReader(`{"model":"m"}`))
	require.NoError(r.t, err)
	status, _, err := testrig.Send(r.client, req)
	require.NoError(r.t, err)
	return status
}

const (
	nousPaid = "https://inference-api.nousresearch.com/v1"
	nousFree = "https://welcome-api.nousresearch.com/v1"
)

// Nous has a host for free accounts, and another for all others. A login that has been refreshed is
// sent only to the host that its answer has named, also by a pool that holds both kinds. One that has
// changed its plan changes its host with the next refresh.
func TestEachNousLoginHasItsHost(t *testing.T) {
	onFakeClock(t, "", func(t *testing.T) {
		r := newDialectRig(t, "nous") // with a login of which nobody has told the host
		require.NoError(t, r.pool.Remove(t.Context(), "nous", "me"))
		logins := map[string]reauth.Credential{}
		for id, base := range map[string]string{"free": nousFree, "paid": nousPaid} {
			access, refresh := r.fake.LoginAt(base)
			logins[id] = reauth.Credential{Provider: "nous", ID: id, AccessToken: access, RefreshToken: refresh}
			_, err := r.pool.Add(t.Context(), logins[id])
			require.NoError(t, err)
		}
		for _, raw := range []string{nousFree, nousPaid, nousFree, nousPaid} {
			assert.Equal(t, 200, r.send(raw+"/chat/completions"), "the other login serves what the first one may not")
		}
		require.Len(t, r.fake.Requests(), 5, "what one may not is remembered: %+v", r.fake.Requests())
		for id := range logins {
			require.NoError(t, r.pool.Refresh(t.Context(), "nous", id))
		}
		for range 3 {
			for id, base := range map[string]string{"free": nousFree, "paid": nousPaid} {
				assert.Equal(t, 200, r.send(base+"/chat/completions"))
				sent := r.fake.Requests()
				assert.Equal(t, heldBy(t, r.pool, logins[id]).AccessToken, sent[len(sent)-1].Token)
			}
		}
		assert.Len(t, r.fake.Requests(), 11, "no login went to the other's host")
		for _, s := range r.pool.Status() {
			assert.Equal(t, reauth.Good, s.State, s.ID)
		}

		require.NoError(t, r.pool.Remove(t.Context(), "nous", "paid"))
		assert.Equal(t, 401, r.send(nousPaid+"/chat/completions"), "the free login stays at home")
		r.fake.Move(heldBy(t, r.pool, logins["free"]).RefreshToken, nousPaid)
		require.NoError(t, r.pool.Refresh(t.Context(), "nous", "free"))
		assert.Equal(t, 200, r.send(nousPaid+"/chat/completions"), "it is paid for now")
		assert.Equal(t, 401, r.send(nousFree+"/chat/completions"))
	})
}

// Kimi Code has two regions, each with its server and its host. A pool that holds logins of both sends
// each of them, and its refresh token, to its own.
func TestEachKimiLoginHasItsRegion(t *testing.T) {
	onFakeClock(t, "", func(t *testing.T) {
		regions := map[string]*reauthtest.Provider{
			"kimi.com": reauthtest.New(reauthtest.OpenAI), "kimi.ai": reauthtest.New(reauthtest.OpenAI),
		}
		world := roundTripFunc(func(req *http.Request) (*http.Response, error) {
			_, domain, _ := strings.Cut(req.URL.Host, ".")
			return regions[domain].Transport().RoundTrip(req)
		})
		refresher, err := reauth.BuiltinRefresher("kimi", reauth.OAuth2Config{HTTPClient: &http.Client{Transport: world}})
		require.NoError(t, err)
		key := reauth.Credential{Provider: "kimi-coding", ID: "key", AccessToken: "sk-kimi-EXAMPLE", Priority: 1}
		r := &dialectRig{t: t, login: key, pool: loginPool(t, refresher, key)}
		r.client = &http.Client{Transport: reauth.NewRecoveringTransport(world, r.pool)}
		for id, note := range map[string]string{"kimi.com": "", "kimi.ai": "https://auth.kimi.ai"} {
			access, refresh := regions[id].Login()
			c := reauth.Credential{
				Provider: "kimi-coding", ID: id, AccessToken: access, RefreshToken: refresh,
				Metadata: map[string]string{vendors.IssuerNote: note},
			}
			_, err := r.pool.Add(t.Context(), c)
			require.NoError(t, err)
		}
		for exchanges := range 3 {
			for id, fake := range regions {
				assert.Equal(t, 200, r.send("https://api."+id+"/coding/v1/chat/completions"))
				assert.Equal(t, exchanges, fake.Exchanges(), id)
				for _, q := range fake.Requests() {
					assert.True(t, strings.HasPrefix(q.Token, "at-"), "%s got %s", id, q.Token)
				}
				fake.Expire()
			}
		}
		for id, fake := range regions {
			require.NoError(t, r.pool.Remove(t.Context(), "kimi-coding", id))
			fake.AddKey("sk-kimi-EXAMPLE")
			assert.Equal(t, 200, r.send("https://api."+id+"/coding/v1/chat/completions"), "nobody knows a key's region")
		}
	})
}

// A request to the host of another region goes on as it came, and is told why. Hosts that the program
// names itself decide alone, and so do hosts that are no provider's by default.
func TestHostsOfALoginCanBeNamed(t *testing.T) {
	global := func(hosts ...string) reauth.Credential {
		return reauth.Credential{
			Provider: "kimi-coding", ID: "me", AccessToken: "at-EXAMPLE", RefreshToken: "rt-EXAMPLE", Hosts: hosts,
			Metadata: map[string]string{vendors.IssuerNote: "https://auth.kimi.ai"},
		}
	}
	const mainland, international = "https://api.kimi.com/coding/v1", "https://api.kimi.ai/coding/v1"
	for _, c := range []struct {
		login         reauth.Credential
		mainland, own string
	}{
		{global(), "placeholder", "at-EXAMPLE"},
		{global("api.kimi.com/coding"), "at-EXAMPLE", "placeholder"},
		{global("api.kimi.com/coding", "api.kimi.ai/coding"), "at-EXAMPLE", "at-EXAMPLE"},
	} {
		pool := poolOf(t, c.login)
		var events eventLog
		pool.Observe = events.observe
		assert.Equal(t, c.mainland, bearerSent(t, pool, mainland), "%q", c.login.Hosts)
		assert.Equal(t, c.own, bearerSent(t, pool, international), "%q", c.login.Hosts)
		if passed := events.all(reauth.PassedThrough); len(c.login.Hosts) == 0 && assert.Len(t, passed, 1) {
			assert.Equal(t, "key-not-for-host", passed[0].Reason)
			assert.ErrorContains(t, passed[0].Err, "a login is sent to the hosts of its own region or plan")
		}
	}
	p, _ := reauth.LookupProvider("kimi-coding")
	p.Hosts = []string{"gateway.example"}
	pool := poolOf(t, global())
	require.NoError(t, pool.Register(p))
	assert.Equal(t, "at-EXAMPLE", bearerSent(t, pool, "https://gateway.example/v1"), "the program's own host is of no region")
}
