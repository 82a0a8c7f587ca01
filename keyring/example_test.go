package keyring_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

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

func ExampleKey() {
	folder, err := os.MkdirTemp("", "keyring")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(folder) }()
	path := filepath.Join(folder, "auth.json")
	pool, err := openSealed(context.Background(), path)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = pool.Close() }()
	_, err = pool.Add(context.Background(), reauth.Credential{Provider: "groq", ID: "me", AccessToken: "gsk_0123456789abcdef"})
	fmt.Println(err)
	content, err := os.ReadFile(path)
	fmt.Println(err, len(content) > 0)
	// Output:
	// <nil>
	// <nil> true
}
