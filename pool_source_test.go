package reauth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

// script is a source that gives one result after the other, and the last one for ever.
type script struct {
	mu      sync.Mutex
	results []given
	calls   []time.Time
	last    reauth.Credential // as it was given to the last call
	slow    time.Duration     // how long a call takes
}

// given is what a source gives.
type given struct {
	token string
	lives time.Duration // 0: it has no expiry
	err   error
}

func (s *script) Refresh(ctx context.Context, c reauth.Credential) (reauth.Credential, error) {
	g := s.next(c)
	select {
	case <-time.After(s.slow):
	case <-ctx.Done():
		return reauth.Credential{}, ctx.Err()
	}
	got := reauth.Credential{AccessToken: g.token}
	if g.lives != 0 {
		got.Expiry = time.Now().Add(g.lives)
	}
	return got, g.err
}

func (s *script) next(c reauth.Credential) given {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := min(len(s.calls), len(s.results)-1)
	s.calls, s.last = append(s.calls, time.Now()), c
	return s.results[n]
}

func (s *script) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.calls)
}

// gives makes a source of tokens without an expiry.
func gives(tokens ...string) *script {
	s := new(script)
	for _, token := range tokens {
		s.results = append(s.results, given{token: token})
	}
	return s
}

// source adds a source to the rig's pool.
func (r *rig) source(t testing.TB, id string, s reauth.Refresher) {
	t.Helper()
	got, err := r.pool.AddSource(context.Background(), reauth.Credential{Provider: r.provider, ID: id}, s)
	require.NoError(t, err)
	require.Equal(t, id, got)
}

// A source is asked at the first use, and when the provider refuses its token; once for all who wait.
func TestSourceIsAskedWhenItMust(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		s := gives("key-one", "key-two", "key-three")
		s.slow = time.Second
		r.fake.AddKey("key-one")
		r.source(t, "vault", s)
		require.Zero(t, s.count())
		require.Equal(t, map[int]int{200: 20}, r.atOnce(t, 20))
		require.Equal(t, 1, s.count())

		r.fake.Expire("key-one")
		r.fake.AddKey("key-two")
		require.Equal(t, map[int]int{200: 20}, r.atOnce(t, 20))
		require.Equal(t, 2, s.count())
		require.Equal(t, "key-one", s.last.AccessToken)
		for range 100 {
			status, _ := r.mustPost(t)
			require.Equal(t, 200, status)
		}
		require.Equal(t, 2, s.count())
		st := r.status(t, "vault")
		require.Equal(t, reauth.Good, st.State)
		require.Equal(t, "*reauth_test.script", st.Source)
	})
}

// A key that stays refused costs three calls a minute at most, whether the source gives the same one
// again or another one each time.
func TestSourceOfARefusedKeyRests(t *testing.T) {
	for name, s := range map[string]*script{
		"same":  gives("wrong"),
		"other": gives("wrong-1", "wrong-2", "wrong-3", "wrong-4", "wrong-5", "wrong-6", "wrong-7", "wrong-8", "wrong-9"),
		"none":  {results: []given{{err: errors.New("vault is sealed")}}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
				r.source(t, "vault", s)
				for range 300 {
					_, _, err := r.post(context.Background())
					require.NoError(t, err)
					time.Sleep(time.Second)
				}
				for i, first := range s.calls {
					within := 0
					for _, call := range s.calls[i:] {
						if call.Before(first.Add(time.Minute)) {
							within++
						}
					}
					require.LessOrEqual(t, within, 3, s.calls)
				}
				require.Greater(t, s.count(), 4, "it is asked again and again")
			})
		})
	}
}

// A token is renewed before it ends, in the background. When that fails the last one goes on.
func TestSourceIsAskedBeforeItsTokenEnds(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		s := &script{results: []given{
			{token: "one", lives: time.Hour}, {err: errors.New("away")}, {token: "two", lives: time.Hour},
		}}
		r.fake.AddKey("one")
		r.fake.AddKey("two")
		r.source(t, "me", s)
		r.mustPost(t)
		time.Sleep(57 * time.Minute)
		status, _ := r.mustPost(t)
		require.Equal(t, 200, status)
		synctest.Wait()
		require.Equal(t, 2, s.count())
		failed := r.events.all(reauth.RefreshFailed)
		require.Len(t, failed, 1)
		require.EqualError(t, failed[0].Err, "away")
		time.Sleep(20 * time.Second)
		r.mustPost(t)
		synctest.Wait()
		require.Equal(t, 3, s.count())
		r.mustPost(t)
		sent := r.fake.Requests()
		require.Equal(t, "two", sent[len(sent)-1].Token)
	})
}

// A source may give the same token again, to be used for longer.
func TestSourceProlongsAToken(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		s := &script{results: []given{{token: "one", lives: time.Hour}}}
		r.fake.AddKey("one")
		r.source(t, "me", s)
		r.mustPost(t)
		time.Sleep(2 * time.Hour)
		require.Equal(t, map[int]int{200: 20}, r.atOnce(t, 20))
		require.Equal(t, 2, s.count())
		require.Empty(t, r.events.all(reauth.RefreshFailed))
		require.Len(t, r.events.all(reauth.Refreshed), 2)
		require.Equal(t, time.Now().Add(time.Hour).UTC(), r.status(t, "me").Expiry.UTC())
		time.Sleep(30 * time.Minute)
		r.mustPost(t)
		require.Equal(t, 2, s.count())
	})
}

// What has expired on arrival does not take the place of a token that lives, and serves for want of
// one.
func TestSourceGivesAnExpiredToken(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		s := &script{results: []given{{token: "one", lives: time.Hour}, {token: "old", lives: -time.Hour}}}
		r.fake.AddKey("one")
		r.fake.AddKey("old")
		r.source(t, "me", s)
		r.mustPost(t)
		time.Sleep(57 * time.Minute)
		r.mustPost(t)
		synctest.Wait()
		failed := r.events.all(reauth.RefreshFailed)
		require.Len(t, failed, 1)
		require.Equal(t, "refresh:expired_on_arrival", failed[0].Reason)
		r.mustPost(t)
		require.Equal(t, "one", r.fake.Requests()[2].Token)
		r.fake.Expire("one")
		status, _ := r.mustPost(t)
		require.Equal(t, 200, status)
	})
}

// Nothing of a source reaches the store, and nothing that others do there reaches the source.
func TestSourceOverASharedStore(t *testing.T) {
	bubbleOver(t, func(t *testing.T, r *rig, store *watchedStore) {
		s := gives("one", "two")
		r.fake.AddKey("one")
		r.source(t, "vault", s)
		r.mustPost(t)
		r.fake.Expire("one")
		r.fake.AddKey("two")
		r.mustPost(t)
		r.fake.Exhaust(time.Now().Add(time.Minute), "two")
		r.mustPost(t)
		r.fake.Restore("two")
		r.mustPost(t)
		require.NoError(t, r.pool.Reset(context.Background(), r.provider, "vault"))
		require.Empty(t, store.take(), "no claim, no mark, no write")

		other, err := reauth.OpenPool(context.Background(), store.Store)
		require.NoError(t, err)
		defer func() { require.NoError(t, other.Close()) }()
		for i := range 100 {
			c := reauth.Credential{Provider: r.provider, ID: fmt.Sprint("k", i%7), AccessToken: fmt.Sprint("k", i), Priority: 1}
			if i%10 == 0 {
				c.ID = "vault"
			}
			_, err := other.Add(context.Background(), c)
			require.NoError(t, err)
			time.Sleep(1100 * time.Millisecond)
			status, _ := r.mustPost(t)
			require.Equal(t, 200, status)
			require.NoError(t, other.Remove(context.Background(), r.provider, c.ID))
		}
		hidden := 0
		for _, e := range r.events.all(reauth.StoreFailed) {
			require.ErrorContains(t, e.Err, "AddSource has given that ID to a source")
			hidden++
		}
		require.Equal(t, 1, hidden)
		require.Equal(t, 2, s.count())
		require.NoError(t, r.pool.Remove(context.Background(), r.provider, "vault"))
		_, err = other.Add(context.Background(), reauth.Credential{Provider: r.provider, ID: "vault", AccessToken: "two"})
		require.NoError(t, err)
		time.Sleep(1100 * time.Millisecond)
		r.mustPost(t)
		synctest.Wait()
		require.Equal(t, "", r.status(t, "vault").Source, "the ID is the store's again")
	})
}

// A source that does not listen to its context is left alone, and not called a second time meanwhile.
func TestSourceThatIgnoresItsContext(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		var calls atomic.Int32
		release := make(chan struct{})
		r.source(t, "vault", reauth.RefresherFunc(func(context.Context, reauth.Credential) (reauth.Credential, error) {
			calls.Add(1)
			<-release
			return reauth.Credential{AccessToken: "late"}, nil
		}))
		r.fake.AddKey("late")
		began := time.Now()
		_, err := r.pool.Token(context.Background(), r.provider)
		require.ErrorContains(t, err, "has not returned")
		require.Less(t, time.Since(began), 32*time.Second)
		for range 100 {
			_, err = r.pool.Token(context.Background(), r.provider)
			require.ErrorContains(t, err, "has not returned")
			time.Sleep(time.Second)
		}
		require.EqualValues(t, 1, calls.Load())
		close(release)
		synctest.Wait()
		status, _ := r.mustPost(t)
		require.Equal(t, 200, status)
		require.EqualValues(t, 1, calls.Load())
	})
}

// Remove and Close end the call of a source, and with it the wait of those who need its token.
func TestSourceEndsWithItsCredential(t *testing.T) {
	for name, end := range map[string]func(r *rig) error{
		"removed": func(r *rig) error { return r.pool.Remove(context.Background(), r.provider, "vault") },
		"closed":  func(r *rig) error { return r.pool.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
				ended := make(chan struct{})
				r.source(t, "vault", reauth.RefresherFunc(func(ctx context.Context, _ reauth.Credential) (reauth.Credential, error) {
					<-ctx.Done()
					close(ended)
					return reauth.Credential{}, ctx.Err()
				}))
				var err error
				waited := make(chan struct{})
				go func() {
					defer close(waited)
					_, err = r.pool.Token(context.Background(), r.provider)
				}()
				synctest.Wait()
				began := time.Now()
				require.NoError(t, end(r))
				<-ended
				<-waited
				require.Zero(t, time.Since(began))
				require.ErrorContains(t, err, name)
			})
		})
	}
}

// A source that asks another pool is told nothing of the request that needs its token; one whose grant
// is refused for good is asked again.
func TestSourceIsNeverDead(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		dead := &reauth.RefreshError{Code: "invalid_grant", Permanent: true}
		s := &script{results: []given{{token: "one"}, {err: dead}, {token: "two"}}}
		r.fake.AddKey("one")
		r.source(t, "vault", s)
		r.mustPost(t)
		r.fake.Expire("one")
		r.fake.AddKey("two")
		status, _ := r.mustPost(t)
		require.NotEqual(t, 200, status)
		require.NotEqual(t, reauth.State(reauth.Retired), r.status(t, "vault").State)
		time.Sleep(20 * time.Second)
		status, _ = r.mustPost(t)
		require.Equal(t, 200, status)
	})
}

// A key that is gone for good is replaced as well: its source may have another one.
func TestSourceReplacesADeadKey(t *testing.T) {
	bubble(t, reauthtest.OpenAI, func(t *testing.T, r *rig) {
		s := gives("one", "two")
		r.fake.AddKey("one")
		r.source(t, "vault", s)
		r.mustPost(t)
		r.fake.AddKey("two")
		dead := reauth.Verdict{Kind: reauth.Dead, Reason: "leaked"}
		r.register(t, func(p *reauth.Provider) {
			p.Classify = func(*http.Response, []byte) (reauth.Verdict, bool) { return dead, true }
		})
		r.fake.Expire("one")
		status, _ := r.mustPost(t)
		require.Equal(t, 200, status)
		require.Equal(t, reauth.Good, r.status(t, "vault").State)

		r.fake.Expire("two")
		for range 3 {
			status, _ = r.mustPost(t)
			require.Equal(t, 401, status)
		}
		require.Equal(t, reauth.State(reauth.Retired), r.status(t, "vault").State)
		require.Equal(t, "leaked", r.status(t, "vault").Reason)
		require.Equal(t, 3, s.count())
		require.NoError(t, r.pool.Reset(context.Background(), r.provider, "vault"))
		require.NoError(t, r.pool.Report(context.Background(), r.provider, "vault", "two", reauth.Verdict{}))
		s.results = append(s.results, given{token: "two"}, given{token: "two"}, given{token: "three"})
		require.Error(t, r.pool.Report(context.Background(), r.provider, "vault", "two", dead))
		time.Sleep(20 * time.Second)
		require.NoError(t, r.pool.Report(context.Background(), r.provider, "vault", "two", dead))
		c, err := r.pool.Token(context.Background(), r.provider)
		require.NoError(t, err)
		require.Equal(t, "three", c.AccessToken)
	})
}

// What AddSource refuses, and what Add refuses beside it.
func TestAddSourceRefuses(t *testing.T) {
	r := newRig(t, reauthtest.XAI)
	r.key(t, "taken", "key")
	r.source(t, "vault", gives("one"))
	key := func(change func(*reauth.Credential)) reauth.Credential {
		c := reauth.Credential{Provider: r.provider, ID: "new"}
		change(&c)
		return c
	}
	for want, c := range map[string]reauth.Credential{
		"has a refresh token":             key(func(c *reauth.Credential) { c.RefreshToken = "r" }),
		"the pool has a credential of":    key(func(c *reauth.Credential) { c.ID = "taken" }),
		"xai-oauth/vault: the pool has a": key(func(c *reauth.Credential) { c.ID = "vault" }),
		"follows another program's":       {Provider: r.provider, Metadata: reauth.Follow("codex", "/nowhere").Metadata},
		"no provider":                     {ID: "new"},
		"\"nobody\" is unknown":           {ID: "new", Provider: "nobody"},
		"none of its Hosts":               key(func(c *reauth.Credential) { c.Hosts = []string{"api.example.com"} }),
		"name of a variable":              key(func(c *reauth.Credential) { c.AccessToken = "$XAI_API_KEY" }),
	} {
		_, err := r.pool.AddSource(context.Background(), c, gives("two"))
		assert.ErrorContains(t, err, want)
	}
	_, err := r.pool.AddSource(context.Background(), key(func(*reauth.Credential) {}), nil)
	require.EqualError(t, err, "reauth: add source: the source is nil")
	_, err = r.pool.Add(context.Background(), reauth.Credential{Provider: r.provider, ID: "vault", AccessToken: "k"})
	require.ErrorContains(t, err, "AddSource has given that ID to a source")
	id, err := r.pool.AddSource(context.Background(), reauth.Credential{Provider: r.provider}, gives("three"))
	require.NoError(t, err)
	require.Equal(t, "source", id)
	_, err = r.pool.Add(context.Background(), reauth.Credential{Provider: r.provider, Metadata: map[string]string{
		"reauth-follow": "codex",
	}})
	require.Error(t, err, "a followed login without an ID, which had no token to name it")
}

// A static key stays static: it costs no exchange and no write, and its refusal says why. Of a refused
// one the store is told that it was.
func TestStaticKeyOfAProviderWithARefresher(t *testing.T) {
	bubbleOver(t, func(t *testing.T, r *rig, store *watchedStore) {
		r.key(t, "key", "good")
		store.take()
		require.Equal(t, map[int]int{200: 20}, r.atOnce(t, 20))
		synctest.Wait()
		require.Empty(t, store.take())
	})
	bubbleOver(t, func(t *testing.T, r *rig, store *watchedStore) {
		r.add(t, reauth.Credential{ID: "key", AccessToken: "wrong"})
		store.take()
		for range 5 {
			status, _ := r.mustPost(t)
			require.NotEqual(t, 200, status)
		}
		synctest.Wait()
		require.Zero(t, r.fake.TokenRequests())
		require.NotContains(t, store.take(), "mark spending")
		gaveUp := r.events.all(reauth.GaveUp)
		require.ErrorIs(t, gaveUp[0].Err, reauth.ErrNotRefreshable)
		require.ErrorContains(t, gaveUp[0].Err, "Pool.AddSource")
	})
}
