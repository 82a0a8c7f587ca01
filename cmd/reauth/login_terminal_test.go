package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/vendors"
	"github.com/reauth-go/reauth/login"
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
	person.show(login.Prompt{URL: "https://example.com/", Code: "CODE"})
	person.waiting(15 * time.Minute)
	person.waiting(9*time.Minute + 59*time.Second)
	assert.True(t, strings.HasSuffix(onScreen(out.String()), "\nWaiting for your consent, 9:59 left (Ctrl-C ends it)"),
		"%q", onScreen(out.String()))
	person.say("The server answers again.")
	person.waiting(time.Minute)
	person.leave()
	person.leave()
	assert.Equal(t, "Open this address and log in:\n\n  https://example.com/\n\n"+
		"The code there is\n\n  CODE\n\n"+
		"The server answers again.\n",
		onScreen(out.String()), "the line has gone")
}

// The person is asked three times at most, and no countdown disturbs the line.
func TestLoginLineThatIsPasted(t *testing.T) {
	var out bytes.Buffer
	var lines []string
	refuse := func(line string) error {
		lines = append(lines, line)
		return fmt.Errorf("reauth: login anthropic: %w", errors.New("the code is empty"))
	}
	person := newTerminal(&app{stdin: strings.NewReader("a\nb\nc\nd\n"), stderr: &out})
	person.live = true
	person.show(login.Prompt{URL: "https://example.com/", Paste: true, Hint: "Paste the code."})
	person.waiting(15 * time.Minute)
	require.EqualError(t, person.paste(refuse), "the code is empty")
	assert.Equal(t, []string{"a\n", "b\n", "c\n"}, lines)
	assert.Equal(t, "Open this address and log in:\n\n  https://example.com/\n\nPaste the code.\n> "+
		strings.Repeat("That is not it: the code is empty.\n> ", 2), out.String())

	require.NoError(t, person.paste(func(string) error { return nil }))
	require.EqualError(t, person.paste(refuse),
		"nothing was pasted (EOF); run the command where you can paste, or with another --flow")
}

// The person is told to name the server of a login again, unless the library knows that server.
func TestLoginTellsWhichServerToName(t *testing.T) {
	for issuer, want := range map[string]string{
		"": "", "https://auth.kimi.ai": "",
		"https://auth.corp.example": "Its tokens are of https://auth.corp.example and are refreshed only there",
	} {
		var out, notes bytes.Buffer
		pool := reauth.NewPool()
		defer pool.Close()
		got := reauth.Credential{
			Provider: "kimi-coding", AccountID: "you", AccessToken: "at-EXAMPLE", RefreshToken: "rt-EXAMPLE",
			Metadata: map[string]string{vendors.IssuerNote: issuer},
		}
		a := &app{ctx: t.Context(), stdout: &out, stderr: &notes}
		c := &loginCmd{Issuer: issuer}
		require.NoError(t, c.report(a, func(tell tell) error { return c.store(a, pool, got, tell) }))
		assert.Equal(t, "logged in: kimi-coding/you\n", out.String())
		assert.Contains(t, notes.String(), want)
		assert.Equal(t, want == "", notes.String() == "")
	}
}

// The help names each provider that has a login, with its flows.
func TestLoginHelpNamesEachProvider(t *testing.T) {
	help := newShell(t).run("", "login", "--help").ok()
	text := strings.Join(strings.Fields(help), " ")
	_, arguments, _ := strings.Cut(text, "<provider> ")
	_, flows, _ := strings.Cut(text, "Flows: ")
	for _, name := range login.Providers() {
		assert.Contains(t, arguments, name)
		words := make([]string, 0, 3)
		for _, f := range login.Flows(name) {
			words = append(words, string(f))
		}
		want := strings.Join(words, ", ")
		if i := strings.LastIndex(want, ", "); i > 0 {
			want = want[:i] + " or " + want[i+2:]
		}
		assert.Regexp(t, `(^|; )`+want+` for [^;]*`+name+`\b`, flows)
	}
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
