// Fleet shows two machines that share one login through PostgreSQL. The login's access token is
// used up, and both machines send many requests at once. One of them exchanges the refresh token,
// once; the other takes the new tokens from the database. Run it in integration/:
//
//	eval "$(./postgres.sh start)" && go run ./examples/fleet
//
// DATABASE_URL names a database of your own; the program makes the tables reauth_* in it. With a
// login of xAI's, the login moves into that database and stays there, because its refresh token is
// spent:
//
//	DATABASE_URL=postgres://… XAI_REFRESH_TOKEN=… go run ./examples/fleet
package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "fleet:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) (err error) {
	databaseURL := cmp.Or(os.Getenv("DATABASE_URL"), os.Getenv("REAUTH_TEST_POSTGRES"))
	if databaseURL == "" {
		return errors.New(`no database: set DATABASE_URL, or run eval "$(integration/postgres.sh start)" first`)
	}
	provider, _ := reauth.LookupProvider("xai-oauth")
	api, requests, refresh := "https://api.x.ai/v1/models", 2, os.Getenv("XAI_REFRESH_TOKEN")
	fake := reauthtest.New(reauthtest.XAI)
	account := refresh != ""
	if !account {
		server := fake.Start()
		defer server.Close()
		api, requests = server.URL+"/v1/models", 50
		_, refresh = fake.Login()
		provider.Name = "fleet-" + rand.Text() // a login of its own, in a database that may hold others
		provider.Hosts = []string{"127.0.0.1"}
		provider.Refresher = reauth.OAuth2Refresher(reauth.OAuth2Config{TokenURL: server.URL + reauthtest.TokenPath})
	}

	var machines []*machine
	for range 2 {
		m, err := newMachine(ctx, databaseURL, provider)
		if err != nil {
			return err
		}
		defer m.stop()
		if !knows(m.pool, provider.Name) { // the first machine adds it; the other finds it in the database
			login := reauth.Credential{Provider: provider.Name, ID: "shared", RefreshToken: refresh}
			if _, err := m.pool.Add(ctx, login); err != nil {
				return err
			}
		}
		machines = append(machines, m)
	}
	if !account {
		defer func() { err = errors.Join(err, machines[0].pool.Remove(ctx, provider.Name, "shared")) }()
	}

	storm(machines, api, requests)
	exchanges, served := 0, 0
	for i, m := range machines {
		fmt.Fprintf(out, "machine %d: %d of %d requests served, exchanges: %d, "+
			"new tokens taken from the database: %d\n",
			i+1, m.served.Load(), requests, m.refreshed.Load(), m.adopted.Load())
		exchanges += int(m.refreshed.Load())
		served += int(m.served.Load())
	}
	if account {
		if exchanges > 1 || served != 2*requests {
			return errors.New("one exchange at most was expected, and nothing but 200")
		}
		return nil
	}
	fmt.Fprintf(out, "the provider: exchanges: %d, refresh tokens spent twice: %d\n", fake.Exchanges(), fake.Reuses())
	if exchanges != 1 || fake.Exchanges() != 1 || served != 2*requests {
		return errors.New("one exchange was expected, and nothing but 200")
	}
	return nil
}

// machine is one machine of the fleet. It has a database handle, a pool and a transport of its own.
type machine struct {
	*http.Client
	db                         *sql.DB
	pool                       *reauth.Pool
	served, refreshed, adopted atomic.Int32
}

func newMachine(ctx context.Context, databaseURL string, provider reauth.Provider) (*machine, error) {
	db, err := sql.Open("pgx", databaseURL)
	if err != nil {
		return nil, err
	}
	store, err := reauth.NewSQLStore(ctx, db)
	if err != nil {
		return nil, err
	}
	pool, err := reauth.OpenPool(ctx, store)
	if err != nil {
		return nil, err
	}
	m := &machine{Client: &http.Client{Transport: reauth.NewRecoveringTransport(nil, pool)}, db: db, pool: pool}
	pool.Observe = func(_ context.Context, e reauth.Event) {
		switch e.Type {
		case reauth.Refreshed:
			m.refreshed.Add(1)
		case reauth.Adopted:
			m.adopted.Add(1)
		default:
		}
	}
	return m, pool.Register(provider)
}

func (m *machine) stop() {
	m.CloseIdleConnections()
	_ = m.pool.Close() // the program ends: it cannot act on the error
	_ = m.db.Close()
}

func knows(p *reauth.Pool, provider string) bool {
	return slices.ContainsFunc(p.Status(), func(s reauth.CredentialStatus) bool { return s.Provider == provider })
}

// storm makes all machines send their requests at once.
func storm(machines []*machine, url string, requests int) {
	var all sync.WaitGroup
	for _, m := range machines {
		for range requests {
			all.Go(func() {
				resp, err := m.Get(url)
				if err != nil {
					return
				}
				_ = resp.Body.Close() // the status is what counts here
				if resp.StatusCode == http.StatusOK {
					m.served.Add(1)
				}
			})
		}
	}
	all.Wait()
}
