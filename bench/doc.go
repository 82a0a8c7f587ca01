// Package bench measures reauth side by side with what a Go program would use in its stead.
// Everything is a benchmark in the test files; go run ./report runs them in turn, ten times, and
// writes README.md from what came out.
//
//	go test -run '^$' -bench . -benchtime 1x ./...   # every benchmark once
//	go run ./report                                  # the report, in about ten minutes
//	go run ./report -quick -o /tmp/report            # the same with one short sample each, to look at
//
// The names of the benchmarks are in the form that benchstat knows:
// BenchmarkOverhead/base=memory/body=2KiB/getbody=yes/by=reauth. "by" is who does the work; "bare"
// is the base without anything around it.
package bench
