package integration

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

func TestPoolsShareWhatTheyKnow(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d database) {
		fake := reauthtest.New(reauthtest.XAI)
		sa := d.store(t)
		a, b := newRig(t, fake, sa, nil), newRig(t, fake, d.store(t), nil)
		access, refresh := a.login(t)
		b.eventually(t, "b sees the login that a added", func() bool { return b.state() == string(reauth.Good) })
		require.Equal(t, 200, b.post(t))

		fake.Exhaust(time.Now().Add(time.Hour), access)
		require.NotEqual(t, 200, a.post(t))
		require.Equal(t, string(reauth.Aside), a.state())
		fake.Restore(access) // so that b can learn it only from the mark
		require.Eventually(t, func() bool { return !record(t, sa).Marks["login"].Until.IsZero() },
			patience, 10*time.Millisecond)
		require.NoError(t, b.pool.Report(bounded(t), provider, id, access, reauth.Verdict{Kind: reauth.Pass}))

		fake.Expire(access)
		require.Equal(t, 200, a.post(t))
		require.Equal(t, 200, b.post(t))
		assert.Equal(t, 1, fake.Exchanges(), "b has adopted what a has obtained")
		// The event may come a moment after the answer.
		require.Eventually(t, func() bool { return b.count(reauth.Adopted) > 0 }, patience, time.Millisecond)

		require.NoError(t, a.pool.Remove(bounded(t), provider, id))
		b.eventually(t, "b sees that a removed the login", func() bool { return b.state() == "" })
		assert.True(t, fake.Alive(refresh))
		assert.Zero(t, fake.Reuses())
	})
}

// Pools share marks through the store alone.
func TestMarksAreShared(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d database) {
		fake := reauthtest.New(reauthtest.XAI)
		fake.AddKey("first")
		fake.AddKey("second")
		a, b := newRig(t, fake, d.store(t), nil), newRig(t, fake, d.store(t), nil)
		for _, key := range []string{"first", "second"} {
			_, err := a.pool.Add(bounded(t), reauth.Credential{Provider: provider, ID: key, AccessToken: key})
			require.NoError(t, err)
		}
		b.eventually(t, "both appear", func() bool { return len(b.pool.Status()) == 2 })
		fake.Exhaust(time.Now().Add(time.Hour), "first")
		require.Equal(t, 200, a.post(t))
		require.Equal(t, string(reauth.Aside), a.state())
		// b looks at the store when it has to serve, and serves with the credential that stands
		// best.
		require.Eventually(t, func() bool {
			_, _ = b.pool.Token(bounded(t), provider)
			return b.state() == string(reauth.Aside)
		}, patience, 50*time.Millisecond)
		before := len(fake.Requests())
		require.Equal(t, 200, b.post(t))
		sent := fake.Requests()[before:]
		require.Len(t, sent, 1)
		assert.Equal(t, "second", sent[0].Token, "b does not try the first key")
	})
}

// Two pools in one process share a store, and a third has a store of its own over the same
// database.
func TestTwoPoolsInOneProcess(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d database) {
		fake := reauthtest.New(reauthtest.XAI)
		fake.TokenLatency = 20 * time.Millisecond
		shared := d.store(t)
		rigs := []*rig{newRig(t, fake, shared, nil), newRig(t, fake, shared, nil), newRig(t, fake, d.store(t), nil)}
		rigs[0].login(t)
		for _, r := range rigs {
			r.eventually(t, "it appears", func() bool { return r.state() != "" })
		}
		for round := range 10 {
			fake.Expire()
			var all sync.WaitGroup
			for _, r := range rigs {
				for range 5 {
					all.Go(func() { assert.Equal(t, 200, r.post(t)) })
				}
			}
			all.Wait()
			require.Equal(t, round+1, fake.Exchanges())
		}
		assert.Zero(t, fake.Reuses())
	})
}

// All stamps of another host are two hours off.
func TestStampsTwoHoursOff(t *testing.T) {
	for name, off := range map[string]time.Duration{"Ahead": 2 * time.Hour, "Behind": -2 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			eachDatabase(t, func(t *testing.T, d database) {
				fake := reauthtest.New(reauthtest.XAI)
				s := d.store(t)
				access, refresh := fake.Login()
				theirs := time.Now().Add(off)
				save(t, s, reauth.Entry{LastRefresh: theirs, Credential: reauth.Credential{
					AccessToken: access, RefreshToken: refresh, Expiry: theirs.Add(time.Hour),
				}})
				require.NoError(t, s.Mark(bounded(t), provider, id, "token", reauth.Mark{
					Of: digest(access), At: theirs, Until: theirs.Add(3 * time.Hour), Reason: "theirs",
				}, time.Time{}))
				unmarked := func() bool { return record(t, s).Marks["token"].Until.IsZero() }

				r := newRig(t, fake, d.store(t), nil)
				got := r.pool.Status()[0]
				assert.Equal(t, reauth.Aside, got.State, "the mark counts")
				for range 20 {
					require.Equal(t, 200, r.post(t))
				}
				// If their clock is behind, the token has expired by their stamp. That asks for one
				// refresh and no more.
				assert.LessOrEqual(t, fake.Exchanges(), 1, "no exchange per request")
				if off > 0 {
					assert.Zero(t, fake.Exchanges())
				}
				require.Eventually(t, unmarked, patience, 10*time.Millisecond, "our marks win over those from the future")
				before := fake.Exchanges()
				fake.Expire()
				require.Equal(t, 200, r.post(t), "the pool still recovers from a refusal")
				assert.Equal(t, before+1, fake.Exchanges())
				for range 20 {
					require.Equal(t, 200, r.post(t))
				}
				assert.Equal(t, before+1, fake.Exchanges())
				require.Eventually(t, unmarked, patience, 10*time.Millisecond)
				e := record(t, s)
				assert.NotEqual(t, access, e.Credential.AccessToken)
				assert.Empty(t, e.Spending)
				assert.Zero(t, fake.Reuses())
			})
		})
	}
}
