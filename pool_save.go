package reauth

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Writing forward. A store that went back, or could not take a pair, gets what this pool knows to be
// newer: no login that a process still holds is lost with the store.

// saveEvery is how often a pool retries to store tokens that serve from its memory only.
const saveEvery = time.Second

// keepSaving retries to store the member's record until the store has it, or a newer one.
func (m *member) keepSaving(ctx context.Context) {
	m.group.pool.work.startFromWorker(func() {
		over := false
		defer func() {
			if !over { // an observer has ended the goroutine: a login is at stake
				m.keepSaving(ctx)
			}
		}()
		ticker := time.NewTicker(saveEvery)
		defer ticker.Stop()
		for !over {
			select {
			case <-ticker.C:
				over = !m.isUnsaved() || m.gone.Load() || m.write(ctx) == nil
			case <-m.group.pool.work.stop:
				over = true
			}
		}
	})
}

// writeForward writes what the store lacks. What cannot be written stays noted for the next look.
func (p *Pool) writeForward(ctx context.Context) {
	ahead, removals := p.view.toWrite()
	for _, m := range ahead {
		if m.write(ctx) != nil && !m.gone.Load() {
			p.view.noteAhead(m)
		}
	}
	for _, key := range removals {
		if err := p.writeRemoval(ctx, key); err != nil {
			p.view.noteRemoval(key)
			p.tellUnwritten(ctx, key, err)
		}
	}
}

// write makes the store hold the member's record and its marks, or adopts a newer record.
func (m *member) write(ctx context.Context) error {
	if m.gone.Load() {
		return nil
	}
	claim, stop := context.WithTimeout(ctx, claimTimeout)
	defer stop()
	var found *Entry
	stored, err := m.group.pool.store.Update(claim, m.group.name, m.id, func(h Holding) (Entry, error) {
		found = nil
		if err := m.refuses(h); err != nil {
			return Entry{}, err
		}
		held := m.entry()
		if h.Found && compareEntries(&held, &h.Entry, m.livesIn(h.Identity)) <= 0 {
			found = &h.Entry
			return Entry{}, errStoredAlready
		}
		return held.over(h), nil
	})
	switch {
	case found != nil:
		m.takeFound(ctx, *found)
	case err != nil:
		m.group.pool.tellUnwritten(ctx, m.key(), err)
		return err
	default:
		m.group.pool.noteWritten(m.key())
		m.saved(stored)
		m.shareMarks(ctx, m.mergeMarks(stored.Marks))
	}
	return nil
}

// takeFound takes in a record that was found under the claim, and is no older than the one held.
func (m *member) takeFound(ctx context.Context, e Entry) {
	switch held := m.entry(); {
	case e.Removed:
		m.removed(e)
	case sameTokens(held.Credential, e.Credential):
		m.saved(e)
		m.shareMarks(ctx, m.mergeMarks(e.Marks))
	default:
		if _, adopted := m.takeNewer(e); adopted {
			m.emit(ctx, Event{Type: Adopted})
		}
	}
}

// writeRemoval writes a tombstone over an older record.
func (p *Pool) writeRemoval(ctx context.Context, key credentialKey) error {
	tomb, known := p.groupOf(key.provider).tombstone(key.id)
	if !known {
		return nil // added again meanwhile
	}
	claim, stop := context.WithTimeout(ctx, claimTimeout)
	defer stop()
	var found Holding
	stored, err := p.store.Update(claim, key.provider, key.id, func(h Holding) (Entry, error) {
		switch {
		case h.Missing != nil:
			return Entry{}, h.Missing
		case h.Found && compareEntries(&tomb.entry, &h.Entry, true) <= 0:
			found = h
			return Entry{}, errStoredAlready
		}
		removal := tomb.entry.clone()
		removal.Spent = withSpent(h.Entry.Spent, removal.Spent...) // its own pair was not rotated away
		return removal, nil
	})
	switch {
	case errors.Is(err, errStoredAlready):
		p.takeAgain(found)
	case err != nil:
		return err
	default:
		p.groupOf(key.provider).rememberSpent(stored)
	}
	p.noteWritten(key)
	return nil
}

// takeAgain takes in a login that was found in the place of a removal, which is older.
func (p *Pool) takeAgain(h Holding) {
	if h.Entry.Removed {
		return
	}
	if m := p.groupOf(h.Entry.Credential.Provider).addStored(h.Entry, false); m != nil {
		m.setHome(h.Identity)
		m.takeMarks(h.Entry.Marks)
	}
}

// tellUnwritten tells that the store could not take a record. Looks that fail in the same way tell
// it once.
func (p *Pool) tellUnwritten(ctx context.Context, key credentialKey, err error) {
	if p.view.firstTime(key.provider + "/" + key.id + ": " + err.Error()) {
		p.emit(ctx, Event{
			Type: StoreFailed, Reason: "persist", Provider: key.provider, ID: key.id,
			Err: fmt.Errorf("reauth: store %s/%s: %w", key.provider, key.id, err),
		})
	}
}
