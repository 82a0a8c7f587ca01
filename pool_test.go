package reauth_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

// jwt makes a token that looks like a JWT with those claims; its signature is not valid.
func jwt(claims string) string {
	enc := base64.RawURLEncoding.EncodeToString
	return enc([]byte(`{"alg":"none"}`)) + "." + enc([]byte(claims)) + "." + enc([]byte("EXAMPLE"))
}

func TestAddTwiceIsOneCredential(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		access, refresh := r.fake.Login()
		c := reauth.Credential{Provider: "grok", AccessToken: access, RefreshToken: refresh}
		first, err := r.pool.Add(context.Background(), c)
		require.NoError(t, err)
		second, err := r.pool.Add(context.Background(), c)
		require.NoError(t, err)
		assert.Equal(t, first, second)
		assert.Len(t, r.pool.Status(), 1)
	})
}

// Programs add the login from their environment at every start. The pair there has long been
// rotated away.
func TestStaleLoginAddedAtEveryStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := reauth.NewMemStore()
		fake := reauthtest.New(reauthtest.XAI)
		access, refresh := fake.Login()
		for start := range 50 {
			pool, err := reauth.OpenPool(context.Background(), store)
			require.NoError(t, err)
			r := newRigOn(t, reauthtest.XAI, pool)
			r.fake, r.transport.Base = fake, fake.Transport()
			r.refreshAt(t, fake)
			_, err = pool.Add(context.Background(), reauth.Credential{Provider: "xai", AccessToken: access, RefreshToken: refresh})
			require.NoError(t, err)
			require.Len(t, pool.Status(), 1)
			fake.Expire()
			status, _ := r.mustPost(t)
			require.Equal(t, 200, status, "start %d", start)
			require.NoError(t, pool.Close())
		}
		assert.Equal(t, 50, fake.Exchanges())
		assert.Zero(t, fake.Reuses())
		assert.True(t, fake.Alive(refresh))
	})
}

func TestAddOfAnOlderPairOfTheSameLogin(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		ctx := context.Background()
		var pairs []reauth.Credential
		r.login(t, "me")
		for range 20 {
			a, b := r.current(t)
			pairs = append(pairs, reauth.Credential{ID: "me", AccessToken: a, RefreshToken: b})
			require.NoError(t, r.pool.Refresh(ctx, r.provider, "me"))
		}
		access, refresh := r.current(t)
		for i, p := range pairs[4:] { // the last sixteen spent tokens are remembered
			r.add(t, p)
			a, b := r.current(t)
			require.Equal(t, access, a, "pair %d", i)
			require.Equal(t, refresh, b)
		}
		r.add(t, reauth.Credential{ID: "me", AccessToken: access})
		_, b := r.current(t)
		assert.Equal(t, refresh, b, "the access token alone does not cost the refresh token")
		r.add(t, reauth.Credential{ID: "me", AccessToken: "stale one", RefreshToken: refresh})
		a, _ := r.current(t)
		assert.Equal(t, access, a, "another access token of the same pair is no newer one")
	})
}

func TestNewLoginReplacesPairAndMarks(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		old, _ := r.login(t, "me")
		r.fake.Block(old)
		r.mustPost(t)
		require.EqualValues(t, reauth.Retired, r.status(t, "me").State)
		fresh, _ := r.login(t, "me")
		assert.Equal(t, reauth.Good, r.status(t, "me").State)
		r.mustPost(t)
		seen := r.tokens()
		assert.Equal(t, fresh, seen[len(seen)-1])
	})
}

func TestAddChangesWhatIsTheProgramsToSay(t *testing.T) {
	r := newRig(t, reauthtest.XAI)
	r.key(t, "a", "key-a")
	r.fake.Block("key-a")
	r.mustPost(t)
	r.add(t, reauth.Credential{ID: "a", AccessToken: "key-a", Priority: 7, Hosts: []string{"eu.api.x.ai"}})
	s := r.status(t, "a")
	assert.Equal(t, 7, s.Priority)
	assert.EqualValues(t, reauth.Retired, s.State, "the same key again is no reason to forget its marks")
	r.mustPost(t)
	assert.Equal(t, "set by the transport", r.tokens()[len(r.tokens())-1], "it serves another host now")
}

func TestMetadataIsClonedAtEveryBorder(t *testing.T) {
	r := newRig(t, reauthtest.XAI)
	mine := map[string]string{"k": "v"}
	hosts := []string{"api.x.ai"}
	r.fake.AddKey("key-a")
	r.add(t, reauth.Credential{ID: "a", AccessToken: "key-a", Metadata: mine, Hosts: hosts})
	mine["k"], hosts[0] = "changed", "changed"
	c, err := r.pool.Token(context.Background(), r.provider)
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"k": "v"}, c.Metadata)
	assert.Equal(t, []string{"api.x.ai"}, c.Hosts)
	c.Metadata["k"], c.Hosts[0] = "changed", "changed"
	c, err = r.pool.Token(context.Background(), r.provider)
	require.NoError(t, err)
	assert.Equal(t, "v", c.Metadata["k"])
}

func TestSpentTokensAreNotHandedOut(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		r.login(t, "me")
		var handed reauth.Credential
		r.register(t, func(p *reauth.Provider) {
			p.Refresher = reauth.RefresherFunc(func(_ context.Context, c reauth.Credential) (reauth.Credential, error) {
				handed = c
				return reauth.Credential{AccessToken: c.AccessToken + "+", RefreshToken: c.RefreshToken + "+"}, nil
			})
		})
		for range 3 {
			require.NoError(t, r.pool.Refresh(context.Background(), r.provider, "me"))
		}
		c, err := r.pool.Token(context.Background(), r.provider)
		require.NoError(t, err)
		assert.Empty(t, c.Metadata)
		assert.Empty(t, handed.Metadata)
	})
}

func TestRemove(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		ctx := context.Background()
		r.fake.TokenLatency = 5 * time.Second
		old, _ := r.login(t, "me")
		r.fake.Expire(old)
		var wg sync.WaitGroup
		wg.Go(func() { _, _, _ = r.post(ctx) })
		synctest.Wait()
		begin := time.Now()
		require.NoError(t, r.pool.Remove(ctx, r.provider, "me"))
		assert.Equal(t, 5*time.Second, time.Since(begin), "it waits for the exchange")
		wg.Wait()
		synctest.Wait()
		assert.Empty(t, r.pool.Status(), "which does not bring the credential back")
		require.ErrorContains(t, r.pool.Remove(ctx, r.provider, "me"), "no credential")
		_, err := r.pool.Token(ctx, r.provider)
		require.ErrorContains(t, err, "Add one")

		again, _ := r.login(t, "me")
		r.mustPost(t)
		assert.Equal(t, again, r.tokens()[len(r.tokens())-1], "it can be added anew")
	})
}

func TestRemoveHonoursItsContext(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		r.fake.TokenLatency = 5 * time.Second
		old, _ := r.login(t, "me")
		r.fake.Expire(old)
		var wg sync.WaitGroup
		wg.Go(func() { _, _, _ = r.post(context.Background()) })
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		require.ErrorIs(t, r.pool.Remove(ctx, r.provider, "me"), context.DeadlineExceeded)
		wg.Wait()
	})
}

func TestTokenForOtherClients(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		ctx := context.Background()
		access, refresh := r.fake.Login()
		r.add(t, reauth.Credential{ID: "me", AccessToken: access, RefreshToken: refresh, Expiry: time.Now().Add(-time.Second)})
		c, err := r.pool.Token(ctx, "grok")
		require.NoError(t, err)
		assert.NotEqual(t, access, c.AccessToken, "refreshed when it has expired")
		assert.Equal(t, "me", c.ID)

		time.Sleep(2 * time.Minute) // it has been in use
		r.fake.Expire()
		require.NoError(t, r.pool.Report(ctx, "xai", c.ID, c.AccessToken, reauth.Verdict{Kind: reauth.Rejected}))
		next, err := r.pool.Token(ctx, "xai")
		require.NoError(t, err)
		assert.NotEqual(t, c.AccessToken, next.AccessToken, "renewed when it was rejected")
		require.NoError(t, r.pool.Report(ctx, "xai", c.ID, c.AccessToken, reauth.Verdict{Kind: reauth.Rejected}))
		assert.Equal(t, 2, r.fake.Exchanges(), "a late report of a replaced token does nothing")

		reset := time.Now().Add(time.Hour)
		require.NoError(t, r.pool.Report(ctx, "xai", c.ID, next.AccessToken, reauth.Verdict{Kind: reauth.Exhausted, Reset: reset}))
		assert.WithinDuration(t, reset, r.status(t, "me").AsideUntil, 0)
		time.Sleep(time.Second)
		require.NoError(t, r.pool.Report(ctx, "xai", c.ID, next.AccessToken, reauth.Verdict{}))
		assert.Equal(t, reauth.Good, r.status(t, "me").State, "accepted after all")
		require.NoError(t, r.pool.Report(ctx, "xai", c.ID, next.AccessToken, reauth.Verdict{Kind: reauth.Forbidden}))
		assert.Equal(t, reauth.Good, r.status(t, "me").State)
		require.ErrorContains(t, r.pool.Report(ctx, "xai", "nobody", "x", reauth.Verdict{}), "no credential")
	})
}

func TestReportOfARejectedKey(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		r.key(t, "a", "key-a")
		r.key(t, "b", "key-b")
		err := r.pool.Report(context.Background(), "xai", "a", "key-a", reauth.Verdict{Kind: reauth.Rejected, Reason: "test"})
		require.ErrorIs(t, err, reauth.ErrNotRefreshable)
		assert.Equal(t, reauth.Aside, r.status(t, "a").State)
		c, err := r.pool.Token(context.Background(), "xai")
		require.NoError(t, err)
		assert.Equal(t, "b", c.ID)
	})
}

func TestTokenHonoursItsContext(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		r.fake.TokenLatency = time.Second
		access, refresh := r.fake.Login()
		r.add(t, reauth.Credential{AccessToken: access, RefreshToken: refresh, Expiry: time.Now().Add(-time.Second)})
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		begin := time.Now()
		_, err := r.pool.Token(ctx, "xai")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 50*time.Millisecond, time.Since(begin))
	})
}

func TestCredentialWithoutAccessTokenIsRefreshedFirst(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		_, refresh := r.fake.Login()
		r.add(t, reauth.Credential{ID: "me", RefreshToken: refresh})
		status, _ := r.mustPost(t)
		assert.Equal(t, 200, status)
		assert.Equal(t, []int{200}, r.statuses())
	})
}

func TestWithoutAnyAccessTokenNoEmptyHeaderIsSent(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		_, refresh := r.fake.Login()
		r.fake.Revoke(refresh)
		r.add(t, reauth.Credential{ID: "me", RefreshToken: refresh})
		r.mustPost(t)
		assert.Equal(t, []string{"set by the transport"}, r.tokens(), "as the caller made it")
		r.key(t, "spare", "key-spare")
		status, _ := r.mustPost(t)
		assert.Equal(t, 200, status)
	})
}

func TestStatus(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		expiry := time.Now().Add(time.Hour).Truncate(time.Second)
		access := jwt(fmt.Sprintf(`{"sub":"user-1","exp":%d}`, expiry.Unix()))
		r.add(t, reauth.Credential{AccountID: "acct", AccessToken: access, RefreshToken: "rt", Priority: 3})
		r.add(t, reauth.Credential{ID: "b", AccessToken: "key-b", Priority: 1})
		list := r.pool.Status()
		require.Len(t, list, 2)
		assert.Equal(t, "b", list[0].ID, "by priority")
		s := list[1]
		assert.Equal(t, "acct:user-1", s.ID)
		assert.Equal(t, "acct", s.AccountID)
		assert.Equal(t, reauth.Good, s.State)
		assert.WithinDuration(t, expiry, s.Expiry, 0)
		assert.Len(t, s.Fingerprint, 8)
		assert.NotContains(t, access, s.Fingerprint)
		assert.Zero(t, s.LastRefresh)
	})
}

func TestLastRefreshIsTold(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		r.login(t, "me")
		time.Sleep(time.Hour)
		require.NoError(t, r.pool.Refresh(context.Background(), r.provider, "me"))
		assert.WithinDuration(t, time.Now(), r.status(t, "me").LastRefresh, 0)
	})
}

func TestNotDurableIsSaidOnce(t *testing.T) {
	r := newRig(t, reauthtest.XAI)
	r.key(t, "key", "key-1")
	assert.Empty(t, r.events.all(reauth.NotDurable), "a key is not rotated")
	r.login(t, "a")
	r.login(t, "b")
	require.Len(t, r.events.all(reauth.NotDurable), 1)
	assert.Equal(t, "a", r.events.all(reauth.NotDurable)[0].ID)
}

func TestObserverMayCallThePoolAndMayPanic(t *testing.T) {
	r := newRig(t, reauthtest.XAI)
	calls := 0
	r.pool.Observe = func(context.Context, reauth.Event) {
		calls++
		_ = r.pool.Status()
		panic("the observer's own trouble")
	}
	old, _ := r.login(t, "me")
	r.fake.Expire(old)
	status, _ := r.mustPost(t)
	assert.Equal(t, 200, status)
	assert.Positive(t, calls)
}

func TestProviderForLooksAtTheHostThatIsDialled(t *testing.T) {
	pool := reauth.NewPool()
	for raw, want := range map[string]string{
		"https://api.x.ai/v1": "xai-oauth", "https://opencode.ai/zen/go/v1": "opencode-go", "https://opencode.ai/zen/v1": "opencode-zen",
		"https://opencode.ai/": "", "http://api.x.ai/": "",
	} {
		u, err := url.Parse(raw)
		require.NoError(t, err)
		p, ok := pool.ProviderFor(u)
		assert.Equal(t, want != "", ok, raw)
		assert.Equal(t, want, p.Name, raw)
	}
	_, ok := pool.ProviderFor(nil)
	assert.False(t, ok)
}

func TestNilPoolAndZeroTransportPassThrough(t *testing.T) {
	base := roundTripFunc(func(req *http.Request) (*http.Response, error) { return answer(req, 401, "no"), nil })
	for _, tr := range []*reauth.RecoveringTransport{{Base: base}, reauth.NewRecoveringTransport(base, nil)} {
		req, err := http.NewRequest(http.MethodGet, "https://api.x.ai/", http.NoBody)
		require.NoError(t, err)
		resp, err := tr.RoundTrip(req)
		require.NoError(t, err)
		assert.Equal(t, 401, resp.StatusCode)
	}
	_, err := reauth.OpenPool(context.Background(), nil)
	require.ErrorContains(t, err, "NewPool")
}

func TestZeroPoolIsAPoolInMemory(t *testing.T) {
	var pool reauth.Pool
	fake := reauthtest.New(reauthtest.XAI)
	fake.AddKey("key-a")
	tr := &reauth.RecoveringTransport{Base: fake.Transport(), Pool: &pool}
	client := &http.Client{Transport: tr}
	resp, err := client.Get("https://api.x.ai/v1/models")
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	_, err = pool.Add(context.Background(), reauth.Credential{Provider: "xai", AccessToken: "key-a"})
	require.NoError(t, err)
	resp, err = client.Get("https://api.x.ai/v1/models")
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, 200, resp.StatusCode)
	require.NoError(t, pool.Close())
	var unused reauth.Pool
	require.NoError(t, unused.Close())
}

func TestRejectedKeyIsPutAsideAlsoWhenItIsNotReplayed(t *testing.T) {
	r := newRig(t, reauthtest.OpenAI)
	r.transport.MaxAttempts = 1
	r.key(t, "a", "key-a")
	r.key(t, "b", "key-b")
	r.fake.Expire("key-a")
	status, _ := r.mustPost(t)
	assert.Equal(t, 401, status)
	status, _ = r.mustPost(t)
	assert.Equal(t, 200, status)
}
