package login

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// outcome is what an answer to a poll means.
type outcome uint8

const (
	refused outcome = iota
	granted
	pending
	slower // RFC 8628 §3.5's slow_down
	hiccup // no word on the login: an edge's page, an overload
)

// judge reads an answer as RFC 8628 §3.5 has it. What comes with which status differs among
// servers, and is not looked at.
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

// consent is what a login that has begun waits for.
type consent struct {
	address, userCode string
	every             time.Duration // between polls
	until             time.Time
}

const (
	defaultEvery = 5 * time.Second // RFC 8628 §3.2
	defaultLife  = 15 * time.Minute
	longestLife  = time.Hour
	longestWait  = 30 * time.Second // after requests without an answer
	leastEvery   = 200 * time.Millisecond
)

// poll asks for the outcome until there is one. Requests without an answer do not end a login: the
// person may have consented already.
func (s *session) poll(ctx context.Context, c consent, ask func(context.Context) (*answer, error), judge func(*answer) outcome) (*answer, error) {
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
		case slower: // "the interval MUST be increased by 5 seconds"; GitHub names the new one
			c.every = max(c.every+5*time.Second, seconds(a.number("interval")))
		case pending, hiccup:
		case refused:
			return nil, s.refusal("the login was refused", a)
		}
		wait = c.every
	}
}

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

// missWait doubles, and is at least what the server asks for.
func missWait(every time.Duration, misses int, a *answer) time.Duration {
	wait := min(every<<min(misses, 5), max(every, longestWait))
	if a != nil {
		wait = max(wait, retryAfter(a.header))
	}
	return wait
}

func (s *session) pause(ctx context.Context, d time.Duration, until time.Time) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	_, err := await(ctx, s, timer.C, until)
	return err
}

// seconds is zero for what is no plausible number of them.
func seconds(n float64) time.Duration {
	if !(n > 0 && n < 1e7) {
		return 0
	}
	return time.Duration(n * float64(time.Second))
}
