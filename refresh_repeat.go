package reauth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/reauth-go/reauth/internal/wait"
)

// Lost answers. When the answer to an exchange is lost, nobody can tell whether the exchange
// happened. If it did, the refresh token is spent, and its successor was in the answer. Some
// providers forgive a repetition for a few seconds. So the exchange is repeated once and at once, or
// not at all.

// repetition says how an exchange whose answer was lost may be repeated.
type repetition struct {
	// silent allows it also after silence: the access token is of no use any more, so that little is
	// at stake. Else an answer that is late is waited for.
	silent bool
	// claimed returns an error when the claim on the credential is lost: another process may have
	// spent the refresh token since then. nil: there is no claim.
	claimed func(context.Context) error
	// slept tells how long the machine has slept since a time. nil: sleptSince.
	slept func(since time.Time) time.Duration
}

// repetitionKey is the key of a context's *repetition. Without one no exchange is repeated.
type repetitionKey struct{}

const (
	silence = 20 * time.Second // without an answer, after which the exchange is repeated
	// lateAnswer is how much later than a time limit an answer may come, so that one which comes in
	// that moment counts.
	lateAnswer = 100 * time.Millisecond
	wakeEvery  = time.Second // how often it is checked whether the machine has slept
	// shortSleep is a sleep that connections survive. A correction of the clock may look like one.
	shortSleep = 3 * time.Second
)

var (
	errSilent = errors.New("there was no answer for 20 s")
	errWoke   = errors.New("the machine has slept while it waited for the answer")
)

// askAgain calls ask, and once more if the answer was lost and ctx allows that.
func askAgain[A any](
	ctx context.Context, ask func(context.Context) (A, error), isLost func(A, error) bool,
) (A, error) {
	r, _ := ctx.Value(repetitionKey{}).(*repetition)
	if r == nil {
		return ask(ctx)
	}
	first, abandon := r.watch(ctx)
	a, err := ask(first)
	abandoned := abandon()
	if err != nil && abandoned != nil {
		err = fmt.Errorf("%w: %w", abandoned, err)
	}
	if again := isLost(a, err) || err != nil && abandoned != nil; !again || !r.follows(ctx, err) {
		return a, err
	}
	if gone := r.claimLost(ctx); gone != nil {
		if err != nil {
			err = fmt.Errorf("%w; it is not repeated: %w", err, gone)
		}
		return a, err
	}
	return ask(ctx)
}

// claimLost tells why the claim on the credential is lost; nil: it is not.
func (r *repetition) claimLost(ctx context.Context) error {
	if r.claimed == nil {
		return nil
	}
	return r.claimed(ctx)
}

// follows reports whether an exchange that ended with err is repeated.
func (r *repetition) follows(ctx context.Context, err error) bool {
	switch {
	case ctx.Err() != nil:
		return false
	case errors.Is(err, errWoke), errors.Is(err, errSilent):
		return true
	}
	return r.silent || !isSilent(err)
}

// watch returns a context for the first try, which ends when the exchange is to be repeated: on
// silence, and when the machine woke. abandon ends it at last, and tells which of them it was.
func (r *repetition) watch(ctx context.Context) (first context.Context, abandon func() error) {
	limited, stop := ctx, context.CancelFunc(func() {})
	if r.silent {
		limited, stop = context.WithTimeoutCause(ctx, silence+lateAnswer, errSilent)
	}
	first, cancel := context.WithCancelCause(limited)
	over := make(chan struct{})
	go func() {
		defer close(over)
		r.awaitWaking(first, cancel)
	}()
	return first, func() error {
		cancel(nil)
		stop()
		<-over
		if why := context.Cause(first); errors.Is(why, errSilent) || errors.Is(why, errWoke) {
			return why
		}
		return nil
	}
}

// awaitWaking ends ctx by cancel when the machine has slept.
func (r *repetition) awaitWaking(ctx context.Context, cancel context.CancelCauseFunc) {
	slept, began := r.slept, time.Now()
	if slept == nil {
		slept = sleptSince
	}
	for wait.For(ctx, wakeEvery) {
		if slept(began) > shortSleep {
			cancel(errWoke)
		}
	}
}

// sleptSince is how long the machine has slept since then.
func sleptSince(began time.Time) time.Duration { return sleptBetween(began, time.Now()) }

// sleptBetween is by how much the clock of the wall has gone ahead of the monotonic one, which stands
// still while a machine sleeps.
func sleptBetween(began, now time.Time) time.Duration {
	return now.Round(0).Sub(began.Round(0)) - now.Sub(began)
}
