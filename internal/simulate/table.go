package simulate

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Row is a line of the table: a contestant in a scenario.
type Row struct {
	Service, By string
	Accounts    int
	Load        float64
	Measures
}

// NewRow returns the row of what a contestant made of a scenario.
func NewRow(s Scenario, c Contestant, m Measures) Row {
	return Row{Service: s.Service.Name, By: c.Name, Accounts: s.Accounts, Load: s.Load, Measures: m}
}

// units are the figures of a row by their names in Line.
func (r *Row) units() []unit {
	return []unit{
		{"requests", count(&r.Requests)},
		{"served", count(&r.Served)},
		{"refused", count(&r.Refused)},
		{"servable", count(&r.Servable)},
		{"sends", count(&r.Sends)},
		{"wasted", count(&r.Wasted)},
		{"astray", count(&r.Astray)},
		{"left", tokens(&r.Quota.Left)},
		{"left-of", tokens(&r.Quota.Size)},
		{"left-week", tokens(&r.Week.Left)},
		{"left-week-of", tokens(&r.Week.Size)},
	}
}

// unit is a figure that can be read and set.
type unit struct {
	name string
	figure
}

type figure struct {
	get func() float64
	set func(float64)
}

func count(n *int) figure {
	return figure{func() float64 { return float64(*n) }, func(v float64) { *n = int(v) }}
}

func tokens(f *float64) figure {
	return figure{func() float64 { return *f }, func(v float64) { *f = v }}
}

// Prefix begins the name of each line, after "Benchmark".
const Prefix = "Simulate/"

// Line is the row in the format of benchmarks, by which bench/report keeps its figures.
func (r *Row) Line() string {
	var b strings.Builder
	by := strings.ReplaceAll(r.By, " ", "_")
	fmt.Fprintf(&b, "Benchmark%sservice=%s/accounts=%d/load=%g/by=%s 1", Prefix, r.Service, r.Accounts, r.Load, by)
	for _, u := range r.units() {
		b.WriteString(" " + strconv.FormatFloat(u.get(), 'f', -1, 64) + " " + u.name)
	}
	return b.String()
}

// ParseRow reads a row from the name of a Line, without "Benchmark", and the figures after it. It
// returns false for another benchmark, or when a figure is missing.
func ParseRow(name string, figure func(unit string) (float64, bool)) (r Row, ok bool) {
	rest, ok := strings.CutPrefix(name, Prefix)
	if !ok {
		return r, false
	}
	for part := range strings.SplitSeq(rest, "/") {
		key, value, _ := strings.Cut(part, "=")
		var err error
		switch key {
		case "service":
			r.Service = value
		case "accounts":
			r.Accounts, err = strconv.Atoi(value)
		case "load":
			r.Load, err = strconv.ParseFloat(value, 64)
		case "by":
			r.By = strings.ReplaceAll(value, "_", " ")
		}
		if err != nil {
			return r, false
		}
	}
	for _, u := range r.units() {
		v, ok := figure(u.name)
		if !ok {
			return r, false
		}
		u.set(v)
	}
	return r, true
}

// Markdown returns a table for each service, number of accounts and load, in the order of the rows.
func Markdown(rows []Row) string {
	var b strings.Builder
	for i := range rows {
		r := &rows[i]
		if i == 0 || rows[i-1].scenario() != r.scenario() {
			fmt.Fprintf(&b, "\n**%s**, %s requests\n\n", r.scenario(), thousands(r.Requests))
			b.WriteString("| by | served | refused | of these servable | sends | wasted | of these astray | " +
				"quota left | of the week |\n" +
				"| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n")
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", r.title(), thousands(r.Served),
			of(r.Refused, r.Requests), of(r.Servable, r.Refused), thousands(r.Sends), of(r.Wasted, r.Requests),
			of(r.Astray, r.Wasted), percent(r.Quota.Share()), percent(r.Week.Share()))
	}
	return b.String()
}

func (r *Row) scenario() string {
	return fmt.Sprintf("%s, %d accounts, load %s", r.Service, r.Accounts, percent(r.Load))
}

// title is the contestant, the library's own in bold.
func (r *Row) title() string {
	if strategy, ok := strings.CutPrefix(r.By, "reauth "); ok {
		return "**reauth** " + strategy
	}
	return r.By
}

// of is a number and its share of all.
func of(n, all int) string {
	if n == 0 {
		return "0"
	}
	return thousands(n) + " (" + percent(float64(n)/float64(all)) + ")"
}

func percent(share float64) string {
	switch {
	case math.IsNaN(share):
		return "–"
	case share > 0 && share < 0.0995:
		return fmt.Sprintf("%.2g %%", share*100)
	}
	return fmt.Sprintf("%.0f %%", share*100)
}

// thousands returns a number with a comma after each three digits.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
