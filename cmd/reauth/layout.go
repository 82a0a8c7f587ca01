package main

import (
	"cmp"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/reauth-go/reauth/internal/printable"
)

// usualWidth is how wide an output is that goes to no terminal.
const usualWidth = 80

// widthOf returns how many characters a line of the output may have: as many as the terminal has,
// or as the variable COLUMNS says. Elsewhere it is otherwise.
func widthOf(out io.Writer, otherwise int) int {
	if f, ok := out.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			return width
		}
	}
	if width, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && width > 0 {
		return width
	}
	return otherwise
}

// width is that of the standard output.
func (a *app) width() int { return widthOf(a.stdout, usualWidth) }

// fold breaks the lines of a text that are longer than width at blanks, and indents what goes on
// below. Such a text is for people; width 0 leaves it as it is, for files and pipes.
func fold(text string, width int) string {
	if width <= 0 {
		return text
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		line, end := strings.TrimSuffix(line, "\n"), line[len(strings.TrimSuffix(line, "\n")):]
		if utf8.RuneCountInString(line) > width {
			line = folded(line, width)
		}
		b.WriteString(line + end)
	}
	return b.String()
}

// folded breaks one line. Its first word stays where it is.
func folded(line string, width int) string {
	body := strings.TrimLeft(line, " ")
	indent := line[:len(line)-len(body)]
	const more = "  "
	lines := wrapped(body, width-len(indent))
	if len(lines) == 1 {
		return line
	}
	rest := wrapped(strings.TrimLeft(strings.TrimPrefix(body, lines[0]), " "), width-len(indent)-len(more))
	return indent + lines[0] + "\n" + indent + more + strings.Join(rest, "\n"+indent+more)
}

// columns returns what takes the rows of a table, and what writes it in columns of equal width. The
// last cell of a row is a list, which goes on below itself where it would exceed the width: nothing
// is cut.
func columns(w io.Writer, width int) (row func(cells ...string), flush func() error) {
	return inColumns(w, width, packed)
}

// facts is columns for names with sentences behind them.
func facts(w io.Writer, width int) (row func(name, value string), flush func() error) {
	add, flush := inColumns(w, width, wrapped)
	return func(name, value string) { add(name+":", value) }, flush
}

// inColumns is columns with a way to break the last cell.
func inColumns(
	w io.Writer, width int, lines func(string, int) []string,
) (row func(cells ...string), flush func() error) {
	var rows [][]string
	row = func(cells ...string) {
		// An empty cell would be hard to see, and awk would miscount the columns.
		for i := range cells {
			cells[i] = cmp.Or(printable.Line(cells[i]), "-")
		}
		rows = append(rows, cells)
	}
	return row, func() error {
		var b strings.Builder
		starts, longest := columnStarts(rows)
		for _, cells := range rows {
			last := len(cells) - 1
			from, gap := writeCells(&b, cells[:last], starts, min(leastLast, longest), width)
			b.WriteString(gap + strings.Join(lines(cells[last], width-from), "\n"+strings.Repeat(" ", from)) + "\n")
		}
		_, err := io.WriteString(w, b.String())
		return err
	}
}

// columnStarts returns where each column of a table begins, and how long its longest last cell is.
func columnStarts(rows [][]string) (starts []int, longest int) {
	for _, cells := range rows {
		for i, cell := range cells {
			if i == len(starts) {
				starts = append(starts, 0)
			}
			if n := utf8.RuneCountInString(cell); i == len(cells)-1 {
				longest = max(longest, n)
			} else {
				starts[i] = max(starts[i], n+2)
			}
		}
	}
	at := 0
	for i, n := range starts {
		starts[i] = at
		at += n
	}
	return starts, longest
}

// leastLast is the width from which on the last column of a table is legible. Where less is left
// for it, it stands below the others.
const leastLast = 24

// below is how far the last cell is indented that stands below the others.
const below = 4

// writeCells writes the cells in front of the last one. It returns where that begins, and what
// leads there.
func writeCells(b *strings.Builder, cells []string, starts []int, least, width int) (from int, gap string) {
	at := 0
	for i, cell := range cells {
		b.WriteString(strings.Repeat(" ", max(0, starts[i]-at)) + cell)
		at = max(at, starts[i]) + utf8.RuneCountInString(cell)
	}
	from = starts[len(cells)]
	if from > 0 && width-from < least {
		return below, "\n" + strings.Repeat(" ", below)
	}
	return from, strings.Repeat(" ", max(0, from-at))
}

// packed returns a list in lines of at most width characters. It breaks between the items if it
// can.
func packed(list string, width int) (lines []string) {
	line := ""
	for item := range strings.SplitAfterSeq(list, ", ") {
		if line != "" && utf8.RuneCountInString(line+strings.TrimRight(item, " ")) > width {
			lines = append(lines, wrapped(strings.TrimRight(line, " "), width)...)
			line = ""
		}
		line += item
	}
	return append(lines, wrapped(line, width)...)
}

// wrapped returns a text in lines of at most width characters. It breaks at blanks alone: a word
// that is longer stays whole, because it is to be copied.
func wrapped(text string, width int) (lines []string) {
	rest := text
	for utf8.RuneCountInString(rest) > width {
		at, count := -1, 0
		for i, r := range rest {
			if r == ' ' && i > 0 {
				if at >= 0 && count > width {
					break
				}
				at = i
			}
			count++
		}
		if at < 0 {
			break
		}
		lines = append(lines, strings.TrimRight(rest[:at], " "))
		rest = strings.TrimLeft(rest[at:], " ")
	}
	return append(lines, rest)
}
