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

// At a terminal a long line is broken between words, and its parts belong together visibly.
func TestFold(t *testing.T) {
	for text, want := range map[string]string{
		"":                                     "",
		"short\n":                              "short\n",
		"one two three four":                   "one two\n  three\n  four",
		"  one two three four\n":               "  one two\n    three\n    four\n",
		"a\none two three\nb\n":                "a\none two\n  three\nb\n",
		"https://example.com/a-long-address\n": "https://example.com/a-long-address\n",
	} {
		assert.Equal(t, want, fold(text, 9), text)
		assert.Equal(t, text, fold(text, 0), "for a pipe")
	}
	// The variable says how wide an output is that goes to no terminal.
	s := newShell(t)
	long := s.run("", "token", "grok").fails(exitLogin)
	require.Equal(t, 1, strings.Count(long, "\n"), "a line for a message, in a pipe")
	s.setenv("COLUMNS", "40")
	narrow := s.run("", "token", "grok").fails(exitLogin)
	assert.Greater(t, strings.Count(narrow, "\n"), 1)
	assert.Equal(t, inLines(long), inLines(narrow))
	assert.Contains(t, s.run("", "providers", "xai").ok(), "hosts:        api.x.ai *.api.x.ai\n              cli-chat-proxy.grok.com\n")
}
