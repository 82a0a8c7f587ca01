package simulate

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// An account refuses in the words of its service, from which the library learns the end of the
// limit.
func TestRefusalsAreUnderstood(t *testing.T) {
	for _, row := range []struct {
		service Service
		model   int // of the service's
		by      int // the limit that is used up
		want    map[string]string
	}{
		{claude(), 1, 0, map[string]string{
			"Anthropic-Ratelimit-Unified-5h-Status":            "rejected",
			"Anthropic-Ratelimit-Unified-7d-Status":            "allowed",
			"Anthropic-Ratelimit-Unified-Representative-Claim": "five_hour",
		}},
		{claude(), 1, 1, map[string]string{"Anthropic-Ratelimit-Unified-7d-Status": "rejected"}},
		{claude(), 0, 2, map[string]string{
			"Anthropic-Ratelimit-Unified-7d_opus-Status": "rejected",
			"Anthropic-Ratelimit-Unified-5h-Status":      "allowed",
		}},
		{codex(), 0, 0, map[string]string{
			"X-Codex-Primary-Used-Percent": "100", "X-Codex-Primary-Window-Minutes": "300",
		}},
		{codex(), 2, 1, map[string]string{
			"X-Codex-Secondary-Used-Percent": "100", "X-Codex-Secondary-Window-Minutes": "10080",
		}},
		{openAI(), 0, 0, map[string]string{"X-Ratelimit-Remaining-Requests": "0", "X-Ratelimit-Limit-Requests": "10"}},
		{openAI(), 0, 1, map[string]string{"X-Ratelimit-Remaining-Tokens": "0", "X-Ratelimit-Limit-Tokens": "10000"}},
	} {
		now := time.Now()
		w := NewWorld(row.service, 1, 1, now)
		a, m := w.accounts[0], row.service.Models[row.model]
		ask := Ask{Model: m.Name, Tokens: m.Tokens}
		require.True(t, w.Servable(ask), m.Name)
		end := useUp(a.terms.limits(m.Name)[row.by], now)
		require.False(t, w.Servable(ask), m.Name)
		refused, by := a.refuses(ask, now)
		require.True(t, refused)
		require.Equal(t, row.by, by)

		h := make(http.Header)
		body := a.terms.refuse(h, by, ask, now)
		for name, value := range row.want {
			assert.Equal(t, value, h.Get(name), "%s %d: %s", row.service.Name, by, name)
		}
		v := reauth.Classify(row.service.Provider, answer(http.StatusTooManyRequests, h, body), []byte(body))
		assert.Equal(t, reauth.Exhausted, v.Kind, body)
		if end.IsZero() {
			c := a.terms.limits(m.Name)[by]
			end = now.Add(c.limit.(*bucket).fills(c.amount(ask.Tokens)))
		}
		assert.WithinDuration(t, end, v.Reset, 2*time.Second, "%s %d: %s", row.service.Name, by, body)

		body = a.terms.flap()
		bare := answer(http.StatusTooManyRequests, make(http.Header), body)
		v = reauth.Classify(row.service.Provider, bare, []byte(body))
		assert.Equal(t, reauth.Exhausted, v.Kind, body)
		assert.Zero(t, v.Reset)
	}
}

// useUp leaves nothing of a limit, and returns when it resets, if that is a moment.
func useUp(c charge, now time.Time) (end time.Time) {
	switch l := c.limit.(type) {
	case *window:
		l.take(l.size-l.used, now)
		return l.resets
	case *bucket:
		l.free = 0
	}
	return time.Time{}
}

// A success tells what is left, in the headers of the service.
func TestSuccessesTellLimits(t *testing.T) {
	for _, row := range []struct {
		service Service
		names   []string
	}{
		{claude(), []string{
			"Anthropic-Ratelimit-Unified-5h-Utilization", "Anthropic-Ratelimit-Unified-5h-Reset",
			"Anthropic-Ratelimit-Unified-7d-Utilization", "Anthropic-Ratelimit-Unified-7d_opus-Utilization",
		}},
		{codex(), []string{"X-Codex-Primary-Used-Percent", "X-Codex-Secondary-Reset-At"}},
		{openAI(), []string{"X-Ratelimit-Remaining-Requests", "X-Ratelimit-Reset-Tokens"}},
	} {
		w := NewWorld(row.service, 1, 1, time.Now())
		resp, took := w.answer(w.accounts[0], Ask{Model: row.service.Models[0].Name, Tokens: 1})
		require.Equal(t, http.StatusOK, resp.StatusCode)
		assert.GreaterOrEqual(t, took, time.Second)
		for _, name := range row.names {
			assert.NotEmpty(t, resp.Header.Get(name), name)
		}
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		v := reauth.Classify(row.service.Provider, resp, body)
		assert.Equal(t, reauth.Pass, v.Kind)
	}
}

// Opus may be used up while Sonnet goes on.
func TestCapOfOneModel(t *testing.T) {
	w := NewWorld(claude(), 1, 1, time.Now())
	models := w.service.Models
	useUp(w.accounts[0].terms.limits(models[0].Name)[2], time.Now())
	assert.False(t, w.Serves("account-000", Ask{models[0].Name, 1}))
	assert.True(t, w.Serves("account-000", Ask{models[1].Name, 1}))
	assert.False(t, w.Serves("account-001", Ask{models[1].Name, 1}), "there is no such account")
}

func TestTrafficIsTheSeedsAlone(t *testing.T) {
	s, n := claude(), 20_000
	list := traffic(s, n, 300, 1)
	assert.Equal(t, list, traffic(s, n, 300, 1))
	assert.NotEqual(t, list, traffic(s, n, 300, 2))
	assert.InDelta(t, n, len(list), float64(n)/100)
	models, sessions, night, day := make(map[string]float64), make(map[string]string), 0, 0
	for i, q := range list {
		require.True(t, i == 0 || q.at > list[i-1].at, "no two requests come at one moment")
		require.Less(t, q.at, s.Span)
		if m, ok := sessions[q.session]; ok {
			require.Equal(t, m, q.ask.Model, "a session stays with its model")
		}
		sessions[q.session] = q.ask.Model
		models[q.ask.Model] += 1 / float64(len(list))
		switch hour := int(q.at.Hours()); {
		case hour < 3 || hour >= 21:
			night++
		case hour >= 9 && hour < 15:
			day++
		}
	}
	for _, m := range s.Models {
		assert.InDelta(t, m.Weight, models[m.Name], 0.05, m.Name)
	}
	assert.Greater(t, float64(day), 1.5*float64(night))
}
