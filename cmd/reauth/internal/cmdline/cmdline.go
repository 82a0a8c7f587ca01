// Package cmdline reads a program with its arguments from one text, for a command that is run
// without a shell.
package cmdline

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
)

// Errors of a text that is no program with its arguments. They repeat nothing of it.
var (
	ErrNoArray = errors.New(`[…] wants an array of texts in JSON, such as ["pass","show","reauth key"]`)
	ErrShell   = errors.New("there is no shell that would read quotes or signs such as $, | and ~; separate plain words " +
		`with blanks, or write an array of JSON, such as ["pass","show","reauth key"] or ["sh","-c","…"]`)
	ErrNoProgram = errors.New("it wants a program, as in pass show reauth")
)

// Split returns a program and its arguments: the words of a text with white space in between, or
// the texts of an array of JSON. A quote or another sign that means something to a shell is an
// error in plain words, because no shell would take it away.
func Split(text string) (words []string, err error) {
	switch text = strings.TrimSpace(text); {
	case strings.HasPrefix(text, "["):
		if json.Unmarshal([]byte(text), &words) != nil {
			return nil, ErrNoArray
		}
	case strings.ContainsAny(text, "\"'`$|;&<>"), os.PathSeparator == '/' && strings.Contains(text, `\`),
		strings.Contains(" "+text, " ~"):
		return nil, ErrShell
	default:
		words = strings.Fields(text)
	}
	if len(words) == 0 || words[0] == "" {
		return nil, ErrNoProgram
	}
	return words, nil
}
