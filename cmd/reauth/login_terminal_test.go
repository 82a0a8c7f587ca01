package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// onScreen returns what a terminal shows after it has received text. A carriage return moves the
// cursor to the beginning of the line.
func onScreen(text string) string {
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		var cells []rune
		at := 0
		for _, r := range line {
			switch {
			case r == '\r':
				at = 0
				continue
			case at == len(cells):
				cells = append(cells, r)
			default:
				cells[at] = r
			}
			at++
		}
		lines = append(lines, strings.TrimRight(string(cells), " "))
	}
	return strings.Join(lines, "\n")
}

func TestLoginLineOnATerminal(t *testing.T) {
	var out bytes.Buffer
	person := newTerminal(&app{stdin: strings.NewReader("pasted\n"), stderr: &out})
	person.live = true
	person.Visit("https://example.com/", "CODE")
	person.Waiting(15 * time.Minute)
	person.Waiting(9*time.Minute + 59*time.Second)
	assert.True(t, strings.HasSuffix(onScreen(out.String()), "\nWaiting for your consent, 9:59 left (Ctrl-C ends it)"),
		"%q", onScreen(out.String()))
	person.Note("The server answers again.")
	person.Waiting(time.Minute)
	person.done()
	person.done()
	assert.Equal(t, "Open this address and log in:\n\n  https://example.com/\n\n"+
		"The code there is\n\n  CODE\n\n"+
		"The server answers again.\n",
		onScreen(out.String()), "the line has gone")
	line, err := person.Paste(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "pasted\n", line)
	assert.True(t, strings.HasSuffix(out.String(), "> "))
}

func TestLoginHeaders(t *testing.T) {
	h, err := readHeaders([]string{"editor-version: acme/1.0", "X-A:b:c"})
	require.NoError(t, err)
	assert.Equal(t, "acme/1.0", h.Get("Editor-Version"))
	assert.Equal(t, "b:c", h.Get("X-A"))
	for _, bad := range []string{"", "x", ": y", "a b: c", "a: b\r\nc: d"} {
		_, err := readHeaders([]string{bad})
		require.Error(t, err, "%q", bad)
	}
}
