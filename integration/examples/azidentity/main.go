// Azidentity shows a credential of azidentity, or any other azcore.TokenCredential, as the source of
// tokens: a service principal, a managed identity, a workload identity, the login of a developer.
// When Entra ID revokes a token early, the API refuses it and asks for claims (continuous access
// evaluation); the source gets a token with them, and the program sees only the answer. Without an
// account, run it in integration/:
//
//	go run ./examples/azidentity
//
// With an account, and a model deployed in Microsoft Foundry:
//
//	AZURE_OPENAI_BASE_URL=https://NAME.openai.azure.com/openai/v1 go run ./examples/azidentity
package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/reauth-go/reauth"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "azidentity:", err)
		os.Exit(1)
	}
}

// entraSource is a source of Entra ID's tokens. It makes the credential anew at each call, because
// azidentity keeps tokens until shortly before they end, and would give a token again that the API has
// refused; what is kept, the pool keeps.
func entraSource(newCredential func() (azcore.TokenCredential, error), scopes ...string) reauth.Refresher {
	return reauth.RefresherFunc(func(ctx context.Context, _ reauth.Credential) (reauth.Credential, error) {
		credential, err := newCredential()
		if err != nil {
			return reauth.Credential{}, err
		}
		options := policy.TokenRequestOptions{Scopes: scopes, EnableCAE: true}
		if refusal, ok := reauth.RefusalFromContext(ctx); ok {
			options.Claims = claimsIn(refusal.Challenges)
		}
		token, err := credential.GetToken(ctx, options)
		return reauth.Credential{AccessToken: token.Token, Expiry: token.ExpiresOn}, err
	})
}

// claimsIn returns the claims that a challenge asks for; empty: it asks for none. They stand there in
// base64: https://learn.microsoft.com/entra/identity-platform/claims-challenge
func claimsIn(challenges []string) string {
	for _, challenge := range challenges {
		_, rest, found := strings.Cut(challenge, `claims="`)
		encoded, _, closed := strings.Cut(rest, `"`)
		if claims, err := base64.StdEncoding.DecodeString(encoded); found && closed && err == nil {
			return string(claims)
		}
	}
	return ""
}

func run(ctx context.Context, out io.Writer) error {
	base := os.Getenv("AZURE_OPENAI_BASE_URL")
	if base == "" {
		return show(ctx, out)
	}
	u, err := url.Parse(base)
	if err != nil {
		return errors.New("AZURE_OPENAI_BASE_URL is no URL")
	}
	pool := reauth.NewPool()
	defer pool.Close()
	source := entraSource(func() (azcore.TokenCredential, error) {
		return azidentity.NewDefaultAzureCredential(nil)
	}, "https://ai.azure.com/.default")
	c := reauth.Credential{Provider: "azure-foundry", ID: "entra", Hosts: []string{u.Host}}
	if _, err := pool.AddSource(ctx, c, source); err != nil {
		return err
	}
	tell(out, pool)
	return get(ctx, out, clientOf(nil, pool), base+"/models")
}

// tell tells what the pool does.
func tell(out io.Writer, pool *reauth.Pool) {
	pool.Observe = func(_ context.Context, e reauth.Event) {
		switch e.Type {
		case reauth.Refreshed:
			fmt.Fprintln(out, "  Entra ID gave a token")
		case reauth.RefreshFailed:
			fmt.Fprintf(out, "  Entra ID gave no token: %v\n", e.Err)
		case reauth.Sent:
			fmt.Fprintf(out, "  sent with it: %s\n", http.StatusText(e.Status))
		default:
		}
	}
}

// clientOf returns a client whose requests carry the credentials of the pool.
func clientOf(base http.RoundTripper, pool *reauth.Pool) *http.Client {
	return &http.Client{Transport: reauth.NewRecoveringTransport(base, pool)}
}

// get sends a request, and fails if it is refused.
func get(ctx context.Context, out io.Writer, client *http.Client, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody) //nolint:gosec // the user names it
	if err != nil {
		return err
	}
	resp, err := client.Do(req) //nolint:gosec // as above
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	fmt.Fprintf(out, "  the program sees %s\n", http.StatusText(resp.StatusCode))
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the API answers %s", resp.Status)
	}
	return nil
}
