package reauth

import (
	"cmp"
	"context"
	"hash/fnv"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/reauth-go/reauth/internal/objects"
	"github.com/reauth-go/reauth/internal/sse"
)

// spec is a provider as requests use it: its defaults resolved. It is replaced as a whole by Register.
type spec struct {
	Provider
	mayRefuse func(*http.Response) bool
	bound     boundPaths
	builtin   bool // Authorize is of the built-in table: it replaces values of the header whole, and changes nothing else
}

func newSpec(p Provider) *spec {
	s := &spec{Provider: p, mayRefuse: p.MayRefuse, bound: newBoundPaths(p.BoundPaths)}
	if s.mayRefuse == nil {
		s.mayRefuse = mayRefuse
	}
	if p.FirstEvent > 0 {
		by := s.mayRefuse
		s.mayRefuse = func(resp *http.Response) bool { return sse.IsStream(resp) || by(resp) }
	}
	return s
}

// group is the credentials of one provider.
type group struct {
	pool *Pool
	name string
	spec atomic.Pointer[spec]   // nil: not registered yet
	line atomic.Pointer[lineup] // of use while its version is the group's
	turn atomic.Uint64          // of RoundRobin
	size atomic.Int64           // number of members

	version atomic.Uint64 // of all standings
	objects objects.Memory

	mu      sync.Mutex // guards what follows; held for memory work only
	members []*member  // by priority, then in the order in which they came
	byID    map[string]*member
	left    map[string]int64 // when IDs were removed, as the pool counts; see merge
}

// lineup is who may be chosen, for as long as no standing changes: choosing then needs no lock and no search, however
// many credentials are put aside.
type lineup struct {
	version uint64
	good    []*member // in good standing, by priority
	top     int       // how many of them share the best priority
	spare   *member   // the one that recovers soonest; used when nobody is in good standing
	all     []*member
	bound   bool      // some serve only certain hosts, or were asked to
	wake    time.Time // when a mark ends or a probe is due; zero: never
	probe   atomic.Pointer[member]
}

// changed makes the next choice look at all standings anew.
func (g *group) changed() { g.version.Add(1) }

// find returns the member with that ID or nil.
func (g *group) find(id string) *member {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.byID[id]
}

// leave is drop for a credential that was removed here: what was read from the store before must not bring it back.
func (g *group) leave(m *member) {
	g.mu.Lock()
	if g.left == nil {
		g.left = make(map[string]int64)
	}
	g.left[m.id] = g.pool.notice.next()
	g.mu.Unlock()
	g.drop(m)
}

func (g *group) leftSince(id string, before int64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.left[id] > before
}

// snapshot returns the members as they are now.
func (g *group) snapshot() []*member {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.members)
}

func (g *group) drop(m *member) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.members = slices.DeleteFunc(g.members, func(o *member) bool { return o == m })
	if g.byID[m.id] == m {
		delete(g.byID, m.id)
	}
	g.size.Store(int64(len(g.members)))
	g.changed()
}

// insert takes m in at its place. g.mu is held.
func (g *group) insert(m *member) {
	i, _ := slices.BinarySearchFunc(g.members, m, func(a, b *member) int {
		return cmp.Or(cmp.Compare(a.place.Load().priority, b.place.Load().priority), cmp.Compare(a.order, b.order))
	})
	g.members = slices.Insert(g.members, i, m)
	if g.byID == nil {
		g.byID = make(map[string]*member)
	}
	g.byID[m.id] = m
	g.size.Store(int64(len(g.members)))
	g.changed()
}

// lineup returns who may be chosen now.
func (g *group) lineup(now time.Time) *lineup {
	if l := g.line.Load(); g.current(l, now) {
		return l
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if l := g.line.Load(); g.current(l, now) {
		return l // somebody else was faster
	}
	// The version is read before the standings are: what changes meanwhile makes this lineup old at once.
	l := &lineup{version: g.version.Load(), all: slices.Clone(g.members)}
	l.fill(now)
	g.line.Store(l)
	return l
}

func (g *group) current(l *lineup, now time.Time) bool {
	return l != nil && l.version == g.version.Load() && (l.wake.IsZero() || now.Before(l.wake))
}

func (l *lineup) fill(now time.Time) {
	var soonest time.Time
	for _, m := range l.all {
		if len(m.place.Load().hosts) > 0 {
			l.bound = true
		}
		k := m.standing(now)
		if k == nil {
			l.good = append(l.good, m)
			continue
		}
		if l.spare == nil || k.recovers().Before(soonest) {
			l.spare, soonest = m, k.recovers()
		}
		if k.retired {
			continue
		}
		l.wakeAt(k.until)
		if at := k.probe.Load(); at != 0 {
			if due := time.Unix(0, at); due.After(now) {
				l.wakeAt(due)
			} else if k.probe.CompareAndSwap(at, now.Add(probeEvery).UnixNano()) {
				l.probe.Store(m)
				l.wakeAt(now.Add(probeEvery))
			}
		}
	}
	for l.top = 0; l.top < len(l.good) && l.good[l.top].place.Load().priority == l.good[0].place.Load().priority; l.top++ {
	}
}

func (l *lineup) wakeAt(t time.Time) {
	if l.wake.IsZero() || t.Before(l.wake) {
		l.wake = t
	}
}

// probeEvery is how often one request tries a credential whose reset lies far ahead: providers lift limits early.
const probeEvery = time.Hour

// recovers is when the mark ends; a retired credential comes last.
func (k *mark) recovers() time.Time {
	if k.retired {
		return time.Unix(math.MaxInt32, 0).AddDate(1000, 0, 0)
	}
	return k.until
}

// choice is what the caller asked for through the request's context.
type choice struct {
	pinned       bool
	provider, id string
	own          bool // the caller's own credential
	affinity     string
	bound        bool    // the request is for an account; see bind
	owner        *member // it is this one's
}

type choiceKey struct{}

func choiceFrom(ctx context.Context) choice {
	c, _ := ctx.Value(choiceKey{}).(choice) // none: the zero choice
	return c
}

// WithCredential pins requests made with the context to one credential: it is refreshed, never switched, whatever its
// standing. Unknown, removed or not for the request's host, the request is sent as the caller made it.
func WithCredential(ctx context.Context, provider, id string) context.Context {
	c := choiceFrom(ctx)
	c.pinned, c.provider, c.id, c.own = true, canonicalName(provider), id, false
	return context.WithValue(ctx, choiceKey{}, c)
}

// WithoutCredential makes requests the caller's own: they are sent as the caller made them.
func WithoutCredential(ctx context.Context) context.Context {
	c := choiceFrom(ctx)
	c.own = true
	return context.WithValue(ctx, choiceKey{}, c)
}

// WithAffinity keeps requests with the same key on the same credential while it is in good standing, so that a
// conversation finds its prompt cache. The choice is a function of the key and the credentials' IDs: every process that
// shares them makes the same, and nothing is remembered. It goes before the provider's Strategy, and after priority.
func WithAffinity(ctx context.Context, key string) context.Context {
	c := choiceFrom(ctx)
	c.affinity = key
	return context.WithValue(ctx, choiceKey{}, c)
}

// choose returns a credential for a request to d that has tried those before, or nil. As long as nothing has been tried,
// one that is not in good standing will do.
func (g *group) choose(d *destination, now time.Time, c choice, tried []*member) *member {
	if c.pinned {
		if m := g.find(c.id); m != nil && len(tried) == 0 && c.provider == g.name && m.serves(d) {
			return m
		}
		return nil
	}
	if c.stays() && len(tried) > 0 {
		return nil
	}
	if c.owner != nil {
		return c.owner
	}
	l := g.lineup(now)
	if !c.bound && l.probe.Load() != nil {
		if m := l.probe.Swap(nil); m != nil {
			if m.serves(d) && !slices.Contains(tried, m) && (c.affinity == "" || nearest(l.all, c.affinity, anyMember) == m) {
				return m
			}
			l.probe.Store(m) // for a request that can use it
		}
	}
	if !l.bound && len(tried) == 0 && c.affinity == "" {
		switch {
		case l.top == 0:
			return l.spare
		case c.bound:
			return l.good[0]
		}
		return g.pick(l.good[:l.top])
	}
	fits := func(m *member) bool { return !slices.Contains(tried, m) && m.serves(d) }
	for i := 0; i < len(l.good); {
		tier := l.tier(i)
		i += len(tier)
		if c.affinity != "" {
			if m := nearest(tier, c.affinity, fits); m != nil {
				return m
			}
			continue
		}
		fit := slices.DeleteFunc(slices.Clone(tier), func(m *member) bool { return !fits(m) })
		switch {
		case len(fit) == 0:
		case c.bound:
			return fit[0]
		default:
			return g.pick(fit)
		}
	}
	if len(tried) > 0 {
		return nil
	}
	return l.soonest(d, now)
}

// tier returns the members in good standing from i on that share a priority.
func (l *lineup) tier(i int) []*member {
	j := i
	for j < len(l.good) && l.good[j].place.Load().priority == l.good[i].place.Load().priority {
		j++
	}
	return l.good[i:max(j, i+1)]
}

// soonest returns the member that serves d and recovers soonest.
func (l *lineup) soonest(d *destination, now time.Time) (best *member) {
	var at time.Time
	for _, m := range l.all {
		if !m.serves(d) {
			continue
		}
		var t time.Time // in good standing again since the lineup was made
		if k := m.standing(now); k != nil {
			t = k.recovers()
		}
		if best == nil || t.Before(at) {
			best, at = m, t
		}
	}
	return best
}

// pick chooses one of several equals, of which there is at least one.
func (g *group) pick(from []*member) *member {
	if len(from) == 1 {
		return from[0]
	}
	switch g.spec.Load().Strategy {
	case RoundRobin:
		return from[(g.turn.Add(1)-1)%uint64(len(from))]
	case Random:
		return from[rand.IntN(len(from))]
	case LeastInFlight:
		return g.leastInFlight(from)
	case FillFirst:
	}
	return from[0]
}

// leastInFlight looks at up to 64 members from a moving start, and stops at an idle one: exact for pools of that size.
func (g *group) leastInFlight(from []*member) (best *member) {
	start, least := g.turn.Add(1), int64(math.MaxInt64)
	for i := range uint64(min(len(from), 64)) {
		m := from[(start+i)%uint64(len(from))]
		if n := m.inFlight.Load(); n < least {
			if best, least = m, n; n == 0 {
				break
			}
		}
	}
	return best
}

// nearest returns the member that the key belongs to (rendezvous hashing), of those that fit: of the others, none moves when
// one goes.
func nearest(from []*member, key string, fits func(*member) bool) (best *member) {
	var most uint64
	of := hashOf(key)
	for _, m := range from {
		if s := mix(of ^ m.hash); (best == nil || s > most) && fits(m) {
			best, most = m, s
		}
	}
	return best
}

func anyMember(*member) bool { return true }

func hashOf(s string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s)) // never fails
	return mix(h.Sum64())     // FNV's high bits depend little on the last bytes
}

// mix spreads each bit of x over all bits (the finalizer of MurmurHash3).
func mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

// bind adds to what the caller asked for what the request itself asks for. With one credential there is nothing to choose.
// The body, when it is not nil, is to be sent instead of the request's, which has been read.
func (g *group) bind(s *spec, req *http.Request, d *destination, asked choice) (choice, io.ReadCloser) {
	if asked.pinned || s.bound == nil && s.TrackObjects <= 0 || g.size.Load() < 2 {
		return asked, nil
	}
	asked.bound, _ = s.bound.of(req.URL.Path)
	if s.TrackObjects <= 0 {
		return asked, nil
	}
	account, body := g.objects.MentionedBy(req)
	if m := g.find(account); m != nil && m.serves(d) {
		asked.owner = m
	}
	return asked, body
}

// track makes the answer tell which objects belong to m. Its body is handed on as it comes, wrapped.
func (g *group) track(s *spec, req *http.Request, resp *http.Response, m *member) {
	if s.TrackObjects <= 0 {
		return
	}
	_, names := s.bound.of(req.URL.Path)
	resp.Body = objects.Track(resp, names, func(name string) { g.objects.Add(name, m.id, s.TrackObjects) })
}
