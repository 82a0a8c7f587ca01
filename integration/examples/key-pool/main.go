// Key-pool shows several API keys as one. When a provider refuses one key with 429, the next key
// serves the request. A key that is put aside is not asked. It serves again when the time that the
// provider has named is over. Without an account, run it in integration/:
//
//	go run ./examples/key-pool
//
// With keys: OPENAI_API_KEYS=sk-…,sk-… go run ./examples/key-pool
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "key-pool:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	pool := reauth.NewPool()
	defer pool.Close()
	provider, url, keys := "openai", "https://api.openai.com", strings.Split(os.Getenv("OPENAI_API_KEYS"), ",")
	var want [][]string // the keys that each request asks, where that is known
	if keys[0] == "" {
		fake := reauthtest.New(reauthtest.OpenAI)
		server := fake.Start()
		defer server.Close()
		provider, url, keys = "local", server.URL, []string{"sk-EXAMPLE-1", "sk-EXAMPLE-2", "sk-EXAMPLE-3"}
		for _, k := range keys {
			fake.AddKey(k)
		}
		fake.Exhaust(time.Now().Add(3*time.Second), keys[0]) // its answer says "Retry-After: 3"
		fake.Exhaust(time.Time{}, keys[1])                   // its answer does not say until when
		if err := pool.Register(reauth.Provider{Name: provider, Hosts: []string{"127.0.0.1"}}); err != nil {
			return err
		}
		want = [][]string{{"key 1", "key 2", "key 3"}, {"key 3"}, {"key 1"}}
	}
	for i, k := range keys {
		key := reauth.Credential{Provider: provider, ID: fmt.Sprint("key ", i+1), AccessToken: k}
		if _, err := pool.Add(ctx, key); err != nil {
			return err
		}
	}
	var asked []string
	pool.Observe = func(_ context.Context, e reauth.Event) {
		if e.Type == reauth.Sent {
			asked = append(asked, e.ID)
			fmt.Fprintf(out, "  %s: %s\n", e.ID, cmp.Or(http.StatusText(e.Status), "no answer"))
		}
	}
	client := &http.Client{Transport: reauth.NewRecoveringTransport(nil, pool)}
	defer client.CloseIdleConnections()

	titles := []string{"the first request", "the second", "the third, when the first key has had its rest"}
	for i, title := range titles {
		if i == 2 {
			rest(pool)
		}
		fmt.Fprintf(out, "%s\n", title)
		asked = nil
		resp, err := client.Get(url + "/v1/models")
		if err != nil {
			return err
		}
		_ = resp.Body.Close() // the status is what counts here
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("no key serves: %s", resp.Status)
		}
		if want != nil && !slices.Equal(asked, want[i]) {
			return errors.New("other keys were asked than expected")
		}
	}
	for _, s := range pool.Status() {
		fmt.Fprintln(out, strings.TrimSpace(fmt.Sprintf("%s is %s %s", s.ID, s.State, s.Reason)))
	}
	return nil
}

// rest waits until the first key may serve again, if that is within 5 seconds.
func rest(pool *reauth.Pool) {
	if wait := time.Until(pool.Status()[0].AsideUntil); wait < 5*time.Second {
		time.Sleep(wait)
	}
}
