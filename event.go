package reauth

import (
	"context"
	"log/slog"
	"time"
)

// EventType says what happened.
type EventType string

// The events, one per decision.
const (
	Sent          EventType = "sent"           // a request was sent with the credential; Duration is the time to the response header
	Judged        EventType = "judged"         // an answer was looked into; Reason begins with the verdict
	Refreshed     EventType = "refreshed"      // an exchange brought new tokens; Duration is the exchange's
	Adopted       EventType = "adopted"        // newer tokens were found in the store and taken, without an exchange
	Switched      EventType = "switched"       // the request goes on with this credential, after another one was refused
	PutAside      EventType = "put-aside"      // the credential is not preferred until Until
	RefreshFailed EventType = "refresh-failed" // Err tells why; the tokens are kept
	StoreFailed   EventType = "store-failed"   // the store could not be read or written; Err tells why
	NotDurable    EventType = "not-durable"    // the pool lives in memory: a rotated pair will be lost at exit
	GaveUp        EventType = "gave-up"        // the refusal went back to the caller
)

// Retired is both an event, a credential not used again until it has new tokens, is Reset or is accepted after all, and the
// State of such a credential. It is untyped so that it compares with either.
const Retired = "retired"

// Event is one decision of the transport or the pool. It holds no secret.
type Event struct {
	Time         time.Time
	Type         EventType
	Provider, ID string // of the credential; ID may be empty where none is meant
	Reason       string // short and stable, fit for a metric's label
	Status       int    // of the answer, where there was one
	Attempt      int    // of the request, from 1, where there is one
	Duration     time.Duration
	Until        time.Time // of PutAside
	Err          error
}

// observed reports whether anybody listens, so that the path of a successful request builds no event in vain.
func (p *Pool) observed() bool { return p.Observe != nil || p.Logger != nil }

// emit tells the observer and the log. It is called with no lock held: an observer may call the pool.
func (p *Pool) emit(ctx context.Context, e Event) {
	if !p.observed() {
		return
	}
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	if p.Observe != nil {
		p.observe(ctx, e)
	}
	if p.Logger != nil {
		p.Logger.LogAttrs(ctx, e.level(), "reauth: "+string(e.Type), e.attrs()...)
	}
}

// observe calls the observer; a panic in it must not take a request down, let alone an exchange that others wait for.
func (p *Pool) observe(ctx context.Context, e Event) {
	defer func() {
		if r := recover(); r != nil && p.Logger != nil {
			p.Logger.ErrorContext(ctx, "reauth: the observer panicked", "event", string(e.Type))
		}
	}()
	p.Observe(ctx, e)
}

func (e Event) level() slog.Level {
	switch e.Type {
	case Sent, Judged:
		return slog.LevelDebug
	case RefreshFailed, NotDurable, GaveUp, Retired:
		return slog.LevelWarn
	case StoreFailed:
		return slog.LevelError
	case Refreshed, Adopted, Switched, PutAside:
	}
	return slog.LevelInfo
}

func (e Event) attrs() []slog.Attr {
	attrs := []slog.Attr{slog.String("provider", e.Provider)}
	if e.ID != "" {
		attrs = append(attrs, slog.String("id", e.ID))
	}
	if e.Reason != "" {
		attrs = append(attrs, slog.String("reason", e.Reason))
	}
	if e.Status != 0 {
		attrs = append(attrs, slog.Int("status", e.Status))
	}
	if e.Attempt != 0 {
		attrs = append(attrs, slog.Int("attempt", e.Attempt))
	}
	if e.Duration != 0 {
		attrs = append(attrs, slog.Duration("duration", e.Duration))
	}
	if !e.Until.IsZero() {
		attrs = append(attrs, slog.Time("until", e.Until))
	}
	if e.Err != nil {
		attrs = append(attrs, slog.String("err", e.Err.Error()))
	}
	return attrs
}
