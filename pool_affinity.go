package reauth

import (
	"math"
	"math/bits"
)

// The choice by affinity: a function of a key and of the IDs of the members that may be chosen, which
// is made without looking at all of them.
//
// Rendezvous hashing gives each key to the member whose hash, mixed with the key's, is highest, and
// looks at every member for it. Here the key draws members instead, in an order of its own: each draw
// names a slot, which is a beginning of hashes, and the members in it whose hash mixed with the draw
// reaches a floor take part. The first draw with a member that takes part decides; of several the
// highest is taken. What a member does in a draw depends on the key and its own ID only. So a member
// that goes, or is put aside, changes nothing for a key that another one has, and when it comes back,
// its keys do.
//
// The floor makes it rare that two members of a slot take part in one draw. Without it members with
// hashes that are close would share their keys, and have half as many as the others. The draws begin
// with narrow slots, which suit a large pool, and go on with wider ones; in the last, all members take
// part. The order of the draws does not depend on the number of members, or each new one would move
// many keys.
const (
	finestSlot   = 12                                 // bits of the slots in the first draws
	drawsPerSlot = 8                                  // with slots of one width
	drawFloor    = math.MaxUint64 - math.MaxUint64>>5 // one in 32 reaches it
	nextDraw     = uint64(0x9e3779b97f4a7c15)         // odd, so that no draw comes twice
)

// homes are members by the beginning of their hash.
type homes struct {
	bits   int      // of a slot of the table
	starts []uint32 // where the members of each slot begin in list, and last its length
	list   []home
}

type home struct {
	hash uint64 // the member's: beside the pointer it costs no further look
	m    *member
}

// newHomes sorts members into about as many slots as there are members.
func newHomes(members []*member) *homes {
	t := &homes{bits: bits.Len(uint(len(members))), list: make([]home, len(members))}
	t.starts = make([]uint32, 1<<t.bits+1)
	for _, m := range members {
		t.starts[t.slot(m.hash)+1]++
	}
	for i := range len(t.starts) - 1 {
		t.starts[i+1] += t.starts[i]
	}
	for _, m := range members { // each start moves to its slot's end, which is where the next one begins
		at := &t.starts[t.slot(m.hash)]
		t.list[*at] = home{m.hash, m}
		*at++
	}
	copy(t.starts[1:], t.starts)
	t.starts[0] = 0
	return t
}

// slot is the slot of a hash in the table.
func (t *homes) slot(hash uint64) uint64 { return hash >> (64 - t.bits) }

// nearest returns the member that the key belongs to, of those that fit; nil if none does.
func (t *homes) nearest(key string, fits func(*member) bool) *member {
	x := hashOf(key)
	for width := finestSlot; width > 0 && len(t.list) > 1; width-- {
		for range drawsPerSlot {
			x += nextDraw
			if m := t.draw(mixBits(x), width, drawFloor, fits); m != nil {
				return m
			}
		}
	}
	return t.draw(mixBits(x+nextDraw), 0, 0, fits)
}

// draw returns the member whose hash mixed with x is highest, of those in the slot of x that fit and
// reach the floor. A slot has so many bits.
func (t *homes) draw(x uint64, width int, floor uint64, fits func(*member) bool) (best *member) {
	first, last := t.slot(x), t.slot(x)
	if wider := t.bits - width; wider > 0 {
		first = first >> wider << wider
		last = first + 1<<wider - 1
	}
	most := floor
	for _, h := range t.list[t.starts[first]:t.starts[last+1]] {
		if (h.hash^x)>>(64-width) != 0 { // of another slot that shares the table's
			continue
		}
		if s := mixBits(h.hash ^ x); s >= most && fits(h.m) {
			best, most = h.m, s
		}
	}
	return best
}

// tierHomes are the homes of a tier of a snapshot.
type tierHomes struct {
	tier  int
	homes *homes
	next  *tierHomes
}

// everyone is a tier of all members of a snapshot.
const everyone = -1

// homesOf returns the homes of the members of a tier. The first request that needs them makes them, in
// a time that grows with the members; the others of the snapshot find them.
func (c *candidates) homesOf(tier int, members []*member) *homes {
	if h := c.madeHomes(tier); h != nil {
		return h
	}
	c.making.Lock()
	defer c.making.Unlock()
	if h := c.madeHomes(tier); h != nil {
		return h // another goroutine has made them
	}
	h := newHomes(members)
	c.homes.Store(&tierHomes{tier, h, c.homes.Load()})
	return h
}

// madeHomes returns the homes of a tier if they have been made.
func (c *candidates) madeHomes(tier int) *homes {
	for t := c.homes.Load(); t != nil; t = t.next {
		if t.tier == tier {
			return t.homes
		}
	}
	return nil
}
