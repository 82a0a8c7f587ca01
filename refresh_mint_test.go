package reauth_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/vendors"
)

const (
	mintURL    = "https://api.github.com/copilot_internal/v2/token"
	gitHubURL  = "https://github.com/login/oauth/access_token"
	renewToken = "ghr_EXAMPLE-old"
	renewal    = `{"access_token":"ghu_EXAMPLE-new","expires_in":28800,"refresh_token":"ghr_EXAMPLE-new",` +
		`"refresh_token_expires_in":15897600,"scope":"","token_type":"bearer"}`
	badRenewal = `{"error":"bad_refresh_token",` +
		`"error_description":"The refresh token passed is incorrect or expired.","error_uri":"https://docs.github.com"}`
)

// expiring returns a login of Copilot whose GitHub token ends then, or at no known time.
func expiring(ends time.Time) reauth.Credential {
	c := loginAt("copilot")
	c.Metadata = map[string]string{vendors.GitHubRefreshNote: renewToken}
	if !ends.IsZero() {
		c.Metadata[vendors.GitHubExpiryNote] = ends.Format(time.RFC3339)
	}
	return c
}

// mints answers as the endpoint that mints does: 401 for all tokens but the good one.
func mints(good string) httpmock.Responder {
	return func(req *http.Request) (*http.Response, error) {
		if req.Header.Get("Authorization") != "token "+good {
			return says(401, `{"message":"Bad credentials"}`)(req)
		}
		return says(200, success("copilot"))(req)
	}
}

// GitHub's token is renewed when the clock says that it has ended, or when GitHub refuses it, and then
// one of Copilot's is minted. Both new tokens are kept.
func TestCopilotRenewsGitHubsToken(t *testing.T) {
	old := bubbleStart
	for name, c := range map[string]struct {
		ends        time.Time // of GitHub's token
		mint, renew httpmock.Responder
		urls        []string
		access      string // afterwards
		renewed     bool   // both of GitHub's tokens are the new ones
		permanent   bool   // of the error
		status      int    // of the error; 0: none
	}{
		"it lives on":                      {ends: old.Add(time.Hour), mint: mints(githubToken), urls: []string{mintURL}, access: "at-EXAMPLE-new"},
		"the clock says that it has ended": {old, mints("ghu_EXAMPLE-new"), says(200, renewal), []string{gitHubURL, mintURL}, "at-EXAMPLE-new", true, false, 0},
		"GitHub refuses it":                {old.Add(time.Hour), mints("ghu_EXAMPLE-new"), says(200, renewal), []string{mintURL, gitHubURL, mintURL}, "at-EXAMPLE-new", true, false, 0},
		"nobody has noted when it ends":    {time.Time{}, mints("ghu_EXAMPLE-new"), says(200, renewal), []string{mintURL, gitHubURL, mintURL}, "at-EXAMPLE-new", true, false, 0},
		"the clock was wrong":              {old, mints(githubToken), says(200, badRenewal), []string{gitHubURL, mintURL}, "at-EXAMPLE-new", false, false, 0},
		"its refresh token is dead": {
			ends: old.Add(time.Hour), mint: mints(""), renew: says(200, badRenewal), urls: []string{mintURL, gitHubURL},
			permanent: true, status: 200,
		},
		"its refresh token is dead, by the clock": {
			ends: old, mint: mints(""), renew: says(200, badRenewal), urls: []string{gitHubURL, mintURL},
			permanent: true, status: 200,
		},
		"GitHub is down": {
			ends: old.Add(time.Hour), mint: mints(""), renew: says(503, ``), urls: []string{mintURL, gitHubURL}, status: 503,
		},
		"GitHub is down, by the clock": {
			ends: old, mint: mints(""), renew: says(503, ``), urls: []string{gitHubURL, mintURL}, status: 503,
		},
		"the mint is down": {
			ends: old.Add(time.Hour), mint: says(503, ``, "Retry-After", "60"), renew: says(200, renewal),
			urls: []string{mintURL}, status: 503,
		},
		"the mint is down after the renewal": {
			ends: old, mint: says(503, ``, "Retry-After", "60"), renew: says(200, renewal),
			urls: []string{gitHubURL, mintURL}, renewed: true, status: 503,
		},
		"the account has no seat": {
			ends: old, mint: says(403, `{"message":"no access"}`), renew: says(200, renewal),
			urls: []string{gitHubURL, mintURL}, renewed: true, status: 403,
		},
		"the new token is refused too": {
			ends: old.Add(time.Hour), mint: mints(""), renew: says(200, renewal),
			urls: []string{mintURL, gitHubURL, mintURL}, renewed: true, status: 401,
		},
		"the new token cannot mint": {
			ends: old, mint: says(404, `{"message":"Not Found"}`), renew: says(200, renewal),
			urls: []string{gitHubURL, mintURL}, renewed: true, permanent: true, status: 404,
		},
		"the new token has expired on arrival": {
			ends: old, mint: mints("ghu_EXAMPLE-new"), renew: says(200, strings.Replace(renewal, "28800", "0", 1)),
			urls: []string{gitHubURL, mintURL}, access: "at-EXAMPLE-new", renewed: true,
		},
	} {
		onFakeClock(t, name, func(t *testing.T) {
			w := newTokenWire(says(404, ""))
			w.RegisterResponder("GET", mintURL, c.mint)
			if c.renew != nil {
				w.RegisterResponder("POST", gitHubURL, c.renew)
			}
			login := expiring(c.ends)
			pool := loginPool(t, builtinOver(t, w, "copilot", reauth.OAuth2Config{}), login)
			err := pool.Refresh(t.Context(), "copilot", "me")
			assert.Equal(t, c.urls, w.urls())
			if c.status == 0 {
				require.NoError(t, err)
			} else {
				refused := refreshError(t, err)
				assert.Equal(t, []any{c.status, c.permanent}, []any{refused.Status, refused.Permanent}, "%v", err)
			}
			held := heldBy(t, pool, login)
			if c.access == "" {
				c.access = login.AccessToken
			}
			assert.Equal(t, c.access, held.AccessToken)
			if !c.renewed {
				assert.Equal(t, login.Metadata, held.Metadata)
				assert.Equal(t, githubToken, held.RefreshToken)
				return
			}
			assert.Equal(t, "ghu_EXAMPLE-new", held.RefreshToken)
			assert.Equal(t, "ghr_EXAMPLE-new", held.Metadata[vendors.GitHubRefreshNote])
			if ends := held.Metadata[vendors.GitHubExpiryNote]; name == "the new token has expired on arrival" {
				assert.Empty(t, ends, "not by the clock")
			} else {
				assert.Equal(t, bubbleStart.Add(8*time.Hour).Format(time.RFC3339), ends)
			}
		})
	}
}

// The request by which GitHub's token is renewed is RFC 6749 §6's, and names the client of the login.
func TestCopilotAsksGitHub(t *testing.T) {
	for want, change := range map[string]func(*reauth.Credential, *reauth.OAuth2Config){
		"Iv1.b507a08c87ecfe98": func(*reauth.Credential, *reauth.OAuth2Config) {},
		"of the login":         func(c *reauth.Credential, _ *reauth.OAuth2Config) { c.ClientID = "of the login" },
		"of the program":       func(_ *reauth.Credential, cfg *reauth.OAuth2Config) { cfg.ClientID = "of the program" },
	} {
		w := newTokenWire(says(404, ""))
		w.RegisterResponder("GET", mintURL, mints("ghu_EXAMPLE-new"))
		w.RegisterResponder("POST", gitHubURL, says(200, renewal))
		login, cfg := expiring(time.Unix(0, 0)), reauth.OAuth2Config{Header: http.Header{"Editor-Version": {"example/1"}}}
		change(&login, &cfg)
		got, err := builtinOver(t, w, "copilot", cfg).Refresh(t.Context(), login)
		require.NoError(t, err)
		assert.Equal(t, []string{"at-EXAMPLE-new", "ghu_EXAMPLE-new"}, tokens(got))
		assert.Equal(t, map[string]string{
			"grant_type": "refresh_token", "refresh_token": renewToken, "client_id": want,
		}, w.sent()[0].params(t))
		assert.Equal(t, map[string]string{
			"Accept": "application/json", "User-Agent": "reauth", "Content-Type": formType, "Editor-Version": "example/1",
		}, w.sent()[0].headers())
	}
}

// A program may put the pair that GitHub answers where other providers' pairs are. A renewal that gives
// no token that mints leaves the new refresh token there: it is all that is left of the login.
func TestCopilotTakesGitHubsPair(t *testing.T) {
	onFakeClock(t, "", func(t *testing.T) {
		w := newTokenWire(says(404, ""))
		w.RegisterResponder("GET", mintURL, mints("ghu_EXAMPLE-new"))
		w.RegisterResponder("POST", gitHubURL, inTurn(
			says(200, `{"refresh_token":"ghr_EXAMPLE-2"}`), says(200, renewal), says(200, badRenewal)))
		login := reauth.Credential{Provider: "copilot", ID: "me", AccessToken: githubToken, RefreshToken: renewToken}
		pool := loginPool(t, builtinOver(t, w, "copilot", reauth.OAuth2Config{}), login)
		err := pool.Refresh(t.Context(), "copilot", "me")
		assert.Equal(t, "no_access_token", refreshError(t, err).Code)
		assert.Equal(t, []string{githubToken, "ghr_EXAMPLE-2"}, tokens(heldBy(t, pool, login)))
		require.NoError(t, pool.Refresh(t.Context(), "copilot", "me"))
		held := heldBy(t, pool, login)
		assert.Equal(t, []string{"at-EXAMPLE-new", "ghu_EXAMPLE-new"}, tokens(held))
		assert.Equal(t, "ghr_EXAMPLE-new", held.Metadata[vendors.GitHubRefreshNote])
		var used []string
		for _, call := range w.sent() {
			if call.url == gitHubURL {
				used = append(used, call.params(t)["refresh_token"])
			}
		}
		assert.Equal(t, []string{renewToken, "ghr_EXAMPLE-2"}, used)
	})
}

// A refresh token of GitHub's rotates, so a renewal whose answer is lost is repeated once, and only when
// the access token is refused. A mint spends nothing, and is repeated freely.
func TestCopilotRepeatsARenewalWithCare(t *testing.T) {
	onFakeClock(t, "", func(t *testing.T) {
		w := newTokenWire(lost)
		w.RegisterResponder("GET", mintURL, mints(""))
		login := expiring(bubbleStart)
		pool := loginPool(t, builtinOver(t, w, "copilot", reauth.OAuth2Config{}), login)
		rejected := reauth.Verdict{Kind: reauth.Rejected}
		require.Error(t, pool.Report(t.Context(), "copilot", "me", login.AccessToken, rejected))
		assert.Equal(t, []string{gitHubURL, gitHubURL, mintURL}, w.urls())
	})
}

// The tokens of a login at another GitHub go to that one: what mints to the host api. of its domain.
func TestCopilotOfAnotherGitHub(t *testing.T) {
	const host = "https://company.ghe.com"
	w := newTokenWire(says(404, ""))
	w.RegisterResponder("GET", "https://api.company.ghe.com/copilot_internal/v2/token", mints("ghu_EXAMPLE-new"))
	w.RegisterResponder("POST", host+"/login/oauth/access_token", says(200, renewal))
	login := expiring(time.Unix(0, 0))
	login.Metadata[vendors.IssuerNote] = host
	_, err := builtinOver(t, w, "copilot", reauth.OAuth2Config{}).Refresh(t.Context(), login)
	assert.Equal(t, "issuer_mismatch", refreshError(t, err).Code)
	assert.Empty(t, w.urls())
	cfg := reauth.OAuth2Config{TokenURL: vendors.Of("copilot").Auth.TokenURLAt(host)}
	_, err = builtinOver(t, w, "copilot", cfg).Refresh(t.Context(), login)
	require.NoError(t, err)
	assert.Equal(t, []string{host + "/login/oauth/access_token", cfg.TokenURL}, w.urls())
}

// GitHub's refresh token is a secret wherever it stands.
func TestNoSecretOfGitHubIsTold(t *testing.T) {
	login := expiring(time.Unix(0, 0))
	for name, answer := range echoes(login) {
		onFakeClock(t, name, func(t *testing.T) {
			w := newTokenWire(answer)
			assertSecretless(t, builtinOver(t, w, "copilot", reauth.OAuth2Config{}), login)
			w.RegisterResponder("GET", mintURL, mints(""))
			assertSecretless(t, builtinOver(t, w, "copilot", reauth.OAuth2Config{}), login)
		})
	}
	assert.NotContains(t, login.String()+login.GoString(), renewToken)
}

// A login of Copilot whose GitHub token expires after hours recovers for days: each refused request
// waits for what is needed, no token is spent twice, and the end of the login is told.
func TestCopilotRecoversForDays(t *testing.T) {
	onFakeClock(t, "", func(t *testing.T) {
		r := newDialectRig(t, "copilot")
		require.NoError(t, r.pool.Remove(t.Context(), "copilot", "me"))
		r.fake.GitHubLifetime, r.fake.Lifetime, r.fake.Punctual = 8*time.Hour, 25*time.Minute, true
		token, renewal := r.fake.LoginGitHub()
		r.login = reauth.Credential{
			Provider: "copilot", ID: "me", RefreshToken: token,
			Metadata: map[string]string{vendors.GitHubRefreshNote: renewal},
		}
		_, err := r.pool.Add(t.Context(), r.login)
		require.NoError(t, err)
		for range 6 * 24 {
			require.Equal(t, http.StatusOK, r.post())
			held := r.held()
			assert.True(t, r.fake.Current(held.RefreshToken) && r.fake.Current(held.Metadata[vendors.GitHubRefreshNote]))
			time.Sleep(30 * time.Minute)
		}
		r.fake.ExpireGitHub()
		r.fake.Expire()
		require.Equal(t, http.StatusOK, r.post(), "GitHub refuses what the clock calls good")
		assert.Zero(t, r.fake.Reuses())
		r.fake.Revoke(r.held().RefreshToken)
		assert.Equal(t, http.StatusUnauthorized, r.post())
		assert.True(t, refreshError(t, r.refresh()).Permanent)
	})
}

// What a renewal has brought is saved, although the mint after it fails, and outlives the process.
func TestCopilotSavesARenewal(t *testing.T) {
	store := reauth.NewFileStore(t.TempDir() + "/auth.json")
	w := newTokenWire(says(404, ""))
	w.RegisterResponder("GET", mintURL, says(403, `{"message":"no seat"}`))
	w.RegisterResponder("POST", gitHubURL, says(200, renewal))
	pool, err := reauth.OpenPool(t.Context(), store)
	require.NoError(t, err)
	p, _ := reauth.LookupProvider("copilot")
	p.Refresher = builtinOver(t, w, "copilot", reauth.OAuth2Config{})
	require.NoError(t, pool.Register(p))
	_, err = pool.Add(t.Context(), expiring(time.Unix(0, 0)))
	require.NoError(t, err)
	assert.Equal(t, 403, refreshError(t, pool.Refresh(t.Context(), "copilot", "me")).Status)
	require.NoError(t, pool.Close())
	snap, err := store.Load(t.Context(), "")
	require.NoError(t, err)
	require.Len(t, snap.Entries, 1)
	c := snap.Entries[0].Credential
	assert.Equal(t, "ghu_EXAMPLE-new", c.RefreshToken)
	assert.Equal(t, "ghr_EXAMPLE-new", c.Metadata[vendors.GitHubRefreshNote])
}
