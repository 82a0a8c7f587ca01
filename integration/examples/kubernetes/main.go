// Kubernetes shows a workload without a key. Kubernetes projects a token of the pod's service account
// into a file, and writes a new one before it ends. The provider exchanges it for a token of its own:
// workload identity federation. Without an account, run it in integration/:
//
//	go run ./examples/kubernetes
//
// With an account, in a pod that has the volume below: name the file and what was set up at OpenAI, or
// at Anthropic.
//
//	IDENTITY_TOKEN_FILE=/var/run/secrets/openai.com/token \
//	OPENAI_IDENTITY_PROVIDER_ID=… OPENAI_SERVICE_ACCOUNT_ID=… go run ./examples/kubernetes
//
//	IDENTITY_TOKEN_FILE=/var/run/secrets/anthropic.com/token ANTHROPIC_FEDERATION_RULE_ID=fdrl_… \
//	ANTHROPIC_ORGANIZATION_ID=… ANTHROPIC_SERVICE_ACCOUNT_ID=svac_… go run ./examples/kubernetes
//
// The volume of the pod (https://kubernetes.io/docs/concepts/storage/projected-volumes/#serviceaccounttoken):
//
//	volumes:
//	- name: token
//	  projected:
//	    sources:
//	    - serviceAccountToken: {path: token, audience: https://api.openai.com/v1, expirationSeconds: 3600}
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
	"time"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "kubernetes:", err)
		os.Exit(1)
	}
}

// openAI is the exchange at OpenAI: https://developers.openai.com/api/reference/workload-identity-federation
func openAI(subject reauth.Refresher, identityProvider, serviceAccount string) reauth.TokenExchangeConfig {
	return reauth.TokenExchangeConfig{
		TokenURL: "https://auth.openai.com/oauth/token", Subject: subject, JSON: true,
		Form: url.Values{"identity_provider_id": {identityProvider}, "service_account_id": {serviceAccount}},
	}
}

// anthropic is the exchange at Anthropic: https://platform.claude.com/docs/en/manage-claude/wif-reference
func anthropic(subject reauth.Refresher, rule, organization, serviceAccount string) reauth.TokenExchangeConfig {
	return reauth.TokenExchangeConfig{
		TokenURL: "https://api.anthropic.com/v1/oauth/token", Subject: subject, Assertion: true, JSON: true,
		Header: http.Header{"Anthropic-Beta": {"oauth-2025-04-20,oidc-federation-2026-04-01"}},
		Form: url.Values{
			"federation_rule_id": {rule}, "organization_id": {organization}, "service_account_id": {serviceAccount},
		},
	}
}

func run(ctx context.Context, out io.Writer) error {
	pool := reauth.NewPool()
	defer pool.Close()
	pool.Observe = func(_ context.Context, e reauth.Event) {
		switch e.Type {
		case reauth.Refreshed:
			fmt.Fprintln(out, "  the pod's token was exchanged")
		case reauth.RefreshFailed:
			fmt.Fprintf(out, "  %v\n", e.Err)
		case reauth.Sent:
			fmt.Fprintf(out, "  sent with the new token: %s\n", http.StatusText(e.Status))
		default:
		}
	}
	client := &http.Client{Transport: reauth.NewRecoveringTransport(nil, pool)}
	defer client.CloseIdleConnections()
	subject := reauth.FileSource(os.Getenv("IDENTITY_TOKEN_FILE"))
	var (
		provider, models string
		cfg              reauth.TokenExchangeConfig
	)
	switch {
	case os.Getenv("IDENTITY_TOKEN_FILE") == "":
		return show(ctx, out, pool, client)
	case os.Getenv("OPENAI_IDENTITY_PROVIDER_ID") != "":
		provider, models = "openai", "https://api.openai.com/v1/models"
		cfg = openAI(subject, os.Getenv("OPENAI_IDENTITY_PROVIDER_ID"), os.Getenv("OPENAI_SERVICE_ACCOUNT_ID"))
	case os.Getenv("ANTHROPIC_FEDERATION_RULE_ID") != "":
		provider, models = "anthropic", "https://api.anthropic.com/v1/models"
		cfg = anthropic(subject, os.Getenv("ANTHROPIC_FEDERATION_RULE_ID"), os.Getenv("ANTHROPIC_ORGANIZATION_ID"),
			os.Getenv("ANTHROPIC_SERVICE_ACCOUNT_ID"))
	default:
		return errors.New("set OPENAI_IDENTITY_PROVIDER_ID or ANTHROPIC_FEDERATION_RULE_ID beside IDENTITY_TOKEN_FILE")
	}
	if err := add(ctx, pool, provider, cfg); err != nil {
		return err
	}
	return get(ctx, client, models)
}

// add gives the pool a credential whose tokens are exchanged.
func add(ctx context.Context, pool *reauth.Pool, provider string, cfg reauth.TokenExchangeConfig) error {
	c := reauth.Credential{Provider: provider, ID: "workload"}
	_, err := pool.AddSource(ctx, c, reauth.TokenExchangeSource(cfg))
	return err
}

// get sends a request, and fails if it is refused.
func get(ctx context.Context, client *http.Client, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return err
	}
	req.Header.Set("Anthropic-Version", "2023-06-01") // Anthropic wants it, and OpenAI does not mind
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	_ = resp.Body.Close() // the status is what counts here
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the provider answers %s", resp.Status)
	}
	return nil
}

// show plays the life of a pod's token over a provider that stands in for OpenAI.
func show(ctx context.Context, out io.Writer, pool *reauth.Pool, client *http.Client) error {
	const issuer, audience = "https://kubernetes.default.svc", "https://api.openai.com/v1"
	fake := reauthtest.New(reauthtest.OpenAI)
	fake.Trust(reauthtest.Trust{Issuer: issuer, Audience: audience, Params: map[string]string{
		"identity_provider_id": "idp-EXAMPLE", "service_account_id": "sa-EXAMPLE",
	}})
	server := fake.Start()
	defer server.Close()
	volume, err := os.MkdirTemp("", "kubernetes")
	if err != nil {
		return err
	}
	defer os.RemoveAll(volume)
	if err := pool.Register(reauth.Provider{Name: "local", Hosts: []string{"127.0.0.1"}}); err != nil {
		return err
	}
	cfg := openAI(reauth.FileSource(filepath.Join(volume, "token")), "idp-EXAMPLE", "sa-EXAMPLE")
	cfg.TokenURL = server.URL + "/oauth/token"
	if err := add(ctx, pool, "local", cfg); err != nil {
		return err
	}
	for i, step := range []string{"the first request:", "another request needs no exchange:"} {
		if i == 0 {
			err = project(volume, fake.SubjectToken(issuer, audience, time.Hour))
		}
		if err != nil {
			return err
		}
		fmt.Fprintln(out, step)
		if err := get(ctx, client, server.URL+"/v1/models"); err != nil {
			return err
		}
	}
	fmt.Fprintln(out, "Kubernetes has written a new token, and OpenAI refuses what came of the old one:")
	fake.Expire()
	if err := project(volume, fake.SubjectToken(issuer, audience, time.Hour)); err != nil {
		return err
	}
	return get(ctx, client, server.URL+"/v1/models")
}

// project writes a token as Kubernetes does: into a new folder, to which a link is moved in one step.
func project(volume, token string) error {
	folder, err := os.MkdirTemp(volume, "..")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, "token"), []byte(token), 0o600); err != nil {
		return err
	}
	next, data := filepath.Join(volume, "..data_tmp"), filepath.Join(volume, "..data")
	if err := os.Symlink(filepath.Base(folder), next); err != nil {
		return err
	}
	if err := os.Rename(next, data); err != nil {
		return err
	}
	link := filepath.Join(volume, "token")
	if err := os.Symlink(filepath.Join("..data", "token"), link); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return nil
}
