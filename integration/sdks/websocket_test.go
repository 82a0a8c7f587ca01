package sdks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/reauth-go/reauth/reauthtest"
)

// coderWebsocket is a WebSocket without an SDK. reauth sees its handshake.
var coderWebsocket = client{
	name: "coder/websocket", provider: "openai-api", dialect: reauthtest.OpenAI, sockets: true,
	lacks: map[string]string{"upload": "a socket carries messages", "stream": "every answer is one: see expired"},
	open: func(_ testing.TB, hc *http.Client) calls {
		return calls{ask: func(ctx context.Context) (string, error) { return talk(ctx, hc) }}
	},
	refused: func(err error) refused {
		if e, ok := errors.AsType[*handshakeError](err); ok {
			return refused{"an error beside the response", e.status, e.body}
		}
		return refused{}
	},
}

// handshakeError is what a program makes of the error of Dial and of the response that comes with
// it.
type handshakeError struct {
	err    error
	status int
	body   string
}

func (e *handshakeError) Error() string { return fmt.Sprintf("%v: %s", e.err, e.body) }
func (e *handshakeError) Unwrap() error { return e.err }

func talk(ctx context.Context, hc *http.Client) (string, error) {
	conn, resp, err := websocket.Dial(ctx, "wss://api.openai.com/v1/realtime?model=gpt-example",
		&websocket.DialOptions{HTTPClient: hc})
	if err != nil {
		if resp == nil {
			return "", err
		}
		body, _ := io.ReadAll(resp.Body) // Dial has read it into memory
		return "", &handshakeError{err, resp.StatusCode, string(body)}
	}
	defer func() { _ = conn.CloseNow() }() // without effect if the conversation succeeded
	if err := conn.Write(ctx, websocket.MessageText, []byte(`{"type":"response.create"}`)); err != nil {
		return "", err
	}
	var text strings.Builder
	for {
		_, message, err := conn.Read(ctx)
		if err != nil {
			return "", err
		}
		var event struct{ Type, Delta string }
		if err := json.Unmarshal(message, &event); err != nil {
			return "", err
		}
		switch event.Type {
		case "response.output_text.delta":
			text.WriteString(event.Delta)
		case "response.done":
			return text.String(), conn.Close(websocket.StatusNormalClosure, "")
		}
	}
}
