package verdict

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func allRules() (all []*rule) {
	for _, stage := range slices.Concat(before, after) {
		for i := range stage {
			all = append(all, &stage[i])
		}
	}
	return all
}

func TestRulesAreShort(t *testing.T) {
	for _, r := range allRules() {
		assert.NotEmpty(t, r.reason)
		for _, p := range slices.Concat(r.phrase, r.unless, r.page) {
			assert.LessOrEqual(t, len(strings.Fields(p)), 6, "%s: %q", r.reason, p)
			assert.Equal(t, strings.ToLower(p), p, "%s: phrases are matched in lower case", r.reason)
		}
		for _, c := range r.code {
			assert.NotContains(t, c, " ", "%s: %q is a phrase", r.reason, c)
			assert.Equal(t, strings.ToLower(c), c, "%s: codes are matched in lower case", r.reason)
		}
		if r.kind == Exhausted { // the word decides how long a credential is put aside
			assert.True(t, containsPhrase(r.reason, []string{"billing", "rate", "usage", "quota", "key-limit"}), r.reason)
		}
	}
}
