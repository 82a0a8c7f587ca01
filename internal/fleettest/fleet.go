package fleettest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// Fleet is a provider and a store, and the processes that use them.
type Fleet struct {
	Provider *Provider
	Job      Job          // what the jobs of all workers have in common
	Store    reauth.Store // the store as the test opens it
	Workers  *Account     // as whom workers run; nil: as the test
	pool     *reauth.Pool
	open     Open
	stalls   stalls // of workers that tell them, and of the machine while that is watched
}

// Account is another user, as whom workers run, and a copy of this binary that the user may run.
type Account struct {
	UID, GID int
	Binary   string
}

// New makes a fleet without workers. This process shares its store. Login adds credentials.
func New(t testing.TB, open Open, job Job, latency time.Duration) *Fleet {
	t.Helper()
	store, shut, err := open.sealed(t.Context(), job)
	require.NoError(t, err)
	f := &Fleet{Provider: NewProvider(t, latency), Job: job, Store: store, open: open}
	f.Job.Provider = f.Provider.URL
	f.pool, err = reauth.OpenPool(t.Context(), store)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, f.pool.Close())
		require.NoError(t, shut())
	})
	return f
}

// Login makes a new login and puts it into the store under that ID.
func (f *Fleet) Login(id string) error {
	access, refresh := f.Provider.Login()
	_, err := f.pool.Add(context.Background(), reauth.Credential{
		Provider: ProviderName, ID: id, AccessToken: access, RefreshToken: refresh,
	})
	return err
}

// Stored returns the entry of a credential in the store.
func (f *Fleet) Stored(id string) (reauth.Entry, error) {
	snap, err := f.Store.Load(context.Background(), "")
	if err != nil {
		return reauth.Entry{}, err
	}
	for _, e := range snap.Entries {
		if e.Credential.Provider == ProviderName && e.Credential.ID == id && !e.Removed {
			return e, nil
		}
	}
	return reauth.Entry{}, fmt.Errorf("the store holds no credential %q", id)
}

// Worker is a worker process as the test sees it.
type Worker struct {
	Name    string
	Reports chan Report // closed when the process has ended
	process *exec.Cmd
	stdin   io.WriteCloser
	stderr  *bytes.Buffer
	read    sync.WaitGroup
}

// patience is how long a test waits, on a busy machine, for a report that takes hardly any time.
const patience = 60 * time.Second

// Start starts a worker and waits until it has opened its pool. Any goroutine may call it.
func (f *Fleet) Start(job Job) (*Worker, error) {
	w, err := f.launch(job)
	if err != nil {
		return nil, err
	}
	if _, err := w.Next("ready"); err != nil {
		return nil, errors.Join(err, w.Kill())
	}
	return w, nil
}

// launch starts a worker.
func (f *Fleet) launch(job Job) (*Worker, error) {
	text, err := json.Marshal(job)
	if err != nil {
		return nil, err
	}
	process, err := f.command()
	if err != nil {
		return nil, err
	}
	w := &Worker{Name: job.Worker, Reports: make(chan Report, 100), process: process, stderr: new(bytes.Buffer)}
	w.process.Env = append(os.Environ(), jobVariable+"="+string(text),
		"GORACE=atexit_sleep_ms=0 "+os.Getenv("GORACE")) // the race detector waits a second at each exit
	w.process.Stderr = w.stderr
	if w.stdin, err = w.process.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := w.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := w.process.Start(); err != nil {
		return nil, err
	}
	w.read.Go(func() {
		defer close(w.Reports)
		lines := bufio.NewScanner(stdout)
		lines.Buffer(nil, 16<<20)
		for lines.Scan() {
			var r Report
			switch err := json.Unmarshal(lines.Bytes(), &r); {
			case err != nil: // a worker that is killed leaves half a line
			case r.Did == "note" && job.Soak == nil:
				f.stalls.add(stall{job.Worker, r.Note.Text, r.Note.Begin, r.Note.At})
			default:
				w.Reports <- r
			}
		}
	})
	return w, nil
}

// command returns the command that starts a worker.
func (f *Fleet) command() (*exec.Cmd, error) {
	if f.Workers != nil {
		return f.Workers.command(), nil
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return exec.Command(self), nil
}

// MustStart starts a worker with that name and credential. The worker stops at a step of its
// refresh, unless stopAt is empty.
func (f *Fleet) MustStart(t testing.TB, name, id, stopAt string) *Worker {
	t.Helper()
	job := f.Job
	job.Worker, job.ID, job.StopAt = name, id, stopAt
	w, err := f.Start(job)
	require.NoError(t, err)
	t.Cleanup(func() { _ = w.Kill() }) // without effect after its end
	return w
}

// Tell gives the worker a command. A worker that has died does not get it.
func (w *Worker) Tell(command string) { _, _ = io.WriteString(w.stdin, command+"\n") }

// Next waits for the next report, which must be of that kind.
func (w *Worker) Next(did string) (Report, error) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case r, ok := <-w.Reports:
		switch {
		case !ok:
			w.read.Wait()
			return r, errors.Join(fmt.Errorf("worker %s has ended, where %q was expected", w.Name, did), w.wait())
		case r.Did != did:
			return r, fmt.Errorf("worker %s reports %+v, where %q was expected", w.Name, r, did)
		}
		return r, nil
	case <-timer.C:
		return Report{}, fmt.Errorf("worker %s reports nothing, where %q was expected", w.Name, did)
	}
}

// Must is Next for the goroutine of the test.
func (w *Worker) Must(t testing.TB, did string) Report {
	t.Helper()
	r, err := w.Next(did)
	require.NoError(t, err)
	return r
}

// Kill ends the process at once, as kill -9 does, and waits for its end.
func (w *Worker) Kill() error {
	if w.process.ProcessState != nil {
		return nil
	}
	err := w.process.Process.Kill()
	go func() { // drops the reports that are left
		for range w.Reports {
		}
	}()
	w.read.Wait()
	_ = w.process.Wait() // the error says that the process was killed
	return err
}

func (w *Worker) wait() error {
	if err := w.process.Wait(); err != nil {
		return fmt.Errorf("worker %s: %w\n%s", w.Name, err, w.stderr)
	}
	return nil
}

// End lets the worker finish its work, and returns its counts.
func (w *Worker) End(t testing.TB) Counts {
	t.Helper()
	_ = w.stdin.Close() // it may be closed
	r := w.Must(t, "done")
	w.read.Wait()
	require.NoError(t, w.wait())
	return r.Counts
}
