package reauthtest_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/reauthtest"
)

// said is the answer of the fake model, and words the events in which it comes.
const (
	said  = "Hello from the fake provider."
	words = 6
)

// sequences are the streams of each API, as their pages publish them: the types of the events, in order.
// A chunk without a type is named after what it tells. "*" stands for one event a word.
var sequences = []struct {
	name       string
	dialect    reauthtest.Dialect
	path, body string
	events     string
}{
	{
		"Responses", reauthtest.OpenAI, "/v1/responses", `{"model":"m","stream":true}`,
		"response.created response.in_progress response.output_item.added response.content_part.added " +
			"response.output_text.delta* response.output_text.done response.content_part.done " +
			"response.output_item.done response.completed",
	},
	{
		"chat completions", reauthtest.OpenAI, "/v1/chat/completions", `{"model":"m","stream":true}`,
		"role content* finish:stop [DONE]",
	},
	{
		"chat completions with usage", reauthtest.XAI, "/v1/chat/completions",
		`{"model":"m","stream":true,"stream_options":{"include_usage":true}}`,
		"role+null content+null* finish:stop+null usage [DONE]",
	},
	{
		"Messages", reauthtest.Anthropic, "/v1/messages", `{"model":"m","stream":true}`,
		"message_start content_block_start ping content_block_delta* content_block_stop message_delta message_stop",
	},
	{
		"Gemini", reauthtest.Gemini, "/v1beta/models/m:streamGenerateContent?alt=sse", "{}",
		"content content content content content content+STOP",
	},
}

func TestStreamsHaveThePublishedSequence(t *testing.T) {
	for _, c := range sequences {
		t.Run(c.name, func(t *testing.T) {
			p := reauthtest.New(c.dialect)
			p.AddKey("key-EXAMPLE")
			resp, body := call(t, p.Transport(), "https://api.example.com"+c.path, c.body, "Authorization: Bearer key-EXAMPLE")
			assert.Equal(t, "text/event-stream", resp.Header.Get("Content-Type"))
			var kinds []string
			for _, e := range parsed(t, body) {
				kinds = append(kinds, e.kind)
				if e.data != nil && !strings.HasPrefix(c.path, "/v1/responses") && e.kind != "ping" {
					e.checkModel(t)
				}
			}
			assert.Equal(t, spelled(c.events), kinds)
		})
	}
}

// spelled returns the types of a sequence, one for each event.
func spelled(sequence string) (kinds []string) {
	for kind := range strings.FieldsSeq(sequence) {
		one, repeated := strings.CutSuffix(kind, "*")
		for range map[bool]int{false: 1, true: words}[repeated] {
			kinds = append(kinds, one)
		}
	}
	return kinds
}

// told is an event of a stream.
type told struct {
	kind string
	data map[string]any
}

// checkModel fails the test if an event that names a model names another than the one asked for.
func (e told) checkModel(t *testing.T) {
	t.Helper()
	message, _ := e.data["message"].(map[string]any)
	for _, model := range []any{e.data["model"], e.data["modelVersion"], message["model"]} {
		assert.Contains(t, []any{nil, "m"}, model)
	}
}

// parsed reads an event stream. The name of an event must be the type in its data.
func parsed(t *testing.T, body string) (list []told) {
	t.Helper()
	name := ""
	for line := range strings.Lines(body) {
		field, value, _ := strings.Cut(strings.TrimRight(line, "\r\n"), ": ")
		switch {
		case field == "event":
			name = value
		case value == "[DONE]":
			list = append(list, told{kind: value})
		case field == "data":
			e := told{}
			require.NoError(t, json.Unmarshal([]byte(value), &e.data), value)
			e.kind = kindOf(e.data)
			if name != "" {
				assert.Equal(t, name, e.kind)
			}
			list = append(list, e)
		}
	}
	return list
}

// kindOf names an event by its type. A chunk of the chat completions API has none: its name tells of
// its delta, and whether it has a usage. So does that of Gemini's.
func kindOf(data map[string]any) string {
	if kind, ok := data["type"].(string); ok {
		return kind
	}
	if list, ok := data["candidates"].([]any); ok {
		if reason := list[0].(map[string]any)["finishReason"]; reason != nil {
			return fmt.Sprint("content+", reason)
		}
		return "content"
	}
	usage, has := data["usage"]
	choices := data["choices"].([]any)
	if len(choices) == 0 && usage != nil {
		return "usage"
	}
	choice := choices[0].(map[string]any)
	delta := choice["delta"].(map[string]any)
	kind := "content"
	switch {
	case choice["finish_reason"] != nil:
		kind = fmt.Sprint("finish:", choice["finish_reason"])
	case delta["role"] != nil:
		kind = "role"
	}
	if has && usage == nil {
		kind += "+null"
	}
	return kind
}

// The item of a response opens empty, its part too, and each ends with the whole text. The numbers rise by
// one.
func TestTheItemOfAResponseOpensAndEnds(t *testing.T) {
	p := reauthtest.New(reauthtest.OpenAI)
	p.AddKey("key-EXAMPLE")
	_, body := call(t, p.Transport(), "https://api.example.com/v1/responses", `{"model":"m","stream":true}`,
		"Authorization: Bearer key-EXAMPLE")
	text := ""
	for i, e := range parsed(t, body) {
		assert.EqualValues(t, i, e.data["sequence_number"])
		switch e.kind {
		case "response.output_item.added":
			assert.Equal(t, "in_progress []", at(e.data, "item", "status")+" "+at(e.data, "item", "content"))
		case "response.content_part.added":
			assert.Empty(t, at(e.data, "part", "text"))
		case "response.output_text.delta":
			text += e.data["delta"].(string)
		case "response.output_text.done":
			assert.Equal(t, said, e.data["text"])
		case "response.content_part.done":
			assert.Equal(t, said, at(e.data, "part", "text"))
		case "response.output_item.done":
			assert.Contains(t, at(e.data, "item", "content"), said)
		case "response.completed":
			assert.Contains(t, at(e.data, "response", "output"), said)
			assert.Equal(t, "m", at(e.data, "response", "model"))
			assert.Contains(t, at(e.data, "response", "usage"), "total_tokens:7")
		}
	}
	assert.Equal(t, said, text)
}

// at returns a member of a member as text.
func at(data map[string]any, outer, inner string) string {
	return fmt.Sprint(data[outer].(map[string]any)[inner])
}

// Without alt=sse Gemini answers with a list in JSON.
func TestGeminiStreamsAListWithoutSSE(t *testing.T) {
	p := reauthtest.New(reauthtest.Gemini)
	p.AddKey("AIza-EXAMPLE")
	resp, body := call(t, p.Transport(), "https://api.example.com/v1beta/models/m:streamGenerateContent", "{}",
		"X-Goog-Api-Key: AIza-EXAMPLE")
	assert.Equal(t, "application/json", resp.Header.Get("Content-Type"))
	var list []map[string]any
	require.NoError(t, json.Unmarshal([]byte(body), &list))
	require.Len(t, list, words)
	assert.Equal(t, "content+STOP", kindOf(list[words-1]))
	for path, want := range map[string]string{
		"models/m:countTokens": `{"totalTokens":1}`, "models": `"name":"models/example"`,
	} {
		_, body := call(t, p.Transport(), "https://api.example.com/v1beta/"+path, "{}", "X-Goog-Api-Key: AIza-EXAMPLE")
		assert.Contains(t, body, want)
	}
}

// sockets are the conversations of the APIs on a WebSocket: what the server greets with, and its events for
// one message of the client.
var sockets = []struct{ path, greeting, events string }{
	{"/v1/responses", "", sequences[0].events},
	{
		"/v1/realtime?model=m", "session.created",
		"response.created response.output_item.added conversation.item.added response.content_part.added " +
			"response.output_text.delta* response.output_text.done response.content_part.done " +
			"conversation.item.done response.output_item.done response.done",
	},
}

func TestSocketsHaveThePublishedSequence(t *testing.T) {
	p := reauthtest.New(reauthtest.OpenAI)
	p.AddKey("key-EXAMPLE")
	server := p.Start()
	defer server.Close()
	for _, c := range sockets {
		s := dial(t, server.Client().Transport, server.URL+c.path)
		var kinds []string
		next := func() {
			var data map[string]any
			_, message := s.receive()
			require.NoError(t, json.Unmarshal([]byte(message), &data), message)
			kinds = append(kinds, kindOf(data))
		}
		if c.greeting != "" {
			next()
		}
		for range 2 {
			s.send(0x1, `{"type":"response.create","model":"m"}`)
			for range spelled(c.events) {
				next()
			}
		}
		assert.Equal(t, spelled(c.greeting+" "+c.events+" "+c.events), kinds)
		require.NoError(t, s.w.(io.Closer).Close())
	}
	server.Client().CloseIdleConnections()
}

// dial opens a WebSocket, which closes after a minute: a test that waits for an event in vain fails.
func dial(t *testing.T, rt http.RoundTripper, url string) *socket {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	require.NoError(t, err)
	for name, value := range map[string]string{
		"Authorization": "Bearer key-EXAMPLE", "Connection": "Upgrade", "Upgrade": "websocket",
		"Sec-Websocket-Version": "13", "Sec-Websocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
	} {
		req.Header.Set(name, value)
	}
	resp, err := rt.RoundTrip(req)
	require.NoError(t, err)
	require.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
	conn, ok := resp.Body.(io.ReadWriteCloser)
	require.True(t, ok)
	bound := time.AfterFunc(time.Minute, func() { _ = conn.Close() })
	t.Cleanup(func() { bound.Stop() })
	return &socket{t: t, w: conn, r: bufio.NewReader(conn)}
}
