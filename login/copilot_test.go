package login_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/vendors"
	"github.com/reauth-go/reauth/reauthtest"
)

// GitHub's token lives for eight hours on some seats. The login keeps the token that renews it, and the
// built-in refresher does so.
func TestCopilotsLoginThatExpires(t *testing.T) {
	for _, issuer := range []string{"", "https://github.corp.example"} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, "copilot")
			r.fake.GitHubLifetime = 8 * time.Hour
			r.opt.Issuer = issuer
			got, err := r.run(t)
			require.NoError(t, err)
			assert.True(t, strings.HasPrefix(got.RefreshToken, "ghu_"))
			assert.True(t, r.fake.Current(got.RefreshToken))
			assert.True(t, r.fake.Current(got.Metadata[vendors.GitHubRefreshNote]))
			ends, err := time.Parse(time.RFC3339, got.Metadata[vendors.GitHubExpiryNote])
			require.NoError(t, err)
			assert.WithinDuration(t, time.Now().Add(8*time.Hour), ends, 2*time.Second)
			assert.NotEmpty(t, got.Metadata["endpoint"])
			assert.Equal(t, "octocat", got.AccountID)

			pool := reauth.NewPool()
			defer pool.Close()
			p, _ := reauth.LookupProvider("copilot")
			cfg := reauth.OAuth2Config{HTTPClient: &http.Client{Transport: r.wire}}
			if issuer != "" {
				cfg.TokenURL = "https://api.github.corp.example/copilot_internal/v2/token"
			}
			p.Refresher, err = reauth.BuiltinRefresher("copilot", cfg)
			require.NoError(t, err)
			require.NoError(t, pool.Register(p))
			_, err = pool.Add(t.Context(), got)
			require.NoError(t, err)
			client := &http.Client{Transport: reauth.NewRecoveringTransport(r.fake.Transport(), pool)}
			for range 3 {
				time.Sleep(9 * time.Hour)
				r.fake.Expire()
				assert.Equal(t, 200, statusOf(t, client, "https://api.githubcopilot.com/models"))
			}
			assert.Equal(t, 1+3*2, r.fake.Exchanges(), "each time GitHub's token, then Copilot's")
			assert.Zero(t, r.fake.Reuses())
			for _, asked := range r.wire.asked {
				assert.Equal(t, issuer != "", strings.Contains(asked, "github.corp.example/"), asked)
			}
		})
	}
}

// What GitHub leaves out is not made up.
func TestCopilotsLoginWithHalfAnAnswer(t *testing.T) {
	for body, want := range map[string]map[string]string{
		`{"access_token":"TOKEN","expires_in":28800}`:                            nil,
		`{"access_token":"TOKEN","refresh_token":"ghr_EXAMPLE"}`:                 {vendors.GitHubRefreshNote: "ghr_EXAMPLE"},
		`{"access_token":"TOKEN","refresh_token":"ghr_EXAMPLE","expires_in":-1}`: {vendors.GitHubRefreshNote: "ghr_EXAMPLE"},
		`{"access_token":"TOKEN","refresh_token":7,"expires_in":"soon"}`:         nil,
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, "copilot")
			token, _ := r.fake.LoginGitHub()
			instead(r, "/access_token", 200, strings.ReplaceAll(body, "TOKEN", token))
			got, err := r.run(t)
			require.NoError(t, err)
			assert.Equal(t, token, got.RefreshToken)
			delete(got.Metadata, "endpoint")
			if want == nil {
				want = map[string]string{}
			}
			assert.Equal(t, want, got.Metadata)
		})
	}
}

// GitHub may refuse a token that it has just given; it is renewed at once, and the login keeps what has
// come. No text tells either token.
func TestCopilotsTokenThatIsRefusedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "copilot")
		r.fake.GitHubLifetime = 8 * time.Hour
		bad := reauthtest.Fault{Answer: &reauthtest.Answer{Status: 401, Body: `{"message":"Bad credentials"}`}}
		mints := 0
		r.wire.answer = func(req *http.Request) (*http.Response, error) {
			if strings.HasSuffix(req.URL.Path, "/v2/token") {
				if mints++; mints == 1 {
					return says(bad.Answer.Status, bad.Answer.Body), nil
				}
			}
			return nil, nil
		}
		got, err := r.run(t)
		require.NoError(t, err)
		assert.True(t, r.fake.Current(got.RefreshToken))
		assert.True(t, r.fake.Current(got.Metadata[vendors.GitHubRefreshNote]))

		instead(r, "/v2/token", 401, `{"message":"Bad credentials"}`)
		text := r.fails(t, t.Context())
		assert.Contains(t, text, "GitHub gave a token, but none of Copilot's for it")
		assert.NotRegexp(t, `gh[ur]_\w{5}`, text)
	})
}
