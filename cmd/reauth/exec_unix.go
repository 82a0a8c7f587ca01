//go:build unix

package main

import (
	"os"
	"syscall"
)

// passedSignals returns the signals that a program gets from reauth exec.
func passedSignals() []os.Signal {
	return []os.Signal{
		syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGUSR2,
	}
}
