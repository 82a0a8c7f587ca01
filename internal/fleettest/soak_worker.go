package fleettest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/reauth-go/reauth"
)

// Note is what a worker tells about itself. One that is not of a Soak tells its stalls only.
type Note struct {
	At   time.Time
	What string // one of the constants below
	ID   string
	// Token is the refresh token of a record that the worker has seen, stored or failed to store;
	// empty when the credential was removed.
	Token   string
	Removed bool
	Begin   time.Time // of a request that was refused, and of a stall
	Text    string    // an event, an error, what explains a refusal, or what stalled
	Served  int       // requests that were served since the last note of that kind
}

// Kinds of notes.
const (
	noteSaw      = "saw"      // read from the store, and not the same as before
	noteSaved    = "saved"    // stored
	noteUnsaved  = "unsaved"  // not stored although it should be
	noteEvent    = "event"    // an event of the pool that tells of trouble
	noteRefused  = "refused"  // a request got no answer of the API
	noteServed   = "served"   // requests were served
	noteOpening  = "opening"  // the pool cannot be opened yet
	noteAnswered = "answered" // the end of a command
	noteClosing  = "closing"
	noteStalled  = "stalled" // the machine, or the store, took from Begin on for what takes hardly any time
)

// soaker is a worker of a Soak.
type soaker struct {
	*worker
	served  atomic.Int64
	quiet   chan struct{} // closed when no more requests are to be sent
	senders sync.WaitGroup

	mu   sync.Mutex
	seen map[string]string  // what was last seen of each credential in the store
	told map[string][]told  // of each credential, "" for the store; the latest last
	last map[string]*served // by credential
	all  []reauth.Event     // the last ones of any kind
}

// told is an event that tells of trouble.
type told struct {
	at   time.Time
	text string
	rank int
}

// What an event explains, the least first.
const (
	rankNews  = iota + 1 // that there are new tokens
	rankMark             // what the pool does about trouble
	rankCause            // why
)

// rankOf returns the rank of an event; 0: it explains nothing.
func rankOf(e reauth.Event) int {
	switch {
	case e.Type == reauth.RefreshFailed, e.Type == reauth.StoreFailed && e.Reason != "mark":
		return rankCause
	case e.Type == reauth.StoreFailed, e.Type == reauth.PutAside, e.Type == reauth.Retired:
		return rankMark
	case e.Type == reauth.Adopted, e.Type == reauth.Refreshed:
		return rankNews
	}
	return 0
}

// served is when the request began that was served and began last.
type served struct{ began time.Time }

// soak is work for a worker of a Soak. The store may be out of order at its start.
func (w *worker) soak(ctx context.Context, open Open) error {
	s := &soaker{
		worker: w, quiet: make(chan struct{}), seen: make(map[string]string), told: make(map[string][]told),
		last: make(map[string]*served),
	}
	if w.job.Limit >= 0 {
		if err := limitFiles(w.job.Limit); err != nil {
			return err
		}
	}
	lines := make(chan []string)
	go func() {
		defer close(lines)
		for in := bufio.NewScanner(os.Stdin); in.Scan(); {
			lines <- strings.Fields(in.Text())
		}
	}()
	shut, err := s.open(ctx, open, lines)
	if shut == nil {
		return err
	}
	w.report(Report{Did: "ready"})
	for range w.job.Senders {
		s.senders.Go(func() { s.send(ctx) })
	}
	go s.countServed()
	go s.watchClock()
	for words := range lines {
		s.obey(ctx, words)
	}
	s.silence()
	s.note(Note{What: noteClosing})
	err = errors.Join(w.pool.Close(), shut())
	s.tellServed()
	w.report(Report{Did: "done"})
	return err
}

// open opens the pool as soon as the store allows. It returns nil when the input ends before.
func (s *soaker) open(ctx context.Context, open Open, lines <-chan []string) (func() error, error) {
	said := ""
	for {
		store, shut, err := open.sealed(ctx, s.job)
		if err == nil {
			s.store = &watchedStore{&stallStore{store, s.worker}, s}
			if err = s.openPool(ctx); err == nil {
				observe := s.pool.Observe
				s.pool.Observe = func(ctx context.Context, e reauth.Event) {
					observe(ctx, e)
					s.observe(e)
				}
				return shut, nil
			}
			_ = shut()
		}
		if err.Error() != said {
			said = err.Error()
			s.note(Note{What: noteOpening, Text: said})
		}
		retry := time.NewTimer(100 * time.Millisecond)
		select {
		case <-retry.C:
		case words, ok := <-lines:
			if !ok {
				return nil, nil
			}
			if words[0] == "limit" {
				s.obey(ctx, words)
			} else {
				s.note(Note{What: noteAnswered, Text: "the pool is not open"})
			}
		}
	}
}

// obey carries a command out, and tells its end.
func (s *soaker) obey(ctx context.Context, words []string) {
	ctx, stop := context.WithTimeout(ctx, 15*time.Second)
	defer stop()
	var err error
	switch words[0] {
	case "limit":
		size, _ := strconv.ParseInt(words[1], 10, 64) // the test writes numbers
		if err = limitFiles(size); err == nil {
			return // nobody waits for it
		}
	case "add":
		_, err = s.pool.Add(ctx, reauth.Credential{
			Provider: ProviderName, ID: words[1], AccessToken: words[2], RefreshToken: words[3],
		})
	case "remove":
		err = s.pool.Remove(ctx, ProviderName, words[1])
	case "check":
		err = s.check(ctx, words[1:])
	case "quiet":
		s.silence()
	}
	s.note(Note{What: noteAnswered, Text: textOf(err)})
}

// silence ends the requests.
func (s *soaker) silence() {
	select {
	case <-s.quiet:
	default:
		close(s.quiet)
	}
	s.senders.Wait()
}

// check reports which of the credentials do not serve, and which others are there.
func (s *soaker) check(ctx context.Context, ids []string) error {
	var wrong []error
	expected := make(map[string]bool)
	for _, id := range ids {
		expected[id] = true
		if status, err := s.requestWith(ctx, id); status != http.StatusOK {
			wrong = append(wrong, fmt.Errorf("%s: status %d, %s, %s", id, status, textOf(err), s.standing(id)))
		}
	}
	for _, c := range s.pool.Status() {
		if !expected[c.ID] {
			wrong = append(wrong, fmt.Errorf("%s: it was removed and is there", c.ID))
		}
	}
	return errors.Join(wrong...)
}

// standing says how the credential stands in the pool.
func (s *soaker) standing(id string) string {
	for _, c := range s.pool.Status() {
		if c.ID == id {
			return fmt.Sprintf("%s %s", c.State, c.Reason)
		}
	}
	return "absent"
}

func (s *soaker) requestWith(ctx context.Context, id string) (int, error) {
	return post(reauth.WithCredential(ctx, ProviderName, id), s.client, s.job.Provider)
}

// send sends requests with one credential after the other, at the pace of the job.
func (s *soaker) send(ctx context.Context) {
	for {
		pause := time.NewTimer(s.job.Pace/2 + rand.N(s.job.Pace))
		select {
		case <-pause.C:
		case <-s.quiet:
			pause.Stop()
			return
		}
		id := s.job.Soak[rand.IntN(len(s.job.Soak))]
		began := time.Now()
		if s.standing(id) == "absent" { // it is asked for all the same, so that the pool looks at its store
			_, _ = s.requestWith(ctx, id)
			continue
		}
		status, err := s.requestWith(ctx, id)
		if err == nil && status == http.StatusOK {
			s.wasServed(id, began)
			continue
		}
		why := s.explain(id, began)
		if strings.HasPrefix(why, unexplained) {
			why += s.trail(id, began)
		}
		if s.standing(id) == "absent" {
			why = "it was removed meanwhile"
		}
		text := fmt.Sprintf("%s [status %d %s, after %v, %s]", why, status, textOf(err),
			time.Since(began).Round(time.Millisecond), s.standing(id))
		s.note(Note{What: noteRefused, ID: id, Begin: began, Text: text})
	}
}

func (s *soaker) wasServed(id string, began time.Time) {
	s.served.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.last[id]; l == nil || l.began.Before(began) {
		s.last[id] = &served{began}
	}
}

// unexplained begins the explanation of a refusal that no event explains.
const unexplained = "UNEXPLAINED"

// explain returns the event that explains why a credential did not serve a request: the latest that
// tells why since a request began that it served, else the latest that tells of a mark, else that
// there were new tokens meanwhile, which were refused as well.
func (s *soaker) explain(id string, began time.Time) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var since time.Time
	if l := s.last[id]; l != nil {
		since = l.began
	}
	best := told{text: unexplained + ": no event has told of trouble"}
	for _, list := range [][]told{s.told[""], s.told[id]} {
		for _, e := range list {
			if e.at.After(since) && e.rank >= best.rank && (e.rank > rankNews || e.at.After(began)) {
				best = e
			}
		}
	}
	if all := s.told[id]; best.at.IsZero() && len(all) > 0 {
		best.text = fmt.Sprintf("%s: since it was served, at %s; before: %s at %s", unexplained,
			since.Format("15:04:05.000"), all[len(all)-1].text, all[len(all)-1].at.Format("15:04:05.000"))
	}
	return best.text
}

// trail tells all events about a credential since a time.
func (s *soaker) trail(id string, since time.Time) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for _, e := range s.all {
		if (e.ID == id || e.ID == "") && !e.Time.Before(since) {
			fmt.Fprintf(&b, "; %s %s %s %d %v", e.Time.Format("05.000"), e.Type, e.Reason, e.Status, e.Err)
		}
	}
	return b.String()
}

// observe remembers, and reports, an event that tells of trouble.
func (s *soaker) observe(e reauth.Event) {
	s.mu.Lock()
	s.all = append(s.all[max(0, len(s.all)-200):], e)
	s.mu.Unlock()
	t := told{at: time.Now(), text: strings.TrimSpace(string(e.Type) + " " + e.Reason), rank: rankOf(e)}
	if t.rank == 0 {
		return
	}
	s.mu.Lock()
	list := append(s.told[e.ID], t)
	s.told[e.ID] = list[max(0, len(list)-100):]
	s.mu.Unlock()
	if t.rank > rankNews {
		s.note(Note{What: noteEvent, ID: e.ID, Text: t.text + ": " + textOf(e.Err)})
	}
}

func (s *soaker) countServed() {
	for range time.Tick(time.Second) {
		s.tellServed()
	}
}

func (s *soaker) tellServed() {
	if n := s.served.Swap(0); n > 0 {
		s.note(Note{What: noteServed, Served: int(n)})
	}
}

// saw notes what the store holds of a credential, when that is new.
func (s *soaker) saw(what string, e reauth.Entry) {
	id, token := e.Credential.ID, e.Credential.RefreshToken
	if id == "" {
		return
	}
	s.mu.Lock()
	same := what == noteSaw && s.seen[id] == token
	s.seen[id] = token
	s.mu.Unlock()
	if !same {
		s.note(Note{What: what, ID: id, Token: token, Removed: e.Removed})
	}
}

// watchedStore is a store that notes what its pool sees and stores.
type watchedStore struct {
	reauth.Store
	s *soaker
}

// Load implements reauth.Store.
func (w *watchedStore) Load(ctx context.Context, version string) (reauth.Snapshot, error) {
	snap, err := w.Store.Load(ctx, version)
	for _, e := range snap.Entries {
		w.s.saw(noteSaw, e)
	}
	return snap, err
}

// Update implements reauth.Store.
func (w *watchedStore) Update(
	ctx context.Context, provider, id string, fn func(reauth.Holding) (reauth.Entry, error),
) (reauth.Entry, error) {
	e, err := w.Store.Update(ctx, provider, id, func(h reauth.Holding) (reauth.Entry, error) {
		if h.Found {
			w.s.saw(noteSaw, h.Entry)
		}
		return fn(h)
	})
	switch {
	case err == nil:
		w.s.saw(noteSaved, e)
	case errors.Is(err, reauth.ErrNotStored):
		w.s.note(Note{What: noteUnsaved, ID: id, Token: e.Credential.RefreshToken, Removed: e.Removed, Text: textOf(err)})
	}
	return e, err
}
