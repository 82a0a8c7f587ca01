package login_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/release"
	"github.com/reauth-go/reauth/internal/vendors"
	"github.com/reauth-go/reauth/reauthtest"
)

// deviceProviders are the providers with a device flow.
var deviceProviders = []struct {
	name    string
	begins  string            // address that gives the code
	polls   string            // address that gives the outcome
	after   []string          // requests after the polls: method and address
	account string            // AccountID of the credential
	notes   map[string]string // Metadata of the credential, but for what is random
	every   time.Duration     // between polls; 0: 5 seconds
}{
	{
		name:    "xai-oauth",
		begins:  "https://auth.x.ai/oauth2/device/code",
		polls:   "https://auth.x.ai/oauth2/token",
		account: "user-1",
	},
	{
		name:    "nous",
		begins:  "https://portal.nousresearch.com/api/oauth/device/code",
		polls:   "https://portal.nousresearch.com/api/oauth/token",
		account: "user-1",
	},
	{
		name:   "qwen-oauth",
		begins: "https://chat.qwen.ai/api/v1/oauth2/device/code",
		polls:  "https://chat.qwen.ai/api/v1/oauth2/token",
		notes:  map[string]string{"resource_url": "portal.qwen.ai"},
		every:  2 * time.Second,
	},
	{
		name:   "copilot",
		begins: "https://github.com/login/device/code",
		polls:  "https://github.com/login/oauth/access_token",
		after: []string{
			"GET https://api.github.com/copilot_internal/v2/token", "GET https://api.github.com/user",
		},
		account: "octocat",
		notes:   map[string]string{"endpoint": "https://api.github.com"},
	},
	{
		name:   "kimi-coding",
		begins: "https://auth.kimi.com/api/oauth/device_authorization",
		polls:  "https://auth.kimi.com/api/oauth/token",
	},
	{
		name:   "minimax-oauth",
		begins: "https://account.minimax.io/oauth2/device/code",
		polls:  "https://account.minimax.io/oauth2/token",
	},
	{
		name:   "minimax-cn",
		begins: "https://account.minimaxi.com/oauth2/device/code",
		polls:  "https://account.minimaxi.com/oauth2/token",
	},
	{
		name:    "openai-codex",
		begins:  "https://auth.openai.com/api/accounts/deviceauth/usercode",
		polls:   "https://auth.openai.com/api/accounts/deviceauth/token",
		after:   []string{"POST https://auth.openai.com/oauth/token"},
		account: "account-1",
	},
}

// eachDevice runs a test for each provider with a device flow. polls is the address of the polls,
// and every the time between them.
func eachDevice(t *testing.T, test func(t *testing.T, r *rig, polls string, every time.Duration)) {
	t.Helper()
	for _, c := range deviceProviders {
		every := c.every
		if every == 0 {
			every = 5 * time.Second
		}
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, newRig(t, c.name), c.polls, every) })
		})
	}
}

// The server's clock is two hours ahead. The login counts every lifetime by our clock.
func TestDeviceLogins(t *testing.T) {
	for _, c := range deviceProviders {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, c.name)
				r.fake.Skew = 2 * time.Hour
				got, err := r.run(t)
				require.NoError(t, err)
				assert.Equal(t, c.name, got.Provider)
				assert.Equal(t, c.account, got.AccountID)
				if c.name == "kimi-coding" {
					assert.Len(t, got.Metadata[vendors.DeviceNote], 36, "the id that its renewals name")
					got.Metadata = nil
				}
				assert.Equal(t, c.notes, got.Metadata)
				assert.WithinDuration(t, time.Now().Add(time.Hour), got.Expiry, 2*time.Second)
				assert.True(t, r.fake.Current(got.RefreshToken))
				assert.Empty(t, got.ClientID)

				var others []string
				for _, asked := range r.wire.asked {
					if asked != "POST "+c.polls {
						others = append(others, asked)
					}
				}
				want := append([]string{"POST " + c.begins}, c.after...)
				if c.name == "xai-oauth" {
					want = append([]string{"GET https://auth.x.ai/.well-known/openid-configuration"}, want...)
				}
				assert.Equal(t, want, others)
				for _, gap := range r.wire.gaps(c.polls) {
					assert.Equal(t, max(c.every, 2*time.Second) <= gap, true)
				}
				all, hasty := r.fake.Polls()
				assert.Greater(t, all, 1)
				assert.Zero(t, hasty)
				for _, h := range r.wire.headers {
					assert.Equal(t, "reauth/"+release.Version, h.Get("User-Agent"),
						"also of the library's own request: one version")
					assert.NotContains(t, h, "Originator")
				}
				assert.NotEmpty(t, r.person.waits)
				assert.Empty(t, r.person.notes)
				assert.Contains(t, r.person.all(), "-", "a code was shown")

				pool := reauth.NewPool()
				defer pool.Close()
				id, err := pool.Add(t.Context(), got)
				require.NoError(t, err)
				again, err := pool.Add(t.Context(), got)
				require.NoError(t, err)
				assert.Equal(t, id, again)
			})
		})
	}
}

func TestJWTsTellTheExpiryWhenNothingElseDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "openai-codex")
		r.fake.JWT, r.fake.OmitExpiry, r.fake.Skew, r.fake.Lifetime = true, true, -2*time.Hour, 10*time.Hour
		got, err := r.run(t)
		require.NoError(t, err)
		assert.WithinDuration(t, time.Now().Add(10*time.Hour), got.Expiry, 2*time.Second)
	})
}

func TestIntervalIsHonoured(t *testing.T) {
	eachDevice(t, func(t *testing.T, r *rig, polls string, every time.Duration) {
		_, err := r.run(t)
		require.NoError(t, err)
		gaps := r.wire.gaps(polls)
		require.NotEmpty(t, gaps)
		for _, gap := range gaps {
			assert.Equal(t, every, gap)
		}
	})
}

func TestSlowDownAddsFiveSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "xai-oauth")
		slow := reauthtest.Fault{Answer: &reauthtest.Answer{Status: 400, Body: `{"error":"slow_down"}`}}
		pending := reauthtest.Fault{Answer: &reauthtest.Answer{Status: 400, Body: `{"error":"authorization_pending"}`}}
		r.fake.Fail(slow, pending, slow)
		_, err := r.run(t)
		require.NoError(t, err)
		assert.Equal(t, []time.Duration{10 * time.Second, 10 * time.Second, 15 * time.Second},
			r.wire.gaps("/oauth2/token"))
		assert.Empty(t, r.person.notes)
	})
}

func TestGitHubNamesTheNewInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "copilot")
		r.fake.Fail(reauthtest.Fault{
			Answer: &reauthtest.Answer{Status: 200, Body: `{"error":"slow_down","interval":42}`},
		})
		_, err := r.run(t)
		require.NoError(t, err)
		assert.Equal(t, []time.Duration{42 * time.Second}, r.wire.gaps("/login/oauth/access_token"))
	})
}

// Qwen sends slow_down with 429, which without an error code is a hiccup.
func TestQwensSlowDownIsNoHiccup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "qwen-oauth")
		r.fake.Fail(reauthtest.Fault{Answer: &reauthtest.Answer{Status: 429, Body: `{"error":"slow_down"}`}})
		_, err := r.run(t)
		require.NoError(t, err)
		assert.Equal(t, 7*time.Second, r.wire.gaps("/token")[0])
		assert.Empty(t, r.person.notes)
	})
}

// Some servers answer with nothing but the code, as plain text.
func TestBodyThatIsACode(t *testing.T) {
	plain := func(code string) reauthtest.Fault {
		h := http.Header{"Content-Type": {"text/plain"}}
		return reauthtest.Fault{Answer: &reauthtest.Answer{Status: 400, Header: h, Body: code + "\n"}}
	}
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "qwen-oauth")
		r.fake.Fail(plain("slow_down"))
		_, err := r.run(t)
		require.NoError(t, err)
		assert.Equal(t, 7*time.Second, r.wire.gaps("/token")[0])
		assert.Empty(t, r.person.notes, "it is an answer")
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "qwen-oauth")
		r.fake.Fail(plain("access_denied"))
		_, err := r.run(t)
		require.ErrorContains(t, err, "access_denied; consent was refused")
	})
}

// An answer that says nothing about the login does not end it.
func TestHiccupsDoNotEndALogin(t *testing.T) {
	eachDevice(t, func(t *testing.T, r *rig, polls string, every time.Duration) {
		r.person.visit = func(_, code string) {
			time.AfterFunc(5*time.Minute, func() { _ = r.fake.Approve(code) })
		}
		unanswered := 0
		r.wire.answer = func(req *http.Request) (*http.Response, error) {
			if req.URL.String() == polls && unanswered == 0 {
				unanswered++
				return nil, errCut
			}
			return nil, nil
		}
		r.fake.Fail(
			reauthtest.Fault{Cut: true}, reauthtest.Unavailable(), reauthtest.Page(503), reauthtest.Page(200),
			reauthtest.TooManyRequests(50*time.Second),
		)
		_, err := r.run(t)
		require.NoError(t, err)
		require.Len(t, r.person.notes, 2)
		assert.Equal(t, "No answer from the server (connection reset by peer); still trying.", r.person.notes[0])
		assert.Equal(t, "The server answers again.", r.person.notes[1])
		gaps := r.wire.gaps(polls)
		assert.Equal(t, 2*every, gaps[0], "it backs off")
		assert.Equal(t, 4*every, gaps[1])
		assert.Equal(t, 50*time.Second, gaps[5], "as the server asks")
		assert.Equal(t, every, gaps[6], "and is as it was when it answers")
	})
}

func TestNobodyConsentsInTime(t *testing.T) {
	eachDevice(t, func(t *testing.T, r *rig, _ string, _ time.Duration) {
		r.person.visit = nil
		r.fake.Skew = -2 * time.Hour
		start := time.Now()
		assert.Equal(t, "reauth: login "+r.provider+
			": nobody consented in time and the code has expired; start another login for a new one",
			r.fails(t, t.Context()))
		assert.InDelta(t, (15 * time.Minute).Seconds(), time.Since(start).Seconds(), 6)
		waits := r.person.waits
		assert.LessOrEqual(t, waits[0], 15*time.Minute+time.Second)
		assert.Less(t, waits[len(waits)-1], 3*time.Second)
	})
}

func TestServerSaysThatTheCodeHasExpired(t *testing.T) {
	for provider, status := range map[string]int{"xai-oauth": 400, "copilot": 200, "qwen-oauth": 401} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, provider)
			r.fake.Fail(reauthtest.Fault{Answer: &reauthtest.Answer{Status: status, Body: `{"error":"expired_token"}`}})
			assert.Contains(t, r.fails(t, t.Context()), "the code has expired")
		})
	}
}

func TestPersonRefuses(t *testing.T) {
	eachDevice(t, func(t *testing.T, r *rig, _ string, _ time.Duration) {
		r.person.visit = func(_, code string) { assert.NoError(t, r.fake.Deny(code)) }
		text := r.fails(t, t.Context())
		assert.Contains(t, text, "the login was refused")
		assert.Contains(t, text, "access_denied")
		assert.Contains(t, text, "Start another login to be asked anew")
	})
}

func TestCtrlCEndsALoginAtOnce(t *testing.T) {
	eachDevice(t, func(t *testing.T, r *rig, _ string, _ time.Duration) {
		r.person.visit = nil
		ctx, stop := context.WithTimeout(t.Context(), 31*time.Second)
		defer stop()
		start := time.Now()
		_, err := r.runIn(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 31*time.Second, time.Since(start))
	})
}

func TestCtrlCWhileTheServerIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "nous")
		r.wire.answer = func(req *http.Request) (*http.Response, error) {
			<-req.Context().Done()
			return nil, req.Context().Err()
		}
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		start := time.Now()
		_, err := r.runIn(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, time.Second, time.Since(start))
	})
}

func TestAccountThatIsNotEligible(t *testing.T) {
	for _, a := range []reauthtest.Answer{
		{Status: 400, Body: `{"error":"invalid_grant","error_description":"Access denied"}`},
		{Status: 403, Body: `{"error":"forbidden","error_description":"tier"}`},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, "xai-oauth")
			r.fake.Fail(reauthtest.Fault{Answer: &a})
			text := r.fails(t, t.Context())
			assert.Contains(t, text,
				"this account is not entitled to such a login, and another one does not change that. Use an API key")
		})
	}
}

// known is the beginning of the addresses in the row of xAI.
const known = "https://auth.x.ai/oauth2/"

// doc returns the metadata of an issuer with these two endpoints.
func doc(device, token string) string {
	return fmt.Sprintf(`{"device_authorization_endpoint":%q,"token_endpoint":%q}`, device, token)
}

// discoveries are answers to the request for xAI's metadata. If failure is empty, the login
// succeeds.
var discoveries = []struct {
	name, doc, issuer, failure string
	status                     int
}{
	{name: "its own", doc: doc(known+"device/code", known+"token"), status: 200},
	{name: "moved", doc: doc("https://id.x.ai/oauth2/device/code", "https://id.x.ai/oauth2/token"), status: 200},
	{name: "not there", doc: "<html>", status: 404},
	{name: "no JSON", doc: "<html>", status: 200},
	{name: "empty", doc: "{}", status: 200},
	{
		name: "a stranger's", doc: doc(known+"device/code", "https://x.ai.example.com/oauth2/token"),
		status: 200, failure: "names an address that is not its own",
	},
	{
		name: "in the clear", doc: doc("http://auth.x.ai/oauth2/device/code", known+"token"),
		status: 200, failure: "names an address that is not its own",
	},
	{
		name: "another port", doc: doc("https://auth.x.ai:8443/oauth2/device/code", known+"token"),
		status: 200, failure: "names an address that is not its own",
	},
	{
		name: "with a name in it", doc: doc("https://x@auth.x.ai/oauth2/device/code", known+"token"),
		status: 200, failure: "names an address that is not its own",
	},
	{
		name: "leaving the user's", issuer: "https://id.example.com", doc: doc(known+"device/code", known+"token"),
		status: 200, failure: "names an address that is not its own",
	},
}

// xAI's login uses the endpoints that the metadata names, but sends nothing to a foreign one.
func TestDiscovery(t *testing.T) {
	for _, c := range discoveries {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, "xai")
				r.opt.Issuer = c.issuer
				r.wire.answer = func(req *http.Request) (*http.Response, error) {
					if strings.HasSuffix(req.URL.Path, "/openid-configuration") {
						return says(c.status, c.doc), nil
					}
					return nil, nil
				}
				if c.failure != "" {
					assert.Contains(t, r.fails(t, t.Context()), c.failure)
					assert.Len(t, r.wire.asked, 1, "nothing goes there")
					return
				}
				_, err := r.run(t)
				require.NoError(t, err)
				if c.name == "moved" {
					assert.Contains(t, r.wire.asked, "POST https://id.x.ai/oauth2/token")
				}
			})
		})
	}
}
