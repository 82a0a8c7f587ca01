// First asks a model with the login that "reauth login xai-oauth" has stored.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"

	"github.com/reauth-go/reauth"
)

func main() {
	pool, err := open(context.Background())
	if err == nil {
		err = errors.Join(ask(pool, os.Stdout), pool.Close()) // Close saves what is not saved yet
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// open returns the credentials in the file that "reauth login" writes.
func open(ctx context.Context) (*reauth.Pool, error) {
	path, err := reauth.DefaultStorePath()
	if err != nil {
		return nil, err
	}
	pool, err := reauth.OpenPool(ctx, reauth.NewFileStore(path))
	if err != nil {
		return nil, err
	}
	pool.Logger = slog.Default() // tells each decision, and no secret
	return pool, nil
}

// ask sends a request. An SDK gets the same client, and any API key.
func ask(pool *reauth.Pool, out io.Writer) error {
	client := &http.Client{Transport: reauth.NewRecoveringTransport(nil, pool)}
	resp, err := client.Post("https://api.x.ai/v1/chat/completions", "application/json",
		strings.NewReader(`{"model":"grok-4","messages":[{"role":"user","content":"Hello"}]}`))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(out, resp.Body)
	return err
}
