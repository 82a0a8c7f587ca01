package printable_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/internal/printable"
)

func TestTextsOfOthers(t *testing.T) {
	for _, c := range []struct{ in, line, lines string }{
		{"", "", ""},
		{"you@corp.example 張三 👩", "you@corp.example 張三 👩", "you@corp.example 張三 👩"},
		{"a\x1b[31mb\x1b]0;title\ac", "a[31mb]0;titlec", "a[31mb]0;titlec"},
		{"one\r\ntwo\tthree", "one two three", "one\ntwo three"},
		{"a\u202eb\u2066c\u2069\u200f\u061c\ufeffd", "abcd", "abcd"},
		{"a\u009b2Jb\x7f\x00c", "a2Jbc", "a2Jbc"},
		{"a\xffb\u2028c\u00a0d", "ab c d", "ab c d"},
	} {
		assert.Equal(t, c.line, printable.Line(c.in), "%q", c.in)
		assert.Equal(t, c.lines, printable.Lines(c.in), "%q", c.in)
		args := printable.Args([]any{c.in, errors.New(c.in), printable.Prose(c.in), 42})
		assert.Equal(t, c.line+"|"+c.lines+"|"+c.lines+"|42", fmt.Sprintf("%s|%v|%s|%d", args...), "%q", c.in)
	}
}

// JSON for programs keeps every character: it escapes what a terminal must not see.
func TestJSONMeansTheSame(t *testing.T) {
	const text = "a\u202e\u009b\x1b\x7f\U000e0041\u2028 ü 👩"
	doc, err := json.Marshal([]string{text})
	require.NoError(t, err)
	safe := printable.JSON(string(doc) + "\n")
	assert.Equal(t, `["a\u202e\u009b\u001b\u007f\udb40\udc41\u2028 ü 👩"]`+"\n", safe)
	var back []string
	require.NoError(t, json.Unmarshal([]byte(safe), &back))
	assert.Equal(t, []string{text}, back)
}
