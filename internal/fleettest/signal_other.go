//go:build !unix

package fleettest

import (
	"errors"
	"os/exec"
)

// command returns a command that runs the binary. Only on Unix it runs as another user.
func (a *Account) command() *exec.Cmd { return exec.Command(a.Binary) }

// limitFiles bounds the size of files on Unix only.
func limitFiles(int64) error { return errors.ErrUnsupported }
