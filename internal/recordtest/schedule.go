package recordtest

import (
	"bufio"
	"cmp"
	"embed"
	"fmt"
	"io/fs"
	"iter"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// Schedule is a list of steps. The seed also decides how long each operation takes.
type Schedule struct {
	Seed  uint64
	Steps []Step
}

// Step is one thing that happens. The schedule goes on to the next step at once, whatever this one
// has started.
type Step struct {
	Wait time.Duration // before it
	Do   string
	Proc int           // the process that it concerns, from 1; 0: none
	At   string        // the operation at which it happens; empty: now
	For  time.Duration // how long it lasts
	N    int           // which snapshot
}

// What happens.
const (
	doStart   = "start"    // a process starts
	doRequest = "request"  // it sends a request
	doLook    = "look"     // it sends a request of another provider, which makes it look at the store
	doLogin   = "login"    // a person logs in, and adds the new pair
	doEnv     = "env"      // the process adds the pair that its environment has
	doRemove  = "remove"   // a person removes the credential
	doReset   = "reset"    // a person resets it
	doCrash   = "crash"    // the process dies
	doPause   = "pause"    // it is suspended
	doFail    = "fail"     // its operations of that kind fail
	doExpire  = "expire"   // all access tokens expire
	doLimit   = "limit"    // the API refuses with 429 and says until when
	doNoReset = "throttle" // the API refuses with 429 and does not say until when
	doReject  = "reject"   // the API refuses all access tokens
	doCopy    = "copy"     // somebody makes a backup of the place
	doPutBack = "put-back" // somebody puts a backup back
	doHide    = "hide"     // the place is away
	doShow    = "show"     // and comes back
	doDelete  = "delete"   // the place is deleted
)

// weights says how often each step is made, in relation to the others.
//
//nolint:gochecknoglobals // a table
var weights = []struct {
	do     string
	weight int
}{
	{doRequest, 30},
	{doLook, 10},
	{doExpire, 14},
	{doLogin, 5},
	{doEnv, 3},
	{doRemove, 3},
	{doReset, 3},
	{doLimit, 3},
	{doNoReset, 2},
	{doReject, 2},
	{doStart, 3},
	{doCrash, 4},
	{doPause, 4},
	{doFail, 6},
	{doCopy, 5},
	{doPutBack, 6},
	{doHide, 2},
	{doShow, 2},
	{doDelete, 1},
}

// most is how many processes a schedule has at once.
const most = 4

// Operations at which a process dies or is suspended, and those that fail.
//
//nolint:gochecknoglobals // tables
var (
	stops = []string{
		"load", "loaded", "claim", "read", "spend", "spent", "exchange", "exchanged", "persist", "release", "mark",
		"marked", "send", "answer",
	}
	failures = []string{"load", "claim", "spend", "save", "mark"}
)

// newSchedule makes the schedule of a seed.
func newSchedule(seed uint64) Schedule {
	r := rand.New(rand.NewPCG(seed, 0))
	s := Schedule{Seed: seed}
	for i := range 2 + r.IntN(2) {
		s.Steps = append(s.Steps, Step{Do: doStart, Proc: i + 1})
	}
	s.Steps = append(s.Steps, Step{Do: doLogin, Proc: 1}, Step{Do: doLook, Proc: 2, Wait: 2 * time.Second})
	for range []int{10, 20, 40, 80}[r.IntN(4)] {
		s.Steps = append(s.Steps, newStep(r))
	}
	return s
}

// newStep makes one step.
func newStep(r *rand.Rand) Step {
	s := Step{Do: anyStep(r), Wait: anyWait(r)}
	switch s.Do {
	case doStart, doRequest, doLook, doLogin, doEnv, doRemove, doReset:
		s.Proc = 1 + r.IntN(most)
	case doCrash, doPause:
		s.Proc = 1 + r.IntN(most)
		if r.IntN(4) > 0 {
			s.At = stops[r.IntN(len(stops))]
		}
		s.For = time.Duration(r.Int64N(int64(25 * time.Second)))
	case doFail:
		s.Proc, s.At = 1+r.IntN(most), failures[r.IntN(len(failures))]
		s.For = time.Duration(r.Int64N(int64(15 * time.Second)))
	case doLimit:
		s.For = time.Duration(r.IntN(600)) * time.Second
	case doNoReset, doReject:
		s.For = time.Duration(r.Int64N(int64(10 * time.Second)))
	case doPutBack:
		s.N = r.IntN(100)
	}
	if s.Do == doCrash {
		s.For = 0
	}
	return s
}

func anyStep(r *rand.Rand) string {
	all := 0
	for _, w := range weights {
		all += w.weight
	}
	n := r.IntN(all)
	for _, w := range weights {
		if n -= w.weight; n < 0 {
			return w.do
		}
	}
	return doLook
}

// anyWait is mostly short, so that steps meet each other.
func anyWait(r *rand.Rand) time.Duration {
	longest := []time.Duration{
		50 * time.Millisecond, 50 * time.Millisecond, 50 * time.Millisecond, time.Second, time.Second, 5 * time.Second,
		40 * time.Second,
	}
	return time.Duration(r.Int64N(int64(longest[r.IntN(len(longest))])))
}

// String is the step as a line of a program.
func (s Step) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "+%v", s.Wait)
	if s.Proc > 0 {
		fmt.Fprintf(&b, " P%d", s.Proc)
	}
	b.WriteString(" " + s.Do)
	if s.At != "" {
		b.WriteString(" at " + s.At)
	}
	if s.For > 0 {
		fmt.Fprintf(&b, " for %v", s.For)
	}
	if s.Do == doPutBack {
		fmt.Fprintf(&b, " number %d", s.N)
	}
	return b.String()
}

// String is the schedule as a program.
func (s Schedule) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d\n", s.Seed)
	for _, step := range s.Steps {
		b.WriteString(step.String() + "\n")
	}
	return b.String()
}

// parseSchedule reads a program. Lines that begin with "#" are for people.
func parseSchedule(text string) (s Schedule, err error) {
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		switch {
		case line == "", line[0] == '#':
		case strings.HasPrefix(line, "seed "):
			_, err = fmt.Sscanf(line, "seed %d", &s.Seed)
		default:
			var step Step
			step, err = parseStep(strings.Fields(line))
			s.Steps = append(s.Steps, step)
		}
		if err != nil {
			return s, fmt.Errorf("%q: %w", line, err)
		}
	}
	return s, nil
}

// parseStep reads what Step.String writes.
func parseStep(words []string) (s Step, err error) {
	s.Wait, err = time.ParseDuration(strings.TrimPrefix(words[0], "+"))
	for i := 1; i < len(words) && err == nil; i++ {
		value := ""
		if i+1 < len(words) {
			value = words[i+1]
		}
		switch word := words[i]; {
		case word[0] == 'P':
			_, err = fmt.Sscanf(word, "P%d", &s.Proc)
			continue
		case word == "at":
			s.At = value
		case word == "for":
			s.For, err = time.ParseDuration(value)
		case word == "number":
			_, err = fmt.Sscanf(value, "%d", &s.N)
		default:
			s.Do = word
			continue
		}
		i++
	}
	return s, err
}

//go:embed testdata
var kept embed.FS

// keptSchedules returns the programs in testdata, by the names of their files.
func keptSchedules(t testing.TB) iter.Seq2[string, Schedule] {
	return func(yield func(string, Schedule) bool) {
		names, err := fs.Glob(kept, "testdata/*.txt")
		for _, name := range names {
			text, e := kept.ReadFile(name)
			s, e2 := parseSchedule(string(text))
			if err = cmp.Or(err, e, e2); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if !yield(name, s) {
				return
			}
		}
	}
}
