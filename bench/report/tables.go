package main

import (
	"fmt"
	"math"
	"path"
	"slices"
	"sort"
	"strings"

	"github.com/reauth-go/reauth/internal/simulate"
)

// named is a value in the name of a benchmark, and the title that a reader sees.
type named struct{ name, title string }

// contestants returns the libraries around the base, in the order of the report.
func contestants() []named {
	return []named{
		{"reauth", "**reauth**"},
		{"oauth2", "x/oauth2"},
		{"ghinstallation", "ghinstallation"},
		{"retryablehttp", "go-retryablehttp"},
		{"failsafehttp", "failsafehttp"},
	}
}

// survivors returns the libraries in a storm, in the order of the report.
func survivors() []named {
	return []named{
		{"reauth", "**reauth**"},
		{"anthropic-sdk-go", "anthropic-sdk-go, its own"},
		{"anthropic-sdk-go+reauth", "anthropic-sdk-go over **reauth**"},
		{"openai-go", "openai-go, its own"},
		{"openai-go+reauth", "openai-go over **reauth**"},
	}
}

func protocols() []string { return []string{"http1", "http2"} }

func protocolTitle(base string) string {
	return map[string]string{"memory": "in memory", "http1": "HTTP/1.1", "http2": "HTTP/2"}[base]
}

func strategies() []string { return []string{"fill-first", "round-robin", "least-in-flight", "random"} }

func crowds() []named {
	return []named{
		{"pool=1/aside=0", "1"},
		{"pool=100/aside=0", "100"},
		{"pool=10000/aside=0", "10,000"},
		{"pool=10000/aside=9999", "10,000, 9,999 put aside"},
	}
}

// storm is one size of BenchmarkStorm.
type storm struct {
	base  string
	calls int
}

func storms() []storm { return []storm{{"http1", 20}, {"http1", 1000}, {"memory", 10000}} }

func (s storm) title() string {
	where := "over loopback"
	if s.base == "memory" {
		where = "in memory"
	}
	return thousands(float64(s.calls)) + " calls " + where
}

// bodies returns the columns of the tables of overhead: the length of the body, and whether the
// request has GetBody.
func bodies() [][2]string {
	return [][2]string{{"2KiB", "yes"}, {"2KiB", "no"}, {"1MiB", "yes"}, {"1MiB", "no"}}
}

func bodyTitles() []string {
	return []string{"2 KiB, GetBody", "2 KiB, without", "1 MiB, GetBody", "1 MiB, without"}
}

func (r *results) targetTable() string {
	t := newTable("target", "limit", "measured", "verdict")
	for _, g := range r.targets() {
		verdict := g.verdict()
		if r.passes() < leastPasses {
			verdict = "not judged: too few samples"
		}
		t.row(g.what, g.limit, g.got, verdict)
	}
	return t.text
}

// overheadTable shows what each library adds to a request in memory.
func (r *results) overheadTable() string {
	t := newTable(append([]string{"in memory"}, bodyTitles()...)...)
	cells := []string{"the bare base"}
	for _, b := range bodies() {
		s := r.of("sec/op", overheadName, b[0], b[1], "bare")
		allocs := r.of("allocs/op", overheadName, b[0], b[1], "bare").median()
		cells = append(cells, fmt.Sprintf("%s, %s allocs", seconds(s.median()), thousands(allocs)))
	}
	t.row(cells...)
	for _, c := range contestants() {
		cells := []string{c.title}
		for _, b := range bodies() {
			s := r.overhead("sec/op", b[0], b[1], c.name)
			allocs := r.overhead("allocs/op", b[0], b[1], c.name).median()
			bytes := r.overhead("B/op", b[0], b[1], c.name).median()
			cells = append(cells, fmt.Sprintf("%s%s, %s allocs, %s",
				signed(seconds(s.median())), spread(s), signed(thousands(allocs)), signed(size(bytes))))
		}
		t.row(cells...)
	}
	return t.text
}

// loopbackTable shows the whole time of a request over sockets.
func (r *results) loopbackTable(base string) string {
	t := newTable(append([]string{protocolTitle(base)}, bodyTitles()...)...)
	for _, c := range append([]named{{"bare", "the bare base"}}, contestants()...) {
		cells := []string{c.title}
		for _, b := range bodies() {
			bare := r.of("sec/op", "Overhead/base=%s/body=%s/getbody=%s/by=bare", base, b[0], b[1])
			s := r.of("sec/op", "Overhead/base=%s/body=%s/getbody=%s/by=%s", base, b[0], b[1], c.name)
			cell := seconds(s.median()) + spread(s)
			if c.name != "bare" {
				cell += fmt.Sprintf(", %.2f×", s.over(bare).median())
			}
			cells = append(cells, cell)
		}
		t.row(cells...)
	}
	return t.text
}

func (r *results) parallelTable() string {
	t := newTable("on all cores", "time per request", "waited for a lock, of 1,000")
	for _, c := range []named{
		{"bare", "the bare base"},
		{"reauth", "**reauth**"},
		{"oauth2", "x/oauth2, a static token"},
		{"oauth2-reused", "x/oauth2, one that expires (`ReuseTokenSource`)"},
	} {
		s := r.of("sec/op", "Parallel/by=%s", c.name)
		t.row(c.title, seconds(s.median())+spread(s), digits(r.of("waits/1000", "Parallel/by=%s", c.name).median()))
	}
	return t.text
}

func (r *results) streamTable() string {
	t := newTable("streams", "HTTP/1.1: first byte", "throughput", "HTTP/2: first byte", "throughput")
	for _, c := range append([]named{{"bare", "the bare base"}}, contestants()...) {
		cells := []string{c.title}
		for _, base := range protocols() {
			first := r.of("first-sec/op", "FirstByte/base=%s/by=%s", base, c.name)
			rate := r.of("B/s", "Throughput/base=%s/by=%s", base, c.name)
			cells = append(cells, seconds(first.median())+spread(first),
				thousands(rate.median()/1e6)+" MB/s"+spread(rate))
		}
		t.row(cells...)
	}
	return t.text
}

func (r *results) chooseTable() string {
	ours := append(strategies(), "affinity")
	head := append([]string{"to choose from"}, ours...)
	t := newTable(append(head, "CLIProxyAPI, fill-first", "CLIProxyAPI, round-robin")...)
	for _, c := range crowds() {
		cells := []string{c.title}
		for _, s := range ours {
			cells = append(cells, seconds(r.of("sec/op", "Choose/%s/strategy=%s/by=reauth", c.name, s).median()))
		}
		for _, s := range strategies()[:2] {
			cells = append(cells, seconds(r.of("sec/op", "Choose/%s/strategy=%s/by=cliproxyapi", c.name, s).median()))
		}
		t.row(cells...)
	}
	return t.text
}

func (r *results) poolTable() string {
	t := newTable(append([]string{"a request with a pool of"}, strategies()...)...)
	bare := r.of("sec/op", overheadName, "2KiB", "yes", "bare")
	for _, c := range crowds() {
		cells := []string{c.title}
		for _, s := range strategies() {
			one := r.of("sec/op", poolName, crowds()[0].name, s).minus(bare)
			this := r.of("sec/op", poolName, c.name, s).minus(bare)
			cells = append(cells, fmt.Sprintf("%s, %.2f×", signed(seconds(this.median())), this.over(one).median()))
		}
		t.row(cells...)
	}
	return t.text
}

// judged is the time that the answers of one verdict take.
type judged struct {
	verdict string
	costs   []float64 // sorted
	slowest string
}

func (r *results) judged() []*judged {
	var list []*judged
	byVerdict := make(map[string]*judged)
	for _, name := range r.below("Classify/fixture=") {
		verdict := path.Dir(name)
		j := byVerdict[verdict]
		if j == nil {
			j = &judged{verdict: verdict}
			byVerdict[verdict] = j
			list = append(list, j)
		}
		cost := r.of("sec/op", "Classify/fixture=%s", name).median()
		if len(j.costs) == 0 || cost > slices.Max(j.costs) {
			j.slowest = path.Base(name)
		}
		j.costs = append(j.costs, cost)
	}
	for _, j := range list {
		sort.Float64s(j.costs)
	}
	return list
}

func (r *results) classifyTable() string {
	t := newTable("verdict", "answers", "fastest", "median", "slowest", "which is")
	for _, j := range r.judged() {
		n := len(j.costs)
		t.row(j.verdict, fmt.Sprint(n), seconds(j.costs[0]), seconds(j.costs[n/2]), seconds(j.costs[n-1]),
			"`"+j.slowest+"`")
	}
	return t.text
}

func (r *results) stormTable() string {
	head := []string{"storm of"}
	for _, s := range storms() {
		head = append(head, s.title())
	}
	t := newTable(head...)
	cells := []string{"the ideal, no library"}
	for _, s := range storms() {
		ideal := r.of("sec/op", stormName, s.base, s.calls, "ideal")
		cells = append(cells, seconds(ideal.median())+spread(ideal))
	}
	t.row(cells...)
	for _, c := range survivors() {
		cells := []string{c.title}
		for _, s := range storms() {
			cells = append(cells, fmt.Sprintf("%.2f× the ideal, %s, %s failed", r.ideals(s, c.name).median(),
				exchanges(r.of("exchanges/op", stormName, s.base, s.calls, c.name)),
				thousands(r.of("failed/op", stormName, s.base, s.calls, c.name).median())))
		}
		t.row(cells...)
	}
	return t.text
}

// exchanges writes the number of exchanges, or the fewest and the most if the passes differ.
func exchanges(s series) string {
	if len(s) == 0 {
		return "–"
	}
	least, most := slices.Min(s), slices.Max(s)
	switch {
	case least != most:
		return fmt.Sprintf("%s–%s exchanges", digits(least), digits(most))
	case least == 1:
		return "1 exchange"
	}
	return digits(least) + " exchanges"
}

func (r *results) memoryTable() string {
	t := newTable("held for 1,000 × 1 MiB", "Content-Length known", "unknown")
	for _, c := range contestants() {
		cells := []string{c.title}
		for _, length := range []string{"known", "unknown"} {
			cells = append(cells, fmt.Sprintf("%.2f×", math.Abs(r.of("x-bytes", memoryName, length, c.name).median())))
		}
		t.row(cells...)
	}
	return t.text
}

// leastPasses is how many samples the confidence interval of a median needs.
const leastPasses = 6

// passes returns the number of samples of each figure.
// simulationTables shows the rows of the simulation, which writes its tables itself.
func (r *results) simulationTables() string {
	var rows []simulate.Row
	for _, rest := range r.below(simulate.Prefix) {
		name := simulate.Prefix + rest
		row, ok := simulate.ParseRow(name, func(unit string) (float64, bool) {
			s := r.samples[name][unit]
			return append(s, 0)[0], len(s) > 0
		})
		if !ok {
			r.missing = append(r.missing, name)
		}
		rows = append(rows, row)
	}
	return simulate.Markdown(rows)
}

func (r *results) passes() int { return len(r.of("sec/op", overheadName, "2KiB", "yes", "reauth")) }

// plain returns a title without Markdown.
func plain(title string) string { return strings.ReplaceAll(title, "**", "") }
