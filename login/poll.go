package login

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// outcome is the meaning of an answer to a poll.
type outcome uint8

const (
	refused outcome = iota // the login ends
	granted                // the answer holds the tokens, or the code for them
	pending                // the person has not consented yet
	slower                 // the server wants longer intervals: slow_down of RFC 8628 §3.5
	hiccup                 // the answer says nothing about the login: a page of a proxy, an overload
)

// judge reads an answer to a poll by RFC 8628 §3.5. An error code counts whatever the status is,
// since servers send these codes with different statuses, GitHub even with 200.
func judge(a *answer) outcome {
	switch {
	case a.code == "authorization_pending":
		return pending
	case a.code == "slow_down":
		return slower
	case a.status >= 500, a.status == http.StatusTooManyRequests, a.status == http.StatusRequestTimeout:
		return hiccup
	case a.raw == nil && (a.status < 300 || a.status > 399):
		return hiccup
	case a.ok() && a.code == "":
		return granted
	}
	return refused
}

// consent is the consent that a login waits for.
type consent struct {
	address, userCode string        // where the person consents, and the code to use there
	every             time.Duration // between polls
	until             time.Time     // when the code expires
}

const (
	defaultEvery = 5 * time.Second        // between polls if the server names no interval (RFC 8628 §3.2)
	defaultLife  = 15 * time.Minute       // of a code if the server names no lifetime
	longestLife  = time.Hour              // of a code, whatever the server says
	longestWait  = 30 * time.Second       // of the back-off after requests without an answer
	leastEvery   = 200 * time.Millisecond // between polls, whatever the server says
)

// poll asks for the outcome until there is one, and returns the answer that grants the login. A
// request without an answer does not end the login, since the person may have consented already.
func (s *session) poll(
	ctx context.Context, c consent, ask func(context.Context) (*answer, error), judge func(*answer) outcome,
) (*answer, error) {
	c.every = max(c.every, leastEvery)
	wait, misses := c.every, 0
	for {
		if err := s.pause(ctx, wait, c.until); err != nil {
			return nil, err
		}
		a, err := ask(ctx)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		what := hiccup
		if err == nil {
			what = judge(a)
		}
		if what == hiccup {
			if misses == 0 {
				s.Person.Note(s.missed(a, err))
			}
			misses++
			wait = missWait(c.every, misses, a)
			continue
		}
		if misses > 0 {
			s.Person.Note("The server answers again.")
			misses = 0
		}
		switch what {
		case granted:
			return a, nil
		case slower:
			// RFC 8628 §3.5: "the interval MUST be increased by 5 seconds". GitHub names the new
			// one.
			c.every = max(c.every+5*time.Second, seconds(a.number("interval")))
		case pending, hiccup:
		case refused:
			return nil, s.refusal("the login was refused", a)
		}
		wait = c.every
	}
}

// missed returns the note for the person that a poll got no answer. a is nil if there was none at
// all.
func (s *session) missed(a *answer, err error) string {
	said := "an answer that is not of the login"
	if err != nil {
		said = err.Error()
	}
	if a != nil {
		said = fmt.Sprintf("status %d", a.status)
	}
	return "No answer from the server (" + said + "); still trying."
}

// missWait returns the time to wait after misses polls in a row without an answer. It doubles with
// each miss up to longestWait, and is at least the Retry-After of the answer.
func missWait(every time.Duration, misses int, a *answer) time.Duration {
	wait := min(every<<min(misses, 5), max(every, longestWait))
	if a != nil {
		wait = max(wait, retryAfter(a.header))
	}
	return wait
}

// pause waits for d, while the person sees how much time is left until the code expires.
func (s *session) pause(ctx context.Context, d time.Duration, until time.Time) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	_, err := await(ctx, s, timer.C, until)
	return err
}

// seconds returns n seconds as a duration. It returns zero if n is not positive, not a number, or
// over 1e7 (115 days), which no server means.
func seconds(n float64) time.Duration {
	if !(n > 0 && n < 1e7) {
		return 0
	}
	return time.Duration(n * float64(time.Second))
}
