package reauth_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/testrig"
	"github.com/reauth-go/reauth/reauthtest"
)

// person answers Pool.Relogin.
type person struct {
	asked  atomic.Int32
	ended  atomic.Int32 // contexts that ended before the person had answered
	takes  time.Duration
	answer func() (reauth.Credential, error)
	last   reauth.CredentialStatus
}

func (p *person) relogin(ctx context.Context, s reauth.CredentialStatus) (reauth.Credential, error) {
	p.last = s
	p.asked.Add(1)
	select {
	case <-time.After(p.takes):
		return p.answer()
	case <-ctx.Done():
		p.ended.Add(1)
		return reauth.Credential{}, ctx.Err()
	}
}

// withPerson makes the rig's only login a dead one, and a person ready who logs in within a minute.
func withPerson(t testing.TB, r *rig) *person {
	t.Helper()
	access, refresh := r.login(t, "me")
	r.fake.Expire(access)
	r.fake.Revoke(refresh)
	p := &person{takes: time.Minute}
	p.answer = func() (reauth.Credential, error) {
		access, refresh := r.fake.Login()
		return reauth.Credential{Provider: "xai", AccessToken: access, RefreshToken: refresh}, nil
	}
	r.pool.Relogin = p.relogin
	return p
}

// Fifty requests find a dead grant: one person is asked, and all go on.
func TestReloginServesAllWhoWait(t *testing.T) {
	bubbleOver(t, func(t *testing.T, r *rig, store *watchedStore) {
		p := withPerson(t, r)
		require.Equal(t, map[int]int{200: 50}, r.atOnce(t, 50))
		require.EqualValues(t, 1, p.asked.Load())
		require.Equal(t, "me", p.last.ID)
		require.Equal(t, reauth.State(reauth.Retired), p.last.State)
		require.Equal(t, reauth.Good, r.status(t, "me").State)

		other, err := reauth.OpenPool(context.Background(), store.Store)
		require.NoError(t, err)
		require.Equal(t, r.status(t, "me").Fingerprint, testrig.StatusOf(t, other, r.provider, "me").Fingerprint)
		require.NoError(t, other.Close())
		require.Len(t, r.events.all(reauth.Refreshing), 2, "the exchange that found the grant dead, and the question")
		synctest.Wait()
		require.Empty(t, r.events.all(reauth.StoreFailed))
	})
}

// When the person does not log in, all get the refusal as it came; nobody is asked again until a
// person has done something about the credential. Other processes learn it by the store.
func TestReloginInVain(t *testing.T) {
	noLogin := errors.New("the user has closed the window")
	for name, answer := range map[string]func() (reauth.Credential, error){
		"error": func() (reauth.Credential, error) { return reauth.Credential{}, noLogin },
		"panic": func() (reauth.Credential, error) { panic(noLogin) },
		"nothing": func() (reauth.Credential, error) {
			return reauth.Credential{}, nil
		},
		"another provider": func() (reauth.Credential, error) {
			return reauth.Credential{Provider: "groq", AccessToken: "x"}, nil
		},
		"another ID": func() (reauth.Credential, error) {
			return reauth.Credential{ID: "you", AccessToken: "x"}, nil
		},
		"another account": func() (reauth.Credential, error) {
			return reauth.Credential{AccountID: "acct-2", AccessToken: "x", RefreshToken: "y"}, nil
		},
		"a bad token": func() (reauth.Credential, error) {
			return reauth.Credential{AccessToken: "$XAI_TOKEN"}, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubbleOver(t, func(t *testing.T, r *rig, store *watchedStore) {
				access, refresh := r.fake.Login()
				r.add(t, reauth.Credential{ID: "me", AccessToken: access, RefreshToken: refresh, AccountID: "acct-1"})
				r.fake.Expire(access)
				r.fake.Revoke(refresh)
				p := &person{takes: time.Minute, answer: answer}
				r.pool.Relogin = p.relogin
				_, plain := r.mustPost(t)
				require.EqualValues(t, 1, p.asked.Load())
				for range 3 {
					_, refusal := r.mustPost(t)
					require.Equal(t, plain, refusal)
				}
				require.Equal(t, map[int]int{403: 50}, r.atOnce(t, 50))
				require.EqualValues(t, 1, p.asked.Load())
				st := r.status(t, "me")
				require.Equal(t, reauth.State(reauth.Retired), st.State)
				require.Equal(t, "relogin", st.Reason)
				failed := r.events.all(reauth.RefreshFailed)
				require.Equal(t, "relogin", failed[len(failed)-1].Reason)
				require.NotContains(t, failed[len(failed)-1].Err.Error(), access)
				gaveUp := r.events.all(reauth.GaveUp)
				require.ErrorContains(t, gaveUp[0].Err, "invalid_grant")
				require.ErrorContains(t, gaveUp[0].Err, "relogin xai-oauth/me")

				synctest.Wait()
				other := newRigOver(t, r, store.Store)
				q := &person{answer: answer}
				other.pool.Relogin = q.relogin
				other.mustPost(t)
				require.Zero(t, q.asked.Load(), "another process has asked")
				require.NoError(t, other.pool.Close())

				require.NoError(t, r.pool.Reset(context.Background(), r.provider, "me"))
				r.mustPost(t)
				require.EqualValues(t, 2, p.asked.Load())
			})
		})
	}
}

// newRigOver is a rig of another process over the same store, for the same fake.
func newRigOver(t testing.TB, r *rig, store reauth.Store) *rig {
	t.Helper()
	pool, err := reauth.OpenPool(context.Background(), store)
	require.NoError(t, err)
	other := newRigOn(t, reauthtest.XAI, pool)
	other.fake = r.fake
	other.refreshAt(t, r.fake)
	other.transport.Base = r.fake.Transport()
	return other
}

// Somebody logs in elsewhere while the person is asked: those who wait go on, and the question ends.
func TestReloginIsAnsweredElsewhere(t *testing.T) {
	bubbleOver(t, func(t *testing.T, r *rig, store *watchedStore) {
		p := withPerson(t, r)
		p.takes = time.Hour
		got := make(chan map[int]int)
		go func() { got <- r.atOnce(t, 50) }()
		time.Sleep(10 * time.Second)
		other, err := reauth.OpenPool(context.Background(), store.Store)
		require.NoError(t, err)
		access, refresh := r.fake.Login()
		_, err = other.Add(context.Background(), reauth.Credential{
			Provider: r.provider, ID: "me", AccessToken: access, RefreshToken: refresh,
		})
		require.NoError(t, err)
		require.NoError(t, other.Close())
		began := time.Now()
		require.Equal(t, map[int]int{200: 50}, <-got)
		require.LessOrEqual(t, time.Since(began), 2*time.Second)
		synctest.Wait()
		require.EqualValues(t, 1, p.ended.Load())
	})
}

// A login that comes after another one gives way, and that is told.
func TestReloginGivesWay(t *testing.T) {
	bubbleOver(t, func(t *testing.T, r *rig, store *watchedStore) {
		p := withPerson(t, r)
		release, late := make(chan struct{}), p.answer
		r.pool.Relogin = func(context.Context, reauth.CredentialStatus) (reauth.Credential, error) {
			<-release // it ignores its context
			return late()
		}
		got := make(chan int)
		go func() {
			status, _, err := r.post(context.Background())
			assert.NoError(t, err)
			got <- status
		}()
		synctest.Wait()
		access, refresh := r.fake.Login()
		r.add(t, reauth.Credential{ID: "me", AccessToken: access, RefreshToken: refresh})
		require.Equal(t, 200, <-got)
		close(release)
		synctest.Wait()
		failed := r.events.all(reauth.RefreshFailed)
		require.ErrorContains(t, failed[len(failed)-1].Err, "came too late")
		c, err := r.pool.Token(context.Background(), r.provider)
		require.NoError(t, err)
		require.Equal(t, access, c.AccessToken)
	})
}

// Those who wait leave at their own deadlines, and the question goes on for the next.
func TestReloginGoesOnWithoutThoseWhoWait(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		p := withPerson(t, r)
		ctx, stop := context.WithTimeout(context.Background(), 10*time.Second)
		defer stop()
		_, _, err := r.post(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		time.Sleep(40 * time.Second)
		status, _ := r.mustPost(t)
		require.Equal(t, 200, status)
		require.EqualValues(t, 1, p.asked.Load())
		require.Zero(t, p.ended.Load())
	})
}

// Close ends the question; the refusal goes to the caller.
func TestReloginEndsWithThePool(t *testing.T) {
	for name, end := range map[string]func(r *rig) error{
		"closed":  func(r *rig) error { return r.pool.Close() },
		"removed": func(r *rig) error { return r.pool.Remove(context.Background(), r.provider, "me") },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
				p := withPerson(t, r)
				got := make(chan map[int]int)
				go func() { got <- r.atOnce(t, 5) }()
				synctest.Wait()
				require.NoError(t, end(r))
				require.Equal(t, map[int]int{403: 5}, <-got)
				synctest.Wait()
				require.EqualValues(t, 1, p.ended.Load())
			})
		})
	}
}

// Nobody is asked while another credential serves; a pinned request asks all the same.
func TestReloginIsTheLastResort(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		p := withPerson(t, r)
		r.key(t, "spare", "key")
		status, _ := r.mustPost(t)
		require.Equal(t, 200, status)
		require.Zero(t, p.asked.Load())

		r.fake.Exhaust(time.Now().Add(time.Hour), "key")
		status, _ = r.mustPost(t)
		require.Equal(t, 200, status, "the other one is resting")
		require.EqualValues(t, 1, p.asked.Load())
	})
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		p := withPerson(t, r)
		r.key(t, "spare", "key")
		status, _, err := r.post(reauth.WithCredential(context.Background(), r.provider, "me"))
		require.NoError(t, err)
		require.Equal(t, 200, status)
		require.EqualValues(t, 1, p.asked.Load())
	})
}

// A source's token is the source's, and a key is nobody's login: no person is asked.
func TestReloginIsForLogins(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		dead := &reauth.RefreshError{Code: "invalid_grant", Permanent: true}
		r.source(t, "vault", &script{results: []given{{err: dead}}})
		r.add(t, reauth.Credential{ID: "key", AccessToken: "wrong"})
		r.pool.Relogin = func(context.Context, reauth.CredentialStatus) (reauth.Credential, error) {
			t.Error("asked")
			return reauth.Credential{}, dead
		}
		status, _ := r.mustPost(t)
		require.Equal(t, 403, status)
	})
}

// A login without an access token has nothing to send: requests and callers of Token wait for a new
// one, and so does a Report.
func TestReloginWithoutAnAccessToken(t *testing.T) {
	ways := map[string]func(t *testing.T, r *rig) error{
		"request": func(t *testing.T, r *rig) error {
			status, _, err := r.post(context.Background())
			assert.Equal(t, 200, status)
			return err
		},
		"token": func(t *testing.T, r *rig) error {
			c, err := r.pool.Token(context.Background(), r.provider)
			assert.NotEmpty(t, c.AccessToken)
			return err
		},
	}
	for name, way := range ways {
		for _, takes := range []time.Duration{0, time.Minute} {
			t.Run(name+" "+takes.String(), func(t *testing.T) {
				bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
					_, refresh := r.fake.Login()
					r.add(t, reauth.Credential{ID: "me", RefreshToken: refresh})
					r.fake.Revoke(refresh)
					p := &person{takes: takes, answer: func() (reauth.Credential, error) {
						access, refresh := r.fake.Login()
						return reauth.Credential{AccessToken: access, RefreshToken: refresh}, nil
					}}
					r.pool.Relogin = p.relogin
					var wg sync.WaitGroup
					for range 50 {
						wg.Go(func() { assert.NoError(t, way(t, r)) })
					}
					wg.Wait()
					require.EqualValues(t, 1, p.asked.Load())
				})
			})
		}
	}
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		p := withPerson(t, r)
		c, err := r.pool.Token(context.Background(), r.provider)
		require.NoError(t, err)
		rejected := reauth.Verdict{Kind: reauth.Rejected}
		require.NoError(t, r.pool.Report(context.Background(), r.provider, "me", c.AccessToken, rejected))
		require.EqualValues(t, 1, p.asked.Load())
		fresh, err := r.pool.Token(context.Background(), r.provider)
		require.NoError(t, err)
		require.NotEqual(t, c.AccessToken, fresh.AccessToken)
	})
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		_, refresh := r.fake.Login()
		r.add(t, reauth.Credential{ID: "me", RefreshToken: refresh})
		r.fake.Revoke(refresh)
		p := &person{answer: func() (reauth.Credential, error) { return reauth.Credential{}, errors.New("not today") }}
		r.pool.Relogin = p.relogin
		for range 3 {
			_, err := r.pool.Token(context.Background(), r.provider)
			require.ErrorContains(t, err, "not today")
		}
		require.EqualValues(t, 1, p.asked.Load())
	})
}

// A login that the store cannot take serves from memory, and is stored as soon as the store can.
func TestReloginOutlivesAStoreThatFails(t *testing.T) {
	bubbleOver(t, func(t *testing.T, r *rig, store *watchedStore) {
		p := withPerson(t, r)
		p.takes = 0
		answer := p.answer
		p.answer = func() (reauth.Credential, error) {
			store.fail("claim", errors.New("the disk is full"))
			return answer()
		}
		require.Equal(t, map[int]int{200: 50}, r.atOnce(t, 50))
		failed := r.events.all(reauth.StoreFailed)
		require.ErrorContains(t, failed[0].Err, "the disk is full")
		time.Sleep(10 * time.Second)
		store.fail("claim", nil)
		time.Sleep(2 * time.Second)
		other := newRigOver(t, r, store.Store)
		status, _ := other.mustPost(t)
		require.Equal(t, 200, status)
		require.Equal(t, r.status(t, "me").Fingerprint, other.status(t, "me").Fingerprint)
		require.NoError(t, other.pool.Close())
	})
}
