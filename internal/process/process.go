// Package process runs a program for what it prints.
package process

import (
	"context"
	"errors"
	"os/exec"
	"time"
)

// Grace is how long Run takes at most, after the program has ended or the context is done, when some
// other process holds the program's output open.
const Grace = 500 * time.Millisecond

// ErrTooMuch is the error of a program that printed more than it may. It was ended.
var ErrTooMuch = errors.New("the program printed too much")

// Output is what a program printed.
type Output struct {
	Stdout []byte
	Stderr string // the end of it, in whole words, at most 1 KiB
}

// Run runs a program to its end, and returns what it printed, also beside an error: at most most
// bytes. There is no shell. The program has this process's environment and folder, and nothing to
// read.
//
// When ctx is done, the program is killed, and with it all processes of its process group: those
// that it has started, but for those that have left the group. On Windows only the program is
// killed. The error is then the cause of ctx. Processes that the program leaves behind when it ends
// by itself go on, and Run does not wait for them.
func Run(ctx context.Context, most int, name string, args ...string) (Output, error) {
	running, end := context.WithCancelCause(ctx)
	defer end(nil)
	stdout := &head{most: most, full: func() { end(ErrTooMuch) }}
	stderr := new(tail)
	cmd := exec.CommandContext(running, name, args...) //nolint:gosec // the caller's command
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.WaitDelay = Grace
	inGroup(cmd)
	err := cmd.Run()
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil // the program has ended well, and only its output was held open
	}
	if err != nil && running.Err() != nil {
		err = context.Cause(running)
	}
	return Output{Stdout: stdout.kept, Stderr: stderr.words()}, err
}

// head keeps the beginning of what is written.
type head struct {
	kept []byte
	most int
	full func() // called when more is written
}

func (h *head) Write(p []byte) (int, error) {
	if len(p) > h.most-len(h.kept) {
		h.full()
		return 0, ErrTooMuch
	}
	h.kept = append(h.kept, p...)
	return len(p), nil
}

// maxTail is how much of the end is kept, in bytes.
const maxTail = 1 << 10

// tail keeps the end of what is written.
type tail struct {
	kept []byte
	cut  bool // there was more before
}

func (t *tail) Write(p []byte) (int, error) {
	n := len(p)
	if len(p) > maxTail {
		p, t.cut = p[len(p)-maxTail:], true
	}
	if over := len(t.kept) + len(p) - maxTail; over > 0 {
		t.kept, t.cut = append(t.kept[:0], t.kept[over:]...), true
	}
	t.kept = append(t.kept, p...)
	return n, nil
}

// words returns what is kept, without the rest of a word that was cut: nobody could tell what it was,
// and it may have been a secret.
func (t *tail) words() string {
	if !t.cut {
		return string(t.kept)
	}
	for i, c := range t.kept {
		if c == ' ' || c == '\n' || c == '\t' || c == '\r' {
			return string(t.kept[i:])
		}
	}
	return ""
}
