package keyring

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"

	"github.com/reauth-go/reauth/internal/privatefile"
)

// lock excludes other processes of the user that make a key for the service. Where the user has no
// folder to write to, it excludes nobody: the time in which a new key settles must do.
func lock(ctx context.Context, service string) (unlock func(), err error) {
	none := func() {}
	dir, err := os.UserCacheDir()
	if err != nil {
		return none, nil //nolint:nilerr // see above
	}
	name := sha256.Sum256([]byte(service))
	held, err := privatefile.Lock(ctx, filepath.Join(dir, "reauth", "keyring-"+hex.EncodeToString(name[:6])+".lock"))
	switch {
	case ctx.Err() != nil:
		return none, fmt.Errorf("%w while another process makes the key", context.Cause(ctx))
	case err != nil:
		return none, nil //nolint:nilerr // see above
	}
	return held.Unlock, nil
}
