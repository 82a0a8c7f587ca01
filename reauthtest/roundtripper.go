package reauthtest

import (
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"
)

// TestRoundTripper checks that an http.RoundTripper which wraps another one keeps to the contract
// of http.RoundTripper and to what http.Client, the transports of net/http and the programs above
// rely on. It is to round trippers what fstest.TestFS is to file systems:
//
//	func TestTransport(t *testing.T) {
//		reauthtest.TestRoundTripper(t, func(base http.RoundTripper) http.RoundTripper {
//			return &Transport{Base: base}
//		})
//	}
//
// Each obligation is a subtest of its own. A failure says what is broken, what comes of it, and
// where net/http says so.
//
// wrap is called many times, one call at a time, and never with nil. What it returns is used by
// several goroutines at once, as the contract allows. The bases are scripted round trippers in
// memory and real servers on the loopback interface, HTTP/1.1 and HTTP/2, and keep to the contract
// themselves. Requests go to https://api.example.com; one redirect leads to
// https://stranger.example. A transport that adds credentials should have one for the first and
// none for the second.
//
// The transport may add headers and replace Authorization, it may compress and decompress, and it
// may send a request again when an answer suggests so: only what it makes of that is judged. One
// that waits between sends should be set up to wait for milliseconds. A transport that hangs or
// panics fails the subtest; only a panic in a goroutine of its own ends the program. Run it with
// the race detector, which judges along.
//
// What is not checked: how credentials are obtained and refreshed, and what a nil base means, for
// which net/http has no rule.
func TestRoundTripper(t *testing.T, wrap func(base http.RoundTripper) http.RoundTripper) {
	t.Helper()
	s := &suite{wrap: wrap, patience: patience}
	for _, o := range obligations() {
		t.Run(o.Name, func(t *testing.T) {
			t.Helper()
			for _, failure := range s.run(o) {
				t.Errorf("%s\nobligation: %s\nwhy:        %s\nsource:     %s", failure, o.Duty, o.Why, o.Source)
			}
		})
	}
}

// CheckRoundTripper does what TestRoundTripper does without a test: it returns every obligation, in
// the order of the subtests, with the ways in which the transport broke it.
//
// It may be called in a bubble of testing/synctest, where a transport that waits for seconds takes
// no time. Its servers are in memory then, as a socket would stop the bubble's clock. So does a
// transport that waits for a sync.Mutex for ever.
func CheckRoundTripper(wrap func(base http.RoundTripper) http.RoundTripper) []Obligation {
	return (&suite{wrap: wrap, patience: patience, memory: inBubble()}).all()
}

// Obligation is something that a wrapping http.RoundTripper has to do.
type Obligation struct {
	Name     string   // of the subtest; it does not change
	Duty     string   // what is to be done, in a sentence
	Why      string   // what comes of not doing it
	Source   string   // where net/http says so or relies on it
	Failures []string // the ways in which it was broken; none: it was kept

	check func(*check)
}

// patience is how long one case of an obligation may take; they take milliseconds. It only ends
// what would hang for ever.
const patience = 20 * time.Second

// suite is a run of the obligations over one transport.
type suite struct {
	wrap     func(http.RoundTripper) http.RoundTripper
	patience time.Duration
	memory   bool // servers are in memory, not on the loopback interface
	wrapping sync.Mutex
}

func (s *suite) all() []Obligation {
	list := obligations()
	for i := range list {
		list[i].Failures = s.run(list[i])
	}
	return list
}

// run checks one obligation and returns how it was broken, in a fixed order.
func (s *suite) run(o Obligation) []string {
	r := new(record)
	c := newCheck(s, r, "")
	c.guard(o.check)
	r.cases.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	failures := slices.Clone(r.failures)
	slices.Sort(failures)
	return slices.Compact(failures)
}

// obligations returns them all: the request first, its body, the answer, and what both live in.
func obligations() []Obligation {
	return slices.Concat(requestObligations(), uploadObligations(), responseObligations(), lifecycleObligations())
}
