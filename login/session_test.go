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
	"github.com/reauth-go/reauth/login"
)

// Start returns what a program shows, and asks for nothing more.
func TestStartReturnsWhatToShow(t *testing.T) {
	eachDevice(t, func(t *testing.T, r *rig, _ string, _ time.Duration) {
		s, err := login.Start(t.Context(), r.provider, &r.opt)
		require.NoError(t, err)
		defer s.Close()
		asked := len(r.wire.asked)
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Len(t, r.wire.asked, asked, "nobody polls before Wait")
		p := s.Prompt()
		assert.NotEmpty(t, p.URL)
		assert.Equal(t, r.fake.UserCodes(), []string{p.Code})
		assert.False(t, p.Paste)
		assert.Empty(t, p.Hint)
		assert.WithinDuration(t, time.Now().Add(14*time.Minute), p.Expires, time.Second)
		assert.Equal(t, p, s.Prompt())
	})
}

// Options may be nil, and Start keeps a copy of them.
func TestOptionsAreCopied(t *testing.T) {
	_, err := login.Start(t.Context(), "groq", nil)
	require.ErrorIs(t, err, login.ErrUnsupported)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	_, err = login.Start(ctx, "nous", nil)
	require.ErrorIs(t, err, context.Canceled)

	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "nous")
		r.opt.Header = http.Header{"X-A": {"1"}}
		s, err := r.start(t.Context())
		require.NoError(t, err)
		r.opt.Header.Set("X-A", "2")
		r.opt.ClientID, r.opt.Note = "another", nil
		got, err := s.Wait(t.Context())
		require.NoError(t, err)
		assert.Empty(t, got.ClientID)
		for _, h := range r.wire.headers {
			assert.Equal(t, "1", h.Get("X-A"))
		}
	})
}

// A Wait that its context ends may be called again, and goes on with the same code and the same times
// between polls.
func TestWaitGoesOn(t *testing.T) {
	eachDevice(t, func(t *testing.T, r *rig, polls string, every time.Duration) {
		r.person.visit = nil
		s, err := r.start(t.Context())
		require.NoError(t, err)
		defer s.Close()
		for range 4 {
			ctx, stop := context.WithTimeout(t.Context(), every+every/3)
			_, err = s.Wait(ctx)
			stop()
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorContains(t, err, "reauth: login "+r.provider+": ")
		}
		require.NoError(t, r.fake.Approve(s.Prompt().Code))
		got, err := s.Wait(t.Context())
		require.NoError(t, err)
		assert.True(t, r.fake.Current(got.RefreshToken))
		gaps := r.wire.gaps(polls)
		assert.Len(t, gaps, 5)
		for _, gap := range gaps {
			assert.Equal(t, every, gap)
		}
	})
}

// What Wait has returned at the end of a login, it returns again.
func TestWaitReturnsTheSameAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "nous")
		s, err := r.start(t.Context())
		require.NoError(t, err)
		first, err := s.Wait(t.Context())
		require.NoError(t, err)
		require.NoError(t, s.Close())
		asked := len(r.wire.asked)
		again, err := s.Wait(t.Context())
		require.NoError(t, err)
		assert.Equal(t, first, again)
		assert.Len(t, r.wire.asked, asked)

		r = newRig(t, "nous")
		r.person.visit = func(_, code string) { assert.NoError(t, r.fake.Deny(code)) }
		s, err = r.start(t.Context())
		require.NoError(t, err)
		for range 2 {
			c, err := s.Wait(t.Context())
			require.ErrorIs(t, err, login.ErrDenied)
			assert.Empty(t, c)
		}
		assert.Len(t, r.wire.asked, 2)
	})
}

func TestErrorsTellWhatHasEndedTheLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "xai")
		r.person.visit = nil
		_, err := r.run(t)
		require.ErrorIs(t, err, login.ErrExpired)
		require.NotErrorIs(t, err, login.ErrDenied)
		r.person.visit = func(_, code string) { assert.NoError(t, r.fake.Deny(code)) }
		_, err = r.run(t)
		require.ErrorIs(t, err, login.ErrDenied)
		require.NotErrorIs(t, err, login.ErrExpired)
	})
}

// A Wait that is called when the code has expired does not wait.
func TestWaitAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "anthropic")
		r.person.visit = nil
		s, err := r.start(t.Context())
		require.NoError(t, err)
		time.Sleep(15 * time.Minute)
		require.ErrorIs(t, s.Enter("x#y"), login.ErrExpired)
		start := time.Now()
		_, err = s.Wait(t.Context())
		require.ErrorIs(t, err, login.ErrExpired)
		assert.Equal(t, start, time.Now())
		require.ErrorContains(t, s.Enter("x#y"), "the login has ended; start another one")
	})
}

func TestOneWaitAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "nous")
		s, err := r.start(t.Context())
		require.NoError(t, err)
		first := make(chan error, 1)
		go func() {
			_, err := s.Wait(t.Context())
			first <- err
		}()
		synctest.Wait()
		c, err := s.Wait(t.Context())
		require.ErrorContains(t, err, "another Wait is under way")
		assert.Empty(t, c)
		require.NoError(t, <-first)
	})
}

// Close ends a Wait at once, and leaves nothing behind.
// The program may close the session from a callback, which Wait calls.
// Enter, Wait and Close may meet in any order.
func TestEnterWhereNothingIsPasted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "nous")
		s, err := r.start(t.Context())
		require.NoError(t, err)
		require.ErrorContains(t, s.Enter("x"), "reauth: login nous: this flow takes no code")
		_, err = s.Wait(t.Context())
		require.NoError(t, err, "the login goes on")
	})
}

// A code that the person has pasted is kept over a Wait that ended before, and taken once.
func TestEnterBeforeWait(t *testing.T) {
	eachPaste(t, func(t *testing.T, r *rig) {
		s, err := login.Start(t.Context(), r.provider, &r.opt)
		require.NoError(t, err)
		assert.True(t, s.Prompt().Paste)
		assert.NotEmpty(t, s.Prompt().Hint)
		ctx, stop := context.WithCancel(t.Context())
		stop()
		_, err = s.Wait(ctx)
		require.ErrorIs(t, err, context.Canceled)
		line := pasteOf(r.provider, consents(t, r.fake, s.Prompt().URL, "approve"))
		require.NoError(t, s.Enter(line))
		require.ErrorContains(t, s.Enter(line), "a code was entered before")
		_, err = s.Wait(ctx)
		require.ErrorIs(t, err, context.Canceled, "nothing is sent when ctx has ended")
		assert.Empty(t, r.wire.asked)
		_, err = s.Wait(t.Context())
		require.NoError(t, err)
	})
}

// A code that was being exchanged when ctx ended is not exchanged again: the server would revoke the
// tokens that it has given for it (RFC 6749 §4.1.2).
func TestExchangeIsNotRepeatedAfterCtx(t *testing.T) {
	eachPaste(t, func(t *testing.T, r *rig) {
		r.wire.answer = func(req *http.Request) (*http.Response, error) {
			<-req.Context().Done()
			return nil, req.Context().Err()
		}
		r.person.visit = func(address, _ string) {
			r.person.lines = []string{pasteOf(r.provider, consents(t, r.fake, address, "approve"))}
		}
		s, err := r.start(t.Context())
		require.NoError(t, err)
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		for range 2 {
			_, err = s.Wait(ctx)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorContains(t, err, "may be spent")
		}
		assert.Len(t, r.wire.asked, 1)
	})
}

// GitHub's token is kept when ctx ends before Copilot's was minted.
func TestMintGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "copilot")
		silent := true
		r.wire.answer = func(req *http.Request) (*http.Response, error) {
			if silent && strings.HasSuffix(req.URL.Path, "/copilot_internal/v2/token") {
				<-req.Context().Done()
				return nil, req.Context().Err()
			}
			return nil, nil
		}
		s, err := r.start(t.Context())
		require.NoError(t, err)
		ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
		defer stop()
		_, err = s.Wait(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		silent = false
		polls, _ := r.fake.Polls()
		got, err := s.Wait(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "octocat", got.AccountID)
		again, _ := r.fake.Polls()
		assert.Equal(t, polls, again, "the device code was good once")
	})
}

// Between two Waits the port is held without a goroutine, and a browser that comes back then is
// answered by the next Wait.
// Close gives up the port, whether a Wait is under way or not.
// A browser that holds a connection open is cut off when a Wait ends without it.
// The requests of a session leave no connection behind, over a real server, whether it is closed or
// just left. TestMain looks for their goroutines.
func TestStartEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "xai")
		r.wire.answer = func(req *http.Request) (*http.Response, error) {
			<-req.Context().Done()
			return nil, req.Context().Err()
		}
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		start := time.Now()
		s, err := r.start(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Nil(t, s)
		assert.Equal(t, time.Second, time.Since(start))
	})
}

// A session in a log or a panic tells no secret.
func TestSessionIsPrintedWithoutSecrets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "nous")
		r.opt.Header = http.Header{"X-Tenant": {"EXAMPLE-of-a-secret"}}
		s, err := r.start(t.Context())
		require.NoError(t, err)
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d"} {
			text := fmt.Sprintf(verb, s)
			assert.Equal(t, "login at https://portal.nousresearch.com of nous", text, verb)
		}
		assert.Equal(t, s.String(), s.LogValue().String())
		require.NoError(t, s.Close())
	})
}

// The steps of a login serve a program that is asked for a new one: its result is what Add takes.
func TestCredentialIsForAdd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "grok")
		got, err := r.run(t)
		require.NoError(t, err)
		pool := reauth.NewPool()
		defer pool.Close()
		id, err := pool.Add(t.Context(), got)
		require.NoError(t, err)
		assert.Equal(t, "user-1", id)
	})
}
