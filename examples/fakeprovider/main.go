// Fakeprovider is a provider on which you can try the command without an account. Its API refuses
// as the APIs of real providers do. It has their token endpoints, and their authorization servers
// with pages on which you consent to a login.
//
//	go run ./examples/fakeprovider -lifetime 30s
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/reauth-go/reauth/reauthtest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "fakeprovider:", err)
		}
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("fakeprovider", flag.ContinueOnError)
	listen := flags.String("listen", "127.0.0.1:8650", "serve on this `address`")
	lifetime := flags.Duration("lifetime", time.Minute, "how long an access token is accepted")
	dialect := flags.String("dialect", "xai", "how the API speaks and refuses: xai, openai, anthropic or gemini")
	approve := flags.Duration("approve-after", 0,
		"consent to logins by itself after this time; 0: you do, on the page that is shown")
	if err := flags.Parse(args); err != nil {
		return err
	}
	p, name, err := provider(*dialect)
	if err != nil {
		return err
	}
	p.Lifetime, p.Punctual, p.ApproveAfter, p.Interval = *lifetime, true, *approve, time.Second

	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", *listen)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: logged(p, out), ReadHeaderTimeout: 10 * time.Second}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })() // so that Serve returns
	access, refresh := p.Login()
	key := "AIza" + rand.Text()
	p.AddKey(key)
	if address := "http://" + l.Addr().String(); *dialect == "gemini" {
		tellKey(out, address, key)
	} else {
		tell(out, address, name, *lifetime, access, refresh)
	}
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// provider returns a fake of that dialect, and the name of the provider that it stands for.
func provider(dialect string) (p *reauthtest.Provider, name string, err error) {
	switch dialect {
	case "xai":
		return reauthtest.New(reauthtest.XAI), "xai-oauth", nil
	case "openai":
		return reauthtest.New(reauthtest.OpenAI), "openai-codex", nil
	case "anthropic":
		return reauthtest.New(reauthtest.Anthropic), "anthropic", nil
	case "gemini":
		return reauthtest.New(reauthtest.Gemini), "gemini", nil
	}
	return nil, "", fmt.Errorf("-dialect %q is none of xai, openai, anthropic, gemini", dialect)
}

// tryStore is the store of the commands that are printed.
func tryStore() string { return filepath.Join(os.TempDir(), "reauth-try.json") }

// tellKey prints what you can try at Google's API, which issues keys and no logins.
func tellKey(out io.Writer, address, key string) {
	fmt.Fprintf(out, `A fake provider is at %[1]s. It accepts a key.
In another terminal, add the key, and use it:

  echo %[3]s | go run ./cmd/reauth --store %[2]s add gemini --key-stdin
  go run ./cmd/reauth --store %[2]s probe gemini --base-url %[1]s/v1beta
  go run ./cmd/reauth --store %[2]s proxy gemini --base-url %[1]s

What it is asked:

`, address, tryStore(), key)
}

// tell prints what you can try. You can log in as at any of the providers, whatever the dialect of
// the API.
func tell(out io.Writer, address, name string, lifetime time.Duration, access, refresh string) {
	fmt.Fprintf(out, `A fake provider is at %[1]s. An access token is accepted for %[4]s.
In another terminal, log in; or take a login that is there already:

  go run ./cmd/reauth --store %[3]s login %[2]s --issuer %[1]s
  echo '{"access_token":"%[5]s","refresh_token":"%[6]s"}' | go run ./cmd/reauth --store %[3]s add %[2]s --token-stdin

Then look at it, and use it, also when the token has expired:

  go run ./cmd/reauth --store %[3]s status
  go run ./cmd/reauth --store %[3]s probe %[2]s --base-url %[1]s/v1 --issuer %[1]s

Other providers log in here in their own way: anthropic, copilot, minimax-oauth, nous,
openai-codex, qwen-oauth, xai-oauth.
What it is asked:

`, address, name, tryStore(), lifetime, access, refresh)
}

// logged prints a line for each request that h serves. The line holds no secret.
func logged(h http.Handler, out io.Writer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := &status{ResponseWriter: w, code: http.StatusOK}
		h.ServeHTTP(s, r)
		fmt.Fprintf(out, "%s %-4s %s %d\n", time.Now().Format(time.TimeOnly), r.Method, r.URL.Path, s.code)
	})
}

// status is a ResponseWriter that remembers the status of the answer.
type status struct {
	http.ResponseWriter
	code int
}

func (s *status) WriteHeader(code int) {
	s.code = code
	s.ResponseWriter.WriteHeader(code)
}

// Unwrap leads http.ResponseController to the writer below, so that streams can be flushed.
func (s *status) Unwrap() http.ResponseWriter { return s.ResponseWriter }
