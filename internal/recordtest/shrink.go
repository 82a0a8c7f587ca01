package recordtest

import (
	"slices"
	"testing"
)

// shrink leaves out steps as long as the schedule breaks the same invariant. It returns the shortest
// schedule that it finds, and what came of it.
func (k Kind) shrink(t *testing.T, s Schedule, broken *outcome) (Schedule, *outcome) {
	t.Helper()
	name := broken.broken[0].name
	for size := len(s.Steps) / 2; size > 0; {
		shorter := false
		for i := 0; i+size <= len(s.Steps); {
			try := Schedule{s.Seed, slices.Delete(slices.Clone(s.Steps), i, i+size)}
			if o := k.fails(t, try, name); o != nil {
				s, broken, shorter = try, o, true
			} else {
				i += size
			}
		}
		if size > 1 || !shorter {
			size /= 2
		}
	}
	return s, broken
}

// attempts is how often a schedule is played that may break an invariant: goroutines that run at one
// instant run in any order.
const attempts = 3

// fails plays a schedule, and returns its outcome if it breaks that invariant; else nil.
func (k Kind) fails(t *testing.T, s Schedule, name string) *outcome {
	for range attempts {
		if o := k.play(t, s); len(o.broken) > 0 && o.broken[0].name == name {
			return o
		}
	}
	return nil
}
