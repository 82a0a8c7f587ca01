package reauth_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

// A key that a function of the program gives. It is asked again when the provider has refused the key.
func ExamplePool_AddSource() {
	fake := reauthtest.New(reauthtest.OpenAI)
	key := "sk-EXAMPLE-1"
	fake.AddKey(key)
	source := reauth.RefresherFunc(func(context.Context, reauth.Credential) (reauth.Credential, error) {
		fmt.Println("the source is asked")
		return reauth.Credential{AccessToken: key}, nil
	})
	pool := reauth.NewPool()
	defer pool.Close()
	if _, err := pool.AddSource(context.Background(), reauth.Credential{Provider: "openai"}, source); err != nil {
		log.Fatal(err)
	}
	client := &http.Client{Transport: reauth.NewRecoveringTransport(fake.Transport(), pool)}
	fmt.Println(statusOf(context.Background(), client))

	fake.Expire() // the key is replaced at the provider
	key = "sk-EXAMPLE-2"
	fake.AddKey(key)
	fmt.Println(statusOf(context.Background(), client))
	// Output:
	// the source is asked
	// 200
	// the source is asked
	// 200
}

// A source of a program's own, which may say until when its token is good.
func ExampleRefresherFunc() {
	source := reauth.RefresherFunc(func(context.Context, reauth.Credential) (reauth.Credential, error) {
		return reauth.Credential{AccessToken: "sk-EXAMPLE", Expiry: time.Now().Add(time.Hour)}, nil
	})
	c, err := source.Refresh(context.Background(), reauth.Credential{})
	fmt.Println(time.Until(c.Expiry) > 59*time.Minute, err)
	// Output: true <nil>
}

// A command prints the key. There is no shell.
func ExampleCommandSource() {
	pool := reauth.NewPool()
	defer pool.Close()
	ctx := context.Background()
	source := reauth.CommandSource("printf", "%s", "sk-EXAMPLE") // or "vault", "read", "-field=key", "secret/openai"
	if _, err := pool.AddSource(ctx, reauth.Credential{Provider: "openai"}, source); err != nil {
		log.Fatal(err)
	}

	c, err := pool.Token(ctx, "openai")
	fmt.Println(c.AccessToken, err)
	// Output: sk-EXAMPLE <nil>
}

// A file that somebody else keeps fresh, as it is at each look.
func ExampleFileSource() {
	folder, err := os.MkdirTemp("", "reauth")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "token")
	if err := os.WriteFile(path, []byte("EXAMPLE-token\n"), 0o600); err != nil {
		log.Fatal(err)
	}

	c, err := reauth.FileSource(path).Refresh(context.Background(), reauth.Credential{})
	fmt.Println(c.AccessToken, err)
	// Output: EXAMPLE-token <nil>
}

// A program gets a token for itself, without a person.
func ExampleClientCredentialsSource() {
	fake := reauthtest.New(reauthtest.OpenAI)
	fake.AddClient("agents", "EXAMPLE-secret")
	source := reauth.ClientCredentialsSource(reauth.OAuth2Config{
		TokenURL: "https://login.corp.example" + reauthtest.TokenPath,
		ClientID: "agents", ClientSecret: "EXAMPLE-secret",
		HTTPClient: &http.Client{Transport: fake.Transport()}, // leave it out for a real server
	})

	c, err := source.Refresh(context.Background(), reauth.Credential{})
	fmt.Println(c.AccessToken != "", err)
	// Output: true <nil>
}

// A workload exchanges the token of its platform for one of the provider, and has no key.
func ExampleTokenExchangeSource() {
	fake := reauthtest.New(reauthtest.OpenAI)
	fake.Trust(reauthtest.Trust{Issuer: "https://cluster.example", Audience: "https://llm.corp.example"})
	platform := reauth.RefresherFunc(func(context.Context, reauth.Credential) (reauth.Credential, error) {
		token := fake.SubjectToken("https://cluster.example", "https://llm.corp.example", time.Hour)
		return reauth.Credential{AccessToken: token}, nil
	})
	source := reauth.TokenExchangeSource(reauth.TokenExchangeConfig{
		TokenURL:   "https://login.corp.example" + reauthtest.TokenPath,
		Subject:    platform,                                  // or FileSource("/var/run/secrets/tokens/gateway")
		HTTPClient: &http.Client{Transport: fake.Transport()}, // leave it out for a real server
	})

	c, err := source.Refresh(context.Background(), reauth.Credential{})
	fmt.Println(c.AccessToken != "", err)
	// Output: true <nil>
}

// The login of another program. The pool reads its file, and never writes it.
func ExampleFollow() {
	folder, err := os.MkdirTemp("", "reauth")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "auth.json") // leave it out for Codex's own place
	login, err := json.Marshal(map[string]any{"tokens": map[string]string{
		"access_token": "EXAMPLE-token", "refresh_token": "EXAMPLE-refresh", "account_id": "EXAMPLE-account",
	}})
	if err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(path, login, 0o600); err != nil {
		log.Fatal(err)
	}

	pool := reauth.NewPool()
	defer pool.Close()
	if _, err := pool.Add(context.Background(), reauth.Follow("codex", path)); err != nil {
		log.Fatal(err)
	}
	s := pool.Status()[0]
	fmt.Println(s.Provider, "follows", s.Follows)
	// Output: openai-codex follows codex
}

// A token endpoint of RFC 6749, for a provider of the program's own.
func ExampleOAuth2Refresher() {
	fake := reauthtest.New(reauthtest.OpenAI)
	_, refresh := fake.Login()
	refresher := reauth.OAuth2Refresher(reauth.OAuth2Config{
		TokenURL: "https://login.corp.example" + reauthtest.TokenPath, ClientID: "agents",
		HTTPClient: &http.Client{Transport: fake.Transport()}, // leave it out for a real server
	})

	c, err := refresher.Refresh(context.Background(), reauth.Credential{Provider: "gateway", RefreshToken: refresh})
	fmt.Println("another refresh token:", c.RefreshToken != refresh, err)
	_, err = refresher.Refresh(context.Background(), reauth.Credential{Provider: "gateway", RefreshToken: refresh})
	var refused *reauth.RefreshError
	fmt.Println("the old one:", errors.As(err, &refused) && refused.Permanent)
	// Output:
	// another refresh token: true <nil>
	// the old one: true
}

// A built-in provider at a gateway of one's own, which has another token endpoint.
func ExampleBuiltinRefresher() {
	refresher, err := reauth.BuiltinRefresher("xai", reauth.OAuth2Config{TokenURL: "https://login.corp.example/token"})
	if err != nil {
		log.Fatal(err)
	}
	pool := reauth.NewPool()
	defer pool.Close()
	xai, _ := reauth.LookupProvider("xai")
	xai.Hosts, xai.Refresher = []string{"llm.corp.example"}, refresher
	fmt.Println(pool.Register(xai))
	// Output: <nil>
}
