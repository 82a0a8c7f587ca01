package fleettest

import (
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"
)

// sizes are the values of the flag -fleet, smallest first.
var sizes = []string{"short", "gate", "full"} //nolint:gochecknoglobals // a table

// size is the value of the flag -fleet, or "" if the flag is not set.
var size = sizeFlag() //nolint:gochecknoglobals // a flag of the test binary

func sizeFlag() *string {
	given := new(string)
	const usage = "how much the tests of processes repeat: `size` short, gate (default) or full"
	flag.Func("fleet", usage, func(s string) error {
		if !slices.Contains(sizes, s) {
			return fmt.Errorf("it is none of %v", sizes)
		}
		*given = s
		return nil
	})
	return given
}

// Sized returns how much a test has to do. It returns full with -fleet=full, which is for releases,
// and short with -fleet=short or go test -short. Otherwise it returns gate, which is what the gate
// runs. A test makes all its assertions with any size.
func Sized[T any](short, gate, full T) T {
	switch {
	case *size == "full":
		return full
	case *size == "short", *size == "" && testing.Short():
		return short
	}
	return gate
}

// soakTime is the value of the flag -soak.
var soakTime = flag.Duration("soak", 0, //nolint:gochecknoglobals // a flag of the test binary
	"how long each soak lasts; 0: as -fleet says, which is 10 minutes for full")

// soakStories is the value of the flag -soak.stories.
var soakStories = flag.Bool("soak.stories", false, //nolint:gochecknoglobals // a flag of the test binary
	"tell what led to the loss of each login")

// SoakTime returns how long a soak lasts: what -soak says, else 10 minutes with -fleet=full.
func SoakTime(short, gate time.Duration) time.Duration {
	if *soakTime > 0 {
		return *soakTime
	}
	return Sized(short, gate, 10*time.Minute)
}
