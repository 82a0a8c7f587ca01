package simulate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// codex is ChatGPT's backend for Codex: a window of five hours and one of a week, for all models
// together. The refusal is that of fixtures/exhausted/openai-codex-429-usage-limit-primary-window.
func codex() Service {
	return Service{
		Name: "codex", Provider: "openai-codex", URL: "https://chatgpt.com/backend-api/codex/responses",
		Prefix: "at-", Span: 24 * time.Hour,
		Models: mix(Model{Name: "gpt-5.5", Tokens: 3}, Model{Name: "gpt-5.3-codex", Tokens: 1},
			Model{Name: "gpt-5.1-codex-mini", Tokens: 0.3}),
		open: func(r *rand.Rand, w *World, begin time.Time) terms {
			return &codexTerms{
				five: window{span: fiveHours, size: 75, opens: true, left: &w.five},
				week: inMidWeek(r, w, begin, 750, 0, 0.9, &w.week),
			}
		},
	}
}

type codexTerms struct {
	five window
	week *window
}

func (t *codexTerms) limits(string) []charge { return []charge{{limit: &t.five}, {limit: t.week}} }

func (t *codexTerms) describe(h http.Header, _ string, now time.Time) {
	h.Set("X-Codex-Active-Limit", "premium")
	h.Set("X-Codex-Plan-Type", "plus")
	h.Set("X-Codex-Credits-Has-Credits", "False")
	h.Set("X-Codex-Credits-Unlimited", "False")
	for prefix, w := range map[string]*window{"X-Codex-Primary-": &t.five, "X-Codex-Secondary-": t.week} {
		h.Set(prefix+"Used-Percent", strconv.Itoa(int(math.Min(w.share()*100, 100))))
		h.Set(prefix+"Window-Minutes", strconv.Itoa(int(w.span.Minutes())))
		h.Set(prefix+"Reset-After-Seconds", wholeSeconds(w.end(now).Sub(now)))
		h.Set(prefix+"Reset-At", seconds(w.end(now)))
	}
}

func (t *codexTerms) refuse(h http.Header, by int, ask Ask, now time.Time) string {
	t.describe(h, ask.Model, now)
	w := []*window{&t.five, t.week}[by]
	return fmt.Sprintf(`{"error":{"type":"usage_limit_reached","message":"The usage limit has been reached",`+
		`"plan_type":"plus","resets_at":%s,"eligible_promo":null,"resets_in_seconds":%s}}`,
		seconds(w.resets), wholeSeconds(w.resets.Sub(now)))
}

func (t *codexTerms) flap() string {
	return `{"error":{"type":"rate_limit_exceeded","message":"Rate limit reached. Please try again later."}}`
}

func (t *codexTerms) most(begin time.Time, span time.Duration) (float64, map[string]float64) {
	return servable(t.five.size, t.week, begin, span), nil
}
