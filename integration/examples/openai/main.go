// Openai shows openai-go over reauth. The access token has expired; the SDK is told nothing of it,
// and gets a completion and a stream all the same. Without an account, run it in integration/:
//
//	go run ./examples/openai
//
// With a key, or with a login in one of reauth's stores, at any provider that speaks OpenAI's API:
//
//	OPENAI_API_KEY=sk-… go run ./examples/openai
//	REAUTH_STORE=auth.json OPENAI_BASE_URL=https://api.x.ai/v1 OPENAI_MODEL=grok-4 go run ./examples/openai
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "openai:", err)
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

	client := openai.NewClient(append(options,
		option.WithAPIKey("set by the transport"),
		option.WithHTTPClient(&http.Client{Transport: reauth.NewRecoveringTransport(nil, pool)}))...)

	params := openai.ChatCompletionNewParams{
		Model:    cmp.Or(os.Getenv("OPENAI_MODEL"), openai.ChatModelGPT5_6Luna),
		Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("Say hello.")},
	}
	fmt.Fprintln(out, "a completion:")
	answer, err := client.Chat.Completions.New(ctx, params)
	if err != nil {
		return err
	}
	if len(answer.Choices) == 0 || answer.Choices[0].Message.Content == "" {
		return errors.New("the completion is empty")
	}
	fmt.Fprintf(out, "  the SDK returns %q\n", answer.Choices[0].Message.Content)

	fmt.Fprintln(out, "a stream:")
	stream, text := client.Chat.Completions.NewStreaming(ctx, params), ""
	for stream.Next() {
		for _, c := range stream.Current().Choices {
			text += c.Delta.Content
		}
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
	if key := os.Getenv("OPENAI_API_KEY"); key != "" {
		_, err := pool.Add(ctx, reauth.Credential{Provider: "openai", ID: "key", AccessToken: key})
		return pool, nil, func() { _ = pool.Close() }, err
	}

	fake := reauthtest.New(reauthtest.OpenAI)
	server := fake.Start()
	access, refresh := fake.Login()
	fake.Expire(access)
	err := pool.Register(reauth.Provider{
		Name: "local", Hosts: []string{"127.0.0.1"},
		Refresher: reauth.OAuth2Refresher(reauth.OAuth2Config{TokenURL: server.URL + reauthtest.TokenPath}),
	})
	if err == nil {
		login := reauth.Credential{Provider: "local", ID: "login", AccessToken: access, RefreshToken: refresh}
		_, err = pool.Add(ctx, login)
	}
	stop := func() {
		_ = pool.Close()
		server.Close()
	}
	return pool, []option.RequestOption{option.WithBaseURL(server.URL + "/v1")}, stop, err
}
