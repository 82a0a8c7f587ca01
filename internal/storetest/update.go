package storetest

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

func (s *suite) updateFound() {
	got, err := s.a.Update(s.ctx(), provider, id, func(c reauth.Credential, found bool) (reauth.Credential, error) {
		assert.False(s, found)
		assert.Empty(s, c.AccessToken)
		return credential("1"), nil
	})
	require.NoError(s, err)
	assert.Equal(s, credential("1"), got)
	require.NoError(s, s.a.Mark(s.ctx(), provider, id, reauth.Standing{At: time.Now(), Reason: "kept"}))
	got, err = s.b.Update(s.ctx(), provider, id, func(c reauth.Credential, found bool) (reauth.Credential, error) {
		assert.True(s, found)
		assert.Equal(s, credential("1"), c)
		return credential("2"), nil
	})
	require.NoError(s, err)
	assert.Equal(s, credential("2"), got)
	e := s.one(s.a)
	assert.Equal(s, "2", e.Credential.AccessToken)
	assert.Equal(s, "kept", e.Standing.Reason, "an Update does not change the standing")
}

func (s *suite) updateError() {
	fail := func(c reauth.Credential, _ bool) (reauth.Credential, error) {
		c.AccessToken = "not to be stored"
		return c, errWanted
	}
	_, err := s.a.Update(s.ctx(), provider, id, fail)
	require.Same(s, errWanted, err, "the error comes back unchanged")
	require.Empty(s, s.load(s.b))
	s.put(s.a, credential("1"))
	_, err = s.a.Update(s.ctx(), provider, id, fail)
	require.Same(s, errWanted, err)
	assert.Equal(s, "1", s.one(s.b).Credential.AccessToken)
	s.put(s.b, credential("2")) // the credential is free again
}

func (s *suite) updatePanic() {
	s.put(s.a, credential("1"))
	func() {
		defer func() { require.Equal(s, "oops", recover()) }()
		_, _ = s.a.Update(s.ctx(), provider, id,
			func(reauth.Credential, bool) (reauth.Credential, error) { panic("oops") })
	}()
	begin := time.Now()
	s.put(s.b, credential("2"))
	s.put(s.a, credential("3"))
	assert.Less(s, time.Since(begin), patience/3, "the credential is free again")
}

func (s *suite) waitHonoursContext() {
	s.put(s.a, credential("1"))
	for _, other := range []reauth.Store{s.a, s.b} {
		s.within(s.a, credential("1"), func() {
			ctx, stop := context.WithTimeout(context.Background(), glance)
			defer stop()
			_, err := other.Update(ctx, provider, id, func(c reauth.Credential, _ bool) (reauth.Credential, error) {
				assert.Fail(s, "two callers are inside an Update")
				return c, nil
			})
			assert.ErrorIs(s, err, context.DeadlineExceeded)
			ctx, cancel := context.WithCancelCause(context.Background())
			cancel(errWanted)
			assert.ErrorIs(s, other.Delete(ctx, provider, id), errWanted)
		})
	}
	s.put(s.b, credential("2"))
	assert.Equal(s, "2", s.one(s.a).Credential.AccessToken, "a caller that stopped waiting holds nothing")
}

func (s *suite) outlivesContext() {
	ctx, cancel := context.WithCancel(context.Background())
	_, err := s.a.Update(ctx, provider, id, func(reauth.Credential, bool) (reauth.Credential, error) {
		cancel()
		return credential("1"), nil
	})
	require.NoError(s, err, "the context bounds only the wait")
	assert.Equal(s, "1", s.one(s.b).Credential.AccessToken)
	s.put(s.b, credential("2"))
}

func (s *suite) updatesExclude() {
	const workers, rounds = 4, 10
	var inside, most atomic.Int32
	var all sync.WaitGroup
	increment := func(c reauth.Credential, _ bool) (reauth.Credential, error) {
		most.Store(max(most.Load(), inside.Add(1)))
		defer inside.Add(-1)
		n, _ := strconv.Atoi(c.AccessToken) // zero at first
		time.Sleep(time.Millisecond)        // invites the others in
		c.AccessToken = strconv.Itoa(n + 1)
		return c, nil
	}
	for w := range 2 * workers {
		st := []reauth.Store{s.a, s.b}[w%2]
		all.Go(func() {
			for range rounds {
				_, err := st.Update(s.ctx(), provider, id, increment)
				assert.NoError(s, err)
			}
		})
	}
	all.Wait()
	assert.EqualValues(s, 1, most.Load())
	assert.Equal(s, strconv.Itoa(2*workers*rounds), s.one(s.a).Credential.AccessToken, "no update is lost")
}

// othersGoOn: during an Update, other credentials can be updated, and all can be read.
func (s *suite) othersGoOn() {
	s.put(s.a, credential("1"))
	s.within(s.a, credential("2"), func() {
		for i, st := range []reauth.Store{s.a, s.b} {
			other := credential("other")
			other.ID = fmt.Sprint("other-", i)
			s.put(st, other)
			require.NoError(s, st.Delete(s.ctx(), provider, other.ID))
			assert.Equal(s, "1", s.one(st).Credential.AccessToken)
		}
	})
	assert.Equal(s, "2", s.one(s.b).Credential.AccessToken)
}

func (s *suite) markDuringUpdate() {
	s.put(s.a, credential("1"))
	at := time.Now()
	for i, st := range []reauth.Store{s.a, s.b} {
		s.within(s.a, credential(fmt.Sprint("new-", i)), func() {
			for j, reader := range []reauth.Store{s.b, s.a} {
				at = at.Add(time.Second)
				begin := time.Now()
				require.NoError(s, st.Mark(s.ctx(), provider, id, reauth.Standing{At: at, Reason: fmt.Sprint(i, j)}))
				assert.Less(s, time.Since(begin), patience/3, "a mark does not wait for an Update")
				assert.Equal(s, fmt.Sprint(i, j), s.one(reader).Standing.Reason, "a mark is visible at once")
			}
		})
		e := s.one(s.b)
		assert.Equal(s, fmt.Sprint("new-", i), e.Credential.AccessToken)
		assert.Equal(s, fmt.Sprint(i, 1), e.Standing.Reason, "the Update has not undone the mark")
	}
	s.within(s.a, credential("3"), func() { // a pool marks the exchange that it begins
		require.NoError(s, s.a.Mark(s.ctx(), provider, id, reauth.Standing{
			At: at.Add(time.Second), Spending: "digest",
		}))
		assert.Equal(s, "digest", s.one(s.b).Standing.Spending)
	})
}

func (s *suite) markNewestWins() {
	s.put(s.a, credential("1"))
	now := time.Now()
	for _, m := range []struct {
		at     time.Duration
		stands string
	}{
		{0, "0s"},
		{time.Nanosecond, "1ns"},
		{0, "1ns"},
		{2 * time.Hour, "2h0m0s"},
		{time.Hour, "2h0m0s"},
		{-time.Hour, "2h0m0s"},
		{3 * time.Hour, "3h0m0s"},
	} {
		require.NoError(s, s.a.Mark(s.ctx(), provider, id, reauth.Standing{At: now.Add(m.at), Reason: m.at.String()}))
		require.Equal(s, m.stands, s.one(s.b).Standing.Reason)
	}
	require.NoError(s, s.b.Mark(s.ctx(), provider, id, reauth.Standing{At: now.Add(3 * time.Hour)}))
	assert.Empty(s, s.one(s.a).Standing.Reason, "of two marks of one instant, the later stands")

	var all sync.WaitGroup
	for i := range 20 {
		st := []reauth.Store{s.a, s.b}[i%2]
		all.Go(func() {
			at := now.Add(4*time.Hour + time.Duration(i*7%20)*time.Millisecond)
			assert.NoError(s, st.Mark(s.ctx(), provider, id, reauth.Standing{At: at, Reason: strconv.Itoa(i * 7 % 20)}))
		})
	}
	all.Wait()
	assert.Equal(s, "19", s.one(s.a).Standing.Reason)
}

func (s *suite) markOfUnknown() {
	require.NoError(s, s.a.Mark(s.ctx(), provider, id, reauth.Standing{At: time.Now(), Retired: true}))
	require.Empty(s, s.load(s.b))
	s.put(s.a, credential("1"))
	assert.Zero(s, s.one(s.b).Standing, "a mark of an unknown credential is dropped")
}

func (s *suite) marksTouchNoToken() {
	s.put(s.a, credential("0"))
	stop := make(chan struct{})
	var marking sync.WaitGroup
	for _, st := range []reauth.Store{s.a, s.b} {
		marking.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					assert.NoError(s, st.Mark(s.ctx(), provider, id, reauth.Standing{At: time.Now(), Retired: true}))
				}
			}
		})
	}
	for i := range 20 {
		st := []reauth.Store{s.a, s.b}[i%2]
		_, err := st.Update(s.ctx(), provider, id, func(c reauth.Credential, found bool) (reauth.Credential, error) {
			assert.True(s, found)
			assert.Equal(s, credential(strconv.Itoa(i)), c)
			return credential(strconv.Itoa(i + 1)), nil
		})
		assert.NoError(s, err)
	}
	close(stop)
	marking.Wait()
	assert.Equal(s, credential("20"), s.one(s.b).Credential)
}

func (s *suite) deletes() {
	require.NoError(s, s.a.Delete(s.ctx(), provider, id), "it is no error to delete an unknown credential")
	s.put(s.a, credential("1"))
	require.NoError(s, s.a.Mark(s.ctx(), provider, id, reauth.Standing{At: time.Now().Add(time.Hour), Retired: true}))
	require.NoError(s, s.b.Delete(s.ctx(), provider, id))
	require.Empty(s, s.load(s.a))
	s.updateFound() // the old standing is gone as well
}

func (s *suite) deleteWaits() {
	for _, other := range []reauth.Store{s.a, s.b} {
		s.put(s.a, credential("1"))
		deleted := make(chan error, 1)
		s.within(s.a, credential("2"), func() {
			ctx := s.ctx()
			go func() { deleted <- other.Delete(ctx, provider, id) }()
			select {
			case <-deleted:
				assert.Fail(s, "the credential was deleted in the middle of an Update")
			case <-time.After(glance):
			}
			assert.Len(s, s.load(s.b), 1)
		})
		require.NoError(s, <-deleted)
		assert.Empty(s, s.load(s.a), "the Update has not brought the credential back")
	}
}
