// Reverse-proxy shows reauth under httputil.ReverseProxy. Any program, in any language, points its
// base URL at the proxy and needs no key. Without an account, run it in integration/; it sends a
// request through itself and stops:
//
//	go run ./examples/reverse-proxy
//
// With a key, or with a login in one of reauth's stores, it serves until you interrupt it:
//
//	OPENAI_API_KEY=sk-… go run ./examples/reverse-proxy
//	REAUTH_STORE=auth.json UPSTREAM=https://api.x.ai go run ./examples/reverse-proxy
//
// Every program that reaches its port uses your credential. So it listens on the loopback address,
// and refuses requests of web pages.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "reverse-proxy:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) (err error) {
	pool, upstream, fake, err := setUp(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pool.Close()) }()
	pool.Observe = func(_ context.Context, e reauth.Event) {
		switch e.Type {
		case reauth.Sent:
			answer := cmp.Or(http.StatusText(e.Status), "no answer")
			fmt.Fprintf(out, "  sent with the credential %q: %s\n", e.ID, answer)
		case reauth.Refreshed:
			fmt.Fprintf(out, "  refreshed the credential %q\n", e.ID)
		default:
		}
	}

	transport := reauth.NewRecoveringTransport(nil, pool)
	toUpstream := func(r *httputil.ProxyRequest) { r.SetURL(upstream) }
	proxy := &httputil.ReverseProxy{Transport: transport, Rewrite: toUpstream}
	defer transport.CloseIdleConnections()

	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", cmp.Or(os.Getenv("LISTEN"), "127.0.0.1:0"))
	if err != nil {
		return err
	}
	server := &http.Server{Handler: http.NewCrossOriginProtection().Handler(proxy), ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() }) // Serve returns and reports it
	base := "http://" + listener.Addr().String()
	fmt.Fprintf(out, "base URL: %s/v1, any key\n", base)
	if fake == nil {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	}
	go func() { _ = server.Serve(listener) }() // without it the request below fails
	defer fake.Close()
	defer server.Close()
	return program(ctx, out, base+"/v1")
}

// setUp returns a pool with a credential, and the URL of the credential's provider. The closer ends
// the fake provider; it is nil for a real one.
func setUp(ctx context.Context) (*reauth.Pool, *url.URL, io.Closer, error) {
	upstream, err := url.Parse(cmp.Or(os.Getenv("UPSTREAM"), "https://api.openai.com"))
	if err != nil {
		return nil, nil, nil, err
	}
	if path := os.Getenv("REAUTH_STORE"); path != "" {
		pool, err := reauth.OpenPool(ctx, reauth.NewFileStore(path))
		return pool, upstream, nil, err
	}
	pool := reauth.NewPool()
	if key := os.Getenv("OPENAI_API_KEY"); key != "" {
		_, err := pool.Add(ctx, reauth.Credential{Provider: "openai", ID: "key", AccessToken: key})
		return pool, upstream, nil, err
	}

	fake := reauthtest.New(reauthtest.OpenAI)
	access, refresh := fake.Login()
	fake.Expire(access)
	server := fake.Start()
	upstream, err = url.Parse(server.URL)
	if err == nil {
		err = pool.Register(reauth.Provider{
			Name: "local", Hosts: []string{upstream.Host},
			Refresher: reauth.OAuth2Refresher(reauth.OAuth2Config{TokenURL: server.URL + reauthtest.TokenPath}),
		})
	}
	if err == nil {
		login := reauth.Credential{Provider: "local", ID: "login", AccessToken: access, RefreshToken: refresh}
		_, err = pool.Add(ctx, login)
	}
	return pool, upstream, closer(server.Close), err
}

// closer is a function as an io.Closer.
type closer func()

// Close implements io.Closer.
func (c closer) Close() error {
	c()
	return nil
}

// program stands for any program: it knows a base URL and nothing of credentials.
func program(ctx context.Context, out io.Writer, base string) error {
	const question = `{"model":"example","messages":[{"role":"user","content":"Hello"}]}`
	address, body := base+"/chat/completions", strings.NewReader(question)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, body) //nolint:gosec // the proxy's own address
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer any")
	client := &http.Client{Transport: new(http.Transport)}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req) //nolint:gosec // as above
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "the program, which has no key, sees %s and %d bytes\n", resp.Status, len(answer))
	if resp.StatusCode != http.StatusOK || !strings.Contains(string(answer), "Hello from the fake provider.") {
		return errors.New("a completion was expected")
	}
	return nil
}
