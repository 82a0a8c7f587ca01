package logins

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestStamp(t *testing.T) {
	want := time.Date(2031, 2, 3, 4, 5, 6, 789e6, time.UTC)
	for content, want := range map[string]time.Time{
		`1927857906.789`:                  want,
		`1927857906789`:                   want,
		`"2031-02-03T04:05:06.789Z"`:      want,
		`"2031-02-03T05:05:06.789+01:00"`: want,
		`null`:                            {}, `0`: {}, `-1`: {}, `1e14`: {}, `1e300`: {}, `""`: {}, `"soon"`: {}, `"1927857906"`: {}, `true`: {}, `{}`: {}, `[1]`: {},
	} {
		var got stamp
		require.NoError(t, json.Unmarshal([]byte(content), &got))
		assert.WithinDuration(t, want, got.Time, time.Microsecond, content)
	}
}

func TestLongest(t *testing.T) {
	soon, late := time.Unix(1, 0), time.Unix(2, 0)
	list := []time.Time{{}, late, soon, {}}
	slices.SortFunc(list, longest)
	assert.Equal(t, []time.Time{soon, late, {}, {}}, list)
}

func TestToken(t *testing.T) {
	for s, want := range map[string]string{
		"at": "at", " at\r\n": "at", "a t": "a t", "sha256": "sha256", "": "", "\n": "",
		"sha256:0123": "", " sha256:0123": "", "a\nt": "", "a\x00t": "", "a\x7ft": "", "a\tt": "", "a\xfft": "", "a\ufffdt": "",
	} {
		assert.Equal(t, want, token(s), "%q", s)
	}
}
