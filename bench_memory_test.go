package reauth

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

// fixedStore is a store whose content is made when it is asked for, so that the store itself keeps
// nothing.
type fixedStore struct {
	Store
	n int
}

// Load implements Store.
func (s fixedStore) Load(context.Context, string) (Snapshot, error) {
	snap := Snapshot{Version: "1", Identity: "fixed"}
	for i := range s.n {
		snap.Entries = append(snap.Entries, fixedEntry(i))
	}
	return snap, nil
}

// fixedEntry is an OAuth login with tokens of usual size.
func fixedEntry(i int) Entry {
	now := time.Now()
	return Entry{
		Credential: Credential{
			Provider: "xai-oauth", ID: fmt.Sprintf("user-%d@example.com", i), Expiry: now.Add(time.Hour),
			AccessToken:  fmt.Sprintf("access-%d-%s", i, strings.Repeat("a", 600)),
			RefreshToken: fmt.Sprintf("refresh-%d-%s", i, strings.Repeat("r", 80)),
		},
		Login: now, Generation: 1, LastRefresh: now,
	}
}

// ownStrings is how much memory the strings of an entry take, in bytes.
func ownStrings(e Entry) int {
	c := e.Credential
	return len(c.ID) + len(bearerScheme) + len(c.AccessToken) + len(c.RefreshToken) + len(digest("x"))
}

// BenchmarkMemoryOfACredential tells what a pool keeps of a credential beside its strings: the ID,
// the tokens, the header made of the access token and its digest.
func BenchmarkMemoryOfACredential(b *testing.B) {
	const n = 100_000
	for b.Loop() {
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		pool, err := OpenPool(context.Background(), fixedStore{n: n})
		if err != nil {
			b.Fatal(err)
		}
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&after)
		per := float64(after.HeapAlloc-before.HeapAlloc) / n
		b.ReportMetric(per, "B/credential")
		b.ReportMetric(per-float64(ownStrings(fixedEntry(n/2))), "B/credential-beside-strings")
		runtime.KeepAlive(pool)
	}
}
