//go:build unix

package fleettest

import (
	"fmt"
	"syscall"
)

// Suspend stops the process wherever it is, as a debugger or a sleeping laptop does. It waits until
// the process stands still.
func (w *Worker) Suspend() error {
	pid := w.process.Process.Pid
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return err
	}
	var status syscall.WaitStatus
	for {
		switch _, err := syscall.Wait4(pid, &status, syscall.WUNTRACED, nil); {
		case err == syscall.EINTR:
		case err != nil:
			return err
		case !status.Stopped():
			return fmt.Errorf("worker %s has ended", w.Name)
		default:
			return nil
		}
	}
}

// Continue lets a suspended process go on.
func (w *Worker) Continue() error { return syscall.Kill(w.process.Process.Pid, syscall.SIGCONT) }
