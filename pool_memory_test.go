package reauth

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A gateway adds and removes credentials for months, and is asked for providers that do not exist. What
// it keeps of them is bounded, in the pool and in a store in memory.
func TestWhatIsGoneTakesBoundedMemory(t *testing.T) {
	for name, open := range map[string]func() (*Pool, *memStore){
		"a pool in memory": func() (*Pool, *memStore) {
			p := NewPool()
			return p, p.store.(*memStore)
		},
		"a pool over a store": func() (*Pool, *memStore) {
			s := newMemStore()
			p, err := OpenPool(t.Context(), s)
			require.NoError(t, err)
			return p, s
		},
	} {
		t.Run(name, func(t *testing.T) {
			pool, store := open()
			t.Cleanup(func() { require.NoError(t, pool.Close()) })
			ctx := context.Background()
			for i := range maxTombstones + 20 {
				c := Credential{Provider: "xai", ID: fmt.Sprint("c", i), AccessToken: fmt.Sprint("key-", i)}
				id, err := pool.Add(ctx, c)
				require.NoError(t, err)
				require.NoError(t, pool.Remove(ctx, "xai", id))
				_, err = pool.Token(ctx, fmt.Sprint("unknown-", i))
				require.Error(t, err)
			}
			groups := 0
			pool.groups.Range(func(any, any) bool { groups++; return true })
			assert.Len(t, ProviderNames(), groups, "no name that somebody asked for is kept")
			g := pool.groupOf("xai-oauth")
			assert.LessOrEqual(t, len(g.removed), maxTombstones)
			assert.Empty(t, g.members)
			assert.Empty(t, g.byID)
			assert.Empty(t, g.senders)
			for i := 0; pool.shared && len(pool.view.written) < maxWritten; i++ {
				pool.view.written[credentialKey{"xai-oauth", fmt.Sprint("w", i)}] = true
			}
			for i := range 3 {
				pool.noteWritten(credentialKey{"xai-oauth", fmt.Sprint("more", i)})
			}
			assert.LessOrEqual(t, len(pool.view.written), maxWritten)
			assert.LessOrEqual(t, len(store.records), maxTombstones+1)
		})
	}
}
