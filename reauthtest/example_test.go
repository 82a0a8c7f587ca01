package reauthtest_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

// A test of an agent: its token expires, and nothing leaves the process.
func Example() {
	fake := reauthtest.New(reauthtest.XAI)
	access, refresh := fake.Login()

	pool := reauth.NewPool()
	defer pool.Close()
	if err := fake.Use(pool); err != nil { // the refresh goes to the fake, too
		log.Fatal(err)
	}
	login := reauth.Credential{Provider: "xai", AccessToken: access, RefreshToken: refresh}
	if _, err := pool.Add(context.Background(), login); err != nil {
		log.Fatal(err)
	}
	client := &http.Client{Transport: reauth.NewRecoveringTransport(fake.Transport(), pool)}

	fake.Expire()
	resp, err := client.Get("https://api.x.ai/v1/models")
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	fmt.Println("status", resp.StatusCode, "exchanges", fake.Exchanges(), "reuses", fake.Reuses())
	for _, r := range fake.Requests() {
		fmt.Println(r.Method, r.Path, r.Status)
	}
	// Output:
	// status 200 exchanges 1 reuses 0
	// GET /v1/models 403
	// GET /v1/models 200
}

// A program that asks a server on loopback, as an SDK with another base URL does.
func ExampleProvider_Use() {
	fake := reauthtest.New(reauthtest.Anthropic)
	fake.AddKey("sk-ant-EXAMPLE")
	server := fake.Start()
	defer server.Close()
	pool := reauth.NewPool()
	defer pool.Close()
	if err := fake.Use(pool); err != nil { // anthropic has the loopback hosts, too
		log.Fatal(err)
	}
	key := reauth.Credential{Provider: "anthropic", AccessToken: "sk-ant-EXAMPLE"}
	if _, err := pool.Add(context.Background(), key); err != nil {
		log.Fatal(err)
	}

	client := &http.Client{Transport: reauth.NewRecoveringTransport(nil, pool)}
	defer client.CloseIdleConnections()
	resp, err := client.Get(server.URL + "/v1/models")
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	fmt.Println(resp.StatusCode)
	// Output: 200
}

// A test of a provider that the program has changed.
func ExampleProvider_Refresher() {
	fake := reauthtest.New(reauthtest.OpenAI)
	codex, _ := reauth.LookupProvider("openai-codex")
	codex.FirstEvent = time.Second
	var err error
	if codex.Refresher, err = fake.Refresher("openai-codex"); err != nil {
		log.Fatal(err)
	}
	pool := reauth.NewPool()
	defer pool.Close()
	fmt.Println(pool.Register(codex))
	// Output: <nil>
}
