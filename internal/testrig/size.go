package testrig

import (
	"flag"
	"fmt"
	"slices"
	"testing"
)

// Size says how much the tests of a package repeat, by a flag of its test binary.
type Size struct{ given string }

// NewSize makes the flag of that name, whose values are short, gate and full. usage says what it is
// about.
func NewSize(name, usage string) *Size {
	s := new(Size)
	sizes := []string{"short", "gate", "full"}
	flag.Func(name, usage+": `size` short, gate (default) or full", func(given string) error {
		if !slices.Contains(sizes, given) {
			return fmt.Errorf("it is none of %v", sizes)
		}
		s.given = given
		return nil
	})
	return s
}

// Sized returns how much a test has to do: full with the flag's value full, which is for releases;
// short with short, or with go test -short; otherwise gate, which is what the gate runs. A test makes
// all its assertions with any size.
func Sized[T any](s *Size, short, gate, full T) T {
	switch {
	case s.given == "full":
		return full
	case s.given == "short", s.given == "" && testing.Short():
		return short
	}
	return gate
}
