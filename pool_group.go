package reauth

import (
	"cmp"
	"hash/fnv"
	"slices"
	"time"

	"github.com/reauth-go/reauth/internal/wait"
)

// groupOf returns the group of a canonical provider name, made if need be: a store may hold
// credentials of a provider that the program registers later.
func (p *Pool) groupOf(name string) *group {
	if g, ok := p.groups.Load(name); ok {
		return g.(*group)
	}
	g, _ := p.groups.LoadOrStore(name, &group{pool: p, name: name})
	return g.(*group)
}

// members returns all credentials of the pool, in no order.
func (p *Pool) members() (list []*member) {
	p.groups.Range(func(_, g any) bool {
		list = append(list, g.(*group).snapshot()...)
		return true
	})
	return list
}

// find returns the member with that ID or nil.
func (g *group) find(id string) *member {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.byID[id]
}

// snapshot returns the members as they are now.
func (g *group) snapshot() []*member {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.members)
}

// add takes m in, and returns it, or the member of its ID that another goroutine has added before.
func (g *group) add(m *member) *member {
	g.mu.Lock()
	defer g.mu.Unlock()
	if twin := g.byID[m.id]; twin != nil {
		return twin
	}
	g.insert(m)
	g.link(m)
	g.pool.told.forget(g.name)
	return m
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
	if m.source == nil { // else the removal is of a record in the store
		delete(g.removed, m.id)
	}
	g.size.Store(int64(len(g.members)))
	g.standingChanged()
}

// drop takes m out of the group: its requests end as they will, and no new ones get it.
func (g *group) drop(m *member) {
	m.gone.Store(true)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.members = slices.DeleteFunc(g.members, func(o *member) bool { return o == m })
	if g.byID[m.id] == m {
		delete(g.byID, m.id)
	}
	g.unlink(m)
	g.size.Store(int64(len(g.members)))
	g.standingChanged()
}

// linkTwins notes that m sends another access token than before.
func (g *group) linkTwins(m *member) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.byID[m.id] == m {
		g.unlink(m)
		g.link(m)
	}
}

// link takes m into the ring of its access token. g.mu is held.
func (g *group) link(m *member) {
	t := m.tokens.Load()
	if t.digest == "" {
		return
	}
	m.sends = hashOf(t.digest)
	if g.senders == nil {
		g.senders = make(map[uint64]*member)
	}
	first := g.senders[m.sends]
	if first == nil {
		g.senders[m.sends] = m
		return
	}
	if first.twin == nil {
		first.twin = first
	}
	m.twin, first.twin = first.twin, m
}

// unlink takes m out of the ring of its access token. g.mu is held.
func (g *group) unlink(m *member) {
	rest := m.twin
	for o := m.twin; o != nil; o = o.twin {
		if o.twin == m {
			o.twin = rest
			if o.twin == o {
				o.twin = nil
			}
			rest = o
			break
		}
	}
	if g.senders[m.sends] == m {
		if rest == nil {
			delete(g.senders, m.sends)
		} else {
			g.senders[m.sends] = rest
		}
	}
	m.twin, m.sends = nil, 0
}

// twins returns the other members with the same access token, account and hosts: a provider knows no
// difference between them.
func (g *group) twins(m *member) (list []*member) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if m.twin == nil {
		return nil
	}
	t, hosts := m.tokens.Load(), m.place.Load().named
	for o := m.twin; o != m; o = o.twin {
		same := o.tokens.Load()
		if same.digest == t.digest && same.cred.AccountID == t.cred.AccountID && slices.Equal(o.place.Load().named, hosts) {
			list = append(list, o)
		}
	}
	return list
}

// bury remembers a removal: a store that was read before, and one that went back, must not bring the
// credential back. Of too many the oldest go.
func (g *group) bury(e Entry) {
	view := &g.pool.view
	change, home := view.nextChange(), view.current()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.removed == nil {
		g.removed = make(map[string]tombstone)
	}
	e.Marks = nil
	g.removed[e.Credential.ID] = tombstone{entry: e, change: change, home: home}
	if len(g.removed) <= maxTombstones {
		return
	}
	oldest := e.Credential.ID
	for id, t := range g.removed {
		if t.entry.Login.Before(g.removed[oldest].entry.Login) {
			oldest = id
		}
	}
	delete(g.removed, oldest)
}

// tombstones returns the IDs of removals that the store of that identity should know.
func (g *group) tombstones(identity string) (ids []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for id, t := range g.removed {
		if t.home == "" || identity == "" || t.home == identity {
			ids = append(ids, id)
		}
	}
	return ids
}

// rememberSpent remembers the spent list of a removal as it is stored.
func (g *group) rememberSpent(stored Entry) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if t, ok := g.removed[stored.Credential.ID]; ok && t.entry.Login.Equal(stored.Login) {
		t.entry.Spent = stored.Spent
		g.removed[stored.Credential.ID] = t
	}
}

// tombstone returns the removal of the ID that this pool knows of.
func (g *group) tombstone(id string) (tombstone, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	t, ok := g.removed[id]
	return t, ok
}

// movePlace gives m the place that its credential c names now.
func (g *group) movePlace(m *member, c Credential) {
	now := newPlace(c)
	g.mu.Lock()
	defer g.mu.Unlock()
	old := m.place.Load()
	if old.same(now) {
		return
	}
	m.place.Store(now)
	g.pool.told.forget(g.name)
	if old.priority != now.priority && g.byID[m.id] == m {
		i := slices.Index(g.members, m)
		g.members = slices.Delete(g.members, i, i+1)
		g.insert(m)
	}
	g.standingChanged()
}

// candidates returns the snapshot of who may be chosen now.
func (g *group) candidates(now time.Time) *candidates {
	if c := g.chosen.Load(); g.valid(c, now) {
		return c
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if c := g.chosen.Load(); g.valid(c, now) {
		return c // another goroutine has made it
	}
	// The version is read before the standings: a change in between makes this snapshot invalid.
	c := &candidates{version: g.version.Load(), all: slices.Clone(g.members)}
	c.fill(now, "")
	g.chosen.Store(c)
	return c
}

func (g *group) valid(c *candidates, now time.Time) bool {
	return c != nil && c.version == g.version.Load() && (c.wake.IsZero() || wait.Ahead(c.wake, now))
}

// maxTopics bounds the snapshots for topics that are kept with one for all.
const maxTopics = 64

// forTopic returns the snapshot for requests of that topic.
func (c *candidates) forTopic(about topic, now time.Time) *candidates {
	if !c.topical || about == "" {
		return c
	}
	kept, known := c.byTopic.Load(about)
	if known {
		if kept, _ := kept.(*candidates); kept.wake.IsZero() || wait.Ahead(kept.wake, now) {
			return kept
		}
	}
	made := &candidates{version: c.version, all: c.all}
	made.fill(now, about)
	if known || c.topics.Add(1) <= maxTopics {
		c.byTopic.Store(about, made)
	}
	return made
}

// fill sorts the members by their standing for requests of that topic.
func (c *candidates) fill(now time.Time, about topic) {
	var soonest time.Time
	for _, m := range c.all {
		s := m.marks.Load()
		c.hostBound = c.hostBound || m.isHostBound()
		c.topical = c.topical || s != nil && s.topical
		k, overdue := s.standing(about, now), false
		if k == nil {
			k, overdue = s.overdue(about, now), true
		}
		if k == nil {
			c.good = append(c.good, m)
			continue
		}
		if c.spare == nil || k.recovers().Before(soonest) {
			c.spare, soonest = m, k.recovers()
		}
		switch {
		case overdue:
			c.trials = append(c.trials, m)
		case !k.retired:
			c.addMarked(m, k, now)
		}
	}
	for rest := c.good; len(rest) > 0; {
		tier := firstTier(rest)
		c.tiers, rest = append(c.tiers, tier), rest[len(tier):]
	}
}

// addMarked notes when the mark k of m ends, and makes m the one to probe if that is due.
func (c *candidates) addMarked(m *member, k *mark, now time.Time) {
	c.wakeAt(k.until)
	at := k.probe.Load()
	if at == 0 {
		return
	}
	if due := time.Unix(0, at); due.After(now) && due.Sub(now) <= probeEvery { // further ahead: the clock was set back
		c.wakeAt(due)
		return
	}
	if next := now.Add(probeEvery); k.probe.CompareAndSwap(at, next.UnixNano()) {
		c.probe.Store(m)
		c.wakeAt(next)
	}
}

// wakeAt makes the snapshot invalid at t, unless it is invalid before.
func (c *candidates) wakeAt(t time.Time) {
	if c.wake.IsZero() || t.Before(c.wake) {
		c.wake = t
	}
}

// firstTier returns the first of members, which are sorted by priority, and those that share its
// priority.
func firstTier(members []*member) []*member {
	n := 1
	for n < len(members) && members[n].place.Load().priority == members[0].place.Load().priority {
		n++
	}
	return members[:n]
}

// hashOf is a hash whose bits all depend on all of s, as the choice by affinity needs.
func hashOf(s string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s)) // never fails
	return mixBits(h.Sum64()) // FNV's high bits depend little on the last bytes
}

// mixBits spreads each bit of x over all bits (the finalizer of MurmurHash3).
func mixBits(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}
