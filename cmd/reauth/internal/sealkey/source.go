// Package sealkey finds the keys that seal a store: in the operating system's keyring, in a
// variable, in a file, or from a command. No error repeats a key, nor what may be one.
package sealkey

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/reauth-go/reauth/cmd/reauth/internal/cmdline"
	"github.com/reauth-go/reauth/cmd/reauth/internal/pattern"
	"github.com/reauth-go/reauth/internal/privatefile"
	"github.com/reauth-go/reauth/internal/process"
	"github.com/reauth-go/reauth/keyring"
)

const (
	// Service names the key in the keyring, unless the user names another one.
	Service = "reauth"

	maxText        = 4 << 10          // bytes of what has the key: a file, a variable, or what a program prints
	commandTimeout = 30 * time.Second // a person may have to allow it
)

// Source is where a key is.
type Source struct {
	kind kind
	of   string   // the service, the name, the path or the program
	args []string // of the program; they may hold a secret
}

type kind string

const (
	inKeyring   kind = "keyring"
	fromEnv     kind = "env"
	fromFile    kind = "file"
	fromCommand kind = "command"
)

// String names the source, without the arguments of a program.
func (s Source) String() string {
	if s.kind == inKeyring && s.of == Service {
		return string(s.kind)
	}
	return string(s.kind) + ":" + s.of
}

// Key gets the key, of 32 bytes. A key in the keyring is made if there is none.
func (s Source) Key(ctx context.Context) ([]byte, error) {
	key, err := s.key(ctx)
	if err != nil {
		return nil, fmt.Errorf("reauth: the key that seals the store, %s: %w", s, err)
	}
	return key, nil
}

func (s Source) key(ctx context.Context) ([]byte, error) {
	switch s.kind {
	case inKeyring:
		return keyring.Key(ctx, s.of)
	case fromEnv:
		text := os.Getenv(s.of)
		if text == "" {
			return nil, errors.New("the variable is not set, or empty; set it to a key, as reauth store key prints one")
		}
		return Decode(text)
	case fromFile:
		content, err := privatefile.ReadSecret(s.of, maxText)
		if err != nil {
			return nil, err
		}
		return Decode(string(content))
	default:
		return s.run(ctx)
	}
}

// run gets the key from what a program prints.
func (s Source) run(ctx context.Context) ([]byte, error) {
	limited, stop := context.WithTimeout(ctx, commandTimeout)
	defer stop()
	out, err := process.Run(limited, maxText, s.of, s.args...)
	exit := (*exec.ExitError)(nil)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case limited.Err() != nil:
		return nil, fmt.Errorf("the command was ended after %v; run it by hand to see what it waits for", commandTimeout)
	case errors.Is(err, process.ErrTooMuch):
		return nil, fmt.Errorf("the command printed more than %d KiB, which is no key", maxText>>10)
	case errors.As(err, &exit):
		return nil, fmt.Errorf("the command failed (%w); run it by hand to see why", exit)
	case err != nil:
		return nil, err
	}
	return Decode(string(out.Stdout))
}

// name matches the name of a variable, which is too short for a key.
var name = pattern.Lazy(`^[A-Za-z_][A-Za-z0-9_]{0,39}$`)

// Errors of a text that names no source. They repeat nothing of it.
var (
	errNoSource = errors.New("a key that seals the store is named by keyring, env:NAME, file:PATH or command:PROGRAM…; " +
		"what was given is not repeated here, as it may be a key")
	errKeyItself = errors.New("the key itself is given where a place is wanted that has the key, and other users may see it " +
		"there; put it into a variable (env:NAME) or into a file with mode 0600 (file:PATH)")
)

// Parse returns the sources that the texts name. Each text may name several, with commas in
// between.
func Parse(texts []string) ([]Source, error) {
	var list []Source
	for _, text := range texts {
		for rest := strings.TrimSpace(text); rest != ""; {
			var one string
			one, rest = cut(rest)
			s, err := parse(one)
			if err != nil {
				return nil, err
			}
			list = append(list, s)
		}
	}
	return list, nil
}

// beginning matches a comma with the beginning of another source behind it.
var beginning = pattern.Lazy(`,\s*(?:keyring\s*(?:[:,]|$)|env:|file:|command:)`)

// cut returns the first source of a list, and the rest of the list. A comma belongs to the source
// in front of it unless another source begins behind it; an array of JSON ends where it ends.
func cut(list string) (first, rest string) {
	from := 0
	if array, ok := strings.CutPrefix(list, string(fromCommand)+":"); ok && strings.HasPrefix(array, "[") {
		d := json.NewDecoder(strings.NewReader(array))
		if d.Decode(new([]string)) == nil {
			from = len(list) - len(array) + int(d.InputOffset())
		}
	}
	if at := beginning().FindStringIndex(list[from:]); at != nil {
		return strings.TrimSpace(list[:from+at[0]]), strings.TrimSpace(list[from+at[0]+1:])
	}
	return list, ""
}

// parse reads one source.
func parse(text string) (Source, error) {
	before, of, named := strings.Cut(text, ":")
	if IsKey(text) || IsKey(of) {
		return Source{}, errKeyItself
	}
	s := Source{kind: kind(before), of: of}
	switch {
	case s.kind == inKeyring && !named:
		s.of = Service
		return s, nil
	case s.kind == inKeyring && of != "", s.kind == fromFile && of != "":
		return s, nil
	case s.kind == fromEnv && name().MatchString(of):
		return s, nil
	case s.kind == fromCommand:
		return command(of)
	}
	return Source{}, errNoSource
}

// command reads a program with its arguments: words with white space in between, or an array of
// JSON.
func command(text string) (Source, error) {
	words, err := cmdline.Split(text)
	if err != nil {
		return Source{}, fmt.Errorf("command:PROGRAM: %w", err)
	}
	return Source{kind: fromCommand, of: words[0], args: words[1:]}, nil
}
