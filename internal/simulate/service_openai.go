package simulate

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// openAI is OpenAI's API with API keys: for each model a bucket of requests and one of tokens, both
// per minute. The refusal is that of fixtures/exhausted/openai-429-tokens-per-minute.
func openAI() Service {
	const tokens = 4000
	return Service{
		Name: "openai", Provider: "openai-api", URL: "https://api.openai.com/v1/chat/completions",
		Prefix: "sk-proj-", Span: time.Hour,
		Models: mix(Model{Name: "gpt-5.5", Tokens: tokens}, Model{Name: "gpt-5.5-mini", Tokens: tokens},
			Model{Name: "gpt-5.5-nano", Tokens: tokens}),
		open: func(_ *rand.Rand, w *World, begin time.Time) terms {
			org := fmt.Sprintf("org-EXAMPLE%d", len(w.accounts))
			t := &openAITerms{org: org, buckets: make(map[string]openAIBuckets)}
			for _, m := range w.service.Models {
				size := 50_000 * m.Weight // so that no model is short before the others
				t.buckets[m.Name] = openAIBuckets{
					requests: &bucket{size: size / 1000, free: size / 1000, at: begin},
					tokens:   &bucket{size: size, free: size, at: begin},
				}
			}
			return t
		},
	}
}

type openAITerms struct {
	org     string
	buckets map[string]openAIBuckets
}

type openAIBuckets struct{ requests, tokens *bucket }

func (t *openAITerms) limits(model string) []charge {
	b := t.buckets[model]
	return []charge{{limit: b.requests, perRequest: true}, {limit: b.tokens}}
}

func (t *openAITerms) describe(h http.Header, model string, _ time.Time) {
	for name, b := range map[string]*bucket{"Requests": t.buckets[model].requests, "Tokens": t.buckets[model].tokens} {
		h.Set("X-Ratelimit-Limit-"+name, strconv.Itoa(int(b.size)))
		h.Set("X-Ratelimit-Remaining-"+name, strconv.Itoa(int(b.free)))
		h.Set("X-Ratelimit-Reset-"+name, b.fills(b.size).Truncate(time.Millisecond).String())
	}
}

func (t *openAITerms) refuse(h http.Header, by int, ask Ask, now time.Time) string {
	t.describe(h, ask.Model, now)
	b, name, short, kind, asked := t.buckets[ask.Model].requests, "requests", "RPM", "requests", 1.0
	if by == 1 {
		b, name, short, kind, asked = t.buckets[ask.Model].tokens, "tokens", "TPM", "tokens", ask.Tokens
	}
	wait := b.fills(asked).Truncate(time.Millisecond) + time.Millisecond
	h.Set("Retry-After", wholeSeconds(wait))
	h.Set("Retry-After-Ms", strconv.FormatInt(wait.Milliseconds(), 10))
	return fmt.Sprintf(`{"error": {"message": "Rate limit reached for %s in organization %s on %s per min (%s): `+
		`Limit %.0f, Used %.0f, Requested %.0f. Please try again in %s. Visit `+
		`https://platform.openai.com/account/rate-limits to learn more.", `+
		`"type": "%s", "param": null, "code": "rate_limit_exceeded"}}`,
		ask.Model, t.org, name, short, b.size, b.size-b.free, asked, wait, kind)
}

func (t *openAITerms) flap() string {
	return `{"error":{"message":"Rate limit reached for requests","type":"requests","param":null,` +
		`"code":"rate_limit_exceeded"}}`
}

func (t *openAITerms) most(_ time.Time, span time.Duration) (all float64, of map[string]float64) {
	for _, b := range t.buckets {
		all += b.tokens.size * span.Minutes()
	}
	return all, nil
}
