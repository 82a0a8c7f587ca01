package reauth_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"path/filepath"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

// The client of a program, or of its SDK. A nil base is http.DefaultTransport; here a fake provider takes
// its place.
func ExampleNewRecoveringTransport() {
	fake := reauthtest.New(reauthtest.OpenAI)
	fake.AddKey("sk-EXAMPLE")
	pool := reauth.NewPool()
	defer pool.Close()
	key := reauth.Credential{Provider: "openai", AccessToken: "sk-EXAMPLE"}
	if _, err := pool.Add(context.Background(), key); err != nil {
		log.Fatal(err)
	}

	client := &http.Client{Transport: reauth.NewRecoveringTransport(fake.Transport(), pool)}
	resp, err := client.Get("https://api.openai.com/v1/models")
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	fmt.Println(resp.StatusCode)
	// Output: 200
}

// MarkFinal tells an SDK that a retry of its own is useless.
func ExampleRecoveringTransport() {
	fake := reauthtest.New(reauthtest.OpenAI)
	fake.AddKey("sk-EXAMPLE")
	fake.Block("sk-EXAMPLE") // the account is gone
	pool := reauth.NewPool()
	defer pool.Close()
	key := reauth.Credential{Provider: "openai", AccessToken: "sk-EXAMPLE"}
	if _, err := pool.Add(context.Background(), key); err != nil {
		log.Fatal(err)
	}

	transport := &reauth.RecoveringTransport{Base: fake.Transport(), Pool: pool, MarkFinal: true}
	resp, err := (&http.Client{Transport: transport}).Get("https://api.openai.com/v1/models")
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	fmt.Println(resp.StatusCode, "retry:", resp.Header.Get("X-Should-Retry"))
	// Output: 401 retry: false
}

// A pool over a file. Another process that opens the file has the same credentials.
func ExampleOpenPool() {
	folder, err := os.MkdirTemp("", "reauth")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "auth.json") // a program takes reauth.DefaultStorePath()
	ctx := context.Background()

	first, err := reauth.OpenPool(ctx, reauth.NewFileStore(path))
	if err != nil {
		log.Fatal(err)
	}
	defer first.Close()
	key := reauth.Credential{Provider: "openai", ID: "mine", AccessToken: "sk-EXAMPLE"}
	if _, err := first.Add(ctx, key); err != nil {
		log.Fatal(err)
	}

	second, err := reauth.OpenPool(ctx, reauth.NewFileStore(path))
	if err != nil {
		log.Fatal(err)
	}
	defer second.Close()
	for _, s := range second.Status() {
		fmt.Println(s.Provider, s.ID, s.State)
	}
	// Output: openai-api mine good
}

// Add refuses what can never work, and says what to do.
func ExamplePool_Add() {
	pool := reauth.NewPool()
	defer pool.Close()
	ctx := context.Background()

	id, err := pool.Add(ctx, reauth.Credential{Provider: "groq", ID: "team", AccessToken: "gsk-EXAMPLE"})
	fmt.Println(id, err)
	_, err = pool.Add(ctx, reauth.Credential{Provider: "groq", ID: "mine", AccessToken: "$GROQ_API_KEY"})
	fmt.Println(err)
	// Output:
	// team <nil>
	// reauth: add credential groq/mine: AccessToken is the name of a variable and not its value; expand it first, as by os.Getenv
}

// Status tells how each credential stands, without its secrets.
func ExamplePool_Status() {
	pool := reauth.NewPool()
	defer pool.Close()
	ctx := context.Background()
	for i, id := range []string{"work", "spare"} {
		c := reauth.Credential{Provider: "groq", ID: id, AccessToken: "gsk-EXAMPLE-" + id, Priority: i}
		if _, err := pool.Add(ctx, c); err != nil {
			log.Fatal(err)
		}
	}

	for _, s := range pool.Status() {
		fmt.Println(s.Provider, s.ID, s.State, "priority", s.Priority)
	}
	// Output:
	// groq work good priority 0
	// groq spare good priority 1
}

// Reset lifts the marks of a credential, for example after its bill was paid.
func ExamplePool_Reset() {
	fake := reauthtest.New(reauthtest.OpenAI)
	fake.AddKey("sk-EXAMPLE")
	fake.Block("sk-EXAMPLE")
	pool := reauth.NewPool()
	defer pool.Close()
	ctx := context.Background()
	key := reauth.Credential{Provider: "openai", ID: "mine", AccessToken: "sk-EXAMPLE"}
	if _, err := pool.Add(ctx, key); err != nil {
		log.Fatal(err)
	}
	client := &http.Client{Transport: reauth.NewRecoveringTransport(fake.Transport(), pool)}
	resp, err := client.Get("https://api.openai.com/v1/models")
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	fmt.Println(pool.Status()[0].State)

	fake.Restore("sk-EXAMPLE")
	if err := pool.Reset(ctx, "openai", "mine"); err != nil {
		log.Fatal(err)
	}
	fmt.Println(pool.Status()[0].State)
	// Output:
	// retired
	// good
}

// The answer of one call is reported, and the pool draws the conclusion of it.
func ExamplePool_Report() {
	pool := reauth.NewPool()
	defer pool.Close()
	ctx := context.Background()
	for _, id := range []string{"a", "b"} {
		c := reauth.Credential{Provider: "gemini", ID: id, AccessToken: "AIza-EXAMPLE-" + id}
		if _, err := pool.Add(ctx, c); err != nil {
			log.Fatal(err)
		}
	}

	used, err := pool.Token(ctx, "gemini")
	if err != nil {
		log.Fatal(err)
	}
	// A call with used.AccessToken was refused: the quota of the day is used up.
	verdict := reauth.Verdict{Kind: reauth.Exhausted, Reason: "quota"}
	if err := pool.Report(ctx, "gemini", used.ID, used.AccessToken, verdict); err != nil {
		log.Fatal(err)
	}
	next, err := pool.Token(ctx, "gemini")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(used.ID, "then", next.ID)
	// Output: a then b
}

// Relogin asks a person when a login has ended. Package login has the flows with which a program asks.
func ExamplePool_relogin() {
	fake := reauthtest.New(reauthtest.XAI)
	access, refresh := fake.Login()
	pool := reauth.NewPool()
	defer pool.Close()
	if err := fake.Use(pool); err != nil {
		log.Fatal(err)
	}
	pool.Relogin = func(_ context.Context, s reauth.CredentialStatus) (reauth.Credential, error) {
		fmt.Println("ask the person of", s.ID)
		access, refresh := fake.Login()
		return reauth.Credential{AccessToken: access, RefreshToken: refresh}, nil
	}
	login := reauth.Credential{Provider: "xai", ID: "me", AccessToken: access, RefreshToken: refresh}
	if _, err := pool.Add(context.Background(), login); err != nil {
		log.Fatal(err)
	}
	fake.Revoke(refresh) // the provider ends the login

	client := &http.Client{Transport: reauth.NewRecoveringTransport(fake.Transport(), pool)}
	resp, err := client.Get("https://api.x.ai/v1/models")
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	fmt.Println(resp.StatusCode)
	// Output:
	// ask the person of me
	// 200
}

// A provider chooses among several credentials of the same priority by its Strategy.
func ExampleStrategy() {
	fake := reauthtest.New(reauthtest.OpenAI)
	pool := reauth.NewPool()
	defer pool.Close()
	openai, _ := reauth.LookupProvider("openai")
	openai.Strategy = reauth.RoundRobin
	if err := pool.Register(openai); err != nil {
		log.Fatal(err)
	}
	for _, key := range []string{"sk-EXAMPLE-1", "sk-EXAMPLE-2"} {
		fake.AddKey(key)
		c := reauth.Credential{Provider: "openai", ID: key, AccessToken: key}
		if _, err := pool.Add(context.Background(), c); err != nil {
			log.Fatal(err)
		}
	}
	client := &http.Client{Transport: reauth.NewRecoveringTransport(fake.Transport(), pool)}
	for range 4 {
		resp, err := client.Get("https://api.openai.com/v1/models")
		if err != nil {
			log.Fatal(err)
		}
		resp.Body.Close()
	}
	counts := map[string]int{}
	for _, r := range fake.Requests() {
		counts[r.Token]++
	}
	fmt.Println(counts["sk-EXAMPLE-1"], counts["sk-EXAMPLE-2"])
	// Output: 2 2
}

// What is known of a provider, by its name or an alias.
func ExampleLookupProvider() {
	xai, known := reauth.LookupProvider("xai")
	fmt.Println(xai.Name, xai.BaseURL, known)
	_, known = reauth.LookupProvider("nobody")
	fmt.Println(known)
	// Output:
	// xai-oauth https://api.x.ai/v1 true
	// false
}
