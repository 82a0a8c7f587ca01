package reauth_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/testrig/clock"
)

// late gives an answer after a delay, unless the request ends before.
func late(d time.Duration, answer httpmock.Responder) httpmock.Responder {
	return func(req *http.Request) (*http.Response, error) {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			return answer(req)
		case <-req.Context().Done():
			return nil, req.Context().Err()
		}
	}
}

// silent gives no answer.
var silent = late(time.Hour, nil)

// renewals are the ways in which a pool renews the token of exampleLogin. Their errors are those that
// the program gets to see.
var renewals = map[string]struct {
	lives, forced bool          // the token still serves; the user asked
	expiry        time.Duration // of the token, from the start; zero: it does not say
	renew         func(*reauth.Pool) error
}{
	"rejected": {renew: func(pool *reauth.Pool) error {
		rejected := reauth.Verdict{Kind: reauth.Rejected}
		return pool.Report(context.Background(), "example", "me", oldTokens[0], rejected)
	}},
	"expired": {expiry: -time.Hour, renew: func(pool *reauth.Pool) error {
		_, err := pool.Token(context.Background(), "example") // it hands out the expired token when it gets no other
		return err
	}},
	"forced, expired": {expiry: -time.Hour, forced: true, renew: func(pool *reauth.Pool) error {
		return pool.Refresh(context.Background(), "example", "me")
	}},
	"early": {lives: true, expiry: time.Minute, renew: func(pool *reauth.Pool) error {
		time.Sleep(59 * time.Second) // within the margin
		_, err := pool.Token(context.Background(), "example")
		time.Sleep(40 * time.Second) // the renewal runs in the background
		return err
	}},
	"forced": {lives: true, forced: true, renew: func(pool *reauth.Pool) error {
		return pool.Refresh(context.Background(), "example", "me")
	}},
}

// An answer is lost. The provider may have spent the refresh token, and may forgive a repetition for
// a few seconds. So the exchange is repeated once, at once. After silence it is repeated only where
// the token is of no use; where the user asked for the renewal of a token that lives, never.
func TestLostAnswerIsAskedForOnceMore(t *testing.T) {
	good, dead := says(200, newPair), says(400, `{"error":"invalid_grant"}`)
	for name, c := range map[string]struct {
		answers   inOrder
		useless   []time.Duration // when it sends, counted from its first request: the token is of no use
		early     []time.Duration // the token lives
		forced    []time.Duration // the token lives, and the user asked
		rotated   bool            // when all answers are asked for
		permanent bool            // the error then
	}{
		"cut":                   {inOrder{lost}, ms(0, 0), ms(0, 0), ms(0), false, false},
		"cut, then not":         {inOrder{lost, good}, ms(0, 0), ms(0, 0), ms(0), true, false},
		"cut, then dead":        {inOrder{lost, dead}, ms(0, 0), ms(0, 0), ms(0), false, true},
		"unavailable":           {inOrder{says(503, ``)}, ms(0, 0), ms(0, 0), ms(0), false, false},
		"5xx, then not":         {inOrder{says(503, ``, "Retry-After", "60"), good}, ms(0, 0), ms(0, 0), ms(0), true, false},
		"silence":               {inOrder{silent}, ms(0, 20_100), ms(0), ms(0), false, false},
		"silence, then not":     {inOrder{silent, good}, ms(0, 20_100), ms(0), ms(0), true, false},
		"an answer after 29 s":  {inOrder{late(29*time.Second, good)}, ms(0, 20_100), ms(0), ms(0), false, false},
		"cut, then silence":     {inOrder{lost, silent}, ms(0, 0), ms(0, 0), ms(0), false, false},
		"a dead grant":          {inOrder{dead}, ms(0), ms(0), ms(0), false, true},
		"a page":                {inOrder{says(200, `<html>`)}, ms(0), ms(0), ms(0), false, false},
		"429":                   {inOrder{says(429, ``)}, ms(0, 250, 750), ms(0, 250, 750), ms(0, 250, 750), false, false},
		"no connection":         {inOrder{noDial}, ms(0, 250, 750), ms(0, 250, 750), ms(0, 250, 750), false, false},
		"cut, then not dialled": {inOrder{lost, noDial}, ms(0, 0, 250, 750), ms(0, 0, 250, 750), ms(0), false, false},
	} {
		for way, how := range renewals {
			want := c.useless
			switch {
			case how.lives && how.forced:
				want = c.forced
			case how.lives:
				want = c.early
			}
			onFakeClock(t, name+", "+way, func(t *testing.T) {
				w := newTokenWire(inTurn(c.answers...))
				login := exampleLogin()
				if how.expiry != 0 {
					login.Expiry = time.Now().Add(how.expiry)
				}
				pool := loginPool(t, exampleRefresher(w, reauth.OAuth2Config{}), login)
				err := how.renew(pool)
				sent := w.times()
				var after []time.Duration
				for _, at := range sent {
					after = append(after, at-sent[0])
				}
				assert.Equal(t, want, after)
				switch {
				case name == "an answer after 29 s" && how.lives, c.rotated && len(want) > 1:
					require.NoError(t, err)
					assert.Equal(t, newTokens, tokensIn(t, pool))
					return
				case way == "rejected", how.forced:
					assert.Equal(t, c.permanent && len(want) >= len(c.answers), refreshError(t, err).Permanent)
				}
				if way != "early" { // by now that token has expired, and would be renewed once more
					assert.Equal(t, oldTokens, tokensIn(t, pool))
				}
			})
		}
	}
}

// The same over golang.org/x/oauth2, which a program brings.
func TestLostAnswerOfATokenSource(t *testing.T) {
	grants := says(200, newPair, "Content-Type", "application/json")
	for name, c := range map[string]struct {
		first httpmock.Responder
		want  []time.Duration
	}{
		"cut": {lost, ms(0, 0)}, "5xx": {says(502, `<html>`), ms(0, 0)}, "silence": {silent, ms(0, 20_100)},
		"dead": {says(400, `{"error":"invalid_grant"}`), ms(0)}, "no token": {says(200, `{}`), ms(0)},
	} {
		onFakeClock(t, name, func(t *testing.T) {
			w := newTokenWire(inTurn(c.first, grants))
			pool := loginPool(t, sourceRefresher(w), exampleLogin())
			_ = renewals["rejected"].renew(pool) // "dead" and "no token" fail
			assert.Equal(t, c.want, w.times())
			if len(c.want) > 1 {
				assert.Equal(t, newTokens, tokensIn(t, pool))
			}
		})
	}
}

// A laptop sleeps while it waits for an answer. The connection does not survive that, and the
// provider forgives a repetition for 10 s. The monotonic clock stands still in the sleep.
func TestWakingUpCountsAsALostConnection(t *testing.T) {
	for name, slept := range map[string]time.Duration{
		"a night": 8 * time.Hour, "a clock that is corrected": time.Second, "one that is set back": -time.Hour,
	} {
		for _, r := range map[string]func(*tokenWire) reauth.Refresher{
			"ours":       func(w *tokenWire) reauth.Refresher { return exampleRefresher(w, reauth.OAuth2Config{}) },
			"x/oauth2's": sourceRefresher,
		} {
			onFakeClock(t, name, func(t *testing.T) {
				w := newTokenWire(inTurn(silent, says(200, newPair, "Content-Type", "application/json")))
				ctx, stop := context.WithTimeout(context.Background(), 30*time.Second)
				defer stop()
				awake := time.Now().Add(5 * time.Second)
				ctx = reauth.WithRepetition(ctx, false, func(time.Time) time.Duration {
					if time.Now().Before(awake) {
						return 0
					}
					return slept
				}, nil)
				got, err := r(w).Refresh(ctx, exampleLogin())
				if slept < time.Minute {
					require.ErrorIs(t, err, context.DeadlineExceeded)
					assert.Equal(t, ms(0), w.times())
					return
				}
				require.NoError(t, err)
				assert.Equal(t, newTokens, tokens(got))
				assert.Equal(t, ms(0, 5000), w.times())
			})
		}
	}
}

func TestSleepShowsInTheClocks(t *testing.T) {
	began := time.Now()
	now := began.Add(time.Minute)
	assert.Zero(t, reauth.SleptBetween(began, now))
	assert.Equal(t, time.Hour, reauth.SleptBetween(began, clock.Asleep(now, time.Hour)))
	assert.Equal(t, -time.Hour, reauth.SleptBetween(began, clock.Asleep(now, -time.Hour)), "the clock was set back")
	assert.Zero(t, reauth.SleptBetween(began.Round(0), clock.Asleep(now, time.Hour)), "one clock alone tells nothing")
}

// While a laptop sleeps its claim runs out, and another process may spend the refresh token. So the
// exchange is repeated under the claim only.
func TestNothingIsRepeatedWithoutTheClaim(t *testing.T) {
	for name, answer := range map[string]httpmock.Responder{"cut": lost, "5xx": says(503, ``), "silence": silent} {
		onFakeClock(t, name, func(t *testing.T) {
			w := newTokenWire(answer)
			ctx := reauth.WithRepetition(context.Background(), true, nil, errors.New("the claim ran out"))
			_, err := exampleRefresher(w, reauth.OAuth2Config{}).Refresh(ctx, exampleLogin())
			require.Error(t, err)
			assert.Len(t, w.sent(), 1)
		})
	}
	bubbleOver(t, func(t *testing.T, r *rig, store *watchedStore) {
		old, _ := r.login(t, "me")
		r.fake.Expire(old)
		w := newTokenWire(func(*http.Request) (*http.Response, error) {
			store.fail("mark spending", errors.New("the claim ran out"))
			return lost(nil)
		})
		r.register(t, func(p *reauth.Provider) { p.Refresher = exampleRefresher(w, reauth.OAuth2Config{}) })
		status, _ := r.mustPost(t)
		assert.Equal(t, 403, status)
		assert.Len(t, w.sent(), 1)
		failed := r.events.all(reauth.RefreshFailed)
		require.Len(t, failed, 1)
		assert.ErrorContains(t, failed[0].Err, "the claim ran out")
	})
}

// forgiving is a token endpoint that rotates a refresh token, loses the answer, and gives the pair
// again to whoever repeats the request within 10 s. Later it calls that a reuse.
func forgiving() httpmock.Responder {
	var rotated time.Time
	return func(req *http.Request) (*http.Response, error) {
		switch {
		case rotated.IsZero():
			rotated = time.Now()
			return lost(req)
		case time.Since(rotated) <= 10*time.Second:
			return says(200, newPair)(req)
		}
		return says(400, `{"error":"invalid_grant","error_description":"reuse"}`)(req)
	}
}

// No way of renewing but one loses the login to an answer that is lost. That one is Refresh of a
// token that still lives: a strict provider would end the login, and with it a token that serves.
func TestLostAnswerLosesNoLoginThatIsForgiven(t *testing.T) {
	for way, how := range renewals {
		onFakeClock(t, way, func(t *testing.T) {
			login := exampleLogin()
			if how.expiry != 0 {
				login.Expiry = time.Now().Add(how.expiry)
			}
			w := newTokenWire(forgiving())
			pool := loginPool(t, exampleRefresher(w, reauth.OAuth2Config{}), login)
			err := how.renew(pool)
			if way == "forced" {
				require.Error(t, err)
				assert.Len(t, w.sent(), 1)
				assert.Equal(t, oldTokens, tokensIn(t, pool))
				return
			}
			require.NoError(t, err)
			assert.Equal(t, newTokens, tokensIn(t, pool))
		})
	}
}

// There is no answer to an early renewal. The token still lives, and the refresh token may be spent:
// it is not sent again before the token has expired.
func TestSilenceIsNotRepeatedWhileTheTokenLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTokenWire(inTurn(silent, says(200, newPair)))
		login := exampleLogin()
		login.Expiry = time.Now().Add(time.Hour)
		pool := loginPool(t, exampleRefresher(w, reauth.OAuth2Config{}), login)
		for range 3598 {
			time.Sleep(time.Second)
			assert.Equal(t, oldTokens, tokensIn(t, pool))
		}
		assert.Len(t, w.sent(), 1)
		time.Sleep(3 * time.Second)
		assert.Equal(t, newTokens, tokensIn(t, pool))
		assert.Len(t, w.sent(), 2)
	})
}

// A user asks for the renewal of a token that a provider has refused: it lives no more.
func TestForcedRenewalOfARefusedTokenIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTokenWire(inTurn(says(429, ``, "Retry-After", "60"), forgiving()))
		pool := loginPool(t, exampleRefresher(w, reauth.OAuth2Config{}), exampleLogin())
		require.Error(t, renewals["rejected"].renew(pool), "the endpoint is busy, so the credential is put aside")
		require.NoError(t, pool.Refresh(context.Background(), "example", "me"))
		assert.Equal(t, newTokens, tokensIn(t, pool))
	})
}
