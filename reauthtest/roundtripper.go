package reauthtest

import (
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"
)

// TestRoundTripper checks that an http.RoundTripper which wraps another one keeps the contract of
// http.RoundTripper, and what http.Client, the transports of net/http and the programs above rely
// on. It is to round trippers what fstest.TestFS is to file systems:
//
//	func TestTransport(t *testing.T) {
//		reauthtest.TestRoundTripper(t, func(base http.RoundTripper) http.RoundTripper {
//			return &Transport{Base: base}
//		})
//	}
//
// Each obligation is a subtest of its own. A failure says what the transport broke, what follows
// from that, and where net/http says so.
//
// TestRoundTripper calls wrap many times, one call at a time, and never with nil. Several
// goroutines use the returned transport at once, as the contract allows. The bases are scripted
// round trippers in memory, and real servers on the loopback interface that speak HTTP/1.1 and
// HTTP/2. The bases keep the contract themselves. Requests go to https://api.example.com; one
// redirect leads to https://stranger.example. A transport that adds credentials should have one for
// the first host and none for the second.
//
// The transport may add headers, replace Authorization, compress and decompress. It may send a
// request again if an answer suggests that. TestRoundTripper judges only how it does so. A
// transport that waits between sends should be set up to wait for milliseconds. If a transport
// hangs or panics, the subtest fails. Only a panic in a goroutine that the transport started ends
// the program. Run the test with the race detector, which finds further faults.
//
// TestRoundTripper does not check how a transport obtains and refreshes credentials. Nor does it
// check what a nil base means, because net/http has no rule for that.
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

// CheckRoundTripper does the same as TestRoundTripper, but without a test. It returns every
// obligation, in the order of the subtests, with the ways in which the transport broke it.
//
// It may run in a bubble of testing/synctest, where a transport that waits for seconds takes no
// time. The servers are in memory then, because a socket would stop the clock of the bubble. A
// transport that waits for a sync.Mutex for ever stops that clock too.
func CheckRoundTripper(wrap func(base http.RoundTripper) http.RoundTripper) []Obligation {
	return (&suite{wrap: wrap, patience: patience, memory: inBubble()}).all()
}

// Obligation is something that a wrapping http.RoundTripper has to do.
type Obligation struct {
	Name     string   // of the subtest; it does not change
	Duty     string   // what the transport has to do
	Why      string   // what happens if it does not
	Source   string   // where net/http says so or relies on it
	Failures []string // the ways in which the transport broke it; empty if it kept it

	check func(*check)
}

// patience is how long one case of an obligation may take. A case takes milliseconds: the limit
// only ends a case that would hang for ever.
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

// run checks one obligation and returns how the transport broke it, in a fixed order.
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

// obligations returns all obligations: those to the request, to its body, to the answer, and to the
// lifetime of all three.
func obligations() []Obligation {
	return slices.Concat(requestObligations(), uploadObligations(), responseObligations(), lifecycleObligations())
}
