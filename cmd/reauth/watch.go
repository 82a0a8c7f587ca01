package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/printable"
)

// watchCmd prints the status again and again until the user interrupts it.
type watchCmd struct {
	Provider string        `arg:"" optional:"" help:"Only this provider's credentials."`
	Interval time.Duration `help:"How often to look." default:"1s"`
	JSON     bool          `name:"json" help:"Print JSON, for programs: a line whenever something has changed, in the form of status --json."`
}

// Help implements kong.HelpProvider.
func (*watchCmd) Help() string {
	return `At a terminal the table is kept on the screen; elsewhere it is printed when something has changed. Ctrl-C ends it.

Examples:

    reauth watch
    reauth watch xai-oauth --interval 5s
`
}

// Run implements the command. The store must be readable at the start. Later errors appear in place
// of the table, and the next tick tries again, since a database may restart while somebody watches.
func (c *watchCmd) Run(a *app) error {
	// Each look reads the whole store. More than ten a second would help nobody who watches.
	if c.Interval < 100*time.Millisecond {
		return usagef("--interval is at least 100ms")
	}
	read, err := c.looks(a)
	if err != nil {
		return err
	}
	v, err := read()
	if err != nil {
		return err
	}
	show := c.display(a)
	defer show.end()
	tick := time.NewTicker(c.Interval)
	defer tick.Stop()
	for a.ctx.Err() == nil {
		show.show(v, err, time.Now())
		select {
		case <-a.ctx.Done():
		case <-tick.C:
			v, err = read()
		}
	}
	return nil
}

// display returns what shows the status.
func (c *watchCmd) display(a *app) display {
	if c.JSON {
		return &printer{out: a.stdout, store: a.storeName(), json: true}
	}
	if f, ok := a.stdout.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return &screen{out: a.stdout, fd: int(f.Fd()), title: "reauth watch  " + printable.Line(a.storeName())}
	}
	return &printer{out: a.stdout, store: a.storeName()}
}

// looks returns what looks at the store.
func (c *watchCmd) looks(a *app) (func() (view, error), error) {
	over, err := a.readOnce()
	if err != nil {
		return nil, err
	}
	s, err := a.open()
	if err != nil {
		return nil, err
	}
	return func() (v view, err error) {
		over()
		// A pool re-reads its store only when it is asked for tokens, so each look opens a new one.
		p, err := reauth.OpenPool(a.ctx, s)
		if err != nil {
			return v, err
		}
		defer p.Close()
		if err := a.addSources(p); err != nil {
			return v, err
		}
		return a.view(p, c.Provider)
	}, nil
}

// display shows one status after another. end restores what show has changed, and is called once.
type display interface {
	show(v view, err error, now time.Time)
	end()
}

// table formats the status, or the error of reading it, as lines without control characters.
func table(v view, err error, width int, now time.Time) []string {
	var b bytes.Buffer
	switch {
	case err != nil:
		b.WriteString(printable.Line(err.Error()))
	case v.isEmpty():
		b.WriteString("there is no credential")
	default:
		// Writes to a bytes.Buffer do not fail.
		_ = writeStatus(&b, v, width, now)
	}
	return strings.Split(strings.TrimRight(b.String(), "\n"), "\n")
}

// printer is the display for files, pipes and programs. It appends the table, or a line of JSON,
// whenever that has changed.
type printer struct {
	out   io.Writer
	store string // its name
	json  bool
	// last is the JSON of the status printed last, with its error.
	last string
}

// show implements display.
func (p *printer) show(v view, err error, now time.Time) {
	// The table says "5s ago" and would differ at every tick. JSON has absolute times, and differs
	// only when a credential does.
	doc := v.doc(p.store)
	if err != nil {
		doc.Error = err.Error()
	}
	line, bad := jsonLine(doc)
	if bad != nil || p.last == line {
		return
	}
	p.last = line
	if !p.json {
		text := strings.Join(table(v, err, widthOf(p.out, usualWidth), now), "\n")
		line = now.Format(time.DateTime) + "\n" + text + "\n\n"
	}
	_, _ = io.WriteString(p.out, line) // a write fails when nobody reads any more
}

// end implements display. There is nothing to restore.
func (*printer) end() {}

// screen is the display for a terminal: it redraws the table in place. It asks for the size of the
// terminal each time, so it follows a resized window.
type screen struct {
	out io.Writer
	// fd is the file descriptor of the terminal, for its size.
	fd    int
	title string
	// begun: show has switched to the alternate screen, which end must leave.
	begun bool
	// last is the table shown last. end leaves it on the normal screen.
	last []string
}

// Control sequences of terminals. Clearing and moving are of ECMA-48; the alternate screen (1049)
// and the cursor's visibility (25) are private modes of xterm and DEC.
const (
	// otherScreen switches to the alternate screen and hides the cursor.
	otherScreen = "\x1b[?1049h\x1b[?25l"
	// backAgain undoes otherScreen.
	backAgain = "\x1b[?25h\x1b[?1049l"
	// home moves the cursor to the top left.
	home = "\x1b[H"
	// restOfLine clears from the cursor to the end of the line.
	restOfLine = "\x1b[K"
	// restBelow clears from the cursor to the end of the screen.
	restBelow = "\x1b[J"
)

// show implements display. It overwrites line by line and clears only what is left over, since
// clearing the whole screen first would flicker. A table that is too high ends with the number of
// lines left out.
func (s *screen) show(v view, err error, now time.Time) {
	var b strings.Builder
	if !s.begun {
		s.begun = true
		b.WriteString(otherScreen)
	}
	width, height, bad := term.GetSize(s.fd)
	if bad != nil || width <= 0 || height <= 0 {
		width, height = 80, 24
	}
	s.last = table(v, err, width-1, now)
	lines := append([]string{s.title + "  " + now.Format(time.TimeOnly), ""}, s.last...)
	if len(lines) > height {
		lines = append(lines[:height-1:height-1], fmt.Sprintf("… and %d more", len(lines)-height+1))
	}
	b.WriteString(home)
	for i, line := range lines {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(cut(line, width-1) + restOfLine)
	}
	b.WriteString(restBelow)
	// A write fails when the terminal has gone. Its SIGHUP ends the process as well.
	_, _ = io.WriteString(s.out, b.String())
}

// end implements display. It restores the terminal and prints the last table below the command,
// where the user can still read it.
func (s *screen) end() {
	if s.begun {
		_, _ = io.WriteString(s.out, backAgain+strings.Join(s.last, "\n")+"\n")
	}
}

// cut shortens a line to width characters; the last of them is then an ellipsis. show leaves the
// last column of the terminal empty, because terminals disagree on where the cursor goes after it.
func cut(line string, width int) string {
	if width < 1 {
		return ""
	}
	if utf8.RuneCountInString(line) <= width {
		return line
	}
	return string([]rune(line)[:width-1]) + "…"
}
