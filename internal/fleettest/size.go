package fleettest

import (
	"flag"
	"time"

	"github.com/reauth-go/reauth/internal/testrig"
)

// size is the flag -fleet.
//
//nolint:gochecknoglobals // a flag of the test binary
var size = testrig.NewSize("fleet", "how much the tests of processes repeat")

// Sized is testrig.Sized with the flag -fleet.
func Sized[T any](short, gate, full T) T { return testrig.Sized(size, short, gate, full) }

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
