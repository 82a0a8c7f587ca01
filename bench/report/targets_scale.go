package main

import (
	"fmt"
	"math"
)

// sdks returns the SDKs that are called over loopback.
func sdks() []string { return []string{"openai-go", "anthropic-sdk-go"} }

// clear compares the whole time of a request over HTTP/1.1 in the clear with that through x/oauth2, both as
// multiples of the bare base's.
func (r *results) clear(what, name string) target {
	bare := r.of("sec/op", "%s/by=bare", name)
	ours := r.of("sec/op", "%s/by=reauth", name).over(bare)
	theirs := r.of("sec/op", "%s/by=oauth2", name).over(bare)
	t := target{
		what:  what + " over HTTP/1.1 in the clear, as a multiple of the bare base's time",
		limit: fmt.Sprintf("≤ %.2f, x/oauth2's", theirs.median()), got: interval(ours),
		met: ours.median() <= theirs.median(),
	}
	if p, differs := ours.differs(theirs); !t.met && !differs {
		t.met, t.note = true, fmt.Sprintf(", within noise (p = %.2f)", p)
	}
	return t
}

const growthName = "Growth/strategy=%s/pool=%d/by=reauth"

// large compares a request with a pool of 10,000 with one of a single credential, by each strategy. It
// returns the worst case.
func (r *results) large() target {
	worst, highest := target{}, math.Inf(-1)
	for _, s := range strategies() {
		ratio := r.of("sec/op", growthName, s, 10_000).over(r.of("sec/op", growthName, s, 1))
		if m := ratio.median(); m > highest || math.IsNaN(m) {
			highest = m
			worst = atMost("", ratio, 1.1)
			worst.note = " (" + s + ")"
		}
	}
	worst.what = "a request in memory with a pool of 10,000 against one credential: the worst strategy"
	return worst
}

func (r *results) affinity() target {
	ratio := r.of("sec/op", growthName, "affinity", 100_000).over(r.of("sec/op", growthName, "affinity", 1))
	return atMost("a request with affinity with a pool of 100,000 against one credential", ratio, 2)
}

func limitStorms() []storm { return []storm{{"http1", 1000}, {"memory", 10000}} }

const limitStormName = "LimitStorm/base=%s/calls=%d/by=%s"

// limitStorm judges a storm of 429, in which each call has to be refused once and served.
func (r *results) limitStorm(s storm) target {
	ratio := r.of("sec/op", limitStormName, s.base, s.calls, "reauth").
		over(r.of("sec/op", limitStormName, s.base, s.calls, "ideal"))
	t := atMost("storm of 429, "+s.title()+": time until all are served by another key, as a multiple of the ideal",
		ratio, stormLimit)
	failed := r.of("failed/op", limitStormName, s.base, s.calls, "reauth")
	for _, n := range failed {
		if n > 0 {
			t.met = false
			t.note = fmt.Sprintf(" (once %s failed)", digits(n))
			return t
		}
	}
	t.note = ", none failed"
	return t
}

// work is what a proxy has to do in BenchmarkProxy.
type work struct {
	kind, title string
	conns       int
}

func works() (list []work) {
	for _, k := range []named{{"plain", "plain answers"}, {"sse", "streams"}} {
		for _, n := range []int{1, 50, 500} {
			list = append(list, work{k.name, k.title, n})
		}
	}
	return list
}

const proxyName = "Proxy/kind=%s/conns=%d/by=%s"

// proxyRatio is a figure of the proxy as a multiple of that of the better bare ReverseProxy: the one that
// needs less of it.
func (r *results) proxyRatio(unit string, w work) series {
	ours := r.of(unit, proxyName, w.kind, w.conns, "reauth")
	plain := r.of(unit, proxyName, w.kind, w.conns, "reverseproxy")
	flush := r.of(unit, proxyName, w.kind, w.conns, "reverseproxy-flush")
	if flush.median() < plain.median() {
		plain = flush
	}
	return ours.over(plain)
}

// proxies judges the proxy against the better bare ReverseProxy: the worst of all works for each figure.
func (r *results) proxies() (list []target) {
	for _, f := range []struct {
		unit, what string
		limit      float64
	}{
		{"cpu-sec/op", "the proxy's time on the processor for a request", 1},
		{"p99-sec/op", "the 99th percentile of the time that a request takes through the proxy", 1.05},
		{"rss-bytes", "the proxy's memory", 1.3},
	} {
		worst, highest := target{}, math.Inf(-1)
		for _, w := range works() {
			ratio := r.proxyRatio(f.unit, w)
			if m := ratio.median(); m > highest || math.IsNaN(m) {
				highest = m
				worst = atMost("", ratio, f.limit)
				worst.note = fmt.Sprintf(" (%s, %d connections)", w.title, w.conns)
			}
		}
		worst.what = f.what + ", as a multiple of the better bare `httputil.ReverseProxy`'s: the worst case"
		list = append(list, worst)
	}
	return list
}

const initName = "Init/by=%s"

func (r *results) init() target {
	t := r.of("init-sec/op", initName, "reauth")
	return target{
		what: "importing the library, without what it imports", limit: "≤ 0.1 ms", got: seconds(t.median()),
		met: t.median() <= 1e-4,
	}
}

func (r *results) initAllocations() target {
	n := r.of("init-allocs/op", initName, "reauth").median()
	return target{
		what: "allocations when the library is imported", limit: "≤ 50", got: thousands(n), met: n <= 50,
	}
}

const startName = "Start/of=%s/by=%s"

// start compares the cold start of the command with that of an empty program, by time on the processor.
func (r *results) start(of string) target {
	ratio := r.of("cpu-sec/op", startName, of, "reauth").over(r.of("cpu-sec/op", startName, of, "empty"))
	what := map[string]string{"help": "`reauth --help`", "proxy": "`reauth proxy` until `/healthz` answers"}[of]
	return atMost(what+", time on the processor as a multiple of an empty net/http program's", ratio, 2)
}
