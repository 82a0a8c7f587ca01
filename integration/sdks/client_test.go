package sdks

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/reauth-go/reauth/reauthtest"
)

// client is a client library under test.
type client struct {
	name     string
	provider string // whose credentials the library needs, at the library's default base URL if it has one
	dialect  reauthtest.Dialect
	open     func(t testing.TB, hc *http.Client) calls // sets the library up
	refused  func(err error) refused                   // reads the library's error
	mute     bool                                      // its error leaves the provider's message out
	lacks    map[string]string                         // the cases that the library does not have, with the reason
	retries  int                                       // how often the library itself sends again by default
	// timed sets the library up with a time-out of its own per request. It is nil if there is no
	// such time-out.
	timed   func(t testing.TB, hc *http.Client, d time.Duration) calls
	sockets bool // whether a success needs a real connection
}

// refused is what the error of a library says about a refusal: the type of the error, and the
// status and the message of the provider as far as the error has them.
type refused struct {
	as      string // the type, or a description of an error without a type
	status  int
	message string
}

// calls are the calls that a program makes with the library. All of them are safe for concurrent
// use.
type calls struct {
	ask    func(ctx context.Context) (string, error)
	stream func(ctx context.Context) (string, error)
	upload func(ctx context.Context, content []byte) (size int64, err error)
	// post is for endpoints that the library does not know. It takes a body of the caller.
	post func(ctx context.Context, path, contentType string, body io.Reader) error
}

// said is the answer of the fake model.
const said = "Hello from the fake provider."

// placeholder is the key that the libraries get. The transport replaces the header that they make
// of it.
const placeholder = "set by the transport"

// clients are the rows of the first table of sdks.md.
var clients = []client{
	openaiChat, openaiResponses, openaiRealtime, openaiOnXAI, goOpenAI, anthropicSDK,
	langchainOpenAI, langchainAnthropic, genaiSDK, coderWebsocket,
}
