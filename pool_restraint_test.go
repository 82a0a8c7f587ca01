package reauth

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Each row is one situation and the answer of decide: whether an exchange is allowed, and with
// which error renewals rest.
func TestRestraintDecides(t *testing.T) {
	var (
		start   = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		refused = errors.New("the token endpoint is away")
		dead    = &RefreshError{Code: "invalid_grant", Permanent: true}
		busy    = &RefreshError{Status: 429, RetryAfter: 90 * time.Second}
		away    = &RefreshError{Err: newRedactedError(&unsentError{errors.New("no route to host")})}
		noName  = &net.DNSError{Err: "no such host"}
		hangs   = errors.New("the refresher hangs")
		silent  = &RefreshError{Err: newRedactedError(context.DeadlineExceeded)}
		pair    = func() *tokens {
			return newTokens(Entry{Credential: Credential{AccessToken: "a", RefreshToken: "r"}}, fromLogin, start)
		}
		minted = func() *tokens {
			return newTokens(Entry{Credential: Credential{AccessToken: "b", RefreshToken: "s"}}, fromExchange, start)
		}
		key     = func() *tokens { return newTokens(Entry{Credential: Credential{AccessToken: "k"}}, fromLogin, start) }
		nothing = func(*restraint, *tokens) {}
		failed  = func(why cause, err error) func(*restraint, *tokens) {
			return func(r *restraint, x *tokens) { r.fail(x, true, byRefreshToken, demand{why: why}, err, start) }
		}
		failedAs = func(exchange bool) func(*restraint, *tokens) {
			return func(r *restraint, x *tokens) {
				r.fail(x, exchange, byRefreshToken, demand{why: rejected}, refused, start)
			}
		}
		failedFor = func(times int) func(*restraint, *tokens) {
			return func(r *restraint, x *tokens) {
				for range times {
					r.fail(x, true, byRefreshToken, demand{why: rejected}, refused, start)
				}
			}
		}
		having = func(challenges ...string) func() *tokens {
			return func() *tokens {
				x := minted()
				for _, c := range challenges {
					x.met = x.metBeside(c)
				}
				return x
			}
		}
		fresh = func() *tokens {
			return newTokens(Entry{Credential: Credential{AccessToken: "k"}}, fromExchange, start)
		}
		sourceFailed = func(times int, why cause) func(*restraint, *tokens) {
			return func(r *restraint, x *tokens) {
				for range times {
					r.fail(x, true, bySource, demand{why: why}, refused, start)
				}
			}
		}
		futile = func(times int) func(*restraint, *tokens) {
			return func(r *restraint, x *tokens) {
				for range times {
					r.noteFutile(minted(), start)
					r.noteFutile(minted(), start) // the same access token counts once
					r.futile.of = pair()
				}
			}
		}
	)
	for _, c := range []struct {
		name      string
		tokens    func() *tokens
		nobody    bool                      // the provider has no refresher
		by        means                     // byNothing stands for byRefreshToken
		before    func(*restraint, *tokens) // what happened to the tokens, at start
		why       cause
		challenge string
		after     time.Duration // from start to the question
		exchange  bool          // wanted
		rests     error         // wanted
	}{
		{name: "nothing happened, early", tokens: pair, before: nothing, why: early, exchange: true},
		{name: "nothing happened, expired", tokens: pair, before: nothing, why: expired, exchange: true},
		{name: "nothing happened, rejected", tokens: pair, before: nothing, why: rejected, exchange: true},
		{name: "nothing happened, forced", tokens: pair, before: nothing, why: forced, exchange: true},
		{name: "no refresher", tokens: pair, nobody: true, before: nothing, why: forced},
		{name: "no refresh token", tokens: key, before: nothing, why: rejected},
		{
			name:   "the refresher calls it a static key",
			tokens: pair, before: failed(rejected, ErrNotRefreshable), why: forced,
		},
		{
			name: "a static key until the tokens change", tokens: pair, why: rejected, exchange: true,
			before: func(r *restraint, x *tokens) {
				r.fail(x, true, byRefreshToken, demand{why: rejected}, ErrNotRefreshable, start)
				r.replaced()
			},
		},

		{name: "unproven, rejected", tokens: minted, before: nothing, why: rejected},
		{
			name:   "unproven, rejected, just before its rest ends",
			tokens: minted, before: nothing, why: rejected, after: unprovenRest - 1,
		},
		{
			name:   "unproven, rejected, rested",
			tokens: minted, before: nothing, why: rejected, after: unprovenRest,
			exchange: true,
		},
		{name: "unproven, expired", tokens: minted, before: nothing, why: expired, exchange: true},
		{name: "unproven, forced", tokens: minted, before: nothing, why: forced, exchange: true},
		{
			name:   "proven",
			tokens: minted, before: func(_ *restraint, x *tokens) { x.accepted.Store(true) }, why: rejected,
			exchange: true,
		},

		{name: "futile", tokens: pair, before: futile(1), why: rejected, after: futileRest - 1},
		{name: "futile, rested", tokens: pair, before: futile(1), why: rejected, after: futileRest, exchange: true},
		{name: "futile twice", tokens: pair, before: futile(2), why: rejected, after: 2*futileRest - 1},
		{
			name:   "futile twice, rested",
			tokens: pair, before: futile(2), why: rejected, after: 2 * futileRest,
			exchange: true,
		},
		{
			name:   "futile often: at most the longest rest",
			tokens: pair, before: futile(40), why: rejected, after: longestRest,
			exchange: true,
		},
		{name: "futile, but the clock says expired", tokens: pair, before: futile(1), why: expired, exchange: true},
		{
			name: "futile, then served", tokens: pair, why: rejected, exchange: true,
			before: func(r *restraint, x *tokens) {
				futile(3)(r, x)
				r.endFutile()
			},
		},

		{
			name:   "failed",
			tokens: pair, before: failed(rejected, refused), why: rejected, after: time.Second - 1,
			exchange: true, rests: refused,
		},
		{
			name:   "failed, rested",
			tokens: pair, before: failed(rejected, refused), why: rejected, after: time.Second,
			exchange: true,
		},
		{name: "failed, forced now", tokens: pair, before: failed(rejected, refused), why: forced, exchange: true},
		{
			name:   "failed four times",
			tokens: pair, before: failedFor(4), why: rejected, after: 8*time.Second - 1,
			exchange: true, rests: refused,
		},
		{
			name:   "failed four times, rested",
			tokens: pair, before: failedFor(4), why: rejected, after: 8 * time.Second,
			exchange: true,
		},
		{
			name:   "failed often: a minute",
			tokens: pair, before: failedFor(40), why: rejected, after: failedMost,
			exchange: true,
		},
		{
			name:   "failed, and the endpoint asks to wait",
			tokens: pair, before: failed(rejected, busy), why: rejected, after: 89 * time.Second,
			exchange: true, rests: busy,
		},
		{
			name:   "failed, and the endpoint's wait is over",
			tokens: pair, before: failed(rejected, busy), why: rejected, after: 90 * time.Second,
			exchange: true,
		},
		{
			name:   "not sent, often: 5 s at most",
			tokens: pair, before: func(r *restraint, x *tokens) {
				for range 40 {
					r.fail(x, true, byRefreshToken, demand{why: expired}, away, start)
				}
			}, why: expired, after: 5 * time.Second, exchange: true,
		},
		{
			name:   "not sent, often: it rests all the same",
			tokens: pair, before: func(r *restraint, x *tokens) {
				for range 40 {
					r.fail(x, true, byRefreshToken, demand{why: expired}, away, start)
				}
			}, why: expired, after: 5*time.Second - 1, exchange: true, rests: away,
		},
		{
			name:   "not sent by a program's refresher",
			tokens: pair, before: failed(early, noName), why: early, after: 5 * time.Second,
			exchange: true,
		},
		{
			name:   "no answer, early",
			tokens: pair, before: failed(early, silent), why: early, after: time.Hour,
			exchange: true, rests: silent,
		},
		{name: "no answer, expired", tokens: pair, before: failed(early, silent), why: expired, exchange: true},
		{name: "no answer, rejected", tokens: pair, before: failed(early, silent), why: rejected, exchange: true},
		{name: "no answer, forced", tokens: pair, before: failed(early, silent), why: forced, exchange: true},
		{
			name:   "no answer to one that was forced, early",
			tokens: pair, before: failed(forced, silent), why: early, after: time.Hour,
			exchange: true, rests: silent,
		},
		{
			name: "the refresher of an earlier exchange goes on", tokens: pair, why: forced,
			before: func(r *restraint, _ *tokens) { r.goingOn = hangs },
		},
		{
			name: "it goes on, and the tokens are new", tokens: pair, why: expired,
			before: func(r *restraint, _ *tokens) {
				r.goingOn = hangs
				r.replaced()
			},
		},
		{
			name:   "failed early, early again",
			tokens: pair, before: failed(early, refused), why: early, after: earlyRest - 1,
			exchange: true, rests: refused,
		},
		{
			name:   "failed early, rested",
			tokens: pair, before: failed(early, refused), why: early, after: earlyRest,
			exchange: true,
		},
		{name: "failed early, expired now", tokens: pair, before: failed(early, refused), why: expired, exchange: true},
		{
			name:   "failed when expired, early now",
			tokens: pair, before: failed(expired, refused), why: early,
			exchange: true, rests: refused,
		},
		{name: "only looking failed", tokens: pair, before: failedAs(false), why: rejected, exchange: true},
		{
			name:   "only looking failed, and looks again",
			tokens: key, before: failedAs(false), why: rejected,
			rests: refused,
		},
		{
			name:   "the grant is dead",
			tokens: pair, before: failed(early, dead), why: rejected, after: 24 * time.Hour,
			exchange: true, rests: dead,
		},
		{
			name:   "the grant is dead, forced",
			tokens: pair, before: failed(rejected, dead), why: forced,
			exchange: true, rests: dead,
		},
		{
			name: "the grant was dead, new tokens", tokens: pair, why: rejected, exchange: true,
			before: func(r *restraint, x *tokens) {
				r.fail(x, true, byRefreshToken, demand{why: rejected}, dead, start)
				r.replaced()
			},
		},
		{
			name: "other tokens failed", tokens: pair, why: rejected, exchange: true,
			before: func(r *restraint, _ *tokens) {
				r.fail(pair(), true, byRefreshToken, demand{why: rejected}, refused, start)
			},
		},
		{name: "a source has never given a token", tokens: key, by: bySource, before: nothing, why: expired, exchange: true},
		{name: "what a source gave was accepted", tokens: key, by: bySource, before: nothing, why: rejected, exchange: true},
		{name: "what a source gave is refused", tokens: fresh, by: bySource, before: nothing, why: rejected, after: 20*time.Second - 1},
		{
			name: "what a source gave is refused, rested", tokens: fresh, by: bySource, before: nothing, why: rejected,
			after: 20 * time.Second, exchange: true,
		},
		{
			name: "a source failed once", tokens: key, by: bySource, before: sourceFailed(1, expired), why: expired,
			after: 20*time.Second - 1, exchange: true, rests: refused,
		},
		{
			name: "a source failed once, rested", tokens: key, by: bySource, before: sourceFailed(1, expired), why: expired,
			after: 20 * time.Second, exchange: true,
		},
		{
			name: "a source failed often", tokens: key, by: bySource, before: sourceFailed(9, expired), why: expired,
			after: time.Minute - 1, exchange: true, rests: refused,
		},
		{
			name: "a source failed often, rested", tokens: key, by: bySource, before: sourceFailed(9, expired), why: expired,
			after: time.Minute, exchange: true,
		},
		{
			name: "a source failed early, rested", tokens: key, by: bySource, before: sourceFailed(1, early), why: early,
			after: 20 * time.Second, exchange: true,
		},
		{
			name: "unproven, and refused with a challenge", tokens: minted, before: nothing, why: rejected,
			challenge: "claims", exchange: true,
		},
		{
			name: "unproven, and refused with the challenge that it met", tokens: having("claims"), before: nothing,
			why: rejected, challenge: "claims",
		},
		{
			name: "unproven, and refused with another challenge", tokens: having("a", "b"), before: nothing,
			why: rejected, challenge: "claims", exchange: true,
		},
		{
			name: "unproven, and refused with one challenge too many", tokens: having("a", "b", "c"), before: nothing,
			why: rejected, challenge: "claims",
		},
		{
			name: "futile, and refused with a challenge", tokens: pair, before: futile(2), why: rejected,
			challenge: "claims", exchange: true,
		},
		{
			name: "futile three times, and refused with a challenge", tokens: pair, before: futile(3), why: rejected,
			challenge: "claims",
		},
		{
			name: "a renewal without the challenge failed", tokens: pair, before: failed(rejected, refused), why: rejected,
			challenge: "claims", exchange: true,
		},
		{
			name: "a renewal with a challenge failed, and now there is none", tokens: pair, why: expired, exchange: true,
			before: func(r *restraint, x *tokens) {
				r.fail(x, true, byRefreshToken, demand{why: rejected, challenge: "other"}, refused, start)
				r.fail(x, true, byRefreshToken, demand{why: rejected, challenge: "other"}, ErrNotRefreshable, start)
			},
		},
		{
			name: "a renewal with a challenge failed before one without", tokens: pair, why: rejected, challenge: "claims",
			exchange: true, rests: refused,
			before: func(r *restraint, x *tokens) {
				r.fail(x, true, byRefreshToken, demand{why: rejected, challenge: "claims"}, refused, start)
				r.fail(x, true, byRefreshToken, demand{why: rejected}, busy, start)
			},
		},
		{
			name: "a renewal with a challenge found the grant dead", tokens: pair, why: expired, exchange: true, rests: dead,
			before: func(r *restraint, x *tokens) {
				r.fail(x, true, byRefreshToken, demand{why: rejected, challenge: "claims"}, dead, start)
			},
		},
		{
			name: "a renewal with a challenge failed", tokens: pair, why: rejected, challenge: "claims",
			before: func(r *restraint, x *tokens) {
				r.fail(x, true, byRefreshToken, demand{why: rejected, challenge: "other"}, refused, start)
			}, exchange: true, rests: refused,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r restraint
			x := c.tokens()
			if !c.nobody && c.by == byNothing {
				c.by = byRefreshToken
			}
			c.before(&r, x)
			exchange, rests := r.decide(x, c.by, demand{why: c.why, challenge: c.challenge}, start.Add(c.after))
			require.Equal(t, c.exchange, exchange)
			require.Equal(t, c.rests, rests)
		})
	}
}

// Each row is one reason why nothing can be exchanged; of two the more telling one is given.
func TestRestraintSaysWhyNot(t *testing.T) {
	key := newTokens(Entry{Credential: Credential{AccessToken: "k"}}, fromLogin, time.Now())
	pair := newTokens(Entry{Credential: Credential{AccessToken: "a", RefreshToken: "r"}}, fromLogin, time.Now())
	hangs, dead := errors.New("the refresher hangs"), &RefreshError{Code: "invalid_grant", Permanent: true}
	for _, c := range []struct {
		r    *restraint
		t    *tokens
		by   means
		want error
	}{
		{nil, key, byRefreshToken, errNoRefreshToken},
		{nil, key, byNothing, errNoRefreshToken},
		{nil, pair, byNothing, errNoRefresher},
		{nil, pair, byRefreshToken, errUnproven},
		{&restraint{notRefreshable: true}, pair, byRefreshToken, ErrNotRefreshable},
		{&restraint{failed: rest{of: pair, err: dead}}, pair, byRefreshToken, dead},
		{&restraint{failed: rest{of: key, err: dead}}, pair, byRefreshToken, errUnproven},
		{nil, key, bySource, errUnproven},
		{&restraint{failed: rest{of: pair, err: dead}, goingOn: hangs}, pair, byRefreshToken, hangs},
	} {
		require.Equal(t, c.want, c.r.whyNot(c.t, c.by))
	}
	require.Nil(t, (*restraint)(nil).pardoned())
	require.Nil(t, (&restraint{failed: rest{of: pair, err: dead}}).pardoned())
	require.Equal(t, &restraint{goingOn: hangs}, (&restraint{goingOn: hangs, failed: rest{of: pair, err: dead}}).pardoned())
	asked := make(chan struct{})
	require.Equal(t, &restraint{asked: asked}, (&restraint{asked: asked, declined: dead}).pardoned())
}
