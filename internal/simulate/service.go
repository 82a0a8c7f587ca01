package simulate

import (
	"math/rand/v2"
	"net/http"
	"time"
)

// A Service is a provider of models, with the limits of its accounts and the words of its answers.
type Service struct {
	Name     string // for tables
	Provider string // its name in reauth
	URL      string
	Prefix   string        // of its tokens
	Span     time.Duration // how long the traffic lasts
	Models   []Model

	open func(r *rand.Rand, w *World, begin time.Time) terms // makes the next account of a world
}

// Model is one model of a service.
type Model struct {
	Name   string
	Weight float64 // share of the sessions
	Tokens float64 // mean of a request, as far as it counts against the limits
}

// terms are the limits of one account, in the dialect of its service.
type terms interface {
	// limits returns those that hold for a request of that model.
	limits(model string) []charge
	// describe adds the headers that an answer to a request of that model has.
	describe(h http.Header, model string, now time.Time)
	// refuse adds the headers of a refusal by the limit of that index, and returns its body.
	refuse(h http.Header, by int, ask Ask, now time.Time) string
	// flap is the body of a refusal that names no reset.
	flap() string
	// most is how many tokens the account can serve in a span, all models together, and of one
	// model.
	most(begin time.Time, span time.Duration) (all float64, of map[string]float64)
}

// charge is a limit and what a request counts there.
type charge struct {
	limit
	perRequest bool // it counts requests, and not tokens
}

// amount is what a request of that many tokens counts.
func (c charge) amount(tokens float64) float64 {
	if c.perRequest {
		return 1
	}
	return tokens
}

// Services returns the services of the simulation.
func Services() []Service {
	return []Service{claude(), codex(), openAI()}
}

// mix returns the models of a service by the weights of the simulated programs: a large model is
// asked for by a fifth of the sessions, a middle one by three fifths and a small one by a fifth.
func mix(large, middle, small Model) []Model {
	large.Weight, middle.Weight, small.Weight = 0.2, 0.6, 0.2
	return []Model{large, middle, small}
}

// servable is how many tokens an account can serve in a span under a 5-hour window of size five
// that is always begun at once, and a weekly window.
func servable(five float64, week *window, begin time.Time, span time.Duration) float64 {
	left, resets, served := week.size-week.used, week.resets, 0.0
	for at := begin; at.Before(begin.Add(span)); at = at.Add(fiveHours) {
		length := min(fiveHours, begin.Add(span).Sub(at))
		if !at.Before(resets) {
			left, resets = week.size, resets.Add(week.span)
		}
		n := min(five*float64(length)/float64(fiveHours), max(left, 0))
		left -= n
		served += n
	}
	return served
}

const (
	fiveHours = 5 * time.Hour
	aWeek     = 7 * 24 * time.Hour
)

// inMidWeek returns a weekly window that is somewhere in its course at the beginning. Every third
// account's week ends within a day, so that each pool sees one end.
func inMidWeek(r *rand.Rand, w *World, begin time.Time, size, leastUsed, mostUsed float64, left *Leftover) *window {
	within := aWeek
	if len(w.accounts)%3 == 0 {
		within = 24 * time.Hour
	}
	return &window{
		span: aWeek, size: size, used: size * (leastUsed + (mostUsed-leastUsed)*r.Float64()),
		resets: begin.Add(time.Duration(r.Float64() * float64(within))), left: left,
	}
}
