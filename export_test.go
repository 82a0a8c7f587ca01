package reauth

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"testing"
	"time"
)

// NewMemStore makes a store as NewPool uses it, for tests in which several pools share one.
func NewMemStore() *memStore { return newMemStore() }

// Put writes a credential as another process would that has renewed it, or added it first. Its
// access token was obtained at that time; zero: unknown.
func (s *memStore) Put(t testing.TB, c Credential, refreshed time.Time) {
	t.Helper()
	_, err := s.Update(context.Background(), c.Provider, c.ID, func(h Holding) (Entry, error) {
		e := Entry{Credential: c, Login: h.Entry.Login, Generation: h.Entry.Generation + 1, LastRefresh: refreshed}
		if !h.Found {
			e.Login = h.Now
		}
		e.Spent = unite(&e, &h.Entry)
		return e, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// PutBack makes e the record of its credential, whatever stands there, as somebody does who puts a
// backup back. A zero Login takes the record away.
func (s *memStore) PutBack(t testing.TB, provider, id string, e Entry) {
	t.Helper()
	key := credentialKey{provider, id}
	r := s.enter(key)
	defer s.leave(key, r)
	s.mu.Lock()
	defer s.mu.Unlock()
	r.entry, r.present = e.clone(), !e.Login.IsZero()
	s.nonce = rand.Text() // such a store has another version than before
}

// PutMark writes a mark as another process would that has seen the one that stands.
func (s *memStore) PutMark(t testing.TB, provider, id, key string, m Mark) {
	t.Helper()
	seen := s.Record(t, provider, id).Marks[key].At
	if err := s.Mark(context.Background(), provider, id, key, m, seen); err != nil {
		t.Fatal(err)
	}
}

// Bury removes a credential as another process would.
func (s *memStore) Bury(t testing.TB, provider, id string) {
	t.Helper()
	_, err := s.Update(context.Background(), provider, id, func(h Holding) (Entry, error) {
		h.Entry.Credential = Credential{}
		h.Entry.Removed, h.Entry.Login = true, laterLogin(h, h.Entry)
		return h.Entry, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Record returns the record of a credential; the zero value if there is none.
func (s *memStore) Record(t testing.TB, provider, id string) Entry {
	t.Helper()
	return Record(t, s, provider, id)
}

// Record returns the record that a store has of a credential; the zero value if there is none.
func Record(t testing.TB, s Store, provider, id string) Entry {
	t.Helper()
	snap, err := s.Load(context.Background(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range snap.Entries {
		if e.Credential.Provider == provider && e.Credential.ID == id {
			return e
		}
	}
	return Entry{}
}

// Digest returns the digest by which a record names a token.
func Digest(token string) string { return digest(token) }

// LoginOf returns what a mark about a login is about.
func LoginOf(login time.Time) string { return loginOf(login) }

// Forever is the end of a mark that retires.
var Forever = forever

// WithRepetition returns the context of an exchange that may be repeated: after silence too if silent
// is set, while the machine has slept for so long, and with a claim that is lost unless lost is nil.
func WithRepetition(ctx context.Context, silent bool, slept func(time.Time) time.Duration, lost error) context.Context {
	r := &repetition{silent: silent, slept: slept, claimed: func(context.Context) error { return lost }}
	return context.WithValue(ctx, repetitionKey{}, r)
}

// HeldBodies is how many bytes the bodies take up that the transport keeps for a replay.
func (t *RecoveringTransport) HeldBodies() int64 { return t.kept.Held() }

// SleptBetween is how long a machine has slept, by its two clocks.
var SleptBetween = sleptBetween

// SealedFile returns the content of a file store whose records are all sealed, and the same in the
// clear.
func SealedFile(t testing.TB, key []byte, entries []Entry) (sealed, open []byte) {
	t.Helper()
	made, err := newSealingKey(key)
	if err != nil {
		t.Fatal(err)
	}
	s := &sealer{keys: []sealingKey{made}}
	file := func(records []json.RawMessage) []byte {
		b, err := json.MarshalIndent(map[string]any{
			"format": fileFormat, "version": fileVersion, "identity": "I", "stamp": "S", "credentials": records,
		}, "", "\t")
		if err != nil {
			t.Fatal(err)
		}
		return append(b, '\n')
	}
	var closed, clear []json.RawMessage
	for _, e := range entries {
		outer, err := s.seal("I", e, []byte(rand.Text()))
		if err != nil {
			t.Fatal(err)
		}
		for list, e := range map[*[]json.RawMessage]Entry{&closed: outer, &clear: e} {
			b, err := json.Marshal(toStoredRecord(e))
			if err != nil {
				t.Fatal(err)
			}
			*list = append(*list, b)
		}
	}
	return file(closed), file(clear)
}
