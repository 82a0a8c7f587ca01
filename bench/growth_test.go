package bench

import (
	"context"
	"fmt"
	"slices"
	"testing"

	cliproxy "github.com/router-for-me/CLIProxyAPI/v7/sdk/cliproxy/auth"

	"github.com/reauth-go/reauth"
)

// growing returns the sizes at which the growth of a cost is measured.
func growing() []int { return []int{1, 10, 100, 1_000, 10_000, 100_000} }

// BenchmarkGrowth measures how the cost of a choice grows with the number of credentials: a whole request
// in memory with each strategy and with affinity, in which a hundred conversations take turns, and the
// selectors that CLIProxyAPI exports. Small and large pools run one after the other.
func BenchmarkGrowth(b *testing.B) {
	for _, way := range append(ways(), "affinity") {
		for _, n := range growing() {
			b.Run(fmt.Sprintf("strategy=%s/pool=%d/by=reauth", way, n), func(b *testing.B) {
				send := sender(b, way, n)
				for i := range 200 { // the first requests make what the others find
					send(i)
				}
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					send(i)
					i++
				}
			})
		}
	}
	for _, n := range growing() {
		b.Run(fmt.Sprintf("strategy=round-robin/pool=%d/by=cliproxyapi", n), func(b *testing.B) {
			var selector cliproxy.Selector
			selector, auths := crowd{size: n}.cliproxy(reauth.RoundRobin)
			for b.Loop() {
				if _, err := selector.Pick(context.Background(), "xai", "", cliproxyOptions(), auths); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// ways returns the names of the strategies.
func ways() (names []string) {
	for _, s := range strategies() {
		names = append(names, s.String())
	}
	return names
}

// sender returns a function that sends a request in memory by a strategy. With "affinity" its argument says
// of which conversation the request is.
func sender(b *testing.B, way string, n int) func(i int) {
	chosen := reauth.FillFirst
	if i := slices.Index(ways(), way); i >= 0 {
		chosen = strategies()[i]
	}
	at := inMemory()
	rt, l := reauth.NewRecoveringTransport(at.base, newPool(b, chosen, n)), newLoad(b, at.url, 2<<10, true)
	if way != "affinity" {
		return func(int) {
			if err := l.send(rt); err != nil {
				b.Fatal(err)
			}
		}
	}
	plain := l.req
	var conversations [100]context.Context
	for i := range conversations {
		conversations[i] = reauth.WithAffinity(context.Background(), fmt.Sprint("conversation ", i))
	}
	return func(i int) {
		l.req = plain.WithContext(conversations[i%len(conversations)])
		if err := l.send(rt); err != nil {
			b.Fatal(err)
		}
	}
}
