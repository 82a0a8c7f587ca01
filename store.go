package reauth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Store keeps credentials for the pools of one process, one host or a fleet. It must make sure that
// a refresh token is spent once: of all the pools that share the store, one at a time is inside
// Update for a credential.
//
// Its methods may be called from several goroutines. An alias of a provider means the provider.
// Nothing that a caller passes or gets is shared with the store. reauthtest.TestStore tests whether
// a store keeps these promises; Entry.StoredOver and Entry.Marked are the rules of Update and Mark.
type Store interface {
	// Load returns the records that changed since version, which an earlier Load of the same store
	// returned, and the version that they make. "", and a version that the store does not remember,
	// ask for everything. Pools call Load often, so it must be cheap when nothing has changed.
	// A version must not come back after the store was put back to an older state: it has a random
	// part at each write. Load need not tell Spending, which matters to Update alone; a Spend need
	// not change the version.
	Load(ctx context.Context, version string) (Snapshot, error)
	// Update claims the credential, reads it, calls fn at most once, stores fn's result and
	// releases the claim. ctx bounds the wait for the claim and nothing after it. fn may take as
	// long as a token exchange; of the store it may call Mark and its Holding's Spend. When fn
	// fails, Update returns fn's error as it is and stores nothing.
	//
	// Of fn's result Credential, Login, Removed, Generation, Spent and LastRefresh are stored.
	// Its Marks and Spending are not: the stored marks stay, but for those that are void, and
	// Spending ends. Provider and ID stay those of the call. The result is stored only while the
	// record that is there by then, if there is one, is no newer by the one order of records.
	// Update returns the entry as it is stored.
	//
	// When fn succeeded and storing failed, Update returns fn's entry and an error that matches
	// ErrNotStored. After a Spend the store keeps the claim then: the tokens in hand are the only
	// ones that are good. The store's next Update of the credential, and no other store's, enters
	// with that claim. The claim ends when the result, or a newer record, is stored.
	Update(ctx context.Context, provider, id string, fn func(Holding) (Entry, error)) (Entry, error)
	// Mark writes one mark of a record. It never touches another key or a token, and never waits
	// for Update. seen is the At of the mark under that key that the writer knew when the request
	// left that the mark is about; zero: none. When another mark stands there, Mark writes nothing,
	// and its error matches ErrMarked. A void mark that stands there is as good as none. A mark
	// that is void itself, and one of a record that is not there or is removed, is dropped.
	Mark(ctx context.Context, provider, id, key string, m Mark, seen time.Time) error
}

// Snapshot is what Load returns.
type Snapshot struct {
	Entries []Entry // in the order in which they were added; removals are entries too
	// Delta says that Entries holds only what has changed since the version that was asked for.
	// The rest is as it was.
	Delta bool
	// Identity is random, and made with the store: a store that was deleted and made anew has
	// another. Empty: the store has none yet, and is the one that was seen before.
	Identity string
	Version  string
	// Broken tells which records cannot be read, each as a *RecordError, and what is wrong with
	// the place where the store is. A broken record hides no other, and is not removed.
	Broken []error
}

// String tells of the snapshot without its secrets.
func (s Snapshot) String() string {
	return fmt.Sprintf("reauth.Snapshot(%v, delta %t, identity %q, version %q, broken %v)",
		s.Entries, s.Delta, s.Identity, s.Version, s.Broken)
}

// Format prints String under any verb and flag.
func (s Snapshot) Format(f fmt.State, _ rune) { show(f, s.String()) }

// LogValue is what slog shows.
func (s Snapshot) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Holding is what Update passes to its function: the record as it is under the claim.
type Holding struct {
	Entry    Entry
	Found    bool      // the record is there; it may say that the credential was removed
	Identity string    // the store's; see Snapshot
	Now      time.Time // by the store's clock, which all who share the store have in common; for Login
	// Behind is not nil when the store knows that it once held a newer record, as after a backup
	// was put back. It has Login, Generation and Removed of the newest; the tokens are lost.
	Behind *Entry
	// Missing says that the store was there and is gone, and how to bring it back. Found is false
	// then. If fn returns no error, the store is made anew, with another identity.
	Missing error
	// Spend notes, durably and at once, which refresh token is being exchanged; a zero value, that
	// none is. It touches nothing else. It fails when the claim is lost, and after fn has returned. A
	// store whose claims run out fails, too, when the record is another one by now: a holder that was
	// too slow may store its pair after its claim.
	Spend func(context.Context, Spending) error
}

// String tells of the holding without its secrets.
func (h Holding) String() string {
	return fmt.Sprintf("reauth.Holding(%v, found %t, identity %q, now %s, behind %v, missing %v)",
		h.Entry, h.Found, h.Identity, h.Now, h.Behind, h.Missing)
}

// Format prints String under any verb and flag.
func (h Holding) Format(f fmt.State, _ rune) { show(f, h.String()) }

// LogValue is what slog shows.
func (h Holding) LogValue() slog.Value { return slog.StringValue(h.String()) }

// ErrNotStored is matched by the error of an Update whose function succeeded while its result could
// not be stored.
var ErrNotStored = errors.New("reauth: not stored")

// StoredOver returns the record that a Store keeps when e, the result of an Update's function, is
// stored where stands is by then; nil: nothing is there. The error matches ErrNotStored when e is
// older, or out of bounds. It is for those who write a Store. It shares nothing with its arguments.
func (e Entry) StoredOver(stands *Entry) (Entry, error) {
	got, err := e.storedOver(stands)
	if err != nil {
		return e, fmt.Errorf("%w: %w", ErrNotStored, err)
	}
	return got, nil
}

// storedOver is StoredOver with the cause alone as its error.
func (e Entry) storedOver(stands *Entry) (Entry, error) {
	if err := e.check(); err != nil {
		return e, err
	}
	var marks map[string]Mark
	if stands != nil {
		if !mayReplace(&e, stands) {
			return e, fmt.Errorf("%w: the store has a newer record", errOvertaken)
		}
		marks = stands.Marks
	}
	e = e.clone()
	e.Marks, e.Spending = marks, Spending{}
	e.Marks = e.boundMarks()
	return e, nil
}

// Marked returns the record that a Store keeps when Mark is called for e. A void mark changes
// nothing. The error matches ErrMarked when another mark stands than the writer has seen. It is for
// those who write a Store. It shares nothing with e but what neither changes.
func (e Entry) Marked(key string, m Mark, seen time.Time) (Entry, error) {
	marked, err := e.marked(key, m, seen)
	if errors.Is(err, errVoidMark) {
		return e, nil
	}
	return marked, err
}

// marked is Marked, but that a void mark is errVoidMark.
func (e Entry) marked(key string, m Mark, seen time.Time) (Entry, error) {
	if err := cmp.Or(checkMark(key, m), e.mayMark(key, m.Of, seen)); err != nil {
		return e, err
	}
	e.Marks = e.withMark(key, m)
	return e, nil
}

// RecordError says why one record of a store cannot be used.
type RecordError struct {
	Provider, ID string // as far as they are known
	Err          error  // holds no secret
}

// Error names the record.
func (e *RecordError) Error() string {
	return fmt.Sprintf("reauth: record %s/%s: %v", e.Provider, e.ID, e.Err)
}

// redacted is e without those secrets.
func (e *RecordError) redacted(secrets []string) error {
	return &RecordError{Provider: e.Provider, ID: e.ID, Err: newRedactedError(e.Err, secrets...)}
}

// Unwrap returns the cause.
func (e *RecordError) Unwrap() error { return e.Err }

const (
	storeTimeout   = 10 * time.Second // for reading, and for marking
	persistTimeout = 10 * time.Second // for writing tokens
)

type credentialKey struct{ provider, id string }

// canonicalKey returns the key of a record. An alias of a provider means the provider.
func canonicalKey(provider, id string) credentialKey {
	return credentialKey{canonicalName(provider), id}
}

// errReplaced says, of a Spend, that the record is not the one that its Update was given. The refresh
// token of that one must not be exchanged.
var errReplaced = errors.New("another holder has written it")

// errOvertaken says that a newer record stands in the store, or another store in its place, so that
// the result of an Update must not be stored.
var errOvertaken = errors.New("overtaken")
