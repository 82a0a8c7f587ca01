package simulate

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"
)

// World is the accounts of a service, which answer requests. It is an http.RoundTripper.
type World struct {
	service  Service
	accounts []*account
	byToken  map[string]*account

	mu    sync.Mutex
	luck  *rand.Rand // of the answers
	count counts

	five, week Leftover
}

// account is one login, or one key.
type account struct {
	id, token string
	terms     terms
	flapping  time.Time // until when it refuses for no reason that it names
}

// counts are what a world has seen.
type counts struct {
	sends, wasted, astray int
	tokens                float64 // served
}

// Ask is what a request asks for. It is the JSON body of the request.
type Ask struct {
	Model  string  `json:"model"`
	Tokens float64 `json:"max_tokens"`
}

// NewWorld returns a world of that many accounts as they are at its beginning.
func NewWorld(s Service, accounts int, seed uint64, begin time.Time) *World {
	w := &World{service: s, byToken: make(map[string]*account), luck: source(seed, "answers")}
	r := source(seed, "accounts")
	for i := range accounts {
		a := &account{id: fmt.Sprintf("account-%03d", i), token: fmt.Sprintf("%sEXAMPLE%03d", s.Prefix, i)}
		a.terms = s.open(r, w, begin)
		w.accounts = append(w.accounts, a)
		w.byToken[a.token] = a
	}
	return w
}

// source is a source of random numbers for one purpose.
func source(seed uint64, purpose string) *rand.Rand {
	mixed := seed
	for _, c := range []byte(purpose) {
		mixed = mixed*31 + uint64(c)
	}
	return rand.New(rand.NewPCG(seed, mixed))
}

const (
	flapsOneIn = 200
	flapTime   = 5 * time.Second
)

// RoundTrip answers a request of the account whose token it carries. A success takes a few seconds
// and a refusal a fraction of one, of the bubble's clock.
func (w *World) RoundTrip(req *http.Request) (*http.Response, error) {
	ask, err := askOf(req)
	if err != nil {
		return nil, err
	}
	a := w.byToken[strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer ")]
	if a == nil {
		return nil, fmt.Errorf("simulate: no account has the token of a request to %s", req.URL.Host)
	}
	if sent, ok := req.Context().Value(sentKey{}).(*[]string); ok {
		*sent = append(*sent, a.id)
	}
	resp, took := w.answer(a, ask)
	resp.Request = req
	return resp, rest(req.Context(), took)
}

// askOf reads the body of a request, and closes it.
func askOf(req *http.Request) (a Ask, err error) {
	defer req.Body.Close()
	if err = json.NewDecoder(req.Body).Decode(&a); err != nil {
		return a, fmt.Errorf("simulate: a request asks for nothing: %w", err)
	}
	return a, nil
}

// answer decides what becomes of a request at the moment at which it arrives, and how long that
// takes.
func (w *World) answer(a *account, ask Ask) (*http.Response, time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	h := http.Header{"Content-Type": {"application/json"}, "Date": {now.UTC().Format(http.TimeFormat)}}
	if w.luck.IntN(flapsOneIn) == 0 && now.After(a.flapping) {
		a.flapping = now.Add(flapTime)
	}
	w.count.sends++
	refused, by := a.refuses(ask, now)
	switch {
	case now.Before(a.flapping):
		return w.refusal(ask, h, a.terms.flap())
	case refused:
		return w.refusal(ask, h, a.terms.refuse(h, by, ask, now))
	}
	w.count.tokens += ask.Tokens
	for _, c := range a.terms.limits(ask.Model) {
		c.take(c.amount(ask.Tokens), now)
	}
	a.terms.describe(h, ask.Model, now)
	return answer(http.StatusOK, h, `{"ok":true}`), w.between(time.Second, 6*time.Second)
}

// refusal answers a request that is refused, and counts it. w.mu is held.
func (w *World) refusal(ask Ask, h http.Header, body string) (*http.Response, time.Duration) {
	w.count.wasted++
	if w.servable(ask) {
		w.count.astray++
	}
	return answer(http.StatusTooManyRequests, h, body), w.between(100*time.Millisecond, 300*time.Millisecond)
}

// refuses reports whether one of the account's limits is in the way, and which.
func (a *account) refuses(ask Ask, now time.Time) (refused bool, by int) {
	for i, c := range a.terms.limits(ask.Model) {
		c.roll(now)
		if !c.admits(c.amount(ask.Tokens)) {
			refused, by = true, i // the last one is the longest
		}
	}
	return refused, by
}

func answer(status int, h http.Header, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Status: fmt.Sprintf("%d %s", status, http.StatusText(status)),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: h, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}
}

// between is a random length. Nanoseconds keep what is sent at different moments apart, so that the
// order of all that happens is the same in each run.
func (w *World) between(least, most time.Duration) time.Duration {
	return least + time.Duration(w.luck.Int64N(int64(most-least)))
}

// rest waits.
func rest(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// Serves reports whether the account of that ID would serve the request at this moment.
func (w *World) Serves(id string, ask Ask) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.accounts {
		if a.id == id {
			return a.serves(ask, time.Now())
		}
	}
	return false
}

func (a *account) serves(ask Ask, now time.Time) bool {
	refused, _ := a.refuses(ask, now)
	return !refused && !now.Before(a.flapping)
}

// Servable is the oracle: it reports whether any account would serve the request at this moment.
func (w *World) Servable(ask Ask) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.servable(ask)
}

func (w *World) servable(ask Ask) bool {
	now := time.Now()
	for _, a := range w.accounts {
		if a.serves(ask, now) {
			return true
		}
	}
	return false
}

// close ends all windows that have run out by now.
func (w *World) close(now time.Time) {
	for _, a := range w.accounts {
		for _, m := range w.service.Models {
			for _, c := range a.terms.limits(m.Name) {
				c.roll(now)
			}
		}
	}
}

// most is how many tokens the accounts can serve, all models together, and of one model.
func (w *World) most(begin time.Time) (all float64, of map[string]float64) {
	of = make(map[string]float64)
	for _, a := range w.accounts {
		n, models := a.terms.most(begin, w.service.Span)
		all += n
		for m, n := range models {
			of[m] += n
		}
	}
	return all, of
}

// requests is how many requests are a load of that share of what the accounts can serve, whichever
// of their limits is the tightest for the mix of models.
func (w *World) requests(load float64, begin time.Time) int {
	all, of := w.most(begin)
	mean := 0.0
	for _, m := range w.service.Models {
		mean += m.Weight * m.Tokens
	}
	most := all / mean
	for _, m := range w.service.Models {
		if n, ok := of[m.Name]; ok {
			most = min(most, n/(m.Weight*m.Tokens))
		}
	}
	return int(load * most)
}
