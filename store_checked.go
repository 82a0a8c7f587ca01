package reauth

import (
	"context"
	"slices"
)

// checkedStore is a store as a pool reads it. What cannot be sent counts as absent, whichever store
// holds it, and what is wrong with a record is told.
type checkedStore struct{ Store }

// Load implements Store.
func (s checkedStore) Load(ctx context.Context, version string) (Snapshot, error) {
	snap, err := s.Store.Load(ctx, version)
	snap.Entries = slices.DeleteFunc(snap.Entries, func(e Entry) bool {
		id := sealedWith(&e.Credential)
		if id != "" { // its tokens are none
			snap.Broken = append(snap.Broken, &RecordError{e.Credential.Provider, e.Credential.ID, errSealedWith(id)})
		}
		return id != ""
	})
	for i := range snap.Entries {
		e := &snap.Entries[i]
		e.dropUnfit()
		if err := e.trouble(); err != nil {
			snap.Broken = append(snap.Broken, &RecordError{e.Credential.Provider, e.Credential.ID, err})
		}
	}
	return snap, err
}

// Update implements Store.
func (s checkedStore) Update(
	ctx context.Context, provider, id string, fn func(Holding) (Entry, error),
) (Entry, error) {
	return s.Store.Update(ctx, provider, id, func(h Holding) (Entry, error) {
		if id := sealedWith(&h.Entry.Credential); id != "" {
			return Entry{}, errSealedWith(id)
		}
		h.Entry.dropUnfit()
		return fn(h)
	})
}

// trouble says what is wrong with a record; nil: nothing is.
func (e *Entry) trouble() error {
	if e.Removed {
		return nil
	}
	if err := unfitError(e.unfit); err != nil {
		return err
	}
	return checkRecord(e.Credential)
}
