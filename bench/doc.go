// Package bench compares reauth with the libraries that a Go program would use in its place. The
// benchmarks are in the test files. The command in ./report runs all of them in turn, ten times,
// and writes README.md from their output.
//
//	go test -run '^$' -bench . -benchtime 1x ./...   # every benchmark once
//	go run ./report                                  # the report, in less than twenty minutes
//	go run ./report                                  # the report, in less than twenty minutes
//
// The names of the benchmarks have the form that benchstat reads:
// BenchmarkOverhead/base=memory/body=2KiB/getbody=yes/by=reauth. "by" is the library that is
// measured; "bare" is the base with nothing around it.
package bench
