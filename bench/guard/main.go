// Guard compares the speed of the library with that of the commit before, and fails when a benchmark
// has become slower, or allocates more. Run it in the folder of the module bench:
//
//	go run ./guard
//
// It builds the benchmarks of both commits and runs them in turns: before, after, and before once more.
// The two runs of before tell how much two runs of equal programs differ on this machine now, and only
// what exceeds that counts. What seems slower is measured once more, and fails only if it does again.
//
// A commit that makes something slower for a reason says so in its message, by a line for each benchmark:
//
//	Slower: BenchmarkSuccess: the request is checked for …
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"
)

func main() {
	var g guard
	flag.StringVar(&g.root, "root", "..", "folder of the module whose benchmarks are compared")
	flag.StringVar(&g.base, "base", "", "commit to compare with; empty: the one before, or HEAD when files differ from it")
	flag.StringVar(&g.bench, "bench", hotPaths, "regular expression of the benchmarks")
	flag.DurationVar(&g.each, "each", 10*time.Millisecond, "time of a sample")
	flag.IntVar(&g.rounds, "rounds", 12, "samples of each benchmark")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := g.run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "guard:", err)
		os.Exit(1) //nolint:gocritic // nothing is left to stop
	}
}

// hotPaths are the benchmarks of what a request pays: those that take a moment.
const hotPaths = "^BenchmarkSuccess$/^reauth$/^(1|100)$|^BenchmarkBody$|^BenchmarkReadLimits$|" +
	"^BenchmarkClassify$|^BenchmarkFileStoreUnchanged$"

// guard is one comparison.
type guard struct {
	root, base, bench string
	each              time.Duration
	rounds            int
}

// run compares. Its error says which benchmarks are worse.
func (g *guard) run(ctx context.Context, out io.Writer) error {
	base, why, err := g.before(ctx)
	if err != nil || why != "" {
		_, _ = fmt.Fprintln(out, why) // a report that nobody can read is no reason to fail
		return err
	}
	programs, remove, err := build(ctx, g.root, base)
	switch {
	case errors.Is(err, errNoBase):
		_, _ = fmt.Fprintln(out, err)
		return nil
	case err != nil:
		return err
	}
	defer remove()
	found, err := g.measure(ctx, programs)
	if err != nil {
		return err
	}
	worse := found.worse()
	if len(worse) > 0 {
		_, _ = fmt.Fprintf(out, "%s\nonce more, for what seems worse:\n", found)
		if found, err = g.measure(ctx, programs); err != nil {
			return err
		}
		again := found.worse()
		worse = slices.DeleteFunc(worse, func(name string) bool { return !slices.Contains(again, name) })
	}
	_, _ = fmt.Fprint(out, found)
	if worse, err = g.unexplained(ctx, worse); err != nil || len(worse) == 0 {
		return err
	}
	return fmt.Errorf("worse than %.12s: %s; mend it, or give the reason in the commit's message by a line \"Slower: NAME: …\"",
		base, strings.Join(worse, ", "))
}

// measure runs the programs in turns. In every second round the turns are the other way round.
func (g *guard) measure(ctx context.Context, p programs) (comparison, error) {
	c := make(comparison)
	for round := range g.rounds {
		turns := []turn{{p.before, (*samples).addBefore}, {p.after, (*samples).addAfter}, {p.before, (*samples).addAgain}}
		if round%2 == 1 {
			turns[0], turns[2] = turns[2], turns[0]
		}
		for _, t := range turns {
			output, err := t.program.run(ctx, g.bench, g.each)
			if err != nil {
				return nil, err
			}
			if err := c.read(output, t.add); err != nil {
				return nil, err
			}
		}
	}
	if len(c) == 0 {
		return nil, fmt.Errorf("no benchmark matches %s", g.bench)
	}
	return c, nil
}

// turn is a program, and where its samples go.
type turn struct {
	program program
	add     func(*samples, sample)
}
