package simulate

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRowSurvivesItsLine(t *testing.T) {
	r := Row{Service: "claude", By: "reauth least-in-flight", Accounts: 30, Load: 0.8, Measures: Measures{
		Requests: 1234, Served: 1200, Refused: 34, Servable: 3, Sends: 1300, Wasted: 100, Astray: 50,
		Quota: Leftover{1.25, 5},
		Week:  Leftover{2, 4},
	}}
	assert.Equal(t, r, reread(t, r))

	_, ok := ParseRow("Storm/calls=20", func(string) (float64, bool) { return 0, true })
	assert.False(t, ok)
	_, ok = ParseRow("Simulate/service=x", func(string) (float64, bool) { return 0, false })
	assert.False(t, ok, "a row without its figures")
	_, ok = ParseRow("Simulate/accounts=x", func(string) (float64, bool) { return 0, true })
	assert.False(t, ok)
}

// reread returns the row that its line tells.
func reread(t *testing.T, r Row) Row {
	fields := strings.Fields(r.Line())
	figures := make(map[string]float64)
	for i := 2; i < len(fields); i += 2 {
		v, err := strconv.ParseFloat(fields[i], 64)
		require.NoError(t, err)
		figures[fields[i+1]] = v
	}
	got, ok := ParseRow(strings.TrimPrefix(fields[0], "Benchmark"), func(unit string) (float64, bool) {
		v, ok := figures[unit]
		return v, ok
	})
	require.True(t, ok, r.Line())
	return got
}

func TestMarkdown(t *testing.T) {
	m := Measures{
		Requests: 2000, Served: 1995, Refused: 5, Servable: 1, Sends: 2100, Wasted: 105, Quota: Leftover{1, 2},
	}
	text := Markdown([]Row{
		{Service: "codex", Accounts: 3, Load: 0.8, By: "reauth random", Measures: m},
		{Service: "codex", Accounts: 3, Load: 0.8, By: "plain round robin", Measures: m},
		{Service: "codex", Accounts: 3, Load: 1.2, By: "plain round robin", Measures: m},
	})
	assert.Equal(t, 2, strings.Count(text, "| by |"), "a table for each scenario")
	assert.Contains(t, text, "**codex, 3 accounts, load 80 %**, 2,000 requests")
	assert.Contains(t, text,
		"| **reauth** random | 1,995 | 5 (0.25 %) | 1 (20 %) | 2,100 | 105 (5.2 %) | 0 | 50 % | – |\n")
}
