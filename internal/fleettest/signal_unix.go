//go:build unix

package fleettest

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
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

// command returns a command that runs the binary as the user.
func (a *Account) command() *exec.Cmd {
	process := exec.Command(a.Binary)
	process.SysProcAttr = &syscall.SysProcAttr{
		Credential: &syscall.Credential{Uid: uint32(a.UID), Gid: uint32(a.GID)},
	}
	process.Dir = string(os.PathSeparator)
	return process
}

// limitFiles bounds the size of the files that this process may write, in bytes, so that writing
// fails as on a full disk. A negative size ends that.
func limitFiles(size int64) error {
	signal.Ignore(syscall.SIGXFSZ)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	if limit.Cur = limit.Max; size >= 0 {
		limit.Cur = uint64(size)
	}
	return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit)
}
