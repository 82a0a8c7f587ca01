package fleettest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

// ProviderName is the provider of all credentials of a fleet.
const ProviderName = "xai-oauth"

// Job is the task of a worker, which it gets at its start.
type Job struct {
	Worker   string        // name of the worker
	Store    string        // address of the store, for the Open of the test
	Claim    time.Duration // the Claim of a SQL store
	Keys     [][]byte      // of a sealed store: the first seals, all open; nil: it is in the clear
	Provider string        // URL of the provider
	ID       string        // of the credential with which it sends, and which it refreshes; empty: any
	Pace     time.Duration // time from one request of a sender to its next
	Senders  int
	StopAt   string   // the step of a refresh at which the worker waits for "go"; see stepStore
	Stalls   bool     // whether it tells when it, or the store, did not get on
	Soak     []string // IDs of the credentials of a Soak; nil: the worker is of none
	Limit    int64    // of a Soak, the largest file that the worker may write at its start, in bytes
}

// Report is a message of a worker, one line of JSON.
type Report struct {
	Did    string // ready, the name of a command, at, lost, failed or done
	Step   string // if Did is at
	Status int    // of a request
	Err    string
	Lost   bool   // whether a new login is needed
	Counts Counts // if Did is done
	Note   *Note  `json:",omitempty"` // if Did is note, at any time
}

// Counts is what happened in a worker.
type Counts struct {
	Requests    int
	Failures    []string // of requests
	Exchanges   int
	Adopted     int
	StoreFailed []string
	Refused     []string // refreshes that failed
}

// jobVariable is the environment variable with the job. If it is set, the test binary is a worker.
const jobVariable = "REAUTH_FLEET_JOB"

// Open opens the store of a job. It also returns a function that closes the store at the end.
type Open func(ctx context.Context, job Job) (reauth.Store, func() error, error)

// sealed opens the store of a job under its seal.
func (open Open) sealed(ctx context.Context, job Job) (reauth.Store, func() error, error) {
	store, shut, err := open(ctx, job)
	if err != nil || len(job.Keys) == 0 {
		return store, shut, err
	}
	store, err = reauth.NewSealedStore(store, job.Keys[0], job.Keys[1:]...)
	return store, shut, err
}

// BeWorker does the job of a worker process and does not return from it. In any other process it
// does nothing. TestMain calls it first.
func BeWorker(open Open) {
	text, ok := os.LookupEnv(jobVariable)
	if !ok {
		return
	}
	err := work(text, open)
	if err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// worker is a worker process.
type worker struct {
	job      Job
	store    reauth.Store
	pool     *reauth.Pool
	client   *http.Client
	commands chan string
	goOn     chan struct{}
	stopped  sync.Once // guards the one stop at job.StopAt

	mu     sync.Mutex
	out    *json.Encoder
	counts Counts
}

// work follows the commands on standard input, one word a line, until the input ends.
func work(text string, open Open) (err error) {
	w := &worker{out: json.NewEncoder(os.Stdout), commands: make(chan string), goOn: make(chan struct{}, 1)}
	if err := json.Unmarshal([]byte(text), &w.job); err != nil {
		return err
	}
	ctx := context.Background()
	if w.job.Soak != nil {
		return w.soak(ctx, open)
	}
	store, shut, err := open.sealed(ctx, w.job)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, shut()) }()
	w.store = store
	if w.job.StopAt != "" {
		w.store = &stepStore{Store: store, w: w}
	}
	if w.job.Stalls {
		w.store = &stallStore{w.store, w}
		go w.watchClock()
	}
	if err := w.openPool(ctx); err != nil {
		return err
	}
	go w.listen()
	w.report(Report{Did: "ready"})
	for command := range w.commands {
		switch command {
		case "request":
			status, err := w.request(ctx)
			w.report(Report{Did: command, Status: status, Err: textOf(err)})
		case "refresh":
			w.report(w.refreshed(command, w.refresh(ctx, 30*time.Second)))
		case "try": // a refresh whose caller waits only briefly
			w.report(w.refreshed(command, w.refresh(ctx, 500*time.Millisecond)))
		case "serve":
			w.serve(ctx)
		case "storm":
			w.storm(ctx)
		}
	}
	if err := w.pool.Close(); err != nil {
		return err
	}
	w.mu.Lock()
	counts := w.counts
	w.mu.Unlock()
	w.report(Report{Did: "done", Counts: counts})
	return nil
}

// listen reads standard input. Its end ends the worker, so that no worker outlives the test.
func (w *worker) listen() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if lines.Text() == "go" {
			w.goOn <- struct{}{}
			continue
		}
		w.commands <- lines.Text()
	}
	close(w.commands)
}

func (w *worker) openPool(ctx context.Context) error {
	pool, err := reauth.OpenPool(ctx, w.store)
	if err != nil {
		return err
	}
	pool.Observe = w.observe
	if err := Register(pool, w.job.Provider, w.job.Worker); err != nil {
		return err
	}
	w.pool = pool
	w.client = &http.Client{Transport: reauth.NewRecoveringTransport(http.DefaultTransport, pool)}
	return nil
}

// Register registers the provider at a URL with the pool, in place of the built-in one.
func Register(pool *reauth.Pool, url, worker string) error {
	refresher, err := reauth.BuiltinRefresher(ProviderName, reauth.OAuth2Config{
		TokenURL: url + reauthtest.TokenPath,
		Header:   http.Header{workerHeader: {worker}},
	})
	if err != nil {
		return err
	}
	p, _ := reauth.LookupProvider(ProviderName) // built in
	p.Refresher = refresher
	p.Hosts = []string{strings.TrimPrefix(url, "http://")}
	return pool.Register(p)
}

func (w *worker) observe(_ context.Context, e reauth.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch e.Type {
	case reauth.Refreshed:
		w.counts.Exchanges++
	case reauth.Adopted:
		w.counts.Adopted++
	case reauth.StoreFailed:
		w.counts.StoreFailed = append(w.counts.StoreFailed, e.Reason+": "+textOf(e.Err))
	case reauth.RefreshFailed:
		w.counts.Refused = append(w.counts.Refused, e.Reason+": "+textOf(e.Err))
	default:
	}
}

func (w *worker) report(r Report) {
	w.mu.Lock()
	defer w.mu.Unlock()
	_ = w.out.Encode(r) // without a reader, standard input ends too
}

// request sends one request with the credential of the worker.
func (w *worker) request(ctx context.Context) (status int, err error) {
	if w.job.ID != "" {
		ctx = reauth.WithCredential(ctx, ProviderName, w.job.ID)
	}
	return post(ctx, w.client, w.job.Provider)
}

func (w *worker) refresh(ctx context.Context, patience time.Duration) error {
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	return w.pool.Refresh(ctx, ProviderName, w.job.ID)
}

func (w *worker) refreshed(did string, err error) Report {
	var refused *reauth.RefreshError
	return Report{Did: did, Err: textOf(err), Lost: errors.As(err, &refused) && refused.Permanent}
}

// serve sends requests at the pace of the job, the first ones at once, until the next command.
func (w *worker) serve(ctx context.Context) {
	stop := make(chan struct{})
	var senders sync.WaitGroup
	for range w.job.Senders {
		senders.Go(func() {
			ticker := time.NewTicker(w.job.Pace)
			defer ticker.Stop()
			for {
				status, err := w.request(ctx)
				w.mu.Lock()
				w.counts.Requests++
				if err != nil || status != http.StatusOK {
					w.counts.Failures = append(w.counts.Failures,
						fmt.Sprintf("%s: status %d, %s", time.Now().Format("15:04:05.000"), status, textOf(err)))
				}
				w.mu.Unlock()
				select {
				case <-ticker.C:
				case <-stop:
					return
				}
			}
		})
	}
	<-w.commands
	close(stop)
	senders.Wait()
}

// storm refreshes again and again. When a new login is needed, or a refresh failed, it says so, waits for
// the next command, and opens the store anew, as a restarted program does.
func (w *worker) storm(ctx context.Context) {
	for {
		err := w.refresh(ctx, 30*time.Second)
		r := w.refreshed("lost", err)
		if err == nil {
			continue
		}
		if !r.Lost {
			r.Did = "failed"
			time.Sleep(stallTime) // the clock is looked at meanwhile: a stall that explains it is told first
		}
		w.report(r)
		if _, ok := <-w.commands; !ok {
			return
		}
		if err := errors.Join(w.pool.Close(), w.openPool(ctx)); err != nil {
			w.report(Report{Did: "failed", Err: textOf(err)})
			return
		}
		w.report(Report{Did: "ready"})
	}
}

// stepStore is a store that waits at one step of the first refresh until the worker gets "go".
type stepStore struct {
	reauth.Store
	w *worker
}

// These are the steps at which a worker can wait, in their order. At the exchange itself the
// provider makes it wait.
const (
	StepLock    = "lock"    // before the lock
	StepReread  = "re-read" // with the lock, before the store is read
	StepMark    = "mark"    // after the store was read and compared
	StepPersist = "persist" // after the exchange
	StepPublish = "publish" // after the pair was stored and the lock released
)

func (s *stepStore) at(step string) {
	if s.w.job.StopAt != step {
		return
	}
	s.w.stopped.Do(func() {
		s.w.report(Report{Did: "at", Step: step})
		<-s.w.goOn
	})
}

// Update implements reauth.Store.
func (s *stepStore) Update(
	ctx context.Context, provider, id string, fn func(reauth.Holding) (reauth.Entry, error),
) (reauth.Entry, error) {
	s.at(StepLock)
	e, err := s.Store.Update(ctx, provider, id, func(h reauth.Holding) (reauth.Entry, error) {
		s.at(StepReread)
		spend := h.Spend
		h.Spend = func(ctx context.Context, sp reauth.Spending) error {
			if sp.Of != "" {
				s.at(StepMark)
			}
			return spend(ctx, sp)
		}
		e, err := fn(h)
		if err == nil {
			s.at(StepPersist)
		}
		return e, err
	})
	if err == nil {
		s.at(StepPublish)
	}
	return e, err
}

func textOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
