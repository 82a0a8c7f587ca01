//go:build unix

package recordtest

import (
	"strconv"
	"syscall"
)

// unlock frees the lock that is held by a descriptor.
func unlock(descriptor string) {
	if fd, err := strconv.Atoi(descriptor); err == nil {
		_ = syscall.Flock(fd, syscall.LOCK_UN) // a descriptor that is closed holds no lock
	}
}
