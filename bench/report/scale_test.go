package main

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// As TestTargets, for what grows, the proxy, the cold start and the import.
func TestTargetsOfScale(t *testing.T) {
	type figures = map[string]string
	const last = " (streams, 500 connections)"
	for _, row := range []struct {
		target string
		set    figures
		met    bool
		note   string
	}{
		{"a POST of 2 KiB", clear("100 ns/op", "110 ns/op", "112 ns/op"), true, ""},
		{"a POST of 2 KiB", clear("100 ns/op", "120 ns/op", "112 ns/op"), false, ""},
		{"a request in memory with a pool of 10,000", growth(100, "random", 10_000, 105), true, " (random)"},
		{"a request in memory with a pool of 10,000", growth(100, "random", 10_000, 120), false, " (random)"},
		{"a request with affinity", growth(100, "affinity", 100_000, 190), true, ""},
		{"a request with affinity", growth(100, "affinity", 100_000, 210), false, ""},
		{"storm of 429, 1,000", limitStorm("100 ns/op", "104 ns/op\t0 failed/op"), true, ", none failed"},
		{"storm of 429, 1,000", limitStorm("100 ns/op", "110 ns/op\t0 failed/op"), false, ", none failed"},
		{"storm of 429, 1,000", limitStorm("100 ns/op", "104 ns/op\t2 failed/op"), false, " (once 2 failed)"},
		{"the proxy's time", proxy("cpu-ns/op", "100", "99"), true, last},
		{"the proxy's time", proxy("cpu-ns/op", "100", "101"), false, last},
		{"the 99th percentile", proxy("p99-ns/op", "100", "104"), true, last},
		{"the 99th percentile", proxy("p99-ns/op", "100", "106"), false, last},
		{"the proxy's memory", proxy("rss-bytes", "100", "129"), true, last},
		{"the proxy's memory", proxy("rss-bytes", "100", "131"), false, last},
		{"importing the library", figures{"BenchmarkInit/by=reauth": "99000 init-ns/op"}, true, ""},
		{"importing the library", figures{"BenchmarkInit/by=reauth": "101000 init-ns/op"}, false, ""},
		{"allocations when", figures{"BenchmarkInit/by=reauth": "50 init-allocs/op"}, true, ""},
		{"allocations when", figures{"BenchmarkInit/by=reauth": "51 init-allocs/op"}, false, ""},
		{"`reauth --help`", start("help", "100 cpu-ns/op", "190 cpu-ns/op"), true, ""},
		{"`reauth proxy`", start("proxy", "100 cpu-ns/op", "210 cpu-ns/op"), false, ""},
	} {
		requireTarget(t, row.target, row.set, row.met, row.note)
	}
}

// clear sets the times of a request over HTTP/1.1 in the clear.
func clear(bare, reauth, oauth2 string) map[string]string {
	const post = "BenchmarkOverhead/base=http1/body=2KiB/getbody=yes/by="
	return map[string]string{post + "bare": bare, post + "reauth": reauth, post + "oauth2": oauth2}
}

// growth sets the time of a request for all pools that grow, and another one for a strategy at a size.
func growth(all int, strategy string, size, there int) map[string]string {
	set := make(map[string]string)
	for _, s := range append(strategies(), "affinity") {
		for _, n := range sizes() {
			time := all
			if s == strategy && n == size {
				time = there
			}
			set[fmt.Sprintf("BenchmarkGrowth/strategy=%s/pool=%d/by=reauth", s, n)] = fmt.Sprint(time, " ns/op")
		}
	}
	return set
}

func limitStorm(ideal, reauth string) map[string]string {
	const storm = "BenchmarkLimitStorm/base=http1/calls=1000/by="
	return map[string]string{storm + "ideal": ideal, storm + "reauth": reauth}
}

// proxy sets a figure of all proxies, and another one of ours at the largest work; at the others ours is
// better.
func proxy(unit, bare, last string) map[string]string {
	set := make(map[string]string)
	for _, w := range works() {
		name := fmt.Sprintf("BenchmarkProxy/kind=%s/conns=%d/by=", w.kind, w.conns)
		set[name+"reverseproxy"], set[name+"reverseproxy-flush"] = bare+" "+unit, "200 "+unit
		set[name+"reauth"] = "90 " + unit
	}
	set["BenchmarkProxy/kind=sse/conns=500/by=reauth"] = last + " " + unit
	return set
}

func start(of, empty, reauth string) map[string]string {
	name := "BenchmarkStart/of=" + of + "/by="
	return map[string]string{name + "empty": empty, name + "reauth": reauth}
}

// The report says which proxies were not installed.
func TestAbsentProxies(t *testing.T) {
	r := parsed(t, recorded)
	require.Equal(t, "CLIProxyAPI", r.absent())
	require.Contains(t, r.proxyTable(), "not installed")
	require.NoError(t, r.err())
}
