// Retryable-base shows go-retryablehttp below reauth. go-retryablehttp waits until an overload is
// over, reauth above it renews an expired token, and the program sees neither. Each line that it
// prints is one request on the network. Without an account, run it in integration/:
//
//	go run ./examples/retryable-base
//
// With one: OPENAI_API_KEY=sk-… go run ./examples/retryable-base
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync/atomic"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "retryable-base:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	pool := reauth.NewPool()
	defer pool.Close()
	url, wanted, stop, err := provider(ctx, pool)
	if err != nil {
		return err
	}
	defer stop()

	network := &printed{base: http.DefaultTransport, out: out}
	client := &http.Client{Transport: reauth.NewRecoveringTransport(newRetryingBase(network), pool)}
	defer client.CloseIdleConnections()

	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/v1/models", http.NoBody)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	fmt.Fprintf(out, "the program asked once and sees %s\n", resp.Status)
	if resp.StatusCode != http.StatusOK || network.sends.Load() < wanted {
		return errors.New("a 200 was expected, after everything that went wrong below")
	}
	return nil
}

// provider puts a credential into the pool. It returns where the credential's provider is, and how
// many sends the request takes at least. The fake provider is overloaded twice, and then refuses
// the access token as expired.
func provider(ctx context.Context, pool *reauth.Pool) (url string, sends int32, stop func(), err error) {
	if key := os.Getenv("OPENAI_API_KEY"); key != "" {
		_, err = pool.Add(ctx, reauth.Credential{Provider: "openai", AccessToken: key})
		return "https://api.openai.com", 1, func() {}, err
	}
	fake := reauthtest.New(reauthtest.OpenAI)
	var asked atomic.Int32
	fake.Refuse = func(*http.Request, string) *reauthtest.Answer {
		if asked.Add(1) <= 2 {
			const overloaded = `{"error":{"message":"The server is overloaded."}}`
			return &reauthtest.Answer{Status: http.StatusServiceUnavailable, Body: overloaded}
		}
		return nil
	}
	access, refresh := fake.Login()
	fake.Expire(access)
	server := fake.Start()
	err = errors.Join(
		pool.Register(reauth.Provider{
			Name: "local", Hosts: []string{"127.0.0.1"},
			Refresher: reauth.OAuth2Refresher(reauth.OAuth2Config{TokenURL: server.URL + reauthtest.TokenPath}),
		}),
		add(ctx, pool, reauth.Credential{Provider: "local", AccessToken: access, RefreshToken: refresh}))
	return server.URL, 4, server.Close, err
}

func add(ctx context.Context, pool *reauth.Pool, c reauth.Credential) error {
	_, err := pool.Add(ctx, c)
	return err
}

// printed is a transport that prints a line for each request.
type printed struct {
	base  http.RoundTripper
	out   io.Writer
	sends atomic.Int32
}

func (p *printed) RoundTrip(req *http.Request) (*http.Response, error) {
	n := p.sends.Add(1)
	resp, err := p.base.RoundTrip(req)
	what := map[int]string{
		401: ": left to reauth, which refreshes the token",
		503: ": repeated by go-retryablehttp",
	}
	if err == nil {
		fmt.Fprintf(p.out, "  send %d: %s%s\n", n, resp.Status, what[resp.StatusCode])
	}
	return resp, err
}
