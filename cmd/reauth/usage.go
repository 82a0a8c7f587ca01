package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/reauth-go/reauth/cmd/reauth/internal/pattern"
	"github.com/reauth-go/reauth/internal/vendors"
)

// What is wrong with a command line, in words for the person who wrote it.

// misspelt matches what may be a misspelt command: a short word, with what kong says behind it.
var misspelt = pattern.Lazy(`^([A-Za-z-]{1,20})(?:$|,)`)

// longValue matches a value in an error of kong that is longer than any of the command's own words.
var longValue = pattern.Lazy(`"[^"]{25,}"`)

// misused tells the user what is wrong with the command line. It leaves out every argument that may
// be a key: the key is in the history of the shell already, and standard error may go to a log as
// well.
func (a *app) misused(err error) int {
	text, try, at := err.Error(), "reauth --help", a.model.Node
	var wrong *kong.ParseError
	if errors.As(err, &wrong) && wrong.Context != nil && wrong.Context.Selected() != nil {
		at = wrong.Context.Selected()
		try = at.FullPath() + " --help"
	}
	if arg, ok := strings.CutPrefix(text, "unexpected argument "); ok {
		text = unexpected(at, arg)
	} else {
		text = plainly(text, at)
	}
	text = longValue().ReplaceAllString(text, notRepeated)
	a.notef("reauth: %s\nTry: %s\n", text, try)
	return exitUsage
}

// unexpected tells of an argument too many. Behind the name of a command it is often a key. In
// front of one, and where another one is wanted, it is more likely a misspelt command, which is
// worth repeating if it is a word.
func unexpected(at *kong.Node, arg string) string {
	m := misspelt().FindStringSubmatch(arg)
	if m == nil || at.Type == kong.CommandNode && len(at.Children) == 0 {
		return "there is an argument too many, which is not repeated here: " +
			"it may be a secret, and a key is never an argument"
	}
	names := commandsOf(at)
	text := fmt.Sprintf("there is no command %q", m[1])
	if meant := vendors.Nearest(m[1], names); meant != "" {
		return text + fmt.Sprintf(", did you mean %q?", meant)
	}
	return text + "; there are " + strings.Join(names, ", ")
}

// commandsOf returns the names of the commands below a node, as the help lists them.
func commandsOf(at *kong.Node) (names []string) {
	for _, n := range at.Children {
		if !n.Hidden {
			names = append(names, n.Name)
		}
	}
	return names
}

// rewording says an error of kong as a person would.
type rewording struct {
	of   func() *regexp.Regexp
	with string
}

// rewordings are tried in this order. None repeats a value.
var rewordings = []rewording{ //nolint:gochecknoglobals // a table
	{pattern.Lazy(`^(\S+): expected .* but got "EOL".*$`), "$1 wants a value"},
	{pattern.Lazy(`^(\S+): .*perhaps try.*$`), "$1: a value that begins with a dash is written behind =, as in $1=-1"},
	{pattern.Lazy(`^(\S+): expected (?:a valid \d+ bit u?int|an int) .*$`), "$1 wants a whole number"},
	{pattern.Lazy(`^(\S+): expected duration .*$`), "$1 wants a time such as 90s, 5m or 1h30m"},
	{pattern.Lazy(`^(\S+): bool value must be .*$`), "$1 is given without a value, or as $1=false"},
	{pattern.Lazy(`^expected "(<[^ ">]+>)[^"]*"$`), "the argument $1 is missing"},
}

// oneOf matches the error for a value that is none of those there are.
var oneOf = pattern.Lazy(`^(\S+) must be one of (\S+) but got "(.*)"$`)

// plainly says an error of kong as a person would.
func plainly(text string, at *kong.Node) string {
	for _, r := range rewordings {
		if r.of().MatchString(text) {
			return r.of().ReplaceAllString(text, r.with)
		}
	}
	if strings.HasPrefix(text, "expected one of ") { // it names the first few
		return "say which command: " + strings.Join(commandsOf(at), ", ")
	}
	m := oneOf().FindStringSubmatch(text)
	if m == nil {
		return text
	}
	var values []string
	for v := range strings.SplitSeq(m[2], ",") {
		if v = strings.Trim(v, `"`); v != "" {
			values = append(values, v)
		}
	}
	text = m[1] + " is one of " + strings.Join(values, ", ")
	if meant := vendors.Nearest(m[3], values); meant != "" {
		text += fmt.Sprintf("; did you mean %q?", meant)
	}
	return text
}
