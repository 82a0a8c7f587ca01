package simulate

import (
	"bytes"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// cliProxy behaves as CLIProxyAPI v7.2.140 does with its default settings, as far as refusals with
// 429 go. It is a model of that program's behaviour, and has none of its code:
//
//   - A 429 rests (account, model). The rest ends when the answer says so: for Anthropic at the
//     latest of Retry-After, the resets of the rejected shared windows and the unified reset, 1 to
//     30 s later; for Codex at resets_at. Otherwise it is 1 s, doubling to 30 min with each rest in
//     a row, and the refusals of one rest count once. The answers of OpenAI's API are not read.
//   - When Anthropic says that a shared window, or the unified status, is rejected, the account rests
//     for all models.
//   - An account that rests is not used. The others are taken in turn, with a turn for each model, or
//     the first of them is.
//   - When none is left, the request waits for the first rest that ends, for 30 s at most, and tries
//     once more all that do not rest, three times at most. Without such a rest it is refused, with no
//     send when all rested from the first.
type cliProxy struct {
	world     *World
	fillFirst bool

	mu    sync.Mutex
	luck  *rand.Rand
	turns map[string]int // by model
	rests map[*account]*accountRest
}

// accountRest is how an account rests.
type accountRest struct {
	whole  time.Time // until when, for all models
	models map[string]*modelRest
}

type modelRest struct {
	until time.Time
	level int
}

const (
	cliProxyRounds   = 3
	cliProxyMostWait = 30 * time.Second
	cliProxyMostRest = 30 * time.Minute
)

func newCLIProxy(w *World, seed uint64, fillFirst bool) *cliProxy {
	return &cliProxy{
		world: w, fillFirst: fillFirst, luck: source(seed, "cliproxy"),
		turns: make(map[string]int), rests: make(map[*account]*accountRest),
	}
}

func (c *cliProxy) RoundTrip(req *http.Request) (*http.Response, error) {
	var ask Ask
	body, err := req.GetBody()
	if err == nil {
		err = json.NewDecoder(body).Decode(&ask)
	}
	if err != nil {
		return nil, err
	}
	for round := 0; ; round++ {
		resp, err := c.round(req, ask)
		if err != nil || resp.StatusCode == http.StatusOK || round == cliProxyRounds {
			return resp, err
		}
		wait, ok := c.soonest(ask.Model)
		if !ok || wait > cliProxyMostWait {
			return resp, nil
		}
		if err := rest(req.Context(), wait); err != nil {
			return nil, err
		}
	}
}

// round tries each account that does not rest, once.
func (c *cliProxy) round(req *http.Request, ask Ask) (*http.Response, error) {
	last := answer(http.StatusTooManyRequests, http.Header{}, `{"error":{"code":"model_cooldown"}}`)
	for tried := make(map[*account]bool); ; {
		a := c.pick(ask.Model, tried)
		if a == nil {
			return last, nil
		}
		tried[a] = true
		resp, err := sendAs(req, c.world, a)
		if err != nil {
			return nil, err
		}
		if err = c.note(a, ask.Model, resp); err != nil || resp.StatusCode == http.StatusOK {
			return resp, err
		}
		last = resp
	}
}

// pick chooses one of the accounts that do not rest.
func (c *cliProxy) pick(model string, tried map[*account]bool) *account {
	c.mu.Lock()
	defer c.mu.Unlock()
	var awake []*account
	now := time.Now()
	for _, a := range c.world.accounts {
		if !tried[a] && !c.resting(a, model).After(now) {
			if c.fillFirst {
				return a
			}
			awake = append(awake, a)
		}
	}
	if len(awake) == 0 {
		return nil
	}
	c.turns[model]++
	return awake[(c.turns[model]-1)%len(awake)]
}

// resting is until when an account rests for a model.
func (c *cliProxy) resting(a *account, model string) (until time.Time) {
	rests := c.rests[a]
	if rests == nil {
		return until
	}
	until = rests.whole
	if r := rests.models[model]; r != nil && r.until.After(until) {
		until = r.until
	}
	return until
}

// soonest is how long it takes until an account may be used for a model, and up to a millisecond
// more, so that those who wait for one account go on in the same order in each run.
func (c *cliProxy) soonest(model string) (wait time.Duration, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range c.world.accounts {
		if w := time.Until(c.resting(a, model)); !ok || w < wait {
			wait, ok = w, true
		}
	}
	return max(wait, 0) + time.Duration(c.luck.Int64N(int64(time.Millisecond))), ok
}

// note remembers what an answer says of an account.
func (c *cliProxy) note(a *account, model string, resp *http.Response) error {
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	c.mu.Lock()
	defer c.mu.Unlock()
	rests := c.rests[a]
	if rests == nil {
		rests = &accountRest{models: make(map[string]*modelRest)}
		c.rests[a] = rests
	}
	if resp.StatusCode == http.StatusOK {
		delete(rests.models, model)
		return nil
	}
	r := rests.models[model]
	if r == nil {
		r = new(modelRest)
		rests.models[model] = r
	}
	r.extend(c.stated(resp.Header, body), time.Now())
	if resp.Header.Get(unified+"Status") == "rejected" {
		rests.whole = r.until
	}
	return nil
}

// extend lets a rest last until the answer's own end, or for a time that grows.
func (r *modelRest) extend(stated, now time.Time) {
	switch {
	case !stated.IsZero():
		if stated.After(r.until) {
			r.until = stated
		}
	case !r.until.After(now):
		length := min(time.Second<<r.level, cliProxyMostRest)
		if length < cliProxyMostRest {
			r.level++
		}
		r.until = now.Add(length)
	}
}

// stated is the end of a limit as an answer states it; zero: it is not read there.
func (c *cliProxy) stated(h http.Header, body []byte) (end time.Time) {
	switch c.world.service.Provider {
	case "anthropic":
		if s, err := strconv.Atoi(h.Get("Retry-After")); err == nil {
			end = time.Now().Add(time.Duration(s) * time.Second)
		}
		for _, name := range []string{"", "5h-", "7d-"} {
			at := unixOf(h.Get(unified + name + "Reset"))
			if h.Get(unified+name+"Status") == "rejected" && at.After(end) {
				end = at
			}
		}
		if !end.IsZero() {
			end = end.Add(time.Second + time.Duration(c.luck.Int64N(int64(29*time.Second))))
		}
	case "openai-codex":
		var e struct{ Error struct{ Resets_at int64 } } //nolint:revive // the member's name
		if json.Unmarshal(body, &e) == nil && e.Error.Resets_at > 0 {
			end = time.Unix(e.Error.Resets_at, 0)
		}
	}
	return end
}

// unixOf reads Unix seconds; zero for anything else.
func unixOf(s string) time.Time {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(n, 0)
}

// counter counts in turn.
type counter struct{ n atomic.Int64 }

// next returns 0, 1, 2, ….
func (c *counter) next() int { return int(c.n.Add(1) - 1) }
