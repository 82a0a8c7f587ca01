package sdks

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// table is what the tests saw: a row per client, and a column per case.
type table struct {
	corner string

	mu            sync.Mutex
	rows, columns []string
	cells         map[[2]string]string
}

func newTable(corner string) *table {
	return &table{corner: corner, cells: make(map[[2]string]string)}
}

func (b *table) set(row, column, cell string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !slices.Contains(b.rows, row) {
		b.rows = append(b.rows, row)
	}
	if !slices.Contains(b.columns, column) {
		b.columns = append(b.columns, column)
	}
	b.cells[[2]string{row, column}] = cell
}

// String renders the table as Markdown.
func (b *table) String() string {
	var s strings.Builder
	fmt.Fprintf(&s, "| %s | %s |\n|%s\n",
		b.corner, strings.Join(b.columns, " | "), strings.Repeat("---|", len(b.columns)+1))
	for _, row := range b.rows {
		s.WriteString("| " + row + " |")
		for _, column := range b.columns {
			s.WriteString(" " + b.cells[[2]string{row, column}] + " |")
		}
		s.WriteString("\n")
	}
	return s.String()
}

// document is the file with the tables. Each table stands between two comments with its name.
const document = "sdks.md"

// compare compares the table with the one in the document, or replaces that one with -update. It
// compares nothing if only some of the subtests ran.
func (b *table) compare(t *testing.T, name string) {
	t.Helper()
	if t.Failed() || strings.Contains(flag.Lookup("test.run").Value.String(), "/") {
		return
	}
	text, err := os.ReadFile(document)
	require.NoError(t, err)
	first, last := "<!-- "+name+" -->\n", "<!-- /"+name+" -->"
	before, rest, found := strings.Cut(string(text), first)
	require.True(t, found, "%s has no %s", document, first)
	want, after, found := strings.Cut(rest, last)
	require.True(t, found, "%s has no %s", document, last)
	if *update {
		require.NoError(t, os.WriteFile(document, []byte(before+first+b.String()+last+after), 0o644))
		return
	}
	assert.Equal(t, want, b.String(),
		"%s tells something else than this run; if the run is right: go test -update", document)
}
