//go:build !darwin && !windows

package keyring

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
)

// available tells that there is no session of D-Bus, and so no Secret Service. go-keyring would start
// a bus by dbus-launch then, which has no keyring and stays behind.
func available() error {
	if address := os.Getenv("DBUS_SESSION_BUS_ADDRESS"); address != "" && address != "autolaunch:" {
		return nil
	}
	for _, name := range []string{"bus", "dbus-session"} { // where godbus looks
		if _, err := os.Stat(filepath.Join("/run/user", strconv.Itoa(os.Getuid()), name)); err == nil {
			return nil
		}
	}
	return errors.New("there is no keyring here: no session of D-Bus, in which the Secret Service would be")
}
