package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchmath"

	"github.com/reauth-go/reauth/bench/internal/measured"
)

// results are the samples of all benchmarks, in the order of the passes. The units are those of
// benchfmt: sec/op, B/op, allocs/op, B/s.
type results struct {
	samples map[string]map[string][]float64 // name, unit
	names   []string                        // in the order of the output
	cpu     string
	missing []string // figures that the report needs and the output lacks
}

// parse reads the output of the benchmarks.
func parse(in io.Reader) (*results, error) {
	r := &results{samples: make(map[string]map[string][]float64)}
	lines := benchfmt.NewReader(in, "output")
	for lines.Scan() {
		switch line := lines.Result().(type) {
		case *benchfmt.SyntaxError:
			return nil, line
		case *benchfmt.Result:
			r.add(line)
		}
	}
	if len(r.names) == 0 {
		return nil, errors.Join(errors.New("no benchmark is in the output"), lines.Err())
	}
	return r, lines.Err()
}

func (r *results) add(line *benchfmt.Result) {
	name := measured.Name(line.Name)
	units := r.samples[name]
	if units == nil {
		units = make(map[string][]float64)
		r.samples[name] = units
		r.names = append(r.names, name)
	}
	for _, v := range line.Values {
		units[v.Unit] = append(units[v.Unit], v.Value)
	}
	if cpu := line.GetConfig("cpu"); cpu != "" {
		r.cpu = strings.TrimSpace(cpu)
	}
}

// of returns the samples of a benchmark. If there are none, of notes that, and the report fails at
// its end.
func (r *results) of(unit, name string, args ...any) series {
	name = fmt.Sprintf(name, args...)
	list := r.samples[name][unit]
	if len(list) == 0 {
		r.missing = append(r.missing, name+" "+unit)
	}
	return list
}

// below returns the names of the benchmarks that begin with prefix, without the prefix.
func (r *results) below(prefix string) (list []string) {
	for _, name := range r.names {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			list = append(list, rest)
		}
	}
	if len(list) == 0 {
		r.missing = append(r.missing, prefix)
	}
	return list
}

// err returns an error that names the missing figures.
func (r *results) err() error {
	if len(r.missing) == 0 {
		return nil
	}
	slices.Sort(r.missing)
	return fmt.Errorf("the output lacks %s", strings.Join(slices.Compact(r.missing), ", "))
}

// series is the samples of one figure, one per pass.
type series []float64

// pairwise combines the samples of two figures pass by pass, because a disturbance of the machine
// changes both figures of a pass.
func (s series) pairwise(o series, f func(a, b float64) float64) series {
	n := min(len(s), len(o))
	out := make(series, n)
	for i := range n {
		out[i] = f(s[i], o[i])
	}
	return out
}

func (s series) minus(o series) series {
	return s.pairwise(o, func(a, b float64) float64 { return a - b })
}

func (s series) over(o series) series {
	return s.pairwise(o, func(a, b float64) float64 { return a / b })
}

func (s series) times(f float64) series {
	out := make(series, len(s))
	for i, v := range s {
		out[i] = v * f
	}
	return out
}

func (s series) sample() *benchmath.Sample { return measured.Sample(s) }

// summary returns the median and its confidence interval.
func (s series) summary() benchmath.Summary { return measured.Summary(s) }

// median returns the median, or NaN if there are no samples. The report fails in that case.
func (s series) median() float64 {
	if len(s) == 0 {
		return nan
	}
	return s.summary().Center
}

// differs returns the probability that the difference of two figures is chance, and reports whether
// that is improbable.
func (s series) differs(o series) (p float64, differs bool) {
	c := benchmath.AssumeNothing.Compare(s.sample(), o.sample())
	return c.P, c.P <= c.Alpha
}
