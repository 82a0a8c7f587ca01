// Fromenv shows a key by reference. The program is given the name of a variable, and the key is in the
// variable, or in the file that NAME_FILE names, as with the secrets of Docker and systemd. The pool
// asks for the key when it needs one, and anew when the provider refuses it: a key that was replaced
// meanwhile is found without a restart. No store and no file of ours holds it. Without an account:
//
//	go run ./examples/fromenv
//
// With a key of OpenAI, or of another provider that speaks its API:
//
//	OPENAI_API_KEY=sk-… go run ./examples/fromenv OPENAI_API_KEY
//	OPENAI_API_KEY_FILE=/run/secrets/openai go run ./examples/fromenv OPENAI_API_KEY
//	KEY_FILE=/run/secrets/groq PROVIDER=groq BASE_URL=https://api.groq.com/openai/v1 go run ./examples/fromenv KEY
package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

func main() {
	if err := run(context.Background(), os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "fromenv:", err)
		os.Exit(1)
	}
}

// fromEnv is a source that reads the key which the variable holds now, or the file that the variable
// with _FILE behind its name holds the path of. A file is preferred, because it can be replaced while
// the program runs. The errors name the variables, and nothing of the key.
func fromEnv(name string) reauth.Refresher {
	return reauth.RefresherFunc(func(ctx context.Context, c reauth.Credential) (reauth.Credential, error) {
		if path := os.Getenv(name + "_FILE"); path != "" {
			return reauth.FileSource(path).Refresh(ctx, c)
		}
		key := strings.TrimSpace(os.Getenv(name))
		if key == "" {
			return reauth.Credential{}, fmt.Errorf("there is no key: set %[1]s, or %[1]s_FILE to the path of a file", name)
		}
		return reauth.Credential{AccessToken: key}, nil
	})
}

func run(ctx context.Context, out io.Writer, args []string) error {
	if len(args) == 0 {
		return show(ctx, out)
	}
	pool := reauth.NewPool()
	defer pool.Close()
	provider := cmp.Or(os.Getenv("PROVIDER"), "openai")
	if _, err := pool.AddSource(ctx, reauth.Credential{Provider: provider, ID: args[0]}, fromEnv(args[0])); err != nil {
		return err
	}
	return ask(ctx, out, pool, cmp.Or(os.Getenv("BASE_URL"), "https://api.openai.com/v1"))
}

// ask sends one request, and tells what became of it.
func ask(ctx context.Context, out io.Writer, pool *reauth.Pool, base string) error {
	pool.Observe = func(_ context.Context, e reauth.Event) {
		switch e.Type {
		case reauth.Refreshed:
			fmt.Fprintf(out, "  the key of %q was read\n", e.ID)
		case reauth.RefreshFailed:
			fmt.Fprintf(out, "  the key of %q was not read: %v\n", e.ID, e.Err)
		case reauth.Sent:
			fmt.Fprintf(out, "  sent with it: %s\n", http.StatusText(e.Status))
		default:
		}
	}
	client := &http.Client{Transport: reauth.NewRecoveringTransport(nil, pool)}
	defer client.CloseIdleConnections()
	address := base + "/models"
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

// show plays the life of a key: it is used, replaced at the provider and in its file, and used again.
func show(ctx context.Context, out io.Writer) error {
	fake := reauthtest.New(reauthtest.OpenAI)
	server := fake.Start()
	defer server.Close()
	folder, err := os.MkdirTemp("", "fromenv")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "key")
	if err := os.Setenv("EXAMPLE_KEY_FILE", path); err != nil {
		return err
	}
	pool := reauth.NewPool()
	defer pool.Close()
	if err := pool.Register(reauth.Provider{Name: "local", Hosts: []string{"127.0.0.1"}}); err != nil {
		return err
	}
	_, err = pool.AddSource(ctx, reauth.Credential{Provider: "local", ID: "EXAMPLE_KEY"}, fromEnv("EXAMPLE_KEY"))
	for _, step := range []struct{ title, key string }{
		{"the first request reads the key:", "sk-EXAMPLE-1"},
		{"the key is replaced; the old one is refused:", "sk-EXAMPLE-2"},
	} {
		if err != nil {
			return err
		}
		fake.Expire()
		fake.AddKey(step.key)
		if err = os.WriteFile(path, []byte(step.key), 0o600); err == nil {
			fmt.Fprintln(out, step.title)
			err = ask(ctx, out, pool, server.URL+"/v1")
		}
	}
	return err
}
