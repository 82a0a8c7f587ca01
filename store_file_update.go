package reauth

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"
)

// Update implements Store. It holds the credential's locks while fn runs, and reads the file only
// when it has them.
func (s *FileStore) Update(
	ctx context.Context, provider, id string, fn func(Holding) (Entry, error),
) (Entry, error) {
	if err := s.vet(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Entry{}, s.fail(err)
	}
	c, err := s.claims.enter(ctx, canonicalKey(provider, id))
	if err != nil {
		return Entry{}, s.fail(err)
	}
	defer s.claims.leave(c)
	h, err := s.claim(ctx, c)
	if err != nil {
		return Entry{}, s.fail(err)
	}
	got, err := s.call(c, h, fn)
	if err != nil {
		return Entry{}, err
	}
	got.Credential.Provider, got.Credential.ID = c.key.provider, c.key.id
	stored, err := s.persist(ctx, c, h, got)
	if err != nil {
		return got, fmt.Errorf("%w: %w", ErrNotStored, s.fail(err))
	}
	return stored, nil
}

// claim takes the claim and reads the record under it. Where the folder is gone there is no lock, and a
// lock is worth nothing in a folder that another one has replaced: when the record was read without a
// lock that holds, as after a mount came back, it starts over.
func (s *FileStore) claim(ctx context.Context, c *fileClaim) (Holding, error) {
	for {
		if err := s.take(ctx, c); err != nil {
			return Holding{}, err
		}
		h, err := s.holding(c)
		switch {
		case err != nil, h.Missing != nil, h.Identity == "":
			return h, err
		case len(c.locks) > 0 && c.locks.lost() == nil:
			return h, nil
		case c.kept != nil: // what is kept with the claim is stored as soon as that is possible
			return h, nil
		case ctx.Err() != nil:
			return Holding{}, context.Cause(ctx)
		}
		c.release()
	}
}

// take takes the claim, or goes on with the one that was kept.
func (s *FileStore) take(ctx context.Context, c *fileClaim) error {
	if err := s.storeKept(ctx, c); err != nil {
		return fmt.Errorf("the result of the last exchange is still not stored: %w", err)
	}
	if len(c.locks) > 0 {
		return nil
	}
	if s.folderIsGone() {
		return nil // nobody can hold a lock there
	}
	var err error
	c.place, c.locks, err = lockCredential(ctx, s.path, c.key)
	return err
}

// storeKept stores the result that was kept with the claim. It goes on without when a newer record
// makes an end of it, when it can never be stored, and when the whole file is gone, so that adding
// the credential can make it anew.
func (s *FileStore) storeKept(ctx context.Context, c *fileClaim) error {
	if c.kept == nil || c.kept.unfit {
		return nil
	}
	_, err := s.persist(ctx, c, Holding{Identity: c.kept.identity}, c.kept.entry)
	if err != nil && !errors.Is(err, errOvertaken) && !errors.Is(err, errMissing) {
		return err
	}
	if c.kept != nil {
		return nil // until the file is there again
	}
	if place, err := resolvePlace(s.path); err != nil || place != c.place || c.locks.lost() != nil {
		c.release() // the claim is for another place by now
	}
	return nil
}

// holding returns what Update passes to its function, but for Spend.
func (s *FileStore) holding(c *fileClaim) (Holding, error) {
	h := Holding{Now: time.Now()}
	now, err := s.record(c.key)
	if err != nil {
		return h, err
	}
	if h.Missing = now.missing; !now.there {
		return h, nil
	}
	h.Entry, h.Found, h.Identity = now.entry, now.found, now.identity
	c.note = c.place.readNote(c.key, h.Identity)
	if h.Found && c.note.Spending.Of != "" {
		h.Entry.Spending = Spending(c.note.Spending)
	}
	if c.note.isAhead(noteOf(h.Identity, &h.Entry)) {
		h.Behind = &Entry{Login: c.note.Login, Generation: c.note.Generation, Removed: c.note.Removed}
		h.Behind.Credential.Provider, h.Behind.Credential.ID = c.key.provider, c.key.id
	}
	return h, nil
}

// call calls fn. Spend works as long as fn runs.
func (s *FileStore) call(c *fileClaim, h Holding, fn func(Holding) (Entry, error)) (Entry, error) {
	var mu sync.Mutex
	over := false
	was := noteOf(h.Identity, &h.Entry)
	h.Spend = func(_ context.Context, sp Spending) error {
		mu.Lock()
		defer mu.Unlock()
		if over {
			return errors.New("reauth: the claim was given back")
		}
		return s.fail(c.spend(was, h.Missing, sp))
	}
	defer func() {
		mu.Lock()
		defer mu.Unlock()
		over = true
	}()
	return fn(h)
}

// persist stores the result of an Update that was given h. When that fails after a Spend, the claim
// and the result are kept.
func (s *FileStore) persist(ctx context.Context, c *fileClaim, h Holding, got Entry) (Entry, error) {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), persistTimeout)
	defer stop()
	stored, identity, err := got, "", got.check()
	unfit := err != nil
	switch {
	case err != nil:
	case h.Missing == nil && s.folderIsGone():
		err = errMissing
	default:
		stored, identity, err = s.change(ctx, c.key, func(now fileRecordNow) (Entry, error) {
			return now.next(h, got)
		})
	}
	switch {
	case err == nil:
		c.kept = nil
		c.noteStored(noteOf(identity, &stored))
	case errors.Is(err, errOvertaken):
		c.kept, c.spent = nil, false
	case c.spent:
		c.kept = &keptResult{got.clone(), h.Identity, unfit}
	}
	return stored, err
}

// next returns the record that Update stores in the place of this one.
func (now fileRecordNow) next(h Holding, got Entry) (Entry, error) {
	switch {
	case now.missing != nil && h.Missing == nil:
		return got, now.missing
	case h.Missing != nil && now.there:
		return got, fmt.Errorf("%w: the file is there again", errOvertaken)
	case h.Identity != "" && now.identity != "" && h.Identity != now.identity:
		return got, fmt.Errorf("%w: another store is in its place", errOvertaken)
	case now.found:
		return got.storedOver(&now.entry)
	}
	return got.storedOver(nil)
}

// Mark implements Store. It waits for the file's lock only.
func (s *FileStore) Mark(ctx context.Context, provider, id, key string, m Mark, seen time.Time) error {
	if err := checkMark(key, m); err != nil {
		return err
	}
	m = Mark(toStoredMark(m))
	err := s.vetThere(errVoidMark)
	if err == nil {
		_, _, err = s.change(ctx, canonicalKey(provider, id), func(now fileRecordNow) (Entry, error) {
			switch {
			case now.missing != nil:
				return Entry{}, now.missing
			case !now.found:
				return Entry{}, errVoidMark
			}
			return now.entry.marked(key, m, seen)
		})
	}
	if errors.Is(err, errVoidMark) {
		return nil
	}
	return s.fail(err)
}

// vetThere is vet for what needs a file that is there. Its error is none when there never was one.
func (s *FileStore) vetThere(none error) error {
	err := s.vet()
	switch {
	case s.folderIsGone():
		return errMissing
	case errors.Is(err, errMissing), !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return none
}
