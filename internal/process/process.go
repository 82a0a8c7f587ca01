// Package process runs a program for what it prints.
package process

import (
	"context"
	"errors"
	"io"
	"os"
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
	inGroup(cmd)
	err := runCopied(cmd, stdout, stderr)
	switch cause := context.Cause(running); {
	case errors.Is(cause, ErrTooMuch), err != nil && cause != nil:
		err = cause
	}
	return Output{Stdout: stdout.kept, Stderr: stderr.words()}, err
}

// runCopied runs cmd to its end, and copies what it prints. All that the program itself has printed is
// in the pipes when it ends. os/exec would close them Cmd.WaitDelay later, also when this process was
// suspended meanwhile and has read nothing of it: so the pipes are ours.
func runCopied(cmd *exec.Cmd, stdout, stderr io.Writer) error {
	out, err := newPipe()
	if err != nil {
		return err
	}
	defer out.close()
	errs, err := newPipe()
	if err != nil {
		return err
	}
	defer errs.close()
	cmd.Stdout, cmd.Stderr = out.w, errs.w
	if err := cmd.Start(); err != nil {
		return err
	}
	out.copyTo(stdout)
	errs.copyTo(stderr)
	err = cmd.Wait()
	out.await()
	errs.await()
	return err
}

// pipe is one output of a program.
type pipe struct {
	r, w   *os.File
	copied chan struct{} // closed at its end; nil before copyTo
}

func newPipe() (p *pipe, err error) {
	p = new(pipe)
	p.r, p.w, err = os.Pipe()
	return p, err
}

// copyTo copies what comes, in a goroutine. The program has the other end by now.
func (p *pipe) copyTo(w io.Writer) {
	_ = p.w.Close()
	p.copied = make(chan struct{})
	go func() {
		defer close(p.copied)
		_, _ = io.Copy(w, p.r) // an error ends the copy, and whoever causes it tells why
	}()
}

// await waits until all is copied: for Grace, if another process holds the output open. It counts short
// steps, so that a time in which this process did not run is no more than one of them.
func (p *pipe) await() {
	const steps = 10
	step := time.NewTicker(Grace / steps / 2) // there are two pipes
	defer step.Stop()
	for range steps {
		select {
		case <-p.copied:
			return
		case <-step.C:
		}
	}
}

// close ends the copy.
func (p *pipe) close() {
	_ = p.w.Close()
	_ = p.r.Close()
	if p.copied != nil {
		<-p.copied
	}
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
