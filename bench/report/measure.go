package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// group is a set of benchmarks and the time of one sample, in the form of -bench and -benchtime.
type group struct{ bench, time string }

// groups returns all benchmarks. A benchmark that takes at least a fifth of a second runs once per
// sample.
func groups(quick bool) []group {
	list := []group{
		{"^BenchmarkOverhead$/^base=memory$", "200ms"},
		{"^BenchmarkOverhead$/^base=http", "150ms"},
		{"^BenchmarkSDK$", "200ms"},
		{"^BenchmarkParallel$", "200ms"},
		{"^BenchmarkFirstByte$", "200ms"},
		{"^BenchmarkThroughput$", "200ms"},
		{"^BenchmarkChoose$", "30ms"},
		{"^BenchmarkPool$", "150ms"},
		{"^BenchmarkGrowth$", "150ms"},
		{"^BenchmarkFileStore$", "10ms"},
		{"^BenchmarkClassify$", "3ms"},
		{"^BenchmarkUnmarshal$", "2ms"},
		{"^BenchmarkStorm$", "1x"},
		{"^BenchmarkLimitStorm$", "1x"},
		{"^BenchmarkMemory$", "1x"},
		{"^BenchmarkProxy$", "1x"},
		{"^BenchmarkStart$", "5x"},
		{"^BenchmarkInit$", "1x"},
	}
	if quick {
		for i := range list {
			list[i].time = "1x"
		}
	}
	return list
}

// passes is the number of samples of each benchmark.
const passes = leastPasses

// measure builds the benchmarks, runs them pass by pass, and returns their output; with an error, what there
// is of it.
func measure(ctx context.Context, quick bool, log io.Writer) ([]byte, error) {
	dir, err := os.MkdirTemp("", "reauth-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "bench.test")
	build := exec.CommandContext(ctx, "go", "test", "-c", "-o", binary, ".") //nolint:gosec // a path of our own
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building the benchmarks, in the folder of their module: %w\n%s", err, out)
	}
	n := passes
	if quick {
		n = 1
	}
	var all bytes.Buffer
	start := time.Now()
	for i := range n {
		for _, g := range groups(quick) {
			args := []string{"-test.run", "^$", "-test.bench", g.bench, "-test.benchtime", g.time}
			if quick {
				args = append(args, "-test.short")
			}
			run := exec.CommandContext(ctx, binary, args...) //nolint:gosec // constants, and the path above
			out, err := run.CombinedOutput()
			if err != nil {
				return all.Bytes(), fmt.Errorf("running %s: %w\n%s", g.bench, err, out)
			}
			all.Write(out)
		}
		took := time.Since(start).Round(time.Second)
		if _, err := fmt.Fprintf(log, "report: pass %d of %d, %s\n", i+1, n, took); err != nil {
			return all.Bytes(), err
		}
	}
	out, err := simulation(ctx, "..", quick)
	all.Write(out)
	return all.Bytes(), err
}

// simulation runs the simulation of the module in the folder root, once: its figures do not depend on the
// machine.
func simulation(ctx context.Context, root string, quick bool) ([]byte, error) {
	size := "full"
	if quick {
		size = "short"
	}
	run := exec.CommandContext(ctx, "go", "test", "-count=1", "-timeout=60m", "-v", "-run=^TestTable$",
		"./internal/simulate", "-simulate="+size)
	run.Dir = root
	out, err := run.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("running the simulation: %w\n%s", err, out)
	}
	return out, nil
}
