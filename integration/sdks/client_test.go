package sdks

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/reauth-go/reauth/reauthtest"
)

// client is a client library under test: how it is set up, and what it calls a refusal.
type client struct {
	name     string
	provider string // whose credentials it needs; its base URL is the library's default where it has one
	dialect  reauthtest.Dialect
	open     func(t testing.TB, hc *http.Client) calls
	refused  func(err error) refused
	mute     bool              // its error leaves the provider's message out
	lacks    map[string]string // cases that the library does not have, and why
	retries  int               // its own, by default
	// timed gives each request a time-out by the library\'s own means; nil: it has none.
	timed   func(t testing.TB, hc *http.Client, d time.Duration) calls
	sockets bool // success needs a real connection
}

// refused is what an error of a library tells: its type, or what there is instead of one, and the
// provider's status and message as far as they are in it.
type refused struct {
	as      string
	status  int
	message string
}

// calls are what a program does with the library. All are safe for concurrent use.
type calls struct {
	ask    func(ctx context.Context) (string, error)
	stream func(ctx context.Context) (string, error)
	upload func(ctx context.Context, content []byte) (size int64, err error)
	// post is for endpoints that the library does not know, with a body of the caller's.
	post func(ctx context.Context, path, contentType string, body io.Reader) error
}

// said is what the fake model always says.
const said = "Hello from the fake provider."

// placeholder is the key the libraries are given: what they put into a header is replaced.
const placeholder = "set by the transport"

var clients = []client{
	openaiChat, openaiResponses, openaiRealtime, openaiOnXAI, goOpenAI, anthropicSDK, langchainOpenAI, langchainAnthropic, genaiSDK, coderWebsocket,
}
