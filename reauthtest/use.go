package reauthtest

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"

	"github.com/reauth-go/reauth"
)

// Use makes a pool renew its logins at the fake provider. Without it the pool sends a refresh token to
// the token endpoint of the real vendor, also where the base of the transport is a fake:
//
//	fake := reauthtest.New(reauthtest.XAI)
//	pool := reauth.NewPool()
//	if err := fake.Use(pool); err != nil { … }
//	access, refresh := fake.Login()
//	login := reauth.Credential{Provider: "xai-oauth", AccessToken: access, RefreshToken: refresh}
//	if _, err := pool.Add(ctx, login); err != nil { … }
//	client := &http.Client{Transport: reauth.NewRecoveringTransport(fake.Transport(), pool)}
//
// All built-in providers of the pool get a refresher whose requests the fake answers, at the address of
// the vendor's own token endpoint. So a test asks for the vendor's own URLs, and nothing reaches the
// vendor. A login that is made in the test stays with the fake when the Base of its login.Options is
// Transport.
//
// For a program that asks a server made with Start, the loopback hosts belong to the providers of these
// names or aliases. Without a name it is the provider of the dialect: xai-oauth, openai-api, anthropic or
// gemini.
//
// Use registers providers, and replaces what was registered under their names. So call it before the
// program registers its own; a program that changes a built-in provider keeps the fake's refresher when
// it takes it from Refresher. Sources have an HTTP client of their own, which Use does not know. An
// unknown name, or a host that another registered provider has, is an error.
func (p *Provider) Use(pool *reauth.Pool, names ...string) error {
	if len(names) == 0 {
		names = []string{p.Dialect.provider()}
	}
	var local []string
	for _, name := range names {
		row, known := reauth.LookupProvider(name)
		if !known {
			return fmt.Errorf("reauthtest: use: no built-in provider is called %q; reauth.ProviderNames lists them", name)
		}
		local = append(local, row.Name)
	}
	for _, name := range reauth.ProviderNames() {
		if err := p.use(pool, name, slices.Contains(local, name)); err != nil {
			return fmt.Errorf("reauthtest: use: %w", err)
		}
	}
	return nil
}

// use registers one built-in provider with the fake's refresher, and with the loopback hosts if it is
// local.
func (p *Provider) use(pool *reauth.Pool, name string, local bool) error {
	row, _ := reauth.LookupProvider(name)
	if local {
		row.Hosts = append(row.Hosts, "127.0.0.1", "localhost", "[::1]")
	}
	renewed := row.Refresher != nil
	if !renewed && !local {
		return nil
	}
	var err error
	if renewed {
		if row.Refresher, err = p.Refresher(name); err != nil {
			return err
		}
	}
	return pool.Register(row)
}

// Refresher returns the refresher of a built-in provider, by name or alias, whose requests the fake
// answers. A provider that has none is an error. Use registers it; a test needs it to register a changed
// provider:
//
//	codex, _ := reauth.LookupProvider("openai-codex")
//	codex.FirstEvent = time.Second
//	codex.Refresher, err = fake.Refresher("openai-codex")
func (p *Provider) Refresher(name string) (reauth.Refresher, error) {
	return reauth.BuiltinRefresher(name, reauth.OAuth2Config{HTTPClient: &http.Client{Transport: p.Transport()}})
}

// provider returns the name of the built-in provider whose API the dialect is.
func (d Dialect) provider() string {
	return cmp.Or(map[Dialect]string{
		OpenAI: "openai-api", Anthropic: "anthropic", Gemini: "gemini",
	}[d], "xai-oauth")
}
