package integration

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

// PostgreSQL stops in the middle of a run, and starts again.
func TestPostgresStoppedAndStarted(t *testing.T) {
	d := postgres(t)
	fake := reauthtest.New(reauthtest.XAI)
	rigs := make([]*rig, 4)
	stores := make([]*reauth.SQLStore, len(rigs))
	for i := range rigs {
		stores[i] = d.store(t)
		rigs[i] = newRig(t, fake, stores[i], nil)
	}
	_, refresh := rigs[0].login(t)
	for _, r := range rigs {
		r.eventually(t, "the login appears", func() bool { return r.state() != "" })
	}
	var running sync.WaitGroup
	var failed, served atomic.Int64
	stop := make(chan struct{})
	for _, r := range rigs {
		for range 3 {
			running.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					if r.post(t) == 200 {
						served.Add(1)
					} else {
						failed.Add(1)
					}
					time.Sleep(5 * time.Millisecond)
				}
			})
		}
	}
	more := func(n *atomic.Int64, what string) {
		from := n.Load()
		require.Eventually(t, func() bool { return n.Load() > from+50 }, patience, 10*time.Millisecond, what)
	}
	more(&served, "requests are served at first")
	fake.Expire()
	more(&served, "requests are served after a first refresh")
	exchanges := fake.Exchanges()
	assert.Zero(t, failed.Load())

	control(t, "pause")
	more(&served, "requests go on while the token is accepted")
	assert.Zero(t, failed.Load())
	fake.Expire()
	more(&failed, "when the token has expired, requests fail")
	assert.Equal(t, exchanges, fake.Exchanges(), "no exchange without a claim")
	asked := fake.TokenRequests()

	control(t, "resume")
	more(&served, "requests recover by themselves")
	require.Eventually(t, func() bool {
		before := failed.Load()
		time.Sleep(200 * time.Millisecond)
		return failed.Load() == before
	}, 2*patience, 10*time.Millisecond, "all requests recover")
	close(stop)
	running.Wait()
	assert.Equal(t, exchanges+1, fake.Exchanges())
	assert.Equal(t, asked+1, fake.TokenRequests())
	assert.True(t, fake.Current(record(t, stores[0]).Credential.RefreshToken), "the store holds the newest pair")
	assert.True(t, fake.Alive(refresh))
	assert.Zero(t, fake.Reuses())
}

// PostgreSQL stops between an exchange and the storing of its tokens, for longer than the claim
// lasts. When it is back, nobody else may spend the old token.
func TestPostgresStoppedInTheMiddleOfAnExchange(t *testing.T) {
	for name, down := range map[string]time.Duration{"Shortly": 0, "LongerThanTheClaim": shortClaim + time.Second} {
		t.Run(name, func(t *testing.T) {
			d := postgres(t)
			fake := reauthtest.New(reauthtest.XAI)
			sa, sb := d.store(t), d.store(t)
			sa.Claim, sb.Claim = shortClaim, shortClaim
			var once sync.Once
			a := newRig(t, fake, sa, func() { once.Do(func() { control(t, "pause") }) })
			same := newRig(t, fake, sa, nil) // as in the same process
			b := newRig(t, fake, sb, nil)    // as in another process
			old, refresh := a.login(t)
			for _, r := range []*rig{same, b} {
				r.eventually(t, "the login appears", func() bool { return r.state() != "" })
			}
			fake.Expire(old)
			assert.Equal(t, 200, a.post(t), "the new pair serves from memory")
			// A pool that looks at its store meanwhile also tells that it cannot read it, or write a mark.
			assert.Equal(t, 1, a.failures("persist"))
			assert.NotEqual(t, 200, b.post(t))
			time.Sleep(down)
			control(t, "resume")
			var all sync.WaitGroup
			for _, r := range []*rig{same, b} {
				all.Go(func() { r.eventually(t, "it is adopted", func() bool { return r.post(t) == 200 }) })
			}
			all.Wait()
			assert.Equal(t, 1, fake.Exchanges())
			assert.Zero(t, fake.Reuses())
			assert.True(t, fake.Alive(refresh))
			assert.True(t, fake.Current(record(t, sb).Credential.RefreshToken))
		})
	}
}

// A pool that lost its claim before its exchange adopts the tokens that the other pool has
// obtained.
func TestPoolWithALostClaim(t *testing.T) {
	d := postgres(t)
	fake, db := reauthtest.New(reauthtest.XAI), d.open(t)
	watch := &interposed{Store: d.store(t)}
	r := newRig(t, fake, watch, nil)
	other := newRig(t, fake, d.store(t), nil)
	old, refresh := r.login(t)
	watch.inside = func() { // as if this pool were suspended between claim and mark
		mustExec(t, db, `DELETE FROM reauth_claims`)
		require.NoError(t, other.pool.Refresh(bounded(t), provider, id))
		watch.inside = nil
	}
	other.eventually(t, "appears", func() bool { return other.state() != "" })
	fake.Expire(old)
	r.post(t)
	r.eventually(t, "recovers", func() bool { return r.post(t) == 200 })
	assert.Equal(t, 1, fake.Exchanges())
	assert.Zero(t, fake.Reuses())
	assert.True(t, fake.Alive(refresh))
	assert.True(t, fake.Current(record(t, watch).Credential.RefreshToken))
}

// interposed is a store that calls inside in an Update, before anything else happens in it.
type interposed struct {
	reauth.Store
	inside func()
}

func (s *interposed) Update(
	ctx context.Context, provider, id string, fn func(reauth.Holding) (reauth.Entry, error),
) (reauth.Entry, error) {
	return s.Store.Update(ctx, provider, id, func(h reauth.Holding) (reauth.Entry, error) {
		if s.inside != nil {
			s.inside()
		}
		return fn(h)
	})
}
