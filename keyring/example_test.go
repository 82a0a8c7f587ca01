package keyring_test

import (
	"context"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/keyring"
)

// openSealed opens a pool over a sealed file.
func openSealed(ctx context.Context, path string) (*reauth.Pool, error) {
	key, err := keyring.Key(ctx, "my-program") // or 32 random bytes that the deployment gives
	if err != nil {
		return nil, err
	}
	store, err := reauth.NewSealedStore(reauth.NewFileStore(path), key)
	if err != nil {
		return nil, err
	}
	return reauth.OpenPool(ctx, store)
}
