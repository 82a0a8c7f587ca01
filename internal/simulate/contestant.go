package simulate

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/reauth-go/reauth"
)

// Contestant is a way to spread requests over accounts.
type Contestant struct {
	Name     string
	Affinity bool // the requests of a session say that they belong together
	Chance   bool // it draws lots, and no two runs are alike
	ours     bool // it is this library
	over     func(w *World, seed uint64) (rider, error)
}

// rider is a contestant over a world.
type rider struct {
	transport http.RoundTripper
	pool      *reauth.Pool // nil: it is not reauth
}

// close ends what the contestant has begun.
func (r rider) close() error {
	if r.pool == nil {
		return nil
	}
	return r.pool.Close()
}

// Contestants returns all of them, in the order of the table.
func Contestants() []Contestant {
	list := []Contestant{
		{Name: "plain round robin", over: func(w *World, _ uint64) (rider, error) {
			return rider{transport: &roundRobin{world: w}}, nil
		}},
		{Name: "CLIProxyAPI round-robin", over: func(w *World, seed uint64) (rider, error) {
			return rider{transport: newCLIProxy(w, seed, false)}, nil
		}},
		{Name: "CLIProxyAPI fill-first", over: func(w *World, seed uint64) (rider, error) {
			return rider{transport: newCLIProxy(w, seed, true)}, nil
		}},
	}
	for _, s := range strategies() {
		list = append(list, Contestant{
			Name: "reauth " + s.String(), Chance: s == reauth.Random, ours: true, over: overPool(s),
		})
	}
	return append(list, Contestant{
		Name: "reauth affinity", Affinity: true, ours: true, over: overPool(reauth.RoundRobin),
	})
}

// strategies are those of reauth.
func strategies() []reauth.Strategy {
	return []reauth.Strategy{
		reauth.FillFirst,
		reauth.RoundRobin,
		reauth.LeastInFlight,
		reauth.MostHeadroom,
		reauth.Random,
	}
}

// overPool returns what makes a transport of reauth with a strategy.
func overPool(s reauth.Strategy) func(*World, uint64) (rider, error) {
	return func(w *World, _ uint64) (rider, error) {
		p, ok := reauth.LookupProvider(w.service.Provider)
		if !ok {
			return rider{}, errors.New("simulate: reauth does not know " + w.service.Provider)
		}
		p.Strategy = s
		pool := reauth.NewPool()
		if err := pool.Register(p); err != nil {
			return rider{}, err
		}
		for _, a := range w.accounts {
			c := reauth.Credential{Provider: p.Name, ID: a.id, AccessToken: a.token, AccountID: a.id}
			if _, err := pool.Add(context.Background(), c); err != nil {
				return rider{}, fmt.Errorf("simulate: %w", err)
			}
		}
		return rider{transport: reauth.NewRecoveringTransport(w, pool), pool: pool}, nil
	}
}

// roundRobin goes on with the next account when one refuses, and remembers nothing. It tries as
// many accounts as reauth does.
type roundRobin struct {
	world *World
	turn  counter
}

const mostSends = 32

func (t *roundRobin) RoundTrip(req *http.Request) (resp *http.Response, err error) {
	for range min(len(t.world.accounts), mostSends) {
		a := t.world.accounts[t.turn.next()%len(t.world.accounts)]
		resp, err = sendAs(req, t.world, a)
		if err != nil || resp.StatusCode == http.StatusOK {
			break
		}
	}
	return resp, err
}

// sendAs sends a copy of a request with the token of an account.
func sendAs(req *http.Request, w *World, a *account) (*http.Response, error) {
	clone := req.Clone(req.Context())
	body, err := req.GetBody()
	if err != nil {
		return nil, err
	}
	clone.Body = body
	clone.Header.Set("Authorization", "Bearer "+a.token)
	return w.RoundTrip(clone)
}
