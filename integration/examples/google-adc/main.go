// Google-adc shows Google's application default credentials as the source of tokens: the key of a
// service account, the login of gcloud, workload identity federation, the metadata server of a machine
// at Google. Without an account, run it in integration/:
//
//	go run ./examples/google-adc
//
// With an account, in a project that has Vertex AI:
//
//	VERTEX_BASE_URL=https://REGION-aiplatform.googleapis.com/v1/projects/PROJECT/locations/REGION/endpoints/openapi \
//	VERTEX_MODEL=google/gemini-2.5-flash go run ./examples/google-adc
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"cloud.google.com/go/auth/credentials"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "google-adc:", err)
		os.Exit(1)
	}
}

const cloudPlatform = "https://www.googleapis.com/auth/cloud-platform"

// googleSource is a source of the tokens of whoever this program is at Google. It detects the
// credentials anew at each call, because they keep a token until shortly before it ends, and would
// give one again that was refused; what is kept, the pool keeps.
func googleSource(scopes ...string) reauth.Refresher {
	return reauth.RefresherFunc(func(ctx context.Context, _ reauth.Credential) (reauth.Credential, error) {
		found, err := credentials.DetectDefault(&credentials.DetectOptions{Scopes: scopes})
		if err != nil {
			return reauth.Credential{}, err
		}
		token, err := found.Token(ctx)
		if err != nil {
			return reauth.Credential{}, err
		}
		return reauth.Credential{AccessToken: token.Value, Expiry: token.Expiry}, nil
	})
}

func run(ctx context.Context, out io.Writer) error {
	pool := reauth.NewPool()
	defer pool.Close()
	pool.Observe = func(_ context.Context, e reauth.Event) {
		switch e.Type {
		case reauth.Refreshed:
			fmt.Fprintln(out, "  Google gave a token")
		case reauth.RefreshFailed:
			fmt.Fprintf(out, "  Google gave no token: %v\n", e.Err)
		case reauth.Sent:
			fmt.Fprintf(out, "  sent with it: %s\n", http.StatusText(e.Status))
		default:
		}
	}
	client := &http.Client{Transport: reauth.NewRecoveringTransport(nil, pool)}
	defer client.CloseIdleConnections()
	base := os.Getenv("VERTEX_BASE_URL")
	if base == "" {
		return show(ctx, out, pool, client)
	}
	c := reauth.Credential{Provider: "vertex", ID: "adc"}
	if _, err := pool.AddSource(ctx, c, googleSource(cloudPlatform)); err != nil {
		return err
	}
	return complete(ctx, client, base, cmp.Or(os.Getenv("VERTEX_MODEL"), "google/gemini-2.5-flash"))
}

// complete asks for a completion, and fails if that is refused.
func complete(ctx context.Context, client *http.Client, base, model string) error {
	body := fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":"Say hello."}]}`, model)
	address, payload := base+"/chat/completions", strings.NewReader(body)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, payload) //nolint:gosec // the user names it
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req) //nolint:gosec // as above
	if err != nil {
		return err
	}
	_ = resp.Body.Close() // the status is what counts here
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the API answers %s", resp.Status)
	}
	return nil
}

// show gets a token for a service account whose key is in a file, at a server that stands in for
// Google's, and another one when that is revoked.
func show(ctx context.Context, out io.Writer, pool *reauth.Pool, client *http.Client) (err error) {
	google, err := newGoogle()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, google.close()) }()
	if err := os.Setenv("GOOGLE_APPLICATION_CREDENTIALS", google.keyFile); err != nil {
		return err
	}
	fake := reauthtest.New(reauthtest.Gemini)
	google.issued = fake.AddKey
	api := fake.Start()
	defer api.Close()
	if err := pool.Register(reauth.Provider{Name: "local", Hosts: []string{"127.0.0.1"}}); err != nil {
		return err
	}
	c := reauth.Credential{Provider: "local", ID: "adc"}
	if _, err := pool.AddSource(ctx, c, googleSource(cloudPlatform)); err != nil {
		return err
	}
	fmt.Fprintln(out, "the first request gets a token:")
	if err := complete(ctx, client, api.URL+"/v1", "gemini"); err != nil {
		return err
	}
	fmt.Fprintln(out, "the token is revoked:")
	fake.Expire()
	return complete(ctx, client, api.URL+"/v1", "gemini")
}
