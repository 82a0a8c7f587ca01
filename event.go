package reauth

import (
	"log/slog"
	"time"
)

// EventType says what happened.
type EventType string

// The events. Each tells one decision of the transport or the pool.
const (
	// Sent: a request was sent with the credential. Duration is the time to the response header.
	Sent EventType = "sent"
	// Judged: an answer was classified. Reason begins with the kind of the verdict.
	Judged EventType = "judged"
	// Refreshing: an exchange begins. Reason is early, expired, rejected or forced.
	Refreshing EventType = "refreshing"
	// Refreshed: an exchange brought new tokens. Duration is the time that the exchange took.
	Refreshed EventType = "refreshed"
	// Adopted: the pool took newer tokens from the store, without an exchange.
	Adopted EventType = "adopted"
	// Switched: the request goes on with this credential, because another one was refused.
	Switched EventType = "switched"
	// PutAside: the credential is not preferred until Until.
	PutAside EventType = "put-aside"
	// RefreshFailed: Err tells why. The pool keeps the tokens that it has.
	RefreshFailed EventType = "refresh-failed"
	// StoreFailed: the pool could not read or write the store, and Reason is load, claim, mark or
	// persist. Or the store cannot be relied upon: a record cannot be read (record), something is wrong
	// with its place (place), it went back (behind), or it is another one (other-store). Err tells why.
	StoreFailed EventType = "store-failed"
	// NotDurable: the pool lives in memory, so a rotated pair is lost when the process exits.
	NotDurable EventType = "not-durable"
	// GaveUp: the caller got the refusal of the credential ID. Where that was rejected, Err tells why it
	// could not be renewed, or why the request was not sent again. Reason is short for a renewal that
	// failed, else it is that of the verdict.
	GaveUp EventType = "gave-up"
)

// Retired is an EventType and a State: the credential is unused until it gets new tokens, is
// Reset, or is accepted. The constant is untyped, so it compares with both types.
const Retired = "retired"

// Event is one decision of the transport or the pool. It holds no secret.
type Event struct {
	Time         time.Time
	Type         EventType
	Provider, ID string // of the credential; ID is empty where the event is about none
	Reason       string // short and stable, fit for a metric's label
	Status       int    // of the answer; 0 where there was none
	Attempt      int    // number of the request's send, from 1; 0 where there was none
	Duration     time.Duration
	Until        time.Time // of PutAside
	Err          error
}

// level is the event's level in the log. Events of each request are for debugging; those after
// which a person may have to act are warnings; a failing store is an error, because logins may be
// lost.
func (e Event) level() slog.Level {
	switch e.Type {
	case Sent, Judged:
		return slog.LevelDebug
	case RefreshFailed, NotDurable, GaveUp, Retired:
		return slog.LevelWarn
	case StoreFailed:
		return slog.LevelError
	case Refreshing, Refreshed, Adopted, Switched, PutAside:
	}
	return slog.LevelInfo
}

// attrs are the fields of the event that are set, for the log.
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
