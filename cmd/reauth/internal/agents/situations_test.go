//go:build unix

package agents

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/reauth-go/reauth/reauthtest"
)

// said is the answer of the fake model.
const said = "Hello from the fake provider."

// situation is what an agent runs into. Its answer says that the agent must show the model's
// answer, and that it costs one exchange of the refresh token.
type situation struct {
	name    string
	prepare func(w *world)
	answer  bool
	helper  bool // of an agent whose own setting runs reauth token; else through proxy and exec
}

// situations are the rows of the tables.
var situations = []situation{
	{name: "expired token", answer: true, prepare: func(w *world) { w.spoil() }},
	{name: "dead login", prepare: func(w *world) {
		if w.agent.key {
			w.fake.Block()
			return
		}
		w.fake.Revoke(w.refresh)
	}},
	{name: "used-up quota", prepare: func(w *world) { w.fake.Exhaust(time.Time{}) }},
	{name: "missing entitlement", prepare: func(w *world) { w.fake.Forbid() }},
	{name: "stream refused in its first event", prepare: func(w *world) { w.refuseInStream() }},
	{name: "helper: token renewed by another program", helper: true, answer: true, prepare: func(w *world) {
		w.once(func() {
			w.reauth("", append([]string{"refresh", w.agent.provider}, w.at()[2:]...)...)
			w.fake.Expire(w.access)
		})
	}},
	{name: "helper: token ended early", helper: true, prepare: func(w *world) {
		w.once(func() { w.fake.Expire(w.access) })
	}},
}

// spoil makes the provider refuse the token. A key is replaced by another credential: it cannot be
// renewed.
func (w *world) spoil() {
	w.fake.Expire(w.access)
	if w.agent.key {
		w.fake.AddKey("AIza-EXAMPLE-SECOND")
		w.reauth("AIza-EXAMPLE-SECOND", "add", w.agent.provider, "--key-stdin", "--id", "second")
	}
}

// once calls do when the first request to the model arrives with the token of the beginning.
func (w *world) once(do func()) {
	var first sync.Once
	w.fake.Change(func(p *reauthtest.Provider) {
		p.Refuse = func(r *http.Request, token string) *reauthtest.Answer {
			if token == w.access && r.Method == http.MethodPost {
				first.Do(do)
			}
			return nil
		}
	})
}

// refuseInStream makes the provider refuse the token in the first event of a stream.
func (w *world) refuseInStream() {
	if w.agent.key {
		w.fake.AddKey("AIza-EXAMPLE-SECOND")
		w.reauth("AIza-EXAMPLE-SECOND", "add", w.agent.provider, "--key-stdin", "--id", "second")
	}
	w.fake.Change(func(p *reauthtest.Provider) {
		p.Refuse = func(r *http.Request, token string) *reauthtest.Answer {
			if token != w.access || r.Method != http.MethodPost || strings.Contains(r.URL.Path, "oauth") {
				return nil
			}
			return &reauthtest.Answer{
				Status: http.StatusOK, Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: w.agent.refusal,
			}
		}
	})
}

// brief are the cells of an agent that is slow to start, where not everything runs.
var brief = []string{"expired token, " + byExec}

// TestAgents runs each agent through each situation, and compares what the person sees with
// agents.md.
func TestAgents(t *testing.T) {
	for _, a := range agents {
		t.Run(a.name, func(t *testing.T) {
			b := &table{columns: a.columns()}
			b.load(t, a.name)
			t.Run("situations", func(t *testing.T) {
				for _, s := range situations {
					if s.helper && a.helper == nil || !s.helper && a.command == nil {
						continue
					}
					b.rows = append(b.rows, s.name)
					for _, way := range a.ways(s) {
						if !everything && a.slow && !slices.Contains(brief, s.name+", "+way) {
							continue
						}
						t.Run(s.name+"/"+way, func(t *testing.T) {
							t.Parallel()
							b.set(s.name, way, a.meets(t, s, way))
						})
					}
				}
			})
			b.compare(t, a.name)
		})
	}
}

// The ways to use the command.
const (
	byProxy  = "`reauth proxy`"
	byExec   = "`reauth exec`"
	byHelper = "`reauth token`"
)

func (a *agent) columns() []string {
	switch {
	case a.helper == nil:
		return []string{byProxy, byExec}
	case a.command == nil:
		return []string{byHelper}
	}
	return []string{byProxy, byExec, byHelper}
}

// ways are the columns that have a cell for a situation.
func (a *agent) ways(s situation) []string {
	if s.helper {
		return []string{byHelper}
	}
	return []string{byProxy, byExec}
}

// meets runs an agent in a situation, and returns the cell.
func (a *agent) meets(t *testing.T, s situation, way string) string {
	w := newWorld(t, a)
	s.prepare(w)
	var got *seen
	switch way {
	case byProxy:
		got = a.through(w, w.proxy(), "any")
	case byExec:
		exec := append(append([]string{binary, "exec", "--first-event", "5s"}, w.at()...), a.provider, "--")
		got = w.program(nil, append(exec, a.command(w)...)...)
	case byHelper:
		got = a.helper(w)
	}
	if s.answer {
		assert.Equal(t, 0, got.code)
		assert.Contains(t, got.words, said)
		if !a.key {
			assert.Equal(t, 1, w.fake.Exchanges())
		}
	}
	assert.Zero(t, w.fake.Reuses())
	return got.String() + w.told()
}

// told is how often the model was asked, and how the provider answered.
func (w *world) told() string {
	var list []string
	last, n := 0, 0
	flush := func() {
		switch {
		case n == 1:
			list = append(list, fmt.Sprint(last))
		case n > 1:
			list = append(list, fmt.Sprintf("%d × %d", n, last))
		}
	}
	for _, r := range w.fake.Requests() {
		if r.Method != http.MethodPost {
			continue
		}
		if r.Status != last {
			flush()
			last, n = r.Status, 0
		}
		n++
	}
	flush()
	return "; provider: " + strings.Join(list, ", ")
}
