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
)

// watchCmd shows the pool until it is interrupted.
type watchCmd struct {
	Provider string        `arg:"" optional:"" help:"Only this provider's credentials."`
	Interval time.Duration `help:"How often to look." default:"1s"`
}

// Help implements kong.HelpProvider.
func (*watchCmd) Help() string {
	return `At a terminal the table is kept on the screen; elsewhere it is printed when something has changed. Ctrl-C ends it.

Examples:

    reauth watch
    reauth watch xai-oauth --interval 5s
`
}

// Run implements the command. A store that cannot be read for a while is told, and read again.
func (c *watchCmd) Run(a *app) error {
	if c.Interval < 100*time.Millisecond {
		return usagef("--interval is at least 100ms")
	}
	s, err := a.open()
	if err != nil {
		return err
	}
	look := func() ([]reauth.CredentialStatus, error) {
		p, err := reauth.OpenPool(a.ctx, s) // a pool that is asked for nothing does not look at its store
		if err != nil {
			return nil, err
		}
		defer p.Close()
		return only(p.Status(), c.Provider, "")
	}
	if _, err := look(); err != nil {
		return err
	}
	var show display = &printer{out: a.stdout}
	if f, ok := a.stdout.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		show = &screen{out: a.stdout, fd: int(f.Fd()), title: "reauth watch  " + a.storeName()}
	}
	defer show.end()
	tick := time.NewTicker(c.Interval)
	defer tick.Stop()
	for {
		list, err := look()
		if a.ctx.Err() != nil {
			return nil
		}
		show.show(list, err, time.Now())
		select {
		case <-a.ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// display is where the table goes.
type display interface {
	show(list []reauth.CredentialStatus, err error, now time.Time)
	end()
}

// table is the status as lines.
func table(list []reauth.CredentialStatus, err error, now time.Time) []string {
	var b bytes.Buffer
	switch {
	case err != nil:
		b.WriteString(printable(err.Error()))
	case len(list) == 0:
		b.WriteString("there is no credential")
	default:
		_ = writeStatus(&b, list, now) // to memory
	}
	return strings.Split(strings.TrimRight(b.String(), "\n"), "\n")
}

// printer writes what has changed, below what it wrote before.
type printer struct {
	out  io.Writer
	last string
}

func (p *printer) show(list []reauth.CredentialStatus, err error, now time.Time) {
	var b bytes.Buffer
	_ = writeStatusJSON(&b, "", list) // without what only time changes
	if err != nil {
		b.WriteString(err.Error())
	}
	if p.last == b.String() {
		return
	}
	p.last = b.String()
	_, _ = fmt.Fprintf(p.out, "%s\n%s\n\n", now.Format(time.DateTime), strings.Join(table(list, err, now), "\n")) // no reader: nothing to do
}

func (*printer) end() {}

// screen keeps the table on a terminal, whose size is asked for each time.
type screen struct {
	out   io.Writer
	fd    int
	title string
	begun bool
	last  []string
}

// What a terminal does (ECMA-48, and DEC's private modes).
const (
	otherScreen = "\x1b[?1049h\x1b[?25l" // and no cursor
	backAgain   = "\x1b[?25h\x1b[?1049l"
	home        = "\x1b[H"
	restOfLine  = "\x1b[K"
	restBelow   = "\x1b[J"
)

func (s *screen) show(list []reauth.CredentialStatus, err error, now time.Time) {
	var b strings.Builder
	if !s.begun {
		s.begun = true
		b.WriteString(otherScreen)
	}
	width, height, bad := term.GetSize(s.fd)
	if bad != nil || width <= 0 || height <= 0 {
		width, height = 80, 24
	}
	s.last = table(list, err, now)
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
	_, _ = io.WriteString(s.out, b.String()) // the terminal has gone: so will the process
}

// end leaves the terminal as it was, with the last table on it.
func (s *screen) end() {
	if s.begun {
		_, _ = io.WriteString(s.out, backAgain+strings.Join(s.last, "\n")+"\n")
	}
}

// cut shortens a line to the width of the screen, whose last column is left alone: there terminals
// differ.
func cut(line string, width int) string {
	if width < 1 {
		return ""
	}
	if utf8.RuneCountInString(line) <= width {
		return line
	}
	return string([]rune(line)[:width-1]) + "…"
}
