package reauth

import (
	"math/bits"
	"reflect"
	"testing"

	"github.com/stretchr/testify/assert"
)

// The allocator places values of a size that is no multiple of 64 across two cache lines. With ten
// thousand credentials that is one more miss for each choice.
func TestHotTypesFillCacheLines(t *testing.T) {
	if bits.UintSize < 64 {
		return // the sizes are chosen for 64-bit processors
	}
	const line = 64
	for _, hot := range []reflect.Type{reflect.TypeFor[member](), reflect.TypeFor[tokens]()} {
		assert.Zero(t, hot.Size()%line, "%s has %d bytes", hot, hot.Size())
	}
}
