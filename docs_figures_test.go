package reauth_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// figures are numbers in the documents that stand in the source too: a phrase of the page, and the line of
// the source that makes it true. TestReadmeFigures counts the answers and the providers.
var figures = []struct{ page, phrase, source, line string }{
	{"docs/stores.md", "of the last 32 that were rotated away", "store_record.go", "maxSpent = 32 //"},
	{"docs/stores.md", "of the last 16 that came by a login", "store_record.go", "maxLogins = 16 //"},
	{"docs/stores.md", "last 1,000 of these", "store_record.go", "maxTombstones = 1000 //"},
	{"docs/stores.md", "(`SQLStore.Claim`, 20 s)", "store_sql_claim.go", "defaultClaim = 20 * time.Second"},
	{"docs/stores.md", "5 s for a process that has it", "pool_exchange.go", "holderTimeout = 5 * time.Second"},
	{"docs/stores.md", "kept for 10 s after the deadline of 30 s", "pool_run.go", "lateClaim = 10 * time.Second"},
	{"docs/stores.md", "the deadline of 30 s", "refresh.go", "exchangeTimeout = 30 * time.Second"},
	{"docs/process-death.md", "(`SQLStore.Claim`, 20 s)", "store_sql_claim.go", "defaultClaim = 20 * time.Second"},
	{"docs/process-death.md", "After 20 s without an answer", "refresh_repeat.go", "silence = 20 * time.Second"},
	{"docs/process-death.md", "the pool rests for 5 s at most", "pool_restraint.go", "unsentMost = 5 * time.Second"},
	{"docs/process-death.md", "its context ends, after 30 s", "refresh.go", "exchangeTimeout = 30 * time.Second"},
	{"docs/process-death.md", "ends 10 s after the deadline", "pool_run.go", "lateClaim = 10 * time.Second"},
	{"docs/refusals.md", "for 5 minutes doubling to an hour", "pool_mark.go", "lackRest = 5 * time.Minute"},
	{"docs/refusals.md", "doubling to an hour", "pool_mark.go", "longestLack = time.Hour"},
	{"docs/scope.md", "`MaxBodyBuffer` (32 MiB)", "transport.go", "defaultBodyBuffer = 32 << 20"},
	{"docs/scope.md", "`MaxBodyMemory` (256 MiB)", "transport.go", "defaultBodyMemory = 256 << 20"},
	{"docs/troubleshooting.md", "the marks end after ten seconds", "pool_standing.go", "suspectRest = 10 * time.Second"},
	{"README.md", "adds 6 allocations", "bench/README.md", "x/oauth2's | +6 | met"},
	{"README.md", "0.84 of the time that `oauth2.Transport` adds", "bench/README.md", "| ≤ 0.65 | 0.84 ("},
	{"docs/measurements.md", "adds 6 allocations", "bench/README.md", "x/oauth2's | +6 | met"},
	{"docs/measurements.md", "about 0.84 of the time", "bench/README.md", "| ≤ 0.65 | 0.84 ("},
	{"docs/measurements.md", "in 1.13 times what", "bench/README.md", "| ≤ 1.05 | 1.13 ("},
	{"docs/sdks.md", "These are 36 obligations", "bench/conformance/table.md", "| **kept** | **36/36** |"},
	{"README.md", "You need Go 1.26", "go.mod", "go 1.26.0"},
}

// words returns a text with one blank between its words.
func words(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return strings.Join(strings.Fields(string(content)), " ")
}

func TestFiguresOfTheDocuments(t *testing.T) {
	for _, f := range figures {
		assert.True(t, strings.Contains(words(t, f.page), f.phrase), "%s does not say %q", f.page, f.phrase)
		assert.True(t, strings.Contains(words(t, f.source), f.line),
			"%s says %q, and %s does not have %q", f.page, f.phrase, f.source, f.line)
	}
}
