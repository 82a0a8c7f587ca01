// Package simulate lets ways to spread requests over accounts serve the same day of traffic in the
// same world, and measures what becomes of the requests and of the accounts' quota.
//
// A world has accounts with the limits that real ones have, which answer as their services do
// (service_*.go). A day runs on the clock of testing/synctest, so it takes seconds. Everything is
// drawn from a seed: two runs of a contestant that draws no lots itself are equal. Requests and
// answers are what http.RoundTripper passes; only the oracle looks into the world.
package simulate

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reauth-go/reauth"
)

// Scenario is some days, each in a world of its own.
type Scenario struct {
	Service  Service
	Accounts int
	Load     float64 // of what the accounts can serve
	Days     int     // few accounts need several, or chance decides
}

// Measures are what a contestant made of a scenario.
type Measures struct {
	Requests, Served, Refused int
	Servable                  int // of those refused: an account could have served it at the moment of the refusal
	Sends, Wasted             int // sends, and those that were refused
	Astray                    int // of those refused: another account could have served the request then
	// Quota is what was left of the shortest windows when they were reset; of buckets per minute,
	// what was not used. Week is what was left of weekly windows.
	Quota, Week Leftover
}

func (m *Measures) add(o Measures) {
	m.Requests += o.Requests
	m.Served += o.Served
	m.Refused += o.Refused
	m.Servable += o.Servable
	m.Sends += o.Sends
	m.Wasted += o.Wasted
	m.Astray += o.Astray
	m.Quota.note(o.Quota.Left, o.Quota.Size)
	m.Week.note(o.Week.Left, o.Week.Size)
}

// Watch is told of each request that is refused, at the moment of its refusal. Accounts are those
// that the request was sent with. It may be nil, as pool is for a contestant that is not reauth.
type Watch func(w *World, pool *reauth.Pool, ask Ask, accounts []string)

// Run plays a scenario with a contestant. It must not be called in a bubble.
func Run(t *testing.T, s Scenario, c Contestant, watch Watch) (m Measures) {
	t.Helper()
	for seed := range uint64(s.Days) {
		synctest.Test(t, func(t *testing.T) {
			// Instants of the bubble's year 2000 are too early to be read as Unix seconds.
			time.Sleep(time.Until(time.Date(2026, time.November, 2, 0, 0, 0, 0, time.UTC)))
			d := &day{scenario: s, seed: seed, contestant: c, watch: watch, begin: time.Now()}
			if err := d.run(); err != nil {
				t.Fatal(err)
			}
			m.add(d.measures())
		})
	}
	return m
}

// day is a run of a scenario.
type day struct {
	scenario   Scenario
	seed       uint64
	contestant Contestant
	watch      Watch
	begin      time.Time
	most       float64 // tokens that the accounts can serve
	world      *World
	rider      rider

	mu     sync.Mutex
	result Measures
	failed error // the first error that was no answer
}

func (d *day) run() (err error) {
	s := d.scenario
	d.world = NewWorld(s.Service, s.Accounts, d.seed, d.begin)
	if d.rider, err = d.contestant.over(d.world, d.seed); err != nil {
		return err
	}
	d.most, _ = d.world.most(d.begin)
	list := traffic(s.Service, d.world.requests(s.Load, d.begin), s.Accounts, d.seed)
	d.result.Requests = len(list)
	var wg sync.WaitGroup
	for _, q := range list {
		time.Sleep(time.Until(d.begin.Add(q.at)))
		wg.Go(func() { d.serve(q) })
	}
	wg.Wait()
	time.Sleep(time.Until(d.begin.Add(s.Service.Span)))
	d.world.close(time.Now())
	if err = d.rider.close(); err == nil {
		err = d.failed
	}
	return err
}

// sentKey is the key of the list of accounts that a request was sent with.
type sentKey struct{}

// serve lets the contestant serve one request, as a program would.
func (d *day) serve(q request) {
	var sent []string
	ctx := context.WithValue(context.Background(), sentKey{}, &sent)
	if d.contestant.Affinity {
		ctx = reauth.WithAffinity(ctx, q.session)
	}
	req, err := newRequest(ctx, d.scenario.Service.URL, q.ask)
	if err != nil {
		d.fail(err)
		return
	}
	resp, err := d.rider.transport.RoundTrip(req)
	if err != nil {
		d.fail(err)
		return
	}
	_, err = io.Copy(io.Discard, resp.Body)
	if closed := resp.Body.Close(); err != nil || closed != nil {
		d.fail(fmt.Errorf("simulate: the body of an answer: %w, %w", err, closed))
	}
	d.note(resp.StatusCode, q.ask, sent)
}

func newRequest(ctx context.Context, url string, ask Ask) (*http.Request, error) {
	body, err := json.Marshal(ask)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err == nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, err
}

// note counts an answer that a program got.
func (d *day) note(status int, ask Ask, sent []string) {
	servable := status != http.StatusOK && d.world.Servable(ask)
	if status != http.StatusOK && d.watch != nil {
		d.watch(d.world, d.rider.pool, ask, sent)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case status == http.StatusOK:
		d.result.Served++
		return
	case servable:
		d.result.Servable++
	}
	d.result.Refused++
}

func (d *day) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.failed == nil {
		d.failed = err
	}
}

func (d *day) measures() Measures {
	m, w := d.result, d.world
	m.Sends, m.Wasted, m.Astray = w.count.sends, w.count.wasted, w.count.astray
	m.Quota, m.Week = w.five, w.week
	if m.Quota.Size == 0 {
		m.Quota = Leftover{d.most - w.count.tokens, d.most}
	}
	return m
}
