package reauth

import (
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// lack is why a request, or a caller of Token, gets no credential.
type lack struct {
	reason   string // one of PassedThrough's
	provider string // empty: none has the host
	id       string // of the credential that the request is pinned to
	host     string // empty: a caller of Token
	diverted bool   // the request could end elsewhere
}

// bounded returns l with texts that a caller has chosen cut off: a pool remembers them.
func (l lack) bounded() lack {
	l.provider, l.id, l.host = l.provider[:min(len(l.provider), maxID)], l.id[:min(len(l.id), maxID)],
		l.host[:min(len(l.host), maxID)]
	return l
}

// own returns l with copies of its texts, which else keep the URL that they are a part of.
func (l lack) own() lack {
	l.provider, l.id, l.host = strings.Clone(l.provider), strings.Clone(l.id), strings.Clone(l.host)
	return l
}

const (
	mostLacks  = 1000      // that are remembered as told
	lacksLeast = time.Hour // how long they are, however many more there are
)

// toldLacks remembers which lacks have been told, so that a pool tells each of them once. The zero
// value is ready. To find that one has been told takes no lock: most requests that pass through do.
type toldLacks struct {
	list atomic.Pointer[map[lack]bool] // replaced as a whole

	mu    sync.Mutex // for those who replace the list
	began time.Time  // of the list; guarded by mu
}

// firstTime reports whether l is to be told: it was not told before. When too many are remembered,
// no further one is told within the hour.
func (t *toldLacks) firstTime(l lack, now time.Time) bool {
	l = l.bounded()
	if list := t.list.Load(); list != nil && (*list)[l] {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	known := t.copied()
	switch {
	case known[l]:
		return false
	case len(known) >= mostLacks && now.Sub(t.began) < lacksLeast:
		return false
	case len(known) >= mostLacks:
		clear(known)
	}
	if len(known) == 0 {
		t.began = now
	}
	known[l.own()] = true
	t.list.Store(&known)
	return true
}

// copied returns a copy of the list. t.mu is held.
func (t *toldLacks) copied() map[lack]bool {
	if list := t.list.Load(); list != nil {
		return maps.Clone(*list)
	}
	return make(map[lack]bool)
}

// forget makes what was told of a provider news again; of "", what was told of hosts that nobody
// has.
func (t *toldLacks) forget(provider string) {
	if t.list.Load() == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	rest := t.copied()
	maps.DeleteFunc(rest, func(l lack, _ bool) bool { return l.provider == provider })
	t.list.Store(&rest)
}
