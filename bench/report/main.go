// Report runs the benchmarks of this module and writes README.md and two charts from their output.
// Run it in the folder of the module:
//
//	go run ./report
//
// It runs the benchmarks in passes, with one sample of each per pass. So the samples of two
// libraries alternate, A B A B, and a machine that slows down slows all libraries alike.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"

	"github.com/reauth-go/reauth/bench/conformance"
)

func main() {
	var o options
	flag.BoolVar(&o.quick, "quick", false, "one short sample each: shows that everything works, measures nothing")
	flag.StringVar(&o.dir, "o", ".", "folder to write to")
	flag.StringVar(&o.raw, "raw", "", "file to keep the output of the benchmarks in, for benchstat")
	flag.StringVar(&o.from, "from", "", "file of -raw to make the report of, instead of running the benchmarks")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1) //nolint:gocritic // nothing is left to stop
	}
}

// options are the flags of the command.
type options struct {
	quick          bool
	dir, raw, from string
}

// run makes the report and writes its files.
func run(ctx context.Context, o options, log io.Writer) error {
	env, err := describe(ctx) // before the benchmarks load the machine
	if err != nil {
		return err
	}
	env.Quick = o.quick
	raw, err := output(ctx, o, log)
	if err != nil {
		return err
	}
	if !o.quick {
		if env.Contract, err = conformance.Table(); err != nil {
			return err
		}
	}
	r, err := parse(bytes.NewReader(raw))
	if err != nil {
		return err
	}
	files, err := render(r, env)
	if err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(o.dir, name), content, 0o644); err != nil { //nolint:gosec // public
			return err
		}
	}
	_, err = fmt.Fprintln(log, "report: written to", filepath.Join(o.dir, page))
	return err
}

// output returns the output of the benchmarks, of this run or of an earlier one.
func output(ctx context.Context, o options, log io.Writer) ([]byte, error) {
	if o.from != "" {
		return os.ReadFile(o.from)
	}
	raw, err := measure(ctx, o.quick, log)
	if o.raw != "" { // also what an error has left
		err = errors.Join(err, os.WriteFile(o.raw, raw, 0o644)) //nolint:gosec // public
	}
	return raw, err
}
