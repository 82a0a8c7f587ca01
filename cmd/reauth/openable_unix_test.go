//go:build unix

package main

import "syscall"

// openable is how many connections this process may open beside what it has open. Go raises the
// soft limit to the hard one.
func openable() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 500
	}
	return int(min(limit.Cur, 1<<20)) - 300
}
