package login_test

import (
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/release"
	"github.com/reauth-go/reauth/internal/vendors"
	"github.com/reauth-go/reauth/login"
	"github.com/reauth-go/reauth/reauthtest"
)

// A login of either region is refreshed by the built-in refresher at that region's server, and its tokens
// go to that region's API alone.
func TestKimisRegions(t *testing.T) {
	for issuer, c := range map[string]struct{ server, host, other string }{
		"":                      {"auth.kimi.com", "api.kimi.com", "api.kimi.ai"},
		"https://auth.kimi.com": {"auth.kimi.com", "api.kimi.com", "api.kimi.ai"},
		"https://auth.kimi.ai/": {"auth.kimi.ai", "api.kimi.ai", "api.kimi.com"},
	} {
		t.Run(issuer, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, "kimi")
				r.opt.Issuer = issuer
				got, err := r.run(t)
				require.NoError(t, err)
				assert.Empty(t, got.Hosts, "the pool knows them by the server of the login")

				pool := reauth.NewPool()
				defer pool.Close()
				p, _ := reauth.LookupProvider("kimi-coding")
				p.Refresher, err = reauth.BuiltinRefresher("kimi-coding", reauth.OAuth2Config{
					HTTPClient: &http.Client{Transport: r.wire},
				})
				require.NoError(t, err)
				require.NoError(t, pool.Register(p))
				_, err = pool.Add(t.Context(), got)
				require.NoError(t, err)
				r.fake.Expire()
				client := &http.Client{Transport: reauth.NewRecoveringTransport(r.fake.Transport(), pool)}
				assert.Equal(t, 200, statusOf(t, client, "https://"+c.host+"/coding/v1/models"))
				assert.Equal(t, 1, r.fake.Exchanges())
				assert.Equal(t, 401, statusOf(t, client, "https://"+c.other+"/coding/v1/models"), "without the token")
				for _, asked := range r.wire.asked {
					assert.Contains(t, asked, "https://"+c.server+"/api/oauth/")
				}
			})
		})
	}
}

func statusOf(t *testing.T, client *http.Client, address string) int {
	t.Helper()
	resp, err := client.Get(address)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp.StatusCode
}

// Each request of a login names the same device, under our own name.
func TestKimisDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ids []string
		for range 2 {
			r := newRig(t, "kimi-coding")
			got, err := r.run(t)
			require.NoError(t, err)
			ids = append(ids, got.Metadata[vendors.DeviceNote])
			for i, h := range r.wire.headers {
				assert.Equal(t, got.Metadata[vendors.DeviceNote], h.Get("X-Msh-Device-Id"), r.wire.asked[i])
				assert.Equal(t, "reauth", h.Get("X-Msh-Platform"))
				assert.Equal(t, "reauth", h.Get("X-Msh-Device-Name"))
				assert.Equal(t, release.Version, h.Get("X-Msh-Version"))
				assert.Contains(t, h.Get("X-Msh-Device-Model"), runtime.GOARCH)
				assert.Equal(t, "reauth/"+release.Version, h.Get("User-Agent"))
			}
			assert.NotContains(t, strings.Join(r.wire.bodies, "\n"), "scope")
		}
		assert.NotEqual(t, ids[0], ids[1], "a device is of one login")
	})
}

// Kimi answers a poll with 200 or with 400.
func TestKimisAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "kimi-coding")
		for _, status := range []int{200, 400} {
			r.fake.Fail(reauthtest.Fault{Answer: &reauthtest.Answer{
				Status: status, Body: `{"error":"authorization_pending","error_description":"not yet"}`,
			}})
		}
		_, err := r.run(t)
		require.NoError(t, err)
		assert.Empty(t, r.person.notes)
		for body, want := range map[string]error{
			`{"error":"access_denied"}`: login.ErrDenied, `{"error":"expired_token"}`: login.ErrExpired,
		} {
			for _, status := range []int{200, 400} {
				r.fake.Fail(reauthtest.Fault{Answer: &reauthtest.Answer{Status: status, Body: body}})
				_, err := r.run(t)
				require.ErrorIs(t, err, want)
			}
		}
		r.fake.Fail(reauthtest.Fault{Answer: &reauthtest.Answer{Status: 200, Body: `{"access_token":"at-EXAMPLE"}`}})
		_, err = r.run(t)
		require.ErrorContains(t, err, "the server gave no refresh token")
	})
}
