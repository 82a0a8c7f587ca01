//go:build !linux

package privatefile

// isMountPoint is false: only on Linux containers mount single files.
func isMountPoint(string) bool { return false }
