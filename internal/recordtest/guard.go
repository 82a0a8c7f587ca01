package recordtest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/reauth-go/reauth"
)

// guard is the store of a process, as its pool sees it. At each operation the process may be
// suspended, die or fail. The times that it writes are those of the process's clock.
type guard struct{ p *process }

var _ reauth.Store = (*guard)(nil)

// Load implements reauth.Store.
func (g *guard) Load(ctx context.Context, version string) (snap reauth.Snapshot, err error) {
	p := g.p
	p.looks.begin()
	begin := time.Now()
	defer func() { p.looks.loaded(begin, err) }()
	if err := g.stop(ctx, "load"); err != nil {
		return snap, err
	}
	snap, err = p.handle.Load(ctx, version)
	if err != nil {
		return snap, err
	}
	if err := p.stop("loaded"); err != nil {
		return reauth.Snapshot{}, err
	}
	for i, e := range snap.Entries {
		p.w.truth.loaded(p, &e, snap.Identity)
		snap.Entries[i] = shiftEntry(e, -p.skew)
	}
	return snap, nil
}

// stop is process.stop for a caller with a context.
func (g *guard) stop(ctx context.Context, operation string) error {
	if err := g.p.stop(operation); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// Update implements reauth.Store.
func (g *guard) Update(
	ctx context.Context, provider, id string, fn func(reauth.Holding) (reauth.Entry, error),
) (got reauth.Entry, err error) {
	p := g.p
	refused := false // by the pool: no failure of the store
	p.looks.begin()
	defer func() { p.looks.updated(err != nil && !refused) }()
	if err := g.stop(ctx, "claim"); err != nil {
		return reauth.Entry{}, err
	}
	var found reauth.Holding
	got, err = p.handle.Update(ctx, provider, id, func(h reauth.Holding) (reauth.Entry, error) {
		found = h
		got, fnErr, err := g.inside(h, fn)
		refused = fnErr && h.Missing == nil
		return got, err
	})
	_, byPerson := ctx.Value(actionKey{}).(string)
	if found.Found && (err == nil || refused && !byPerson) { // else what was found is of no use to the pool
		p.w.truth.seen(p, &found.Entry, found.Identity)
	}
	g.note(ctx, &got, err)
	if stopped := p.stop("release"); stopped != nil {
		return reauth.Entry{}, stopped
	}
	return shiftEntry(got, -p.skew), err
}

// note notes what an Update has stored.
func (g *guard) note(ctx context.Context, got *reauth.Entry, err error) {
	p := g.p
	switch {
	case err == nil:
		p.w.truth.stored(ctx, p, got)
		p.w.say("%s has stored %s", p.name, p.w.tell(got))
	case errors.Is(err, reauth.ErrNotStored):
		p.w.say("%s could not store %s: %v", p.name, p.w.tell(got), err)
	}
}

// inside is what happens under the claim. fnErr says that the pool has ended it.
func (g *guard) inside(
	h reauth.Holding, fn func(reauth.Holding) (reauth.Entry, error),
) (got reauth.Entry, fnErr bool, err error) {
	p := g.p
	p.knows.read()
	if err := p.stop("read"); err != nil {
		return got, false, err
	}
	h.Entry = shiftEntry(h.Entry, -p.skew)
	spend := h.Spend
	h.Spend = func(ctx context.Context, s reauth.Spending) error {
		if err := g.stop(ctx, "spend"); err != nil {
			return err
		}
		if !s.Since.IsZero() {
			s.Since = s.Since.Add(p.skew)
		}
		err := spend(ctx, s)
		if stopped := p.stop("spent"); stopped != nil {
			return stopped
		}
		return err
	}
	got, err = fn(h)
	if stopped := p.stop("persist"); stopped != nil {
		return reauth.Entry{}, false, stopped
	}
	return shiftEntry(got, p.skew), err != nil, err
}

// Mark implements reauth.Store.
func (g *guard) Mark(
	ctx context.Context, provider, id, key string, m reauth.Mark, seen time.Time,
) (err error) {
	p := g.p
	p.looks.begin()
	defer func() { p.looks.updated(err != nil && !errors.Is(err, reauth.ErrMarked)) }()
	if err := g.stop(ctx, "mark"); err != nil {
		return err
	}
	m = shiftMark(m, p.skew)
	if !seen.IsZero() {
		seen = seen.Add(p.skew)
	}
	err = p.handle.Mark(ctx, provider, id, key, m, seen)
	if err == nil && p.w.stands(p, key, m) { // it is dropped where it is void
		defer p.w.truth.marked(p, key, m)()
	}
	p.w.say("%s marks %s %s at %v, having seen %v: %v", p.name, key, tellMark(m), m.At.Sub(p.w.begin),
		seen.Sub(p.w.begin), err)
	if stopped := p.stop("marked"); stopped != nil {
		return stopped
	}
	return err
}

// stands reports whether the store has the mark.
func (w *world) stands(p *process, key string, m reauth.Mark) bool {
	snap, err := p.handle.Load(context.Background(), "")
	for _, e := range snap.Entries {
		if e.Credential.ID == id && err == nil {
			return e.Marks[key].At.Equal(m.At) && e.Marks[key].Of == m.Of
		}
	}
	return false
}

// shiftEntry moves the times of an entry that a process's clock makes.
func shiftEntry(e reauth.Entry, by time.Duration) reauth.Entry {
	if !e.LastRefresh.IsZero() {
		e.LastRefresh = e.LastRefresh.Add(by)
	}
	if !e.Credential.Expiry.IsZero() {
		e.Credential.Expiry = e.Credential.Expiry.Add(by)
	}
	if !e.Spending.Since.IsZero() {
		e.Spending.Since = e.Spending.Since.Add(by)
	}
	var marks map[string]reauth.Mark
	for key, m := range e.Marks {
		if marks == nil {
			marks = make(map[string]reauth.Mark)
		}
		marks[key] = shiftMark(m, by)
	}
	e.Marks = marks
	return e
}

func shiftMark(m reauth.Mark, by time.Duration) reauth.Mark {
	m.At = m.At.Add(by)
	if !m.Until.IsZero() && m.Until.Year() < 9999 {
		m.Until = m.Until.Add(by)
	}
	return m
}

// looks tells which looks at the store a process has completed: it has read the store, and has done
// nothing more about it until time went on, and nothing has failed.
type looks struct {
	mu      sync.Mutex
	running int       // operations
	ended   time.Time // when the last one ended
	begun   time.Time // when the last successful load began; zero: none, or something failed since
	done    completed
}

// completed is a look that was completed.
type completed struct{ begun, ended time.Time }

func (l *looks) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.complete()
	l.running++
}

// complete notes that the last look is completed, if it is. l.mu is held.
func (l *looks) complete() {
	if l.running == 0 && !l.begun.IsZero() && time.Now().After(l.ended) {
		l.done = completed{l.begun, l.ended}
	}
}

// loaded ends a load that has begun to read then.
func (l *looks) loaded(begun time.Time, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running--
	l.ended = time.Now()
	if l.begun = begun; err != nil {
		l.begun = time.Time{}
	}
}

// updated ends another operation.
func (l *looks) updated(failed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running--
	l.ended = time.Now()
	if failed {
		l.begun = time.Time{}
	}
}

// last returns the last completed look.
func (l *looks) last() completed {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.complete()
	return l.done
}
