package recordtest

import (
	"flag"
	"fmt"
	"slices"
	"testing"
)

//nolint:gochecknoglobals // flags of the test binary
var (
	sizes = []string{"short", "gate", "full"}
	size  = sizeFlag()
	only  = flag.Uint64("record.seed", 0, "play only the schedule of this `seed`")
	first = flag.Uint64("record.first", 1, "play schedules from this `seed` on")
)

func sizeFlag() *string {
	given := new(string)
	const usage = "how many schedules the model of the stored record plays: `size` short, gate (default) or full"
	flag.Func("record", usage, func(s string) error {
		if !slices.Contains(sizes, s) {
			return fmt.Errorf("it is none of %v", sizes)
		}
		*given = s
		return nil
	})
	return given
}

// Sized returns how many schedules to play: full with -record=full, which is for releases; short
// with -record=short or go test -short; otherwise gate.
func Sized(short, gate, full int) int {
	switch {
	case *size == "full":
		return full
	case *size == "short", *size == "" && testing.Short():
		return short
	}
	return gate
}
