package verdict

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
)

// Each reason for which something is forbidden stands in the table of causes.
func TestEachForbiddenReasonHasACause(t *testing.T) {
	for _, r := range allRules() {
		if r.kind == Forbidden {
			_, ok := causeOf(r.reason, r.who)
			assert.True(t, ok, r.reason)
		}
	}
	for _, m := range slices.Concat(matrix, alone) {
		if m.kind == Forbidden {
			_, ok := causeOf(m.reason, m.who)
			assert.True(t, ok, "%s of %s", m.reason, m.who.names())
		}
	}
}

// A code that a rule knows may say that the model alone is meant, and of whom it speaks.
func TestRulesOfModels(t *testing.T) {
	for _, r := range modelRules {
		assert.Equal(t, Exhausted, r.kind, r.reason)
		assert.NotEmpty(t, r.in, "%s: what any vendor means, is left to the reading", r.reason)
	}
	for _, r := range allRules() {
		assert.False(t, r.model && r.kind != Exhausted && r.kind != Forbidden, r.reason)
	}
}
