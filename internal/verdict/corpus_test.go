package verdict_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/fixturetest"
	"github.com/reauth-go/reauth/internal/vendors"
	"github.com/reauth-go/reauth/internal/verdict"
)

const fixtures = "../../fixtures"

// hidings are the values of Provider.Hides.
var hidings = []vendors.Hides{"", vendors.HidesInBaseResp, vendors.HidesInSuccess, vendors.HidesInCode}

// canonical returns the one name of a provider.
func canonical(name string) string {
	if p, ok := reauth.LookupProvider(name); ok {
		return p.Name
	}
	return name
}

// A rule without a structured code or a header stands on words alone: it must hold for more than
// one recording.
func TestNoRuleRestsOnASingleFixture(t *testing.T) {
	hits := make(map[int]int)
	for _, f := range fixturetest.Answers(t, fixtures) {
		for _, hides := range hidings { // which of them is the provider's, does not matter here
			p := verdict.Provider{Name: canonical(f.Provider), Hides: hides}
			if number, ok := verdict.Deciding(p, f.Resp, f.Body); ok {
				hits[number]++
				break
			}
		}
	}
	for number, reason := range verdict.Worded() {
		assert.NotEqual(t, 1, hits[number], "%s rests on a single fixture", reason)
	}
}

// wordsAlone is how many of the recorded answers the reading must judge rightly without the tables of
// codes and vendors, in percent.
const wordsAlone = 90

func TestReadingAlone(t *testing.T) {
	right, all := 0, 0
	for _, f := range fixturetest.Answers(t, fixtures) {
		name := canonical(f.Provider)
		v, _ := verdict.Hear(verdict.Provider{Name: name, Hides: vendors.Of(name).Hides}, f.Resp, f.Body)
		if all++; v.Kind.String() == f.Want {
			right++
		}
	}
	t.Logf("the words alone are right on %d of %d answers (%.1f %%)", right, all, 100*float64(right)/float64(all))
	assert.GreaterOrEqual(t, 100*right, wordsAlone*all)
}
