// Anthropic shows anthropic-sdk-go over reauth. The OAuth token has expired; the SDK is told
// nothing of it, and gets a message and a stream all the same. Without an account, run it in
// integration/:
//
//	go run ./examples/anthropic
//
// With a key, or with a login in one of reauth's stores:
//
//	ANTHROPIC_API_KEY=sk-ant-… go run ./examples/anthropic
//	REAUTH_STORE=auth.json go run ./examples/anthropic
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "anthropic:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	pool, options, stop, err := setUp(ctx)
	if err != nil {
		return err
	}
	defer stop()
	pool.Observe = func(_ context.Context, e reauth.Event) {
		switch e.Type {
		case reauth.Sent:
			answer := cmp.Or(http.StatusText(e.Status), "no answer")
			fmt.Fprintf(out, "  sent with the credential %q: %s\n", e.ID, answer)
		case reauth.Refreshed:
			fmt.Fprintf(out, "  refreshed the credential %q\n", e.ID)
		case reauth.GaveUp:
			fmt.Fprintf(out, "  gave up: %s\n", e.Reason)
		default:
		}
	}

	client := anthropic.NewClient(append(options,
		option.WithAPIKey("set by the transport"), // reauth uses x-api-key or Authorization, as the credential wants
		option.WithHTTPClient(&http.Client{Transport: reauth.NewRecoveringTransport(nil, pool)}))...)

	params := anthropic.MessageNewParams{
		Model:     cmp.Or(os.Getenv("ANTHROPIC_MODEL"), anthropic.ModelClaudeHaiku4_5),
		MaxTokens: 64,
		Messages:  []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("Say hello."))},
	}
	fmt.Fprintln(out, "a message:")
	message, err := client.Messages.New(ctx, params)
	if err != nil {
		return err
	}
	if len(message.Content) == 0 || message.Content[0].Text == "" {
		return errors.New("the message is empty")
	}
	fmt.Fprintf(out, "  the SDK returns %q\n", message.Content[0].Text)

	fmt.Fprintln(out, "a stream:")
	stream, text := client.Messages.NewStreaming(ctx, params), ""
	for stream.Next() {
		text += stream.Current().Delta.Text
	}
	if err := stream.Err(); err != nil {
		return err
	}
	if text == "" {
		return errors.New("the stream is empty")
	}
	fmt.Fprintf(out, "  the SDK yields, in parts, %q\n", text)
	return nil
}

// setUp returns a pool with a credential, the options that lead the SDK to its provider, and a
// function that ends both.
func setUp(ctx context.Context) (*reauth.Pool, []option.RequestOption, func(), error) {
	if path := os.Getenv("REAUTH_STORE"); path != "" {
		pool, err := reauth.OpenPool(ctx, reauth.NewFileStore(path))
		return pool, nil, func() { _ = pool.Close() }, err // the program ends: it cannot act on the error
	}
	pool := reauth.NewPool()
	if key := os.Getenv("ANTHROPIC_API_KEY"); key != "" {
		_, err := pool.Add(ctx, reauth.Credential{Provider: "anthropic", ID: "key", AccessToken: key})
		return pool, nil, func() { _ = pool.Close() }, err
	}

	fake := reauthtest.New(reauthtest.Anthropic)
	server := fake.Start()
	access, refresh := fake.Login()
	fake.Expire(access)
	claude, _ := reauth.LookupProvider("anthropic") // the real one, but at another address
	claude.Hosts = append(claude.Hosts, "127.0.0.1")
	var err error
	endpoint := reauth.OAuth2Config{TokenURL: server.URL + reauthtest.TokenPath}
	claude.Refresher, err = reauth.BuiltinRefresher("anthropic", endpoint)
	if err == nil {
		err = pool.Register(claude)
	}
	if err == nil {
		login := reauth.Credential{Provider: "anthropic", ID: "login", AccessToken: access, RefreshToken: refresh}
		_, err = pool.Add(ctx, login)
	}
	stop := func() {
		_ = pool.Close()
		server.Close()
	}
	return pool, []option.RequestOption{option.WithBaseURL(server.URL)}, stop, err
}
