package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// inLines is a text whose lines are wrapped as one line of words.
func inLines(text string) string { return strings.Join(strings.Fields(text), " ") }

func TestWrapped(t *testing.T) {
	for _, c := range []struct {
		text  string
		width int
		want  []string
	}{
		{"", 10, []string{""}},
		{"one two", 7, []string{"one two"}},
		{"one two", 6, []string{"one", "two"}},
		{"one two three", 8, []string{"one two", "three"}},
		{"one  two", 5, []string{"one", "two"}},
		{"a-word-that-is-longer than that", 6, []string{"a-word-that-is-longer", "than", "that"}},
		{"short a-word-that-is-longer", 6, []string{"short", "a-word-that-is-longer"}},
		{"ääää ööö", 4, []string{"ääää", "ööö"}},
		{" x", 1, []string{" x"}},
	} {
		assert.Equal(t, c.want, wrapped(c.text, c.width), c.text)
	}
	assert.Equal(t, []string{"one, two,", "three and", "four,", "five"}, packed("one, two, three and four, five", 11))
	assert.Equal(t, []string{"one, two"}, packed("one, two", 8))
	assert.Equal(t, []string{""}, packed("", 8))
}

// A table is as wide as it may be. What does not fit goes on below, and nothing is cut.
func TestColumns(t *testing.T) {
	show := func(width int, rows ...[]string) string {
		var b strings.Builder
		row, flush := columns(&b, width)
		for _, cells := range rows {
			row(cells...)
		}
		require.NoError(t, flush())
		return b.String()
	}
	rows := [][]string{{"A", "B", "STATE"}, {"long name", "", "good, and more than fits into one line of this table"}}
	assert.Equal(t, `A          B  STATE
long name  -  good, and more than fits into one line of this table
`, show(80, rows...))
	assert.Equal(t, `A          B  STATE
long name  -  good,
              and more than fits into one
              line of this table
`, show(44, rows...))
	assert.Equal(t, `A          B
    STATE
long name  -
    good,
    and more than fits into one
    line of this table
`, show(34, rows...))
	assert.Equal(t, "A          B  STATE\nlong name  -  good\n", show(20, rows[0], []string{"long name", "", "good"}),
		"what is short stays beside the others")
	assert.Empty(t, show(80))
}
