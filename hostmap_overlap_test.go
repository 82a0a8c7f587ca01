package reauth

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Two patterns overlap when some URL matches both.
func TestOverlappingPatterns(t *testing.T) {
	for _, c := range []struct {
		p, q string
		want bool
	}{
		{"api.x.ai", "api.x.ai", true},
		{"api.x.ai", "API.X.AI:443", true},
		{"api.x.ai", "us.api.x.ai", false},
		{"*.api.x.ai", "us.api.x.ai", true},
		{"*.api.x.ai", "api.x.ai", false},
		{"us-*.api.x.ai", "*.api.x.ai", true},
		{"us-*.api.x.ai", "*-west.api.x.ai", true},
		{"us-*.api.x.ai", "eu-*.api.x.ai", false},
		{"*-a.api.x.ai", "*-b.api.x.ai", false},
		{"*.*.api.x.ai", "a.*.api.x.ai", true},
		{"a.*.api.x.ai", "*.b.api.x.ai", true},
		{"a.*.api.x.ai", "b.*.api.x.ai", false},
		{"*.openai.azure.com", "my.openai.azure.com/openai", true},
		{"host.example/a", "host.example/a/b", true},
		{"host.example/a", "host.example/ab", false},
		{"host.example/a/b", "host.example", true},
		{"host.example:8443", "host.example", false},
		{"host.example:8443", "host.example:8443/v1", true},
		{"http://host.example:4000", "host.example:4000", false},
		{"http://host.example:80", "http://host.example:80/v1", true},
		{"localhost", "http://localhost:1234", true},
		{"localhost:1234", "localhost:1235", false},
		{"127.0.0.1", "localhost", false},
		{"[::1]", "[0:0:0:0:0:0:0:1]:8080", true},
	} {
		p, err := parseHostPattern(c.p)
		require.NoError(t, err)
		q, err := parseHostPattern(c.q)
		require.NoError(t, err)
		assert.Equal(t, c.want, p.overlaps(&q), "%s and %s", c.p, c.q)
		assert.Equal(t, c.want, q.overlaps(&p), "%s and %s", c.q, c.p)
	}
}

// FuzzOverlappingPatterns checks that patterns overlap which match one URL.
func FuzzOverlappingPatterns(f *testing.F) {
	patterns := strings.Fields(manyPatterns)
	for i, p := range patterns {
		f.Add(p, patterns[(i+1)%len(patterns)], "https://abc.api.x.ai/a/b")
		f.Add(p, p, "http://localhost:1234/v1")
	}
	f.Fuzz(func(t *testing.T, one, other, raw string) {
		p, err1 := parseHostPattern(one)
		q, err2 := parseHostPattern(other)
		u, err3 := url.Parse(raw)
		if err1 != nil || err2 != nil || err3 != nil {
			return
		}
		if d := newDestination(u); p.matches(&d) && q.matches(&d) {
			require.True(t, p.overlaps(&q), "%s and %s match %s", one, other, raw)
		}
	})
}
