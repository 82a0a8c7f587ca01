package reauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"github.com/reauth-go/reauth/internal/rewind"
	"github.com/reauth-go/reauth/internal/verdict"
)

// The functions that a program has given, as the transport calls them. One that panics counts as
// failed, and the event Panicked tells it.

// mayRefuse is Provider.MayRefuse. When that panics, the status decides.
func (m *member) mayRefuse(ctx context.Context, p *registered, resp *http.Response) (may bool) {
	defer func() {
		if r := recover(); r != nil {
			_ = m.crashed(ctx, "may-refuse", r) // told
			may = mayRefuse(resp)
		}
	}()
	return p.mayRefuse(resp)
}

// ownReasons are the reasons of the built-in rules, which hold nothing of an answer.
//
//nolint:gochecknoglobals // never changed
var ownReasons = sync.OnceValue(func() map[string]bool {
	own := make(map[string]bool)
	for _, reason := range verdict.Reasons() {
		own[reason] = true
	}
	return own
})

// judge calls a classifier of the program. One that panics leaves the answer to the next. Its reason
// may repeat what the answer said.
func (m *member) judge(ctx context.Context, what string, f func() (Verdict, bool)) (v Verdict, ok bool) {
	defer func() {
		if r := recover(); r != nil {
			_ = m.crashed(ctx, what, r) // told
			v, ok = Verdict{}, false
		}
	}()
	if v, ok = f(); !ownReasons()[v.Reason] {
		v.Reason = label(redact(v.Reason, m.secrets()...))
	}
	return v, ok
}

// canStepUp reports whether the refresher says that it can get tokens instead of t that meet the
// challenge of a refusal.
func (m *member) canStepUp(ctx context.Context, t *tokens, d demand) (can bool) {
	if !t.lacks(d.challenge) {
		return false
	}
	stepper, ok := m.refresher().(StepUpRefresher)
	if !ok {
		return false
	}
	defer func() {
		if r := recover(); r != nil {
			_ = m.crashed(ctx, "can-step-up", r) // told
			can = false
		}
	}()
	return stepper.CanStepUp(*d.refusal)
}

// authorize returns the caller's header with the tokens. An error means that nothing may be sent: the
// function of the provider has panicked.
func (m *member) authorize(
	ctx context.Context, p *registered, t *tokens, header http.Header,
) (own http.Header, err error) {
	defer func() {
		if r := recover(); r != nil {
			own, err = nil, fmt.Errorf("reauth: authorize %s: %w", m, m.crashed(ctx, "authorize", r))
		}
	}()
	return p.authorize(t, header), nil
}

// tellBody tells the panic of a body that was read in a goroutine of ours, if err is one.
func (m *member) tellBody(ctx context.Context, err error) {
	if p, ok := errors.AsType[*rewind.PanicError](err); ok {
		told := newPanicError("body", p.Value, m.secrets()...)
		told.stack = string(p.Stack)
		m.emit(ctx, panicked(told))
	}
}
