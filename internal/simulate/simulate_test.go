package simulate

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"

	"github.com/reauth-go/reauth/internal/testrig"
)

// size is the flag -simulate.
var size = testrig.NewSize("simulate", "how large the pools of TestTable are")

// TestTable prints the table of the simulation in Markdown, and each row of it as a line of a
// benchmark. With -simulate=full its pools have 3, 30 and 300 accounts, which takes minutes.
func TestTable(t *testing.T) {
	var rows []Row
	for _, s := range Services() {
		for _, accounts := range testrig.Sized(size, []int{2}, []int{3}, []int{3, 30, 300}) {
			for _, load := range testrig.Sized(size, []float64{1.2}, []float64{1.2}, []float64{0.5, 0.8, 1.2}) {
				scenario := Scenario{Service: s, Accounts: accounts, Load: load, Days: days(accounts)}
				scenario.Service.Span /= testrig.Sized(size, 8, 4, whole(s, accounts))
				rows = append(rows, play(t, scenario)...)
			}
		}
	}
	if text := Markdown(rows); testrig.Sized(size, false, false, true) {
		fmt.Println(text)
	}
}

// days is how many days a pool of that size is played.
func days(accounts int) int {
	return testrig.Sized(size, 1, 1, max(1, 60/accounts))
}

// whole is the part of a service's span that the full size plays: all, and four minutes of an hour of
// limits per minute with hundreds of accounts, of which each minute is like the other. A contestant that
// sends a request 24 times takes a minute for ten of them.
func whole(s Service, accounts int) time.Duration {
	if s.Span <= time.Hour && accounts > 100 {
		return 15
	}
	return 1
}

// play lets all contestants play a scenario, as many at a time as there are processors: each has a world
// and a clock of its own.
func play(t *testing.T, s Scenario) []Row {
	contestants := Contestants()
	rows := make([]Row, len(contestants))
	t.Run(fmt.Sprintf("%s, %d, %g", s.Service.Name, s.Accounts, s.Load), func(t *testing.T) {
		for i, c := range contestants {
			t.Run(c.Name, func(t *testing.T) {
				t.Parallel()
				rows[i] = NewRow(s, c, Run(t, s, c, judge(t, s, c)))
			})
		}
	})
	for i, c := range contestants {
		fmt.Println(rows[i].Line())
		check(t, c, rows[i])
	}
	return rows
}

// check checks what holds of any contestant's measures, and of reauth's.
func check(t *testing.T, c Contestant, r Row) {
	what := r.Line()
	require.Positive(t, r.Served, what)
	assert.Equal(t, r.Requests, r.Served+r.Refused, what)
	assert.Equal(t, r.Sends, r.Served+r.Wasted, "each send is an answer: %s", what)
	assert.LessOrEqual(t, r.Servable, r.Refused, what)
	assert.LessOrEqual(t, r.Astray, r.Wasted, what)
	if c.ours {
		more := float64(r.Wasted-r.Refused) / float64(r.Requests)
		assert.Less(t, more, ceiling(r), "sends above one a request: %s", what)
	}
}

// ceiling is the share of the requests above which reauth must not waste sends. A request that is
// refused in the end costs one send, since reauth leaves the refusal to the provider; that one is not
// counted. Windows are met a few times a day. Limits per minute are met all the time, and with many
// accounts FillFirst may try as many as MaxAttempts allows.
func ceiling(r Row) float64 {
	switch {
	case r.Service != "openai":
		return 0.1
	case r.Accounts <= 3:
		return 0.25
	}
	return mostSends
}

// Two runs are equal, unless the contestant draws lots.
func TestRunsAreEqual(t *testing.T) {
	for _, s := range Services() {
		s.Span /= 8
		scenario := Scenario{Service: s, Accounts: 3, Load: 1.2, Days: 1}
		for _, c := range Contestants() {
			if !c.Chance {
				assert.Equal(t, Run(t, scenario, c, nil), Run(t, scenario, c, nil), "%s: %s", s.Name, c.Name)
			}
		}
	}
}

// Where the accounts suffice, MostHeadroom wastes at most one send in a hundred, refuses nothing, and
// loses less of the windows than taking turns does: of those of five hours, and of those of a week.
func TestMostHeadroomLosesLittle(t *testing.T) {
	for _, s := range []Service{claude(), codex()} {
		scenario := Scenario{Service: s, Accounts: 30, Load: 0.5, Days: 1}
		with := func(s reauth.Strategy) Measures { return Run(t, scenario, Contestant{over: overPool(s)}, nil) }
		headroom, turns := with(reauth.MostHeadroom), with(reauth.RoundRobin)
		require.Positive(t, turns.Requests, s.Name)
		assert.Zero(t, headroom.Refused, s.Name)
		assert.LessOrEqual(t, headroom.Wasted*100, headroom.Requests, s.Name)
		assert.Less(t, headroom.Quota.Share(), 0.8*turns.Quota.Share(), s.Name)
		assert.Less(t, headroom.Week.Share(), turns.Week.Share(), s.Name)
	}
}

// judge returns what checks, at the moment of a refusal, that reauth has tried each account that is
// in good standing and could serve the request, up to MaxAttempts sends. It says nothing of a
// service with limits per minute: there a refused request may be larger than the one that put an
// account aside.
func judge(t *testing.T, s Scenario, c Contestant) Watch {
	return func(w *World, pool *reauth.Pool, ask Ask, sent []string) {
		if pool == nil || len(sent) >= mostSends || s.Service.Name == "openai" {
			return
		}
		for _, st := range pool.Status() {
			good := st.State == reauth.Good && st.Reason == "" // a probed one is not
			if good && !slices.Contains(sent, st.ID) && w.Serves(st.ID, ask) {
				t.Errorf("%s: %s is in good standing and would serve %v, which was refused after %v",
					c.Name, st.ID, ask, sent)
			}
		}
	}
}
