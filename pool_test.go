package reauth_test

import (
	"context"
	"encoding/base64"
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

// jwt makes a JWT with those claims. Its signature is not valid.
func jwt(claims string) string {
	enc := base64.RawURLEncoding.EncodeToString
	return enc([]byte(`{"alg":"none"}`)) + "." + enc([]byte(claims)) + "." + enc([]byte("EXAMPLE"))
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
		assert.Equal(t, 5*time.Second, time.Since(begin), "Remove waits for the exchange")
		wg.Wait()
		synctest.Wait()
		assert.Empty(t, r.pool.Status(), "the exchange does not bring the credential back")
		require.ErrorContains(t, r.pool.Remove(ctx, r.provider, "me"), "no credential")
		_, err := r.pool.Token(ctx, r.provider)
		require.ErrorContains(t, err, "Add one")

		again, _ := r.login(t, "me")
		r.mustPost(t)
		assert.Equal(t, again, r.tokens()[len(r.tokens())-1], "the credential can be added anew")
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

func TestCredentialWithoutAccessTokenIsRefreshedFirst(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		_, refresh := r.fake.Login()
		r.add(t, reauth.Credential{ID: "me", RefreshToken: refresh})
		status, _ := r.mustPost(t)
		assert.Equal(t, 200, status)
		assert.Equal(t, []int{200}, r.statuses())
	})
}

// A credential without an access token whose refresh fails cannot serve. The transport sends the
// caller's own header instead of an empty one.
func TestWithoutAnyAccessTokenNoEmptyHeaderIsSent(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		_, refresh := r.fake.Login()
		r.fake.Revoke(refresh)
		r.add(t, reauth.Credential{ID: "me", RefreshToken: refresh})
		r.mustPost(t)
		assert.Equal(t, []string{"set by the transport"}, r.tokens(), "the request went out as the caller made it")
		r.key(t, "spare", "key-spare")
		status, _ := r.mustPost(t)
		assert.Equal(t, 200, status)
	})
}

// A pool in memory loses rotated tokens at its end. It tells so once, not once per login.
func TestNotDurableIsSaidOnce(t *testing.T) {
	r := newRig(t, reauthtest.XAI)
	r.key(t, "key", "key-1")
	assert.Empty(t, r.events.all(reauth.NotDurable), "a provider does not rotate a key")
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
		"https://api.x.ai/v1":           "xai-oauth",
		"https://opencode.ai/zen/go/v1": "opencode-go",
		"https://opencode.ai/zen/v1":    "opencode-zen",
		"https://opencode.ai/":          "",
		"http://api.x.ai/":              "",
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
