package reauth_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

// guarded is an API whose tokens name the claims that they meet: "1 mfa" meets "mfa".
type guarded struct {
	mu      sync.Mutex
	revoked map[string]bool
	wants   string // claims that a token must meet; empty: none
	code    string // of the challenge
	status  int
	fresh   int // of the claims: each challenge has others
	sent    int
}

func (g *guarded) RoundTrip(req *http.Request) (*http.Response, error) {
	if _, err := io.Copy(io.Discard, req.Body); err != nil {
		return nil, err
	}
	if err := req.Body.Close(); err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sent++
	token := strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer ")
	switch {
	case g.fresh > 0:
		g.fresh++
		return answer(req, g.status, `{}`, "Www-Authenticate", fmt.Sprintf(`Bearer error=%q, claims="c%d"`, g.code, g.fresh)), nil
	case g.revoked[token]:
		return answer(req, 401, `{}`, "Www-Authenticate", `Bearer error="invalid_token"`), nil
	case g.wants != "" && !strings.HasSuffix(token, "."+g.wants):
		return answer(req, g.status, `{}`, "Www-Authenticate", fmt.Sprintf(`Bearer error=%q, claims=%q`, g.code, g.wants)), nil
	}
	return answer(req, 200, `{}`), nil
}

func (g *guarded) demand(claims string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.wants = claims
}

// issuer is a source of tokens that meet the claims of the challenge because of which it is asked.
type issuer struct {
	mu    sync.Mutex
	calls []string // the claims of each call
	slow  time.Duration
	steps bool
}

func (i *issuer) Refresh(ctx context.Context, _ reauth.Credential) (reauth.Credential, error) {
	time.Sleep(i.slow)
	claims := "none"
	if r, ok := reauth.RefusalFromContext(ctx); ok {
		for _, c := range r.Challenges {
			if _, after, found := strings.Cut(c, `claims="`); found {
				claims = strings.TrimSuffix(after, `"`)
			}
		}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.calls = append(i.calls, claims)
	return reauth.Credential{AccessToken: fmt.Sprintf("token-%d.%s", len(i.calls), claims)}, nil
}

// stepper is an issuer that takes challenges for another authentication.
type stepper struct{ *issuer }

func (s stepper) CanStepUp(r reauth.Refusal) bool {
	return r.Verdict.Kind == reauth.Forbidden && s.steps
}

// challenged runs f with a pool over a guarded API, to which a source gives the tokens.
func challenged(t *testing.T, s reauth.Refresher, f func(t *testing.T, r *rig, api *guarded)) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		api := &guarded{revoked: make(map[string]bool), code: "insufficient_claims", status: 401}
		r.transport.Base = api
		r.source(t, "entra", s)
		f(t, r, api)
	})
}

// A token is asked for claims (continuous access evaluation): one exchange with them, for a request
// that waits alone and for many.
func TestChallengeReachesTheSource(t *testing.T) {
	for _, n := range []int{1, 20} {
		i := &issuer{slow: time.Second}
		challenged(t, i, func(t *testing.T, r *rig, api *guarded) {
			require.Equal(t, map[int]int{200: n}, r.atOnce(t, n))
			api.demand("mfa")
			require.Equal(t, map[int]int{200: n}, r.atOnce(t, n))
			require.Equal(t, []string{"none", "mfa"}, i.calls)
			require.Equal(t, map[int]int{200: n}, r.atOnce(t, n))
			api.demand("mfa-2")
			require.Equal(t, map[int]int{200: n}, r.atOnce(t, n))
			require.Equal(t, []string{"none", "mfa", "mfa-2"}, i.calls)
		})
	}
}

// The first token of all meets the challenge at once: it is not proven, and not useless either.
func TestChallengeOfAnUnprovenToken(t *testing.T) {
	i := new(issuer)
	challenged(t, i, func(t *testing.T, r *rig, api *guarded) {
		api.demand("mfa")
		began := time.Now()
		status, _ := r.mustPost(t)
		require.Equal(t, 200, status)
		require.Equal(t, []string{"none", "mfa"}, i.calls)
		require.Zero(t, time.Since(began), "no time is given to a token that lacks the claims")
	})
}

// A request whose token is asked for claims meets a renewal without them under way: one more follows.
func TestChallengeMeetsAFlightUnderWay(t *testing.T) {
	i := new(issuer)
	challenged(t, i, func(t *testing.T, r *rig, api *guarded) {
		r.mustPost(t)
		i.slow = time.Second
		api.revoked["token-1.none"] = true
		var wg sync.WaitGroup
		send := func() {
			wg.Go(func() {
				status, _, err := r.post(context.Background())
				assert.NoError(t, err)
				assert.Equal(t, 200, status)
			})
			synctest.Wait()
		}
		send() // waits for a token without claims
		api.mu.Lock()
		delete(api.revoked, "token-1.none")
		api.wants = "mfa"
		api.mu.Unlock()
		send()
		send()
		wg.Wait()
		require.Equal(t, []string{"none", "none", "mfa"}, i.calls)
		require.NotEqual(t, reauth.Aside, r.status(t, "entra").State)
	})
}

// A refresh token is exchanged in the same way.
func TestChallengeReachesTheRefresher(t *testing.T) {
	bubbleOver(t, func(t *testing.T, r *rig, _ *watchedStore) {
		api := &guarded{revoked: make(map[string]bool), code: "insufficient_claims", status: 401}
		i := new(issuer)
		r.transport.Base = api
		r.register(t, func(p *reauth.Provider) { p.Refresher = i })
		r.add(t, reauth.Credential{ID: "me", AccessToken: "old", RefreshToken: "r"})
		api.demand("mfa")
		require.Equal(t, map[int]int{200: 20}, r.atOnce(t, 20))
		require.Equal(t, []string{"mfa"}, i.calls)
	})
}

// A server that asks for other claims each time costs few exchanges: per request, and per minute.
func TestChallengeWithoutEnd(t *testing.T) {
	for name, accepted := range map[string]bool{"nobody is accepted": false, "others are accepted": true} {
		t.Run(name, func(t *testing.T) {
			i := new(issuer)
			challenged(t, i, func(t *testing.T, r *rig, api *guarded) {
				r.mustPost(t)
				api.fresh = 1
				for n := range 60 {
					before := len(i.calls)
					status, _ := r.mustPost(t)
					require.Equal(t, 401, status)
					require.LessOrEqual(t, len(i.calls)-before, 3)
					if accepted {
						c, err := r.pool.Token(context.Background(), r.provider)
						require.NoError(t, err)
						require.NoError(t, r.pool.Report(context.Background(), r.provider, "entra", c.AccessToken, reauth.Verdict{}))
					}
					if n == 1 {
						require.LessOrEqual(t, len(i.calls), 8)
					}
					time.Sleep(time.Second)
				}
				require.LessOrEqual(t, len(i.calls), 12, i.calls)
			})
		})
	}
}

// Another authentication or scope is asked for: forbidden, unless the refresher can get it.
func TestStepUp(t *testing.T) {
	for _, code := range []string{"insufficient_user_authentication", "insufficient_scope"} {
		for steps, want := range map[bool]int{true: 200, false: 403} {
			i := &issuer{steps: steps}
			challenged(t, stepper{i}, func(t *testing.T, r *rig, api *guarded) {
				r.mustPost(t)
				api.code, api.status = code, 403
				api.demand("mfa")
				status, _ := r.mustPost(t)
				require.Equal(t, want, status, code)
				require.Equal(t, steps, len(i.calls) == 2)
				require.Equal(t, reauth.Good, r.status(t, "entra").State)
			})
		}
	}
	plain := new(issuer)
	challenged(t, plain, func(t *testing.T, r *rig, api *guarded) {
		r.mustPost(t)
		api.code, api.status = "insufficient_scope", 403
		api.demand("mfa")
		status, _ := r.mustPost(t)
		require.Equal(t, 403, status)
		require.Len(t, plain.calls, 1)
	})
}

// panicking is a refresher whose CanStepUp panics.
type panicking struct{ *issuer }

func (panicking) CanStepUp(reauth.Refusal) bool { panic("no") }

// A panic in CanStepUp counts as no.
func TestStepUpPanics(t *testing.T) {
	challenged(t, panicking{new(issuer)}, func(t *testing.T, r *rig, api *guarded) {
		r.mustPost(t)
		api.code, api.status = "insufficient_scope", 403
		api.demand("mfa")
		status, _ := r.mustPost(t)
		require.Equal(t, 403, status)
		told := r.events.all(reauth.Panicked)
		require.Len(t, told, 1)
		require.Equal(t, "can-step-up", told[0].Reason)
	})
}

// Without a refusal there is none in the context, whatever the caller's own context holds.
func TestRefusalFromContext(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		var got []string
		inner := reauth.NewPool()
		defer func() { require.NoError(t, inner.Close()) }()
		note := func(ctx context.Context, who string) {
			refusal, ok := reauth.RefusalFromContext(ctx)
			got = append(got, fmt.Sprint(who, " ", ok, " ", refusal.Status, " ", refusal.Verdict.Kind))
		}
		innermost := reauth.RefresherFunc(func(ctx context.Context, _ reauth.Credential) (reauth.Credential, error) {
			note(ctx, "inner")
			return reauth.Credential{AccessToken: fmt.Sprint("i", len(got))}, nil
		})
		_, err := inner.AddSource(context.Background(), reauth.Credential{Provider: "groq"}, innermost)
		require.NoError(t, err)
		r.source(t, "outer", reauth.RefresherFunc(func(ctx context.Context, _ reauth.Credential) (reauth.Credential, error) {
			note(ctx, "outer")
			err := inner.Refresh(ctx, "groq", "source")
			return reauth.Credential{AccessToken: fmt.Sprint("t", len(got))}, err
		}))
		c, err := r.pool.Token(context.Background(), r.provider)
		require.NoError(t, err)
		rejected := reauth.Verdict{Kind: reauth.Rejected}
		require.NoError(t, r.pool.Report(context.Background(), r.provider, "outer", c.AccessToken, reauth.Verdict{}))
		require.NoError(t, r.pool.Report(context.Background(), r.provider, "outer", c.AccessToken, rejected))
		require.Equal(t, []string{
			"outer false 0 pass", "inner false 0 pass", "outer true 0 rejected", "inner false 0 pass",
		}, got)
	})
}

// ladder is a refresher that cannot step up, and says so as if the grant were dead.
type ladder struct {
	reauth.Refresher
	err   error
	calls []string
}

func (l *ladder) CanStepUp(reauth.Refusal) bool { return true }

func (l *ladder) Refresh(ctx context.Context, c reauth.Credential) (reauth.Credential, error) {
	if r, ok := reauth.RefusalFromContext(ctx); ok && r.Verdict.Kind == reauth.Forbidden {
		l.calls = append(l.calls, "step up")
		return reauth.Credential{}, l.err
	}
	l.calls = append(l.calls, "refresh")
	return l.Refresher.Refresh(ctx, c)
}

// Who may not have more keeps what there is: an exchange that could not step up says nothing of the
// grant, asks nobody for a new login, and keeps no other request from being renewed.
func TestStepUpInVain(t *testing.T) {
	for name, err := range map[string]error{
		"refused":    &reauth.RefreshError{Code: "invalid_grant", Permanent: true},
		"away":       &reauth.RefreshError{Status: 503, RetryAfter: time.Hour},
		"not at all": reauth.ErrNotRefreshable,
	} {
		t.Run(name, func(t *testing.T) {
			bubbleOver(t, func(t *testing.T, r *rig, _ *watchedStore) {
				plain, _ := r.pool.ProviderFor(mustURL(t, r.url))
				l := &ladder{Refresher: plain.Refresher, err: err}
				r.register(t, func(p *reauth.Provider) { p.Refresher = l })
				access, _ := r.login(t, "me")
				r.pool.Relogin = func(context.Context, reauth.CredentialStatus) (reauth.Credential, error) {
					t.Error("asked")
					return reauth.Credential{}, err
				}
				fake := r.transport.Base
				challenge := answerAlways(403, `Bearer error="insufficient_scope", scope="admin"`)
				for range 3 {
					r.transport.Base = challenge
					status, _ := r.mustPost(t)
					require.Equal(t, 403, status)
				}
				require.Equal(t, []string{"step up"}, l.calls)
				require.Equal(t, reauth.Good, r.status(t, "me").State)
				r.transport.Base = fake
				r.fake.Expire(access)
				status, _ := r.mustPost(t)
				require.Equal(t, 200, status)
				require.Equal(t, []string{"step up", "refresh"}, l.calls)
			})
		})
	}
}

// answerAlways is a base that gives one answer.
func answerAlways(status int, challenge string) http.RoundTripper {
	return roundTripFunc(func(req *http.Request) (*http.Response, error) {
		return answer(req, status, `{}`, "Www-Authenticate", challenge), req.Body.Close()
	})
}
