package logins

import (
	"os"
	"runtime"
)

// system is the operating system, by Go's name. Tests look for files as on another one.
var system = runtime.GOOS //nolint:gochecknoglobals // tests put another one in its place

const (
	macOS   = "darwin"
	windows = "windows"
)

// UseSystem looks for files as on another operating system from now on. Paths are still written as on this one,
// and no keychain is there but that of UseSecurity. It is for tests.
func UseSystem(name string) (restore func()) {
	before := system
	system = name
	return func() { system = before }
}

// home returns the user's home, as os.UserHomeDir does; empty: the environment does not name it.
func home() string {
	if system == windows {
		return os.Getenv("USERPROFILE")
	}
	return os.Getenv("HOME")
}
