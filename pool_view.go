package reauth

import (
	"maps"
	"slices"
	"time"
)

// What a pool knows of its store, beside the records themselves.

// lookSoon makes the next request look at the store.
func (v *storeView) lookSoon() { v.checked.Store(0) }

// lookAnew makes the next request look at everything in the store, also at what was merged already.
func (v *storeView) lookAnew() {
	v.anew.Store(true)
	v.lookSoon()
}

// versionToMerge returns the version of the store that was merged last; "": all of it is to be merged.
// The lock on loading is held.
func (v *storeView) versionToMerge() string {
	if v.anew.Swap(false) {
		v.version = ""
	}
	return v.version
}

// merged notes which version was merged, and whether nothing of it was left alone. The lock on loading
// is held.
func (v *storeView) merged(snap Snapshot, complete bool) {
	switch {
	case complete:
		v.version = snap.Version
	case !snap.Delta:
		v.version = "" // this pool has changed something meanwhile: all of it is to be read again
	}
}

// seenLately reports whether the store was checked less than checkEvery ago. A check that lies ahead
// was before somebody set the clock back.
func (v *storeView) seenLately(now time.Time) bool {
	ago := now.UnixNano() - v.checked.Load()
	return 0 <= ago && ago < int64(checkEvery)
}

// maxWritten is how many records are remembered that the next merge must find changed. A pool that is
// never asked to serve merges nothing. Of a record that was forgotten a merge does not notice that the
// store went back; the record's own generation still orders it.
const maxWritten = 10_000

// noteWritten notes that this pool has written a record, or adopted it under a claim, since the
// store was merged last, or that it does not know the record's marks as they are. The next merge must
// find it changed: else the store went back, or the pool knew the marks better before, and all of the
// store is read.
func (p *Pool) noteWritten(key credentialKey) {
	if !p.shared {
		return
	}
	v := &p.view
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.written == nil {
		v.written = make(map[credentialKey]bool)
	}
	v.written[key] = true
	if len(v.written) <= maxWritten {
		return
	}
	for other := range v.written { // any other one goes
		if other != key {
			delete(v.written, other)
			return
		}
	}
}

// writtenSoFar returns the keys of the records that the next merge must find changed.
func (v *storeView) writtenSoFar() map[credentialKey]bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return maps.Clone(v.written)
}

// noteSeen notes that a merge has dealt with those records.
func (v *storeView) noteSeen(list map[credentialKey]bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for key := range list {
		delete(v.written, key)
	}
}

// noteAhead notes that this pool knows a newer record of m, or newer marks, than the store.
func (v *storeView) noteAhead(m *member) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.ahead == nil {
		v.ahead = make(map[*member]bool)
	}
	v.ahead[m] = true
}

// noteRemoval notes that the store lacks a tombstone.
func (v *storeView) noteRemoval(key credentialKey) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.removals == nil {
		v.removals = make(map[credentialKey]bool)
	}
	v.removals[key] = true
}

// beginWriting reports whether the caller is to write what the store lacks: there is such, and nobody
// writes it. Whoever writes goes on for it.
func (v *storeView) beginWriting() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.ahead)+len(v.removals) == 0 {
		return false
	}
	v.more = true
	begins := !v.writing
	v.writing = true
	return begins
}

// goOnWriting reports whether a look has found something missing since the writer was asked last.
// If none has, the writing is over.
func (v *storeView) goOnWriting() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.writing, v.more = v.more, false
	return v.writing
}

// endWriting ends writing that has not begun.
func (v *storeView) endWriting() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.writing = false
}

// toWrite returns what the store lacks so far, and forgets it: what cannot be written is to be noted
// again.
func (v *storeView) toWrite() (ahead []*member, removals []credentialKey) {
	v.mu.Lock()
	defer v.mu.Unlock()
	ahead = slices.Collect(maps.Keys(v.ahead))
	removals = slices.Collect(maps.Keys(v.removals))
	v.ahead, v.removals = nil, nil
	return ahead, removals
}

// isStore notes the identity of the store that is being merged, and returns the one before. A store
// without one is the one that was seen before.
func (v *storeView) isStore(identity string) (before string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	before = v.identity
	if identity != "" {
		v.identity = identity
	}
	return before
}

// current returns the identity of the store that was merged last.
func (v *storeView) current() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.identity
}

// keepUnsaved keeps a pair that the store of that identity could not take before another came in
// its place.
func (v *storeView) keepUnsaved(identity string, key credentialKey, e Entry) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.unsaved == nil {
		v.unsaved = make(map[savedElsewhere]func() Entry)
	}
	v.unsaved[savedElsewhere{identity, key}] = func() Entry { return e }
}

// takeUnsaved returns the pairs that are kept for the store of that identity.
func (v *storeView) takeUnsaved(identity string) map[credentialKey]Entry {
	v.mu.Lock()
	defer v.mu.Unlock()
	list := make(map[credentialKey]Entry)
	for at, e := range v.unsaved {
		if at.identity == identity {
			list[at.key] = e()
			delete(v.unsaved, at)
		}
	}
	return list
}

// looked notes how a look at the store ended.
func (v *storeView) looked(err error, now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.failure = lookFailure{at: now, err: err}
}

// recentFailure returns the error of the last look, if it failed less than checkEvery ago.
func (v *storeView) recentFailure(now time.Time) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if now.Sub(v.failure.at) >= checkEvery {
		return nil
	}
	return v.failure.err
}

// untold adds events to those that nobody could be told so far, and returns all that are to be told
// now. A program sets its observer after it has opened the pool.
func (v *storeView) untold(tell []Event, observed bool) []Event {
	v.mu.Lock()
	defer v.mu.Unlock()
	if observed {
		tell, v.later = append(v.later, tell...), nil
		return tell
	}
	for _, e := range tell {
		if e.Type == StoreFailed && len(v.later) < mostLater {
			v.later = append(v.later, e)
		}
	}
	return nil
}

const (
	checkEvery = time.Second // between two looks at the store
	mostTold   = 1000        // troubles that are remembered as told
	mostLater  = 100         // troubles that wait for an observer
)

// firstTime reports whether this trouble was not told before.
func (v *storeView) firstTime(trouble string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.told[trouble] {
		return false
	}
	if v.told == nil || len(v.told) >= mostTold {
		v.told = make(map[string]bool)
	}
	v.told[trouble] = true
	return true
}
