package simulate

import (
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// claude is Anthropic's API with the login of a subscription: a window of five hours, one of a
// week, and one of a week for Opus alone. The sizes are about those of a small subscription, in
// thousands of tokens as they are charged. The refusal is that of
// fixtures/exhausted/anthropic-429-account-rate-limit; the headers are those that Claude Code
// reads.
func claude() Service {
	return Service{
		Name: "claude", Provider: "anthropic", URL: "https://api.anthropic.com/v1/messages",
		Prefix: "sk-ant-oat01-", Span: 24 * time.Hour,
		Models: mix(Model{Name: cappedModel, Tokens: 3}, Model{Name: "claude-sonnet-5", Tokens: 1},
			Model{Name: "claude-haiku-4-5", Tokens: 0.3}),
		open: func(r *rand.Rand, w *World, begin time.Time) terms {
			return &claudeTerms{
				five: window{span: fiveHours, size: 75, opens: true, left: &w.five},
				week: inMidWeek(r, w, begin, 750, 0, 0.9, &w.week),
				opus: inMidWeek(r, w, begin, 375, 0.1, 1, new(Leftover)),
			}
		},
	}
}

type claudeTerms struct {
	five       window
	week, opus *window
}

// cappedModel has a limit of its own.
const cappedModel = "claude-opus-4-8"

func (t *claudeTerms) limits(model string) []charge {
	list := []charge{{limit: &t.five}, {limit: t.week}}
	if model == cappedModel {
		list = append(list, charge{limit: t.opus})
	}
	return list
}

// claudeClaims are the names of the windows in the order of limits: in a header's name, and as a
// claim.
var claudeClaims = [...]struct{ header, claim string }{ //nolint:gochecknoglobals // a table
	{"5h", "five_hour"}, {"7d", "seven_day"}, {"7d_opus", "seven_day_opus"},
}

const unified = "Anthropic-Ratelimit-Unified-"

func (t *claudeTerms) describe(h http.Header, model string, now time.Time) {
	fullest, representative := -1.0, 0
	windows := []*window{&t.five, t.week, t.opus}
	for i := range t.limits(model) {
		w, prefix := windows[i], unified+claudeClaims[i].header
		h.Set(prefix+"-Status", "allowed")
		h.Set(prefix+"-Reset", seconds(w.end(now)))
		h.Set(prefix+"-Utilization", strconv.FormatFloat(math.Round(w.share()*100)/100, 'f', -1, 64))
		if w.share() > fullest {
			fullest, representative = w.share(), i
		}
	}
	h.Set(unified+"Status", "allowed")
	h.Set(unified+"Reset", seconds(windows[representative].end(now)))
	h.Set(unified+"Representative-Claim", claudeClaims[representative].claim)
	h.Set(unified+"Fallback-Percentage", "0.5")
	h.Set(unified+"Overage-Disabled-Reason", "org_level_disabled")
}

func (t *claudeTerms) refuse(h http.Header, by int, ask Ask, now time.Time) string {
	t.describe(h, ask.Model, now)
	w := []*window{&t.five, t.week, t.opus}[by]
	h.Set(unified+"Status", "rejected")
	h.Set(unified+claudeClaims[by].header+"-Status", "rejected")
	h.Set(unified+"Representative-Claim", claudeClaims[by].claim)
	h.Set(unified+"Reset", seconds(w.resets))
	h.Set("Retry-After", wholeSeconds(w.resets.Sub(now)))
	return t.flap()
}

func (t *claudeTerms) flap() string {
	return `{"type":"error","error":{"type":"rate_limit_error",` +
		`"message":"This request would exceed your account's rate limit. Please try again later."}}`
}

func (t *claudeTerms) most(begin time.Time, span time.Duration) (float64, map[string]float64) {
	all := servable(t.five.size, t.week, begin, span)
	return all, map[string]float64{cappedModel: min(all, servable(t.five.size, t.opus, begin, span))}
}

// seconds is an instant in Unix seconds, rounded up: a limit is over when its header says so.
func seconds(t time.Time) string {
	return strconv.FormatInt(t.Add(time.Second-time.Nanosecond).Unix(), 10)
}

// wholeSeconds is a length in seconds, rounded up.
func wholeSeconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-time.Nanosecond)/time.Second), 10)
}
