package bench

import (
	"context"
	"fmt"
	"testing"
	"time"

	cliproxy "github.com/router-for-me/CLIProxyAPI/v7/sdk/cliproxy/auth"
	"github.com/router-for-me/CLIProxyAPI/v7/sdk/cliproxy/executor"

	"github.com/reauth-go/reauth"
)

// crowd describes a pool of credentials to choose from.
type crowd struct {
	size  int
	aside bool // whether all credentials but the last are put aside
}

func (c crowd) String() string {
	if c.aside {
		return fmt.Sprintf("pool=%d/aside=%d", c.size, c.size-1)
	}
	return fmt.Sprintf("pool=%d/aside=0", c.size)
}

func crowds() []crowd { return []crowd{{1, false}, {100, false}, {10_000, false}, {10_000, true}} }

func strategies() []reauth.Strategy {
	return []reauth.Strategy{reauth.FillFirst, reauth.RoundRobin, reauth.LeastInFlight, reauth.Random}
}

// pool makes a pool of the crowd's size. The credentials that are put aside have an exhausted
// quota.
func (c crowd) pool(t testing.TB, s reauth.Strategy) *reauth.Pool {
	pool := newPool(t, s, c.size)
	if !c.aside {
		return pool
	}
	spent := reauth.Verdict{Kind: reauth.Exhausted, Reason: "bench:quota", Reset: time.Now().Add(24 * time.Hour)}
	for i := range c.size - 1 {
		if err := pool.Report(context.Background(), providerName, keyID(i), key(i), spent); err != nil {
			t.Fatal(err)
		}
	}
	return pool
}

// BenchmarkChoose measures how long it takes to get a credential, from Pool.Token and from the
// selectors that CLIProxyAPI exports.
func BenchmarkChoose(b *testing.B) {
	ctx := context.Background()
	for _, c := range crowds() {
		for _, s := range strategies() {
			b.Run(fmt.Sprintf("%s/strategy=%s/by=reauth", c, s), func(b *testing.B) { handOut(ctx, b, c.pool(b, s)) })
		}
		b.Run(fmt.Sprintf("%s/strategy=affinity/by=reauth", c), func(b *testing.B) {
			handOut(reauth.WithAffinity(ctx, "conversation-1"), b, c.pool(b, reauth.FillFirst))
		})
		for _, s := range []reauth.Strategy{reauth.FillFirst, reauth.RoundRobin} {
			b.Run(fmt.Sprintf("%s/strategy=%s/by=cliproxyapi", c, s), func(b *testing.B) {
				selector, auths := c.cliproxy(s)
				b.ReportAllocs()
				for b.Loop() {
					if _, err := selector.Pick(ctx, "xai", "", cliproxyOptions(), auths); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// handOut measures Pool.Token.
func handOut(ctx context.Context, b *testing.B, pool *reauth.Pool) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := pool.Token(ctx, providerName); err != nil {
			b.Fatal(err)
		}
	}
}

// cliproxy returns CLIProxyAPI's selector for a strategy, and the crowd as that selector takes it.
func (c crowd) cliproxy(s reauth.Strategy) (cliproxy.Selector, []*cliproxy.Auth) {
	auths := make([]*cliproxy.Auth, c.size)
	for i := range auths {
		a := &cliproxy.Auth{
			ID: keyID(i), Provider: "xai", Status: cliproxy.StatusActive,
			Attributes: map[string]string{"api_key": key(i)},
		}
		if c.aside && i < c.size-1 {
			reset := time.Now().Add(24 * time.Hour)
			a.Unavailable, a.NextRetryAfter = true, reset
			a.Quota = cliproxy.QuotaState{Exceeded: true, Reason: "quota", NextRecoverAt: reset}
		}
		auths[i] = a
	}
	if s == reauth.RoundRobin {
		return &cliproxy.RoundRobinSelector{}, auths
	}
	return &cliproxy.FillFirstSelector{}, auths
}

func cliproxyOptions() executor.Options { return executor.Options{} }

// BenchmarkPool measures a whole request in memory, with pools of every size and standing.
func BenchmarkPool(b *testing.B) {
	for _, s := range strategies() {
		for _, c := range crowds() {
			b.Run(fmt.Sprintf("%s/strategy=%s/by=reauth", c, s), func(b *testing.B) {
				at := inMemory()
				rt, l := reauth.NewRecoveringTransport(at.base, c.pool(b, s)), newLoad(b, at.url, 2<<10, true)
				b.ReportAllocs()
				for b.Loop() {
					if err := l.send(rt); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
