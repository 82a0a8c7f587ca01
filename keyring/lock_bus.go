//go:build !darwin && !windows

package keyring

import (
	"context"
	"fmt"

	"github.com/godbus/dbus/v5"
)

// lock excludes the other processes that make a key for the service in the same keyring, whatever
// their homes are: it owns a name on the bus over which the keyring is asked. A bus gives a name to one
// connection at a time, to the others in the order in which they asked, and takes it back when a
// connection ends, as at the death of its process.
func lock(ctx context.Context, service string) (unlock func(), err error) {
	conn, err := dbus.ConnectSessionBus() // of its own: its end releases the name
	if err != nil {
		return nil, fmt.Errorf("no connection to the session of D-Bus: %w; %s", err, wayOut)
	}
	unlock = func() { _ = conn.Close() } // it has nothing left to send
	if err := own(ctx, conn, "io.github.reauth_go.Keyring.s"+digest(service)); err != nil {
		unlock()
		return nil, err
	}
	return unlock, nil
}

// own waits until the connection owns the name.
func own(ctx context.Context, conn *dbus.Conn, name string) error {
	signals := make(chan *dbus.Signal, 10)
	conn.Signal(signals)
	reply, err := conn.RequestName(name, 0)
	if err != nil {
		return fmt.Errorf("the session of D-Bus does not let this program own the name %s while the key is made (%w); "+
			"let a program that may make it; %s", name, err, wayOut)
	}
	if reply == dbus.RequestNameReplyPrimaryOwner {
		return nil
	}
	for {
		select {
		case s, ok := <-signals:
			switch {
			case !ok:
				return fmt.Errorf("the session of D-Bus has ended; %s", wayOut)
			case s.Name == "org.freedesktop.DBus.NameAcquired" && len(s.Body) > 0 && s.Body[0] == name:
				return nil
			}
		case <-ctx.Done():
			return fmt.Errorf("%w while another process makes the key", context.Cause(ctx))
		}
	}
}
