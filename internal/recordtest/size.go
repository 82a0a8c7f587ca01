package recordtest

import (
	"flag"

	"github.com/reauth-go/reauth/internal/testrig"
)

//nolint:gochecknoglobals // flags of the test binary
var (
	size  = testrig.NewSize("record", "how many schedules the model of the stored record plays")
	only  = flag.Uint64("record.seed", 0, "play only the schedule of this `seed`")
	first = flag.Uint64("record.first", 1, "play schedules from this `seed` on")
)

// Sized is testrig.Sized with the flag -record.
func Sized(short, gate, full int) int { return testrig.Sized(size, short, gate, full) }
