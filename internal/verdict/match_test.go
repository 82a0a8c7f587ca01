package verdict

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestContainsPhrase(t *testing.T) {
	for _, c := range []struct {
		text, phrase string
		want         bool
	}{
		{"your account is not active", "not active", true},
		{"your account is active", "not active", false},
		{"error code: 1020", "^error code: 1", true},
		{"an error code: 1020", "^error code: 1", false},
		{"it does not have any kind of permission", "does not have … permission", true},
		{"permission: it does not have", "does not have … permission", false},
		{"does not have it. " + strings.Repeat("x", maxGap) + " permission", "does not have … permission", false},
		{"does not have it, and does not have the permission", "does not have … permission", true},
	} {
		assert.Equal(t, c.want, containsPhrase(c.text, []string{c.phrase}), "%q in %q", c.phrase, c.text)
	}
}
