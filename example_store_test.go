package reauth_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/reauth-go/reauth"
)

// The file that the command reauth writes, and a pool over it.
func ExampleDefaultStorePath() {
	path, err := reauth.DefaultStorePath()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(filepath.Join(filepath.Base(filepath.Dir(path)), filepath.Base(path)))
	// Output: reauth/auth.json
}

// The file is for its owner alone.
func ExampleNewFileStore() {
	folder, err := os.MkdirTemp("", "reauth")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "auth.json")
	ctx := context.Background()

	pool, err := reauth.OpenPool(ctx, reauth.NewFileStore(path))
	if err != nil {
		log.Fatal(err)
	}
	login := reauth.Credential{Provider: "xai", AccessToken: "EXAMPLE-access", RefreshToken: "EXAMPLE-refresh"}
	if _, err := pool.Add(ctx, login); err != nil {
		log.Fatal(err)
	}
	if err := pool.Close(); err != nil {
		log.Fatal(err)
	}
	content, err := os.ReadFile(path)
	fmt.Println("in the clear:", bytes.Contains(content, []byte("EXAMPLE-refresh")), err)
	// Output: in the clear: true <nil>
}

// The same file with its records encrypted. Module keyring keeps the key in the keyring of the system.
func ExampleNewSealedStore() {
	folder, err := os.MkdirTemp("", "reauth")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "auth.json")
	ctx := context.Background()

	key := make([]byte, 32) // the deployment gives it; here it is random
	if _, err := rand.Read(key); err != nil {
		log.Fatal(err)
	}
	store, err := reauth.NewSealedStore(reauth.NewFileStore(path), key)
	if err != nil {
		log.Fatal(err)
	}
	pool, err := reauth.OpenPool(ctx, store)
	if err != nil {
		log.Fatal(err)
	}
	login := reauth.Credential{Provider: "xai", AccessToken: "EXAMPLE-access", RefreshToken: "EXAMPLE-refresh"}
	if _, err := pool.Add(ctx, login); err != nil {
		log.Fatal(err)
	}
	if err := pool.Close(); err != nil {
		log.Fatal(err)
	}
	content, err := os.ReadFile(path)
	fmt.Println("in the clear:", bytes.Contains(content, []byte("EXAMPLE-refresh")), err)
	// Output: in the clear: false <nil>
}
