package reauth

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// manyMembers returns n members, of which nothing but the ID and its hash is set.
func manyMembers(n int) []*member {
	list := make([]*member, n)
	for i := range list {
		id := fmt.Sprint("account-", i)
		list[i] = &member{id: id, hash: hashOf(id)}
	}
	return list
}

// without returns the members but one.
func without(members []*member, gone *member) []*member {
	return slices.DeleteFunc(slices.Clone(members), func(m *member) bool { return m == gone })
}

// keysOfAffinity are the keys of conversations.
func keysOfAffinity(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprint("conversation ", i)
	}
	return keys
}

// sizesOfPools are those of pools about the places where the table gets another width.
func sizesOfPools() []int { return []int{1, 2, 3, 4, 5, 7, 8, 9, 31, 33, 100, 255, 256, 257, 5000} }

// Each member is in the table once, in its slot, whatever the number of members.
func TestHomesHaveEveryMember(t *testing.T) {
	for _, n := range sizesOfPools() {
		members := manyMembers(n)
		h := newHomes(members)
		require.Len(t, h.list, n)
		found := make(map[*member]bool)
		for slot := range len(h.starts) - 1 {
			for _, at := range h.list[h.starts[slot]:h.starts[slot+1]] {
				assert.Equal(t, uint64(slot), h.slot(at.m.hash), "%d members", n)
				assert.Equal(t, at.m.hash, at.hash)
				found[at.m] = true
			}
		}
		assert.Len(t, found, n)
	}
}

// The keys are spread evenly: each of a hundred members has nearly as many as each other.
func TestAffinityIsBalanced(t *testing.T) {
	for n, most := range map[int]float64{2: 1.05, 3: 1.05, 10: 1.15, 100: 1.35} {
		h, count := newHomes(manyMembers(n)), make(map[*member]int)
		for _, key := range keysOfAffinity(100_000) {
			count[h.nearest(key, anyMember)]++
		}
		require.Len(t, count, n)
		least, highest := 100_000, 0
		for _, c := range count {
			least, highest = min(least, c), max(highest, c)
		}
		t.Logf("%d members: %d to %d keys", n, least, highest)
		assert.Less(t, float64(highest)/float64(least), most, "%d members", n)
	}
}

// A large pool is spread evenly too: there are not more members without a key than chance leaves.
func TestAffinityOfALargePoolIsBalanced(t *testing.T) {
	const members, keys = 20_000, 200_000
	h, count := newHomes(manyMembers(members)), make(map[*member]int)
	for _, key := range keysOfAffinity(keys) {
		count[h.nearest(key, anyMember)]++
	}
	highest := 0
	for _, c := range count {
		highest = max(highest, c)
	}
	assert.Greater(t, len(count), members*999/1000)
	assert.Less(t, highest, 35, "ten each on average")
}

// The order of the members does not matter: every process that shares them makes the same choice.
func TestAffinityDoesNotDependOnOrder(t *testing.T) {
	for _, n := range sizesOfPools() {
		members := manyMembers(n)
		h := newHomes(members)
		rand.Shuffle(n, func(i, j int) { members[i], members[j] = members[j], members[i] })
		shuffled := newHomes(members)
		for _, key := range keysOfAffinity(300) {
			require.Same(t, h.nearest(key, anyMember), shuffled.nearest(key, anyMember), "%d members", n)
		}
	}
}

// When a member goes, only its keys move; when it comes, keys move only to it. A member that does not
// fit, because it was tried or serves another host, is one that is not there.
func TestAffinityMovesNoOtherKey(t *testing.T) {
	for _, n := range sizesOfPools()[1:] {
		members := manyMembers(n)
		all, gone := newHomes(members), members[n/2]
		rest, moved := newHomes(without(members, gone)), 0
		for _, key := range keysOfAffinity(2000) {
			before, after := all.nearest(key, anyMember), rest.nearest(key, anyMember)
			if before == gone {
				moved++
				require.NotSame(t, gone, after)
			} else {
				require.Same(t, before, after, "%d members, %s", n, key)
			}
			require.Same(t, after, all.nearest(key, func(m *member) bool { return m != gone }), "%d members, %s", n, key)
		}
		if n <= 257 {
			assert.Positive(t, moved, "%d members", n)
		}
	}
}

// However few fit, one of them is found; if none does, nobody.
func TestAffinityFindsTheOneThatFits(t *testing.T) {
	for _, n := range sizesOfPools() {
		members := manyMembers(n)
		h, only := newHomes(members), members[n-1]
		for _, key := range keysOfAffinity(20) {
			require.Same(t, only, h.nearest(key, func(m *member) bool { return m == only }), "%d members", n)
			require.Nil(t, h.nearest(key, func(*member) bool { return false }), "%d members", n)
		}
	}
}

// What members do in a draw is settled: the choice must be the same in every process, and in the next
// version. A change of it moves all conversations once, and belongs into the changelog.
func TestAffinityIsSettled(t *testing.T) {
	h := newHomes(manyMembers(1000))
	var got []string
	for _, key := range keysOfAffinity(6) {
		got = append(got, h.nearest(key, anyMember).id)
	}
	assert.Equal(t, []string{
		"account-155", "account-522", "account-265", "account-541", "account-950", "account-779",
	}, got)
}
