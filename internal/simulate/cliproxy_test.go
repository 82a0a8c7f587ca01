package simulate

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A rest doubles, counts the refusals within it once, and lasts as long as an answer states.
func TestCLIProxyRests(t *testing.T) {
	r, now := new(modelRest), noon()
	for _, want := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
		r.extend(time.Time{}, now)
		r.extend(time.Time{}, now.Add(want/2)) // a second refusal within the rest
		assert.Equal(t, now.Add(want), r.until)
		now = r.until
	}
	for range 20 {
		r.extend(time.Time{}, r.until)
	}
	before := r.until
	r.extend(time.Time{}, before)
	assert.Equal(t, before.Add(30*time.Minute), r.until)
	r.extend(before.Add(time.Hour), before)
	assert.Equal(t, before.Add(time.Hour), r.until)
	r.extend(before.Add(time.Minute), before)
	assert.Equal(t, before.Add(time.Hour), r.until, "an earlier end does not shorten it")
}

// A refusal of the shared window rests the account for all models, one without a reset for its
// model alone. When all rest for long, a request is refused without a send.
func TestCLIProxyKnowsModels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(noon()))
		w := NewWorld(claude(), 2, 1, time.Now())
		w.accounts[0].flapping = time.Now().Add(time.Minute)
		c := newCLIProxy(w, 1, true)
		opus, sonnet := Ask{w.service.Models[0].Name, 1}, Ask{w.service.Models[1].Name, 1}

		require.Equal(t, http.StatusOK, send(t, w, c, sonnet), "the second account serves it")
		assert.False(t, c.resting(w.accounts[0], sonnet.Model).IsZero())
		assert.Zero(t, c.resting(w.accounts[0], opus.Model))

		w.accounts[0].flapping = time.Time{}
		for _, a := range w.accounts {
			useUp(a.terms.limits(sonnet.Model)[0], time.Now())
		}
		time.Sleep(time.Minute)
		require.Equal(t, http.StatusTooManyRequests, send(t, w, c, sonnet))
		assert.Greater(t, time.Until(c.resting(w.accounts[1], opus.Model)), 4*time.Hour)
		sends := w.count.sends
		require.Equal(t, http.StatusTooManyRequests, send(t, w, c, opus))
		assert.Equal(t, sends, w.count.sends)
	})
}

// A request waits for a rest that ends soon.
func TestCLIProxyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(noon()))
		w := NewWorld(codex(), 1, 1, time.Now())
		w.accounts[0].flapping = time.Now().Add(2 * time.Second)
		begin := time.Now()
		ask := Ask{w.service.Models[0].Name, 1}
		require.Equal(t, http.StatusOK, send(t, w, newCLIProxy(w, 1, false), ask))
		assert.Equal(t, 3, w.count.sends, "at once, after 1 s and after 2 s more")
		assert.Greater(t, time.Since(begin), 3*time.Second)
	})
}

// The plain round robin tries each account once, and forgets.
func TestRoundRobinForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWorld(codex(), 3, 1, time.Now())
		for _, a := range w.accounts {
			a.flapping = time.Now().Add(time.Minute)
		}
		c, ask := &roundRobin{world: w}, Ask{w.service.Models[0].Name, 1}
		for i := range 2 {
			require.Equal(t, http.StatusTooManyRequests, send(t, w, c, ask))
			assert.Equal(t, 3*(i+1), w.count.sends)
		}
	})
}

// send sends a request and returns the status of its answer.
func send(t *testing.T, w *World, c http.RoundTripper, ask Ask) int {
	t.Helper()
	req, err := newRequest(t.Context(), w.service.URL, ask)
	require.NoError(t, err)
	resp, err := c.RoundTrip(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp.StatusCode
}
