// Package measured reads and sums up the output of benchmarks, for the report and for the guard.
package measured

import (
	"slices"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchmath"
)

// Name returns the name of a benchmark, without "Benchmark" and without the number of cores at its end.
func Name(n benchfmt.Name) string {
	base, parts := n.Parts()
	name := string(base)
	for _, p := range parts {
		if p[0] != '-' {
			name += string(p)
		}
	}
	return name
}

// confidence is the level of all confidence intervals.
const confidence = 0.95

// Sample returns the samples of a figure as benchmath wants them. It leaves the list as it is.
func Sample(list []float64) *benchmath.Sample {
	return benchmath.NewSample(slices.Clone(list), &benchmath.DefaultThresholds)
}

// Summary returns the median and its confidence interval. The list is not empty.
func Summary(list []float64) benchmath.Summary {
	return benchmath.AssumeNothing.Summary(Sample(list), confidence)
}
