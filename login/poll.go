package login

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/reauth-go/reauth"
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

const (
	defaultEvery = 5 * time.Second        // between polls if the server names no interval (RFC 8628 §3.2)
	defaultLife  = 15 * time.Minute       // of a code if the server names no lifetime
	longestLife  = time.Hour              // of a code, whatever the server says
	longestWait  = 30 * time.Second       // of the back-off after requests without an answer
	leastEvery   = 200 * time.Millisecond // between polls, whatever the server says
)

// polling is a login that asks the server for the outcome until there is one.
type polling struct {
	s *Session
	// every is the time between polls, and until the end of the code.
	every time.Duration
	until time.Time
	// ask sends a poll, and judge reads its answer.
	ask   func(ctx context.Context) (*answer, error)
	judge func(a *answer) outcome
	// read makes the credential of the answer that grants the login.
	read func(ctx context.Context, a *answer) (reauth.Credential, error)

	due     time.Time // of the next poll
	misses  int       // polls in a row without an answer
	granted *answer   // nil: the person has not consented yet
}

// polled returns the course of a login at which the program polls. The prompt names address and code,
// which polled checks, and the end of the code.
func (s *Session) polled(prompt Prompt, p polling) (course, error) {
	if err := checkPrompt(prompt); err != nil {
		return course{}, err
	}
	p.s, p.until, p.every = s, prompt.Expires, max(p.every, leastEvery)
	p.due = time.Now().Add(p.every)
	return course{prompt: prompt, wait: p.wait}, nil
}

// wait polls until the login is granted, and returns its credential. When ctx ends, a later call goes
// on, with the same times between polls.
func (p *polling) wait(ctx context.Context) (reauth.Credential, error) {
	for p.granted == nil {
		if err := p.s.pause(ctx, p.due, p.until); err != nil {
			return reauth.Credential{}, err
		}
		if err := p.poll(ctx); err != nil {
			return reauth.Credential{}, err
		}
	}
	return p.read(ctx, p.granted)
}

// poll asks for the outcome once. Its error ends the login, or is that of ctx. A request without an
// answer does not end the login, since the person may have consented already.
func (p *polling) poll(ctx context.Context) error {
	p.due = time.Now().Add(p.every) // also if ctx ends meanwhile
	a, err := p.ask(ctx)
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	what := hiccup
	if err == nil {
		what = p.judge(a)
	}
	if what == hiccup {
		p.miss(a, err)
		return nil
	}
	if p.misses > 0 {
		p.s.say("The server answers again.")
		p.misses = 0
	}
	switch what {
	case granted:
		p.granted = a
	case refused:
		return p.s.refusal("the login was refused", a)
	case slower:
		// RFC 8628 §3.5: "the interval MUST be increased by 5 seconds". GitHub names the new one.
		p.every = max(p.every+5*time.Second, seconds(a.number("interval")))
	case pending, hiccup:
	}
	p.due = time.Now().Add(p.every)
	return nil
}

// miss counts a poll without an answer, tells of the first one in a row, and backs off.
func (p *polling) miss(a *answer, err error) {
	if p.misses == 0 {
		p.s.say(missed(a, err))
	}
	p.misses++
	p.due = time.Now().Add(missWait(p.every, p.misses, a))
}

// missed returns the note for the person that a poll got no answer. a is nil if there was none at
// all.
func missed(a *answer, err error) string {
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

// pause waits until due, and tells how much time is left until the code expires.
func (s *Session) pause(ctx context.Context, due, until time.Time) error {
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	_, err := await(ctx, s, timer.C, until)
	return err
}

// await returns the value that arrives on ch. Its error is that of errTooLate at the time until, or
// that of ctx. It tells about every second how much time is left.
func await[T any](ctx context.Context, s *Session, ch <-chan T, until time.Time) (got T, err error) {
	last := time.NewTimer(time.Until(until))
	defer last.Stop()
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for {
		if s.opt.Waiting != nil {
			s.opt.Waiting(max(0, time.Until(until).Round(time.Second)))
		}
		select {
		case got := <-ch: // it counts also if the time is over
			return got, nil
		default:
		}
		select {
		case got := <-ch:
			return got, nil
		case <-second.C:
		case <-last.C:
			return got, errTooLate()
		case <-ctx.Done():
			return got, ctx.Err()
		}
	}
}

// seconds returns n seconds as a duration. It returns zero if n is not positive, not a number, or
// over 1e7 (115 days), which no server means.
func seconds(n float64) time.Duration {
	if !(n > 0 && n < 1e7) {
		return 0
	}
	return time.Duration(n * float64(time.Second))
}
