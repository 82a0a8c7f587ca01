//go:build unix

package main

import "golang.org/x/sys/unix"

// hideInput keeps what is typed at a terminal from being shown. A line is still edited by the
// terminal, and Ctrl-C is still a signal.
func hideInput(fd int) error {
	mode, err := unix.IoctlGetTermios(fd, getTermios)
	if err != nil {
		return err
	}
	mode.Lflag &^= unix.ECHO
	mode.Lflag |= unix.ICANON | unix.ISIG
	mode.Iflag |= unix.ICRNL
	return unix.IoctlSetTermios(fd, setTermios, mode)
}
