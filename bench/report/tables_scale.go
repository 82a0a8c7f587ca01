package main

import (
	"fmt"
	"strings"
)

// proxyContenders returns the proxies, in the order of the report.
func proxyContenders() []named {
	return []named{
		{"reverseproxy", "bare `ReverseProxy`"},
		{"reverseproxy-flush", "the same, `FlushInterval` −1"},
		{"reauth", "**`reauth proxy`**"},
		{"nginx", "nginx"},
		{"cliproxyapi", "CLIProxyAPI"},
	}
}

// optional reports whether a proxy is measured only where it is installed.
func optional(proxy string) bool { return proxy == "nginx" || proxy == "cliproxyapi" }

// has reports whether the output has a benchmark.
func (r *results) has(name string, args ...any) bool {
	return r.samples[fmt.Sprintf(name, args...)] != nil
}

// proxyTable shows the figures of each proxy at each work. What is not installed has none.
func (r *results) proxyTable() string {
	head := []string{"proxy"}
	for _, w := range works() {
		head = append(head, fmt.Sprintf("%s, %d conn.", w.title, w.conns))
	}
	t := newTable(head...)
	for _, c := range proxyContenders() {
		cells := []string{c.title}
		for _, w := range works() {
			if optional(c.name) && !r.has(proxyName, w.kind, w.conns, c.name) {
				cells = append(cells, "not installed")
				continue
			}
			of := func(unit string) float64 { return r.of(unit, proxyName, w.kind, w.conns, c.name).median() }
			cell := fmt.Sprintf("%s CPU, %s, %s, %s", seconds(1000*of("cpu-sec/op")),
				seconds(of("p50-sec/op")), seconds(of("p99-sec/op")), size(of("rss-bytes")))
			if failed := of("failed/1000"); failed > 0 {
				cell += ", " + digits(failed) + " ‰ failed"
			}
			cells = append(cells, cell)
		}
		t.row(cells...)
	}
	return t.text
}

// sdkTable shows a call of each SDK through the bare base and through two transports.
func (r *results) sdkTable() string {
	t := newTable(append([]string{"a call of"}, sdks()...)...)
	for _, c := range []named{{"bare", "the bare base"}, {"reauth", "**reauth**"}, {"oauth2", "x/oauth2"}} {
		cells := []string{c.title}
		for _, sdk := range sdks() {
			s := r.of("sec/op", "SDK/sdk=%s/by=%s", sdk, c.name)
			cell := seconds(s.median()) + spread(s)
			if c.name != "bare" {
				cell += fmt.Sprintf(", %.2f×", s.over(r.of("sec/op", "SDK/sdk=%s/by=bare", sdk)).median())
			}
			cells = append(cells, cell)
		}
		t.row(cells...)
	}
	return t.text
}

// limitStormTable shows the storms of 429.
func (r *results) limitStormTable() string {
	t := newTable("storm of 429", "the ideal", "**reauth**")
	for _, s := range limitStorms() {
		ideal := r.of("sec/op", limitStormName, s.base, s.calls, "ideal")
		ours := r.of("sec/op", limitStormName, s.base, s.calls, "reauth")
		t.row(s.title(), seconds(ideal.median())+spread(ideal), fmt.Sprintf("%.2f× the ideal, %s failed",
			ours.over(ideal).median(), thousands(r.of("failed/op", limitStormName, s.base, s.calls, "reauth").median())))
	}
	return t.text
}

// records are the numbers of records at which the store in a file is measured.
func records() []int { return []int{10, 1_000, 10_000, 100_000} }

const storeName = "FileStore/records=%d/op=%s/by=%s"

// storeTable shows what the operations of a store in a file cost.
func (r *results) storeTable() string {
	ops := []named{
		{"look", "a look when nothing has changed"},
		{"mark", "a mark"},
		{"change", "an exchange, and another store learns of it"},
		{"open", "the first look"},
	}
	head := []string{"logins in the file"}
	for _, o := range ops {
		head = append(head, o.title)
	}
	t := newTable(append(head, "the same bytes written and synced")...)
	for _, n := range records() {
		cells := []string{thousands(float64(n))}
		for _, o := range ops {
			cells = append(cells, seconds(r.of("sec/op", storeName, n, o.name, "reauth").median()))
		}
		t.row(append(cells, seconds(r.of("sec/op", storeName, n, "change", "bare").median()))...)
	}
	return t.text
}

// importers returns the packages of BenchmarkInit, in the order of the report.
func importers() []named {
	return []named{
		{"reauth", "**reauth**"},
		{"net-http", "net/http"},
		{"retryablehttp", "go-retryablehttp"},
		{"openai-go", "openai-go"},
		{"anthropic-sdk-go", "anthropic-sdk-go"},
		{"cliproxyapi", "CLIProxyAPI's packages that are used here"},
	}
}

func (r *results) initTable() string {
	t := newTable("importing", "time", "allocations", "bytes")
	for _, p := range importers() {
		s := r.of("init-sec/op", initName, p.name)
		t.row(p.title, seconds(s.median())+spread(s), thousands(r.of("init-allocs/op", initName, p.name).median()),
			size(r.of("init-bytes/op", initName, p.name).median()))
	}
	return t.text
}

func (r *results) startTable() string {
	t := newTable("cold start", "`--help`: time", "on the processor", "until `/healthz`: time", "on the processor")
	for _, p := range []named{{"empty", "an empty program with net/http"}, {"reauth", "**the command**"}} {
		cells := []string{p.title}
		for _, of := range []string{"help", "proxy"} {
			wall, cpu := r.of("sec/op", startName, of, p.name), r.of("cpu-sec/op", startName, of, p.name)
			cells = append(cells, seconds(wall.median())+spread(wall), seconds(cpu.median())+spread(cpu))
		}
		t.row(cells...)
	}
	return t.text
}

// unmarshalled returns the cost of the judgement of each answer that is JSON, as multiples of json.Unmarshal.
func (r *results) unmarshalled() (list series) {
	for _, name := range r.below("Unmarshal/fixture=") {
		ratio := r.of("sec/op", "Classify/fixture=%s", name).over(r.of("sec/op", "Unmarshal/fixture=%s", name))
		list = append(list, ratio.median())
	}
	return list
}

// unmarshalText says how judging compares with json.Unmarshal.
func (r *results) unmarshalText() string {
	list := r.unmarshalled()
	if len(list) == 0 {
		return "" // the report fails
	}
	least, most := list.sample().Values[0], list.sample().Values[len(list)-1]
	return fmt.Sprintf("For the %s bodies that are JSON, judging the answer takes %.1f times as long as "+
		"`json.Unmarshal` of the body into an `any` (the median; from %.1f to %.1f).",
		thousands(float64(len(list))), list.median(), least, most)
}

// absent says which proxies were not installed, or nothing.
func (r *results) absent() string {
	var names []string
	for _, c := range proxyContenders() {
		if w := works()[0]; optional(c.name) && !r.has(proxyName, w.kind, w.conns, c.name) {
			names = append(names, c.title)
		}
	}
	return strings.Join(names, " and ")
}
