package main

import (
	"context"
	"slices"
	"sync"

	"github.com/reauth-go/reauth"
)

// lookedAt is a store at one look: whoever asks for everything gets what the first one read, until
// the look is over. The pool, the seal and the table then tell of the same moment, and a database
// is asked once.
type lookedAt struct {
	reauth.Store
	mu   sync.Mutex
	snap *reauth.Snapshot // nil: nothing was read yet
}

// Load implements reauth.Store. An error is not kept.
func (l *lookedAt) Load(ctx context.Context, version string) (reauth.Snapshot, error) {
	if version != "" {
		return l.Store.Load(ctx, version)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.snap == nil {
		snap, err := l.Store.Load(ctx, "")
		if err != nil {
			return snap, err
		}
		l.snap = &snap
	}
	snap := *l.snap
	snap.Entries, snap.Broken = slices.Clone(snap.Entries), slices.Clone(snap.Broken)
	return snap, nil
}

// over ends the look.
func (l *lookedAt) over() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.snap = nil
}

// readOnce makes a command that only looks read the store once for each look. over ends one. It
// comes before everything else that opens the store.
func (a *app) readOnce() (over func(), err error) {
	s, err := a.bare()
	if err != nil {
		return nil, err
	}
	l := &lookedAt{Store: s}
	a.opened = l
	return l.over, nil
}
