package main

import (
	"bytes"
	_ "embed"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

//go:embed testdata/pass.txt
var recorded string // one pass, in which some fixtures are judged

// recordedRun returns the output of all passes with the same figures.
func recordedRun() string { return strings.Repeat(recorded, passes) }

func parsed(t *testing.T, text string) *results {
	t.Helper()
	r, err := parse(strings.NewReader(text))
	require.NoError(t, err)
	return r
}

func TestRender(t *testing.T) {
	env := environment{
		Day: "1 January 2026", Cores: 2, System: "Plan 9", Load: "0.01", Go: "go1.26", Commit: "0123abc",
		Versions: []version{{"golang.org/x/oauth2", "v0.37.0"}},
	}
	files, err := render(parsed(t, recordedRun()), env)
	require.NoError(t, err)
	require.Len(t, files, 6)

	text := string(files[page])
	for _, want := range []string{"go1.26", "0123abc", "Plan 9", "v0.37.0", "Oxide", "There are 6 passes"} {
		require.Contains(t, text, want)
	}
	for _, never := range []string{"NaN", "%!", "<no value>", "Inf", "quick pass, with"} {
		require.NotContains(t, text, never)
	}
	requireTables(t, text, 22)
	for _, chart := range []string{"overhead.svg", "storm.svg", "choose.svg", "store.svg", "proxy.svg"} {
		require.Contains(t, text, "]("+chart+")")
		requireXML(t, files[chart])
		require.Contains(t, string(files[chart]), "reauth")
	}
	require.Contains(t, string(files["storm.svg"]), "19, 999, 9,989 calls failed",
		"the chart shows how many calls failed")
}

// requireTables checks the number of tables, and that no row lacks a cell.
func requireTables(t *testing.T, text string, want int) {
	t.Helper()
	tables, cells := 0, 0
	for line := range strings.Lines(text) {
		n := strings.Count(line, "|")
		switch {
		case !strings.HasPrefix(line, "|"):
			cells = 0
		case cells == 0:
			tables++
			cells = n
		default:
			require.Equal(t, cells, n, line)
			require.NotContains(t, line, "|  |")
		}
	}
	require.Equal(t, want, tables)
}

func requireXML(t *testing.T, content []byte) {
	t.Helper()
	for d := xml.NewDecoder(bytes.NewReader(content)); ; {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err)
	}
}

func TestQuickPassJudgesNothing(t *testing.T) {
	files, err := render(parsed(t, recorded), environment{Quick: true})
	require.NoError(t, err)
	text := string(files[page])
	require.Contains(t, text, "quick pass, with")
	require.NotContains(t, text, "**missed**")
	require.NotContains(t, text, "| met")
}

// The simulation of the root module runs from here, and its lines are figures.
func TestSimulationIsMeasured(t *testing.T) {
	out, err := simulation(t.Context(), "../..", true)
	require.NoError(t, err)
	r := parsed(t, string(out))
	requireTables(t, r.simulationTables(), 3)
	require.NoError(t, r.err())

	broken := regexp.MustCompile(` [0-9]+ sends`).ReplaceAllString(string(out), "")
	r = parsed(t, broken)
	r.simulationTables()
	require.ErrorContains(t, r.err(), "the output lacks Simulate/service=claude")
}

func TestMissingFigure(t *testing.T) {
	line := regexp.MustCompile(`(?m)^BenchmarkMemory/length=unknown/by=reauth.*\n`)
	require.True(t, line.MatchString(recorded))
	_, err := render(parsed(t, line.ReplaceAllString(recordedRun(), "")), environment{})
	require.ErrorContains(t, err, "Memory/length=unknown/by=reauth x-bytes")

	_, err = parse(strings.NewReader("PASS\n"))
	require.Error(t, err)
}

// Each target depends on its own figures only. A row sets some figures; the others are those of the
// recorded pass.
func TestTargets(t *testing.T) {
	type figures = map[string]string
	const mib = "BenchmarkOverhead/base=memory/body=1MiB/"
	for _, row := range []struct {
		target string // the beginning of its text
		set    figures
		met    bool
		note   string
	}{
		{"overhead of a request", posts("100 ns/op", "700 ns/op", "1100 ns/op"), true, ""},
		{"overhead of a request", posts("100 ns/op", "800 ns/op", "1100 ns/op"), false, ""},
		{"allocations of", posts("4 allocs/op", "10 allocs/op", "13 allocs/op"), true, ", and the aim of +6"},
		{"allocations of", posts("4 allocs/op", "13 allocs/op", "13 allocs/op"), false, ""},
		{"copies made of a body with GetBody", figures{mib + "getbody=yes/by=reauth": "1512 B/op"}, true, ""},
		{"copies made of a body with GetBody", figures{mib + "getbody=yes/by=reauth": "1055525 B/op"}, false, ""},
		{"copies made of a body without GetBody", figures{mib + "getbody=no/by=reauth": "1055525 B/op"}, true, ""},
		{"copies made of a body without GetBody", figures{mib + "getbody=no/by=reauth": "2229528 B/op"}, false, ""},
		{"overhead with 100 or 10,000", pools("3000 ns/op", "3000 ns/op"), true, " (100, fill-first)"},
		{"overhead with 100 or 10,000", pools("3000 ns/op", "9000 ns/op"), false, " (10,000, 9,999 put aside, random)"},
		{"requests out of a thousand", figures{"BenchmarkParallel/by=reauth": "0 waits/1000"}, true, ""},
		{"requests out of a thousand", figures{"BenchmarkParallel/by=reauth": "0.2 waits/1000"}, false, ""},
		{"throughput", throughput("400 MB/s", "396 MB/s"), true, " (HTTP/2)"},
		{"throughput", throughput("400 MB/s", "380 MB/s"), false, " (HTTP/2)"},
		{"time to the first byte", firstBytes("100 first-ns/op", "90 first-ns/op"), true, ""},
		{"time to the first byte", firstBytes("100 first-ns/op", "110 first-ns/op"), false, ""},
		{"storm of 20", storm20(210, 1, 0), true, ", one exchange, none failed"},
		{"storm of 20", storm20(250, 1, 0), false, ", one exchange, none failed"},
		{"storm of 20", storm20(210, 2, 0), false, " (once 2 exchanges, 0 failed)"},
		{"storm of 20", storm20(210, 1, 3), false, " (once 1 exchanges, 3 failed)"},
		{"memory", figures{"BenchmarkMemory/length=unknown/by=reauth": "1.06 x-bytes"}, true, ""},
		{"memory", figures{"BenchmarkMemory/length=unknown/by=reauth": "1.2 x-bytes"}, false, ""},
	} {
		requireTarget(t, row.target, row.set, row.met, row.note)
	}
}

// requireTarget sets figures and checks the targets whose text begins so.
func requireTarget(t *testing.T, beginning string, set map[string]string, met bool, note string) {
	t.Helper()
	r := parsed(t, change(t, recordedRun(), set))
	i := 0
	for _, g := range r.targets() {
		if strings.HasPrefix(g.what, beginning) {
			i++
			require.Equal(t, met, g.met, "%s: %s, with %v", g.what, g.got, set)
			require.Equal(t, note, g.note, "%s: %s, with %v", g.what, g.got, set)
		}
	}
	require.NotZero(t, i, beginning)
	require.NoError(t, r.err())
}

// change replaces figures of benchmarks in an output. Tabs separate several figures of one
// benchmark.
func change(t *testing.T, text string, set map[string]string) string {
	t.Helper()
	for name, figures := range set {
		for figure := range strings.SplitSeq(figures, "\t") {
			_, unit, _ := strings.Cut(figure, " ")
			line := `(?m)^(` + regexp.QuoteMeta(name) + `-\d+\s.*?)\S+ ` + regexp.QuoteMeta(unit) + `(\s|$)`
			re := regexp.MustCompile(line)
			require.True(t, re.MatchString(text), "%s %s", name, unit)
			text = re.ReplaceAllString(text, "${1}"+figure+"${2}")
		}
	}
	return text
}

// posts sets a figure of a POST of 2 KiB with GetBody, in memory, for three of the contestants.
func posts(bare, reauth, oauth2 string) map[string]string {
	const post = "BenchmarkOverhead/base=memory/body=2KiB/getbody=yes/by="
	return map[string]string{post + "bare": bare, post + "reauth": reauth, post + "oauth2": oauth2}
}

// pools sets the time of a request for all pools, and another time for the last of them.
func pools(all, last string) map[string]string {
	set := map[string]string{"BenchmarkOverhead/base=memory/body=2KiB/getbody=yes/by=bare": "1000 ns/op"}
	for _, s := range strategies() {
		for _, c := range crowds() {
			set["BenchmarkPool/"+c.name+"/strategy="+s+"/by=reauth"] = all
		}
	}
	set["BenchmarkPool/pool=10000/aside=9999/strategy=random/by=reauth"] = last
	return set
}

func throughput(bare, http2 string) map[string]string {
	return map[string]string{
		"BenchmarkThroughput/base=http1/by=bare": bare, "BenchmarkThroughput/base=http1/by=reauth": bare,
		"BenchmarkThroughput/base=http2/by=bare": bare, "BenchmarkThroughput/base=http2/by=reauth": http2,
	}
}

func firstBytes(bare, http2 string) map[string]string {
	return map[string]string{
		"BenchmarkFirstByte/base=http1/by=bare": bare, "BenchmarkFirstByte/base=http1/by=reauth": bare,
		"BenchmarkFirstByte/base=http2/by=bare": bare, "BenchmarkFirstByte/base=http2/by=reauth": http2,
	}
}

// storm20 sets the time, the exchanges and the failed calls of a storm of 20 calls over reauth, and
// a time of 205 ms for the ideal.
func storm20(ms, exchanges, failed int) map[string]string {
	return map[string]string{
		"BenchmarkStorm/base=http1/calls=20/by=ideal": "205000000 ns/op",
		"BenchmarkStorm/base=http1/calls=20/by=reauth": fmt.Sprintf("%d000000 ns/op\t%d exchanges/op\t%d failed/op",
			ms, exchanges, failed),
	}
}

func TestFormat(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0 ns", 2.5749e-6: "2.57 µs", 0.2051: "205 ms", 12.34: "12.3 s", 1e-3: "1 ms",
	} {
		require.Equal(t, want, seconds(v))
	}
	for v, want := range map[float64]string{0: "0 B", 1512: "1.48 KiB", 1 << 20: "1 MiB", -100: "-100 B"} {
		require.Equal(t, want, size(v))
	}
	for v, want := range map[float64]string{0: "0", 999: "999", 1000: "1,000", 9994.4: "9,994", 1234567: "1,234,567"} {
		require.Equal(t, want, thousands(v))
	}
	require.Equal(t, "−3 ns", signed(seconds(-3e-9)))
	require.Equal(t, "+3 ns", signed(seconds(3e-9)))
}
