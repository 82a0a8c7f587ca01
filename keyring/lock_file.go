//go:build darwin || windows

package keyring

import (
	"context"
	"fmt"
	"os/user"
	"path/filepath"
	"runtime"

	"github.com/reauth-go/reauth/internal/privatefile"
)

// lock excludes the other processes of the user that make a key for the service, by a file in the
// user's home. It is the home that the system knows: a process in whose environment stands another one
// has the same keyring, and so must have the same lock.
func lock(ctx context.Context, service string) (unlock func(), err error) {
	who, err := user.Current()
	if err != nil {
		return nil, fmt.Errorf("no home for the file that is locked while the key is made: %w; %s", err, wayOut)
	}
	folder := filepath.Join(who.HomeDir, "Library", "Caches", "reauth")
	if runtime.GOOS == "windows" {
		folder = filepath.Join(who.HomeDir, "AppData", "Local", "reauth")
	}
	held, err := privatefile.Lock(ctx, filepath.Join(folder, "keyring-"+digest(service)+".lock"))
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%w while another process makes the key", context.Cause(ctx))
	case err != nil:
		return nil, fmt.Errorf("the file that is locked while the key is made: %w; %s", err, wayOut)
	}
	return held.Unlock, nil
}
