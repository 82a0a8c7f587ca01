package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

var nan = math.NaN() //nolint:gochecknoglobals // Go has no constant for it

// seconds writes a time in seconds with three digits and a unit: 2.57 µs.
func seconds(s float64) string {
	a := math.Abs(s)
	switch {
	case math.IsNaN(s):
		return "–"
	case a < 1e-6:
		return digits(s*1e9) + " ns"
	case a < 1e-3:
		return digits(s*1e6) + " µs"
	case a < 1:
		return digits(s*1e3) + " ms"
	}
	return digits(s) + " s"
}

// size writes a number of bytes with a unit: 1.48 KiB.
func size(b float64) string {
	a := math.Abs(b)
	switch {
	case math.IsNaN(b):
		return "–"
	case a < 1<<10:
		return digits(b) + " B"
	case a < 1<<20:
		return digits(b/(1<<10)) + " KiB"
	}
	return digits(b/(1<<20)) + " MiB"
}

// digits writes a number with as many decimals as make three digits, and at most two.
func digits(v float64) string {
	a := math.Abs(v)
	decimals := 2
	switch {
	case a >= 99.95 || v == math.Trunc(v):
		decimals = 0
	case a >= 9.995:
		decimals = 1
	}
	return strconv.FormatFloat(v, 'f', decimals, 64)
}

// signed puts the sign before the text of a number.
func signed(text string) string {
	if strings.HasPrefix(text, "-") {
		return "−" + text[1:]
	}
	return "+" + text
}

// spread writes the half-width of the confidence interval of the median, in percent of the median.
func spread(s series) string {
	if len(s) < 2 {
		return ""
	}
	return " " + s.summary().PctRangeString()
}

// interval writes a ratio with the confidence interval of its median.
func interval(s series) string {
	sum := s.summary()
	if len(s) < 2 || math.IsInf(sum.Lo, 0) || math.IsInf(sum.Hi, 0) {
		return fmt.Sprintf("%.2f", s.median())
	}
	return fmt.Sprintf("%.2f (%.2f–%.2f)", sum.Center, sum.Lo, sum.Hi)
}

// thousands writes a whole number with commas: 1,234,567.
func thousands(v float64) string {
	t := strconv.FormatFloat(math.Round(v), 'f', 0, 64)
	for i := len(t) - 3; i > 0; i -= 3 {
		t = t[:i] + "," + t[i:]
	}
	return t
}

// table is a table of Markdown.
type table struct{ text string }

// newTable makes a table with one row of titles. All columns but the first are aligned to the
// right.
func newTable(head ...string) *table {
	t := new(table)
	t.row(head...)
	t.row(append([]string{"---"}, sliceOf("---:", len(head)-1)...)...)
	return t
}

func (t *table) row(cells ...string) {
	t.text += "| " + strings.Join(cells, " | ") + " |\n"
}

func sliceOf(s string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = s
	}
	return list
}

// day writes the day of the report.
func day(t time.Time) string { return t.UTC().Format("2 January 2006") }
