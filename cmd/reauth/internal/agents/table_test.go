//go:build unix

package agents

import (
	"cmp"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// document is the file with the tables. Each stands between two comments with the name of its
// agent.
const document = "agents.md"

// table is what the person at an agent sees: a row for each situation, and a column for each way.
// It begins with the cells of the document, and this run replaces those of the situations that it
// has.
type table struct {
	rows, columns []string

	mu    sync.Mutex
	cells map[[2]string]string
}

// set enters what this run saw.
func (b *table) set(row, column, cell string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cells[[2]string{row, column}] = strings.ReplaceAll(cell, "|", "¦")
}

// String renders the table as Markdown.
func (b *table) String() string {
	var s strings.Builder
	fmt.Fprintf(&s, "| situation | %s |\n|%s\n", strings.Join(b.columns, " | "), strings.Repeat("---|", len(b.columns)+1))
	for _, row := range b.rows {
		s.WriteString("| " + row + " |")
		for _, column := range b.columns {
			s.WriteString(" " + cmp.Or(b.cells[[2]string{row, column}], "—") + " |")
		}
		s.WriteString("\n")
	}
	return s.String()
}

// section is the document around the table of an agent.
type section struct{ before, table, after string }

func read(t *testing.T, name string) section {
	t.Helper()
	text, err := os.ReadFile(document)
	require.NoError(t, err)
	first, last := "<!-- "+name+" -->\n", "<!-- /"+name+" -->"
	before, rest, found := strings.Cut(string(text), first)
	require.True(t, found, "%s has no %s", document, first)
	table, after, found := strings.Cut(rest, last)
	require.True(t, found, "%s has no %s", document, last)
	return section{before + first, table, last + after}
}

// load enters the cells of the document.
func (b *table) load(t *testing.T, name string) {
	t.Helper()
	b.cells = make(map[[2]string]string)
	for line := range strings.Lines(read(t, name).table) {
		cells := strings.Split(strings.Trim(line, "| \n"), " | ")
		for i, column := range b.columns {
			if i+1 < len(cells) {
				b.cells[[2]string{cells[0], column}] = strings.TrimSpace(cells[i+1])
			}
		}
	}
}

// compare compares the table with that of the document, or replaces that one with -update.
func (b *table) compare(t *testing.T, name string) {
	t.Helper()
	doc := read(t, name)
	if *update {
		require.NoError(t, os.WriteFile(document, []byte(doc.before+b.String()+doc.after), 0o644))
		return
	}
	assert.Equal(t, doc.table, b.String(),
		"%s tells something else than this run; if the run is right: go test -update", document)
}
