// Command shows a key that another program prints. The pool runs the program when it needs the key,
// and again when the provider has refused it: not for each request. Without an account, run it in
// integration/:
//
//	go run ./examples/command
//
// With an account: the provider, its base URL, and the command. These print a key, or the login of
// somebody, for a provider that takes it:
//
//	go run ./examples/command copilot https://api.githubcopilot.com gh auth token
//	go run ./examples/command openai https://api.openai.com/v1 vault read -field=key secret/openai
//	go run ./examples/command azure-foundry https://NAME.openai.azure.com/openai/v1 \
//	    az account get-access-token --resource https://ai.azure.com
//
// What they print, and how they fail:
// https://cli.github.com/manual/gh_auth_token: the token alone; status 1 without a login
// https://developer.hashicorp.com/vault/docs/commands/read: with -field the value alone, and no line end
// https://learn.microsoft.com/cli/azure/account#az-account-get-access-token: JSON, with accessToken and expires_on
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

func main() {
	if len(os.Args) == 3 && os.Args[1] == "print-key" { // the command of show
		key, err := os.ReadFile(os.Args[2])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(string(key))
		return
	}
	if err := run(context.Background(), os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "command:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, args []string) error {
	pool := reauth.NewPool()
	defer pool.Close()
	pool.Observe = func(_ context.Context, e reauth.Event) {
		switch e.Type {
		case reauth.Refreshed:
			fmt.Fprintln(out, "  the command gave a key")
		case reauth.RefreshFailed:
			fmt.Fprintf(out, "  %v\n", e.Err)
		case reauth.Sent:
			fmt.Fprintf(out, "  sent with it: %s\n", http.StatusText(e.Status))
		default:
		}
	}
	client := &http.Client{Transport: reauth.NewRecoveringTransport(nil, pool)}
	defer client.CloseIdleConnections()
	switch {
	case len(args) == 0:
		return show(ctx, out, pool, client)
	case len(args) < 3:
		return errors.New("name a provider, its base URL and a command, or nothing")
	}
	base, err := url.Parse(args[1])
	if err != nil || base.Host == "" {
		return errors.New("the second argument is the base URL of the provider")
	}
	// The key is for this host alone.
	c := reauth.Credential{Provider: args[0], ID: args[2], Hosts: []string{base.Host}}
	if _, err := pool.AddSource(ctx, c, reauth.CommandSource(args[2], args[3:]...)); err != nil {
		return err
	}
	return get(ctx, client, args[1]+"/models")
}

// get sends a request, and fails if it is refused.
func get(ctx context.Context, client *http.Client, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody) //nolint:gosec // the user names it
	if err != nil {
		return err
	}
	resp, err := client.Do(req) //nolint:gosec // as above
	if err != nil {
		return err
	}
	_ = resp.Body.Close() // the status is what counts here
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the provider answers %s", resp.Status)
	}
	return nil
}

// show uses a key that this program itself prints as the command, and replaces it.
func show(ctx context.Context, out io.Writer, pool *reauth.Pool, client *http.Client) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "command")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	vault := filepath.Join(folder, "key")
	fake := reauthtest.New(reauthtest.OpenAI)
	server := fake.Start()
	defer server.Close()
	if err := pool.Register(reauth.Provider{Name: "local", Hosts: []string{"127.0.0.1"}}); err != nil {
		return err
	}
	source := reauth.CommandSource(self, "print-key", vault)
	if _, err := pool.AddSource(ctx, reauth.Credential{Provider: "local", ID: "vault"}, source); err != nil {
		return err
	}
	for _, step := range []struct{ title, key string }{
		{"the first request runs the command:", "sk-EXAMPLE-1"},
		{"another request does not:", "sk-EXAMPLE-1"},
		{"the key is replaced, and the old one refused:", "sk-EXAMPLE-2"},
	} {
		fmt.Fprintln(out, step.title)
		fake.Expire()
		fake.AddKey(step.key)
		if err := os.WriteFile(vault, []byte(step.key), 0o600); err != nil {
			return err
		}
		if err := get(ctx, client, server.URL+"/v1/models"); err != nil {
			return err
		}
	}
	return nil
}
