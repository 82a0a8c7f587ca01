package reauth_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"slices"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

// twoKeys returns a client over a pool of two keys of OpenAI, "a" and "b". fake is the provider.
func twoKeys(fake *reauthtest.Provider) (*reauth.Pool, *http.Client) {
	pool := reauth.NewPool()
	for _, id := range []string{"a", "b"} {
		fake.AddKey("sk-EXAMPLE-" + id)
		c := reauth.Credential{Provider: "openai", ID: id, AccessToken: "sk-EXAMPLE-" + id}
		if _, err := pool.Add(context.Background(), c); err != nil {
			log.Fatal(err)
		}
	}
	return pool, &http.Client{Transport: reauth.NewRecoveringTransport(fake.Transport(), pool)}
}

// statusOf sends a request with ctx and returns the status.
func statusOf(ctx context.Context, client *http.Client) int {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://api.openai.com/v1/models", http.NoBody)
	if err != nil {
		log.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// A request is pinned to one credential: it is never switched.
func ExampleWithCredential() {
	fake := reauthtest.New(reauthtest.OpenAI)
	pool, client := twoKeys(fake)
	defer pool.Close()

	ctx := reauth.WithCredential(context.Background(), "openai", "b")
	fmt.Println(statusOf(ctx, client), fake.Requests()[0].Token)
	// Output: 200 sk-EXAMPLE-b
}

// The requests of one conversation keep to one credential, so that they find its prompt cache.
func ExampleWithAffinity() {
	fake := reauthtest.New(reauthtest.OpenAI)
	pool, client := twoKeys(fake)
	defer pool.Close()

	ctx := reauth.WithAffinity(context.Background(), "conversation 7")
	for range 5 {
		statusOf(ctx, client)
	}
	var tokens []string
	for _, r := range fake.Requests() {
		tokens = append(tokens, r.Token)
	}
	slices.Sort(tokens)
	fmt.Println("credentials used:", len(slices.Compact(tokens)))
	// Output: credentials used: 1
}

// A request goes out as the caller made it.
func ExampleWithoutCredential() {
	fake := reauthtest.New(reauthtest.OpenAI)
	pool, client := twoKeys(fake)
	defer pool.Close()

	fmt.Println(statusOf(reauth.WithoutCredential(context.Background()), client))
	fmt.Println(statusOf(context.Background(), client))
	// Output:
	// 401
	// 200
}

// The error of an SDK, judged. It is an error that has the provider's answer, or words of it.
func ExampleClassifyError() {
	for _, err := range []error{
		errors.New(`403 Forbidden {"code":"unauthenticated:bad-credentials"}`),
		errors.New("connection reset by peer"),
	} {
		v := reauth.ClassifyError(err)
		fmt.Println(v.Kind, v.Reason)
	}
	// Output:
	// rejected token
	// pass
}
