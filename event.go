package reauth

import (
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/reauth-go/reauth/internal/verdict"
)

// EventType says what happened.
type EventType string

// The events. Each tells one decision of the transport or the pool.
const (
	// Sent: a request was sent with the credential. Duration is the time to the response header.
	Sent EventType = "sent"
	// Judged: an answer was classified. Reason begins with the kind of the verdict.
	Judged EventType = "judged"
	// Refreshing: an exchange begins. Reason is early, expired, rejected or forced; relogin when
	// Pool.Relogin is asked instead.
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
	// persist. Or the store cannot be relied upon: a record, or a value in it, cannot be used (record),
	// something is wrong with its place (place), it went back (behind), or it is another one
	// (other-store). Err tells why.
	StoreFailed EventType = "store-failed"
	// NotDurable: the pool lives in memory, so a rotated pair is lost when the process exits.
	NotDurable EventType = "not-durable"
	// GaveUp: the caller got the refusal of the credential ID. Where that was rejected, Err tells why it
	// could not be renewed, or why the request was not sent again. Reason is short for a renewal that
	// failed, else it is that of the verdict.
	GaveUp EventType = "gave-up"
	// Panicked: a function that the program has given panicked, and counts as failed. Reason names
	// it: observer, logger, store, refresher, relogin, classifier, provider-classify, may-refuse,
	// can-step-up, authorize, model or get-body; body when that was the Read of a body, worker when it was
	// none of them. Err tells with what, and the log has the stack.
	Panicked EventType = "panicked"
	// PassedThrough: a request is sent without a credential, as its caller made it. Reason is one of
	// no-credential, unknown-host, plain-http, pin-unknown, key-not-for-host, no-token and redirected;
	// Err names the host, and tells why and the way out. Observer and log are told once for each cause
	// and host, of 1,000 such causes an hour at most; and again when the provider has got a credential
	// since, or was registered. A request made with WithoutCredential is not told.
	PassedThrough EventType = "passed-through"
	// Doubtful: Add has taken a credential that probably cannot work. Err tells why, and the way out.
	Doubtful EventType = "doubtful"
)

// Reasons of PassedThrough.
const (
	noCredential  = "no-credential"    // the pool has none of the provider
	unknownHost   = "unknown-host"     // the host, or its port or path, is no provider's
	plainHTTP     = "plain-http"       // the host is a provider's, over https only
	pinUnknown    = "pin-unknown"      // the pool has no such credential
	keyNotForHost = "key-not-for-host" // there are credentials, and none of them is for the host
	noToken       = "no-token"         // there are credentials, and none of them has an access token
	redirected    = "redirected"       // somebody else than the provider has sent the client there
)

// reloginReason is the reason of events and marks of a dead grant that was asked for anew.
const reloginReason = "relogin"

// probingReason is the reason of a credential in good standing whose mark has ended, until a request
// shows that it serves again.
const probingReason = "probing"

// foreignPrefix is a reason of Doubtful: the key begins as those of another provider do.
const foreignPrefix = "foreign-prefix"

// ReasonNames returns the words that the reasons of events, of states and of verdicts begin with, up to
// the first colon, sorted: the series of a dashboard. A program's own Classifier, Provider.Classify and
// Report may bring others.
func ReasonNames() []string {
	names := []string{
		noCredential, unknownHost, plainHTTP, pinUnknown, keyNotForHost, noToken, redirected, // PassedThrough
		"load", "claim", "mark", "persist", "record", "place", "behind", "other-store", // StoreFailed
		"refresh", "borrowed", "not-refreshable", "pool-closed", "removed", // RefreshFailed
		"observer", "logger", "store", "refresher", "classifier", "provider-classify", // Panicked
		"may-refuse", "can-step-up", reloginReason, "authorize", "get-body", "body", "worker",
		"suspect-request", "base-failed", "in-memory", foreignPrefix, probingReason, "model",
	}
	for k := verdict.Pass; k <= verdict.Forbidden; k++ { // Judged and GaveUp
		names = append(names, k.String())
	}
	for _, reason := range verdict.Reasons() {
		name, _, _ := strings.Cut(reason, ":")
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Retired is an EventType and a State: the credential is unused until it gets new tokens, is
// Reset, or is accepted. The constant is untyped, so it compares with both types.
const Retired = "retired"

// Event is one decision of the transport or the pool. It holds no secret.
type Event struct {
	Time         time.Time
	Type         EventType
	Provider, ID string // of the credential; ID is empty where the event is about none
	Reason       string // short and stable, fit for a metric's label; see ReasonNames
	Status       int    // of the answer; 0 where there was none
	Attempt      int    // number of the request's send, from 1; 0 where there was none
	Duration     time.Duration
	Until        time.Time // of PutAside
	About        string    // the model, or else the method, host and path, that a PutAside is for; empty: everything
	Err          error
}

// level is the event's level in the log. Events of each request are for debugging; those after
// which a person may have to act are warnings; a failing store is an error, because logins may be
// lost.
func (e Event) level() slog.Level {
	switch e.Type {
	case Sent, Judged:
		return slog.LevelDebug
	case RefreshFailed, NotDurable, GaveUp, PassedThrough, Doubtful, Retired:
		return slog.LevelWarn
	case StoreFailed, Panicked:
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
	if e.About != "" {
		attrs = append(attrs, slog.String("about", e.About))
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
	if p, ok := e.Err.(*panicError); ok { //nolint:errorlint // of this event, not of one that was caused by it
		attrs = append(attrs, slog.String("stack", p.stack))
	}
	return attrs
}

// panicError is the panic of a function that the program has given.
type panicError struct {
	what  string // the function, as Panicked has it
	text  string // the panic's value, redacted
	stack string
}

func (e *panicError) Error() string { return "reauth: " + e.what + " panicked: " + e.text }
