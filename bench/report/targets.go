package main

import (
	"fmt"
	"math"
)

// target is a value that the library has to reach, and the value that was measured.
type target struct {
	what, limit, got string
	met              bool
	note             string // stands behind the verdict
}

func (t target) verdict() string {
	if t.met {
		return "met" + t.note
	}
	return "**missed**" + t.note
}

// overheadName is the name of a benchmark in memory. It takes the body, GetBody and the library.
const overheadName = "Overhead/base=memory/body=%s/getbody=%s/by=%s"

// overhead returns what a library adds to the bare base in memory.
func (r *results) overhead(unit, body, getBody, by string) series {
	return r.of(unit, overheadName, body, getBody, by).minus(r.of(unit, overheadName, body, getBody, "bare"))
}

// targets returns all targets in the order of the report.
func (r *results) targets() []target {
	list := []target{r.time(), r.allocations(), r.copies("yes", 0.01, "none"), r.copies("no", 1.05, "one")}
	list = append(list, r.clear("a POST of 2 KiB with GetBody", "Overhead/base=http1/body=2KiB/getbody=yes"))
	for _, sdk := range sdks() {
		list = append(list, r.clear("a call of "+sdk, "SDK/sdk="+sdk))
	}
	list = append(list, r.crowds(), r.large(), r.affinity(), r.locks(), r.throughput(), r.firstByte())
	for _, s := range storms() {
		list = append(list, r.storm(s))
	}
	for _, s := range limitStorms() {
		list = append(list, r.limitStorm(s))
	}
	list = append(list, r.memory())
	list = append(list, r.proxies()...)
	return append(list, r.init(), r.initAllocations(), r.start("help"), r.start("proxy"))
}

// atMost returns a target that is met if the median of the ratio is at most limit.
func atMost(what string, ratio series, limit float64) target {
	return target{what: what, limit: fmt.Sprintf("≤ %.2f", limit), got: interval(ratio), met: ratio.median() <= limit}
}

func (r *results) time() target {
	ratio := r.overhead("sec/op", "2KiB", "yes", "reauth").over(r.overhead("sec/op", "2KiB", "yes", "oauth2"))
	return atMost("overhead of a request, as a multiple of x/oauth2's (in memory, POST of 2 KiB, 13 headers, GetBody)",
		ratio, 0.65)
}

func (r *results) allocations() target {
	ours := r.overhead("allocs/op", "2KiB", "yes", "reauth").median()
	theirs := r.overhead("allocs/op", "2KiB", "yes", "oauth2").median()
	t := target{
		what:  "allocations of that request above the bare base",
		limit: fmt.Sprintf("< %s, x/oauth2's", signed(thousands(theirs))), got: signed(thousands(ours)),
		met: ours < theirs,
	}
	if ours <= 6 {
		t.note = ", and the aim of +6"
	}
	return t
}

// copies computes how often a body is copied. It divides the bytes that a long body allocates more
// than a short one by the difference of their lengths.
func (r *results) copies(getBody string, limit float64, word string) target {
	long, short := r.overhead("B/op", "1MiB", getBody, "reauth"), r.overhead("B/op", "2KiB", getBody, "reauth")
	n := long.minus(short).times(1 / float64(1<<20-2<<10)).median()
	with := map[string]string{"yes": "with", "no": "without"}[getBody]
	return target{
		what: "copies made of a body " + with + " GetBody", limit: word,
		got: fmt.Sprintf("%.2f", math.Abs(n)), met: n <= limit,
	}
}

const poolName = "Pool/%s/strategy=%s/by=reauth"

// crowds compares the overhead with large pools, and with pools that are put aside, to the overhead
// with one credential. It returns the worst case.
func (r *results) crowds() target {
	worst := target{limit: "≤ 1.20"}
	highest := math.Inf(-1)
	bare := r.of("sec/op", overheadName, "2KiB", "yes", "bare")
	for _, s := range strategies() {
		one := r.of("sec/op", poolName, crowds()[0].name, s).minus(bare)
		for _, c := range crowds()[1:] {
			ratio := r.of("sec/op", poolName, c.name, s).minus(bare).over(one)
			if m := ratio.median(); m > highest || math.IsNaN(m) {
				highest = m
				worst = atMost("", ratio, 1.2)
				worst.note = fmt.Sprintf(" (%s, %s)", c.title, s)
			}
		}
	}
	worst.what = "overhead with 100 or 10,000 credentials, or 9,999 of them put aside, as a multiple of that with " +
		"one: the worst case"
	return worst
}

func (r *results) locks() target {
	n := r.of("waits/1000", "Parallel/by=reauth").median()
	return target{
		what: "requests out of a thousand, on all cores at once, that waited for a lock", limit: "0",
		got: digits(n), met: n == 0,
	}
}

// throughput compares the throughput of a stream with that of the bare base. It returns the worse
// of the two protocols.
func (r *results) throughput() target {
	var t target
	lowest := math.Inf(1)
	for _, base := range protocols() {
		ratio := r.of("B/s", "Throughput/base=%s/by=reauth", base).over(r.of("B/s", "Throughput/base=%s/by=bare", base))
		if m := ratio.median(); m < lowest || math.IsNaN(m) {
			lowest = m
			t = target{limit: "≥ 0.98", got: interval(ratio), met: m >= 0.98, note: " (" + protocolTitle(base) + ")"}
		}
	}
	t.what = "throughput of a stream, as a multiple of the bare base's: the worse case"
	return t
}

// firstByte is met unless the library is slower than the bare base by more than chance.
func (r *results) firstByte() target {
	t := target{what: "time to the first byte of a stream against the bare base's", limit: "within noise", met: true}
	for _, base := range protocols() {
		ours := r.of("first-sec/op", "FirstByte/base=%s/by=reauth", base)
		bare := r.of("first-sec/op", "FirstByte/base=%s/by=bare", base)
		if len(ours) == 0 || len(bare) == 0 {
			return t // the report fails
		}
		p, differs := ours.differs(bare)
		if t.got != "" {
			t.got += "; "
		}
		t.got += fmt.Sprintf("%s %.2f, p = %.2f", protocolTitle(base), ours.over(bare).median(), p)
		t.met = t.met && !(differs && ours.median() > bare.median())
	}
	return t
}

// stormLimit is how long a storm may take, as a multiple of the ideal.
const stormLimit = 1.05

const stormName = "Storm/base=%s/calls=%d/by=%s"

// ideals returns the time of a library in a storm as a multiple of the ideal.
func (r *results) ideals(s storm, by string) series {
	return r.of("sec/op", stormName, s.base, s.calls, by).over(r.of("sec/op", stormName, s.base, s.calls, "ideal"))
}

func (r *results) storm(s storm) target {
	t := atMost("storm of "+s.title()+": time until all have recovered, as a multiple of the ideal",
		r.ideals(s, "reauth"), stormLimit)
	exchanges := r.of("exchanges/op", stormName, s.base, s.calls, "reauth")
	failed := r.of("failed/op", stormName, s.base, s.calls, "reauth")
	for i := range exchanges {
		if exchanges[i] != 1 || failed[i] != 0 {
			t.met = false
			t.note = fmt.Sprintf(" (once %s exchanges, %s failed)", digits(exchanges[i]), digits(failed[i]))
			return t
		}
	}
	t.note = ", one exchange, none failed"
	return t
}

const memoryName = "Memory/length=%s/by=%s"

func (r *results) memory() target {
	known, unknown := r.of("x-bytes", memoryName, "known", "reauth"), r.of("x-bytes", memoryName, "unknown", "reauth")
	worse := known
	if unknown.median() > known.median() {
		worse = unknown
	}
	return atMost("memory held for 1,000 bodies of 1 MiB without GetBody, as a multiple of their bytes", worse, 1.1)
}
