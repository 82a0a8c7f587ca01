package main

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"golang.org/x/perf/benchfmt"

	"github.com/reauth-go/reauth/bench/internal/measured"
)

// sample is one run of a benchmark.
type sample struct{ seconds, allocs float64 }

// samples are those of one benchmark: of the commit before, of the one after, and of the one before once
// more, round by round.
type samples struct{ before, after, again []sample }

func (s *samples) addBefore(v sample) { s.before = append(s.before, v) }
func (s *samples) addAfter(v sample)  { s.after = append(s.after, v) }
func (s *samples) addAgain(v sample)  { s.again = append(s.again, v) }

// comparison has the samples of each benchmark by its name.
type comparison map[string]*samples

// read adds what a program printed.
func (c comparison) read(output []byte, add func(*samples, sample)) error {
	lines := benchfmt.NewReader(bytes.NewReader(output), "output")
	for lines.Scan() {
		line, ok := lines.Result().(*benchfmt.Result)
		if !ok {
			continue
		}
		name := "Benchmark" + measured.Name(line.Name)
		if c[name] == nil {
			c[name] = new(samples)
		}
		seconds, timed := line.Value("sec/op")
		allocs, _ := line.Value("allocs/op")
		if !timed {
			return fmt.Errorf("%s tells no time", name)
		}
		add(c[name], sample{seconds, allocs})
	}
	return lines.Err()
}

const (
	// leastWorse is by how much a benchmark must be slower at least. Less than that comes of where the
	// linker happens to put a loop, of which two runs of one program tell nothing.
	leastWorse = 1.10
	// deviations is how many times the standard error of the medians a difference must have.
	deviations = 5
)

// verdict is what the samples of a benchmark say.
type verdict struct {
	ratio float64 // of the time after to that before
	limit float64 // what ratio may be
	more  float64 // allocations after, above the most that there were before
}

func (v verdict) worse() bool { return v.ratio > v.limit || v.more >= 1 }

// judge compares the times round by round, because a machine that slows down slows both.
func (s *samples) judge() (v verdict, ok bool) {
	n := min(len(s.before), len(s.after), len(s.again))
	if n == 0 {
		return v, false // one of the commits has no such benchmark
	}
	slowdown, noise := make([]float64, n), make([]float64, n)
	for i := range n {
		before, again, after := math.Log(s.before[i].seconds), math.Log(s.again[i].seconds), math.Log(s.after[i].seconds)
		slowdown[i], noise[i] = after-(before+again)/2, again-before
	}
	bias := math.Abs(median(noise))
	// The standard error of a median is 1.25 that of a mean, if what is measured is distributed normally.
	err := 1.25 * deviation(noise) / math.Sqrt(float64(n))
	v.ratio = math.Exp(median(slowdown))
	v.limit = max(leastWorse, math.Exp(bias+deviations*err))
	v.more = least(s.after) - most(slices.Concat(s.before, s.again))
	return v, true
}

func least(list []sample) float64 {
	return slices.MinFunc(list, byAllocs).allocs
}

func most(list []sample) float64 {
	return slices.MaxFunc(list, byAllocs).allocs
}

func byAllocs(a, b sample) int { return int(a.allocs - b.allocs) }

func median(list []float64) float64 { return measured.Summary(list).Center }

// deviation is the standard deviation, told by the median distance, so that one disturbed round does not
// count for more than others.
func deviation(list []float64) float64 {
	middle := median(list)
	distances := make([]float64, len(list))
	for i, v := range list {
		distances[i] = math.Abs(v - middle)
	}
	return 1.4826 * median(distances)
}

// worse returns the names of the benchmarks that are slower or allocate more, in order.
func (c comparison) worse() (names []string) {
	for _, name := range slices.Sorted(maps.Keys(c)) {
		if v, ok := c[name].judge(); ok && v.worse() {
			names = append(names, name)
		}
	}
	return names
}

// String is a table.
func (c comparison) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-44s %8s %8s %8s\n", "benchmark", "time", "limit", "allocs")
	for _, name := range slices.Sorted(maps.Keys(c)) {
		v, ok := c[name].judge()
		if !ok {
			fmt.Fprintf(&b, "%-44s only in one of the commits\n", name)
			continue
		}
		verdict := ""
		if v.worse() {
			verdict = "  worse"
		}
		fmt.Fprintf(&b, "%-44s %7.2fx %7.2fx %+8.0f%s\n", name, v.ratio, v.limit, max(v.more, 0), verdict)
	}
	return b.String()
}
