package reauth_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

// The main job: the token has expired and the provider refuses it, the pool refreshes it, the
// transport sends the request again, and the caller gets a 200.
func TestExpiredTokenIsRefreshedAndTheRequestReplayed(t *testing.T) {
	for _, d := range []reauthtest.Dialect{reauthtest.XAI, reauthtest.OpenAI, reauthtest.Anthropic} {
		r := newRig(t, d)
		old, _ := r.login(t, "me")
		r.fake.Expire(old)

		status, body := r.mustPost(t)
		assert.Equal(t, 200, status)
		assert.Contains(t, body, "Hello from the fake provider.")

		seen := r.fake.Requests()
		require.Len(t, seen, 2)
		assert.Equal(t, old, seen[0].Token)
		assert.NotEqual(t, old, seen[1].Token)
		assert.Equal(t, 1, r.fake.Exchanges())

		status, _ = r.mustPost(t)
		assert.Equal(t, 200, status)
		assert.Len(t, r.fake.Requests(), 3, "the new token serves at once")
	}
}

func TestStreamIsRecoveredBeforeItsFirstByte(t *testing.T) {
	r := newRig(t, reauthtest.XAI)
	old, _ := r.login(t, "me")
	r.fake.Expire(old)
	req, err := http.NewRequest(http.MethodPost, r.url, strings.NewReader(`{"model":"example","stream":true}`))
	require.NoError(t, err)
	resp, err := r.client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	assert.Equal(t, "text/event-stream", resp.Header.Get("Content-Type"))
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.True(t, strings.HasSuffix(string(b), "data: [DONE]\n\n"))
}

func TestExhaustedCredentialIsPutAsideAndTheNextOneServes(t *testing.T) {
	r := newRig(t, reauthtest.XAI)
	r.key(t, "a", "key-a")
	r.key(t, "b", "key-b")
	r.fake.Exhaust(noReset, "key-a")

	status, _ := r.mustPost(t)
	assert.Equal(t, 200, status)
	assert.Equal(t, reauth.Aside, r.status(t, "a").State)
	assert.Equal(t, "xai:spending-limit:billing", r.status(t, "a").Reason)
	assert.Equal(t, reauth.Good, r.status(t, "b").State)

	r.mustPost(t)
	assert.Equal(t, []int{403, 200, 200}, r.statuses(), "the exhausted key is not tried again")
}

func TestDeadCredentialIsRetired(t *testing.T) {
	r := newRig(t, reauthtest.XAI)
	r.key(t, "a", "key-a")
	r.key(t, "b", "key-b")
	r.fake.Block("key-a")
	status, _ := r.mustPost(t)
	assert.Equal(t, 200, status)
	assert.EqualValues(t, reauth.Retired, r.status(t, "a").State)
	require.Len(t, r.events.all(reauth.Retired), 1)
}

func TestForbiddenIsTriedWithTwoOtherCredentials(t *testing.T) {
	r := newRig(t, reauthtest.XAI)
	for _, id := range []string{"a", "b", "c", "d"} {
		r.key(t, id, "key-"+id)
	}
	r.fake.Forbid("key-a", "key-b", "key-c")
	status, body := r.mustPost(t)
	assert.Equal(t, 403, status)
	assert.Contains(t, body, "chat endpoint is denied")
	assert.Len(t, r.fake.Requests(), 3, "two other credentials, not all")
	assert.Zero(t, r.fake.TokenRequests())
	for _, id := range []string{"a", "b", "c", "d"} {
		assert.Equal(t, reauth.Good, r.status(t, id).State, "forbidden leaves the standing good")
	}
}

func TestRequestToAStrangerPassesThroughUntouched(t *testing.T) {
	r := newRig(t, reauthtest.XAI)
	r.login(t, "me")
	var seen *http.Request
	r.transport.Base = roundTripFunc(func(req *http.Request) (*http.Response, error) {
		seen = req
		return answer(req, 401, "no"), nil
	})
	const url = "https://stranger.example/v1"
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url, strings.NewReader("x"))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer the caller's own")
	resp, err := r.transport.RoundTrip(req)
	require.NoError(t, err)
	assert.Same(t, req, seen, "the base gets the very request of the caller")
	assert.Equal(t, 401, resp.StatusCode)
}
