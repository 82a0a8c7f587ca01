package reauthtest_test

import (
	"bufio"
	"encoding/binary"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/reauthtest"
)

// call sends a request with some headers, "Name: value" each, and returns the answer and its body.
func call(t *testing.T, rt http.RoundTripper, url, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	require.NoError(t, err)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	resp, err := rt.RoundTrip(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp, string(b)
}

func TestRefusalsOfGemini(t *testing.T) {
	p := reauthtest.New(reauthtest.Gemini)
	p.AddKey("AIza-EXAMPLE")
	token, _ := p.Login()
	for _, c := range []struct {
		name   string
		change func()
		status int
		want   string
	}{
		{"live", func() {}, 200, `"candidates"`},
		{"exhausted", func() { p.Exhaust(time.Now().Add(30*time.Second), token) }, 429, `"retryDelay":"30s"`},
		{"exhausted for ever", func() { p.Exhaust(time.Time{}, token) }, 429, `RESOURCE_EXHAUSTED"}}`},
		{"forbidden", func() { p.Forbid(token) }, 403, "does not have permission"},
		{"blocked", func() { p.Block(token) }, 403, "violation of Terms of Service"},
		{"expired", func() { p.Expire(token) }, 401, "ACCESS_TOKEN_EXPIRED"},
	} {
		c.change()
		resp, body := call(t, p.Transport(), "https://api.example.com/v1beta/models/m:generateContent", "{}",
			"Authorization: Bearer "+token)
		assert.Equal(t, c.status, resp.StatusCode, c.name)
		assert.Contains(t, body, c.want, c.name)
	}
	resp, _ := call(t, p.Transport(), "https://api.example.com/", "", "X-Goog-Api-Key: AIza-EXAMPLE")
	assert.Equal(t, 200, resp.StatusCode)
	resp, body := call(t, p.Transport(), "https://api.example.com/", "", "X-Goog-Api-Key: unknown")
	assert.Equal(t, 400, resp.StatusCode)
	assert.Contains(t, body, "API_KEY_INVALID")
	_, body = call(t, p.Transport(), "https://api.example.com/", "", "X-Goog-Api-Key: AIza-EXAMPLE",
		"Authorization: Bearer "+token)
	assert.Contains(t, body, "Please pass only one", "two credentials at once")
}

func TestUploadToGemini(t *testing.T) {
	p := reauthtest.New(reauthtest.Gemini)
	p.AddKey("AIza-EXAMPLE")
	key := "X-Goog-Api-Key: AIza-EXAMPLE"
	resp, _ := call(t, p.Transport(), "https://api.example.com/upload/v1beta/files", "{}", key,
		"X-Goog-Upload-Command: start")
	where := resp.Header.Get("X-Goog-Upload-Url")
	assert.Equal(t, "https://api.example.com/upload/v1beta/files?upload_id=1&upload_protocol=resumable", where)
	resp, _ = call(t, p.Transport(), where, "Hello", key, "X-Goog-Upload-Command: upload", "X-Goog-Upload-Offset: 0")
	assert.Equal(t, "active", resp.Header.Get("X-Goog-Upload-Status"))
	resp, body := call(t, p.Transport(), where, " you", key, "X-Goog-Upload-Command: upload, finalize",
		"X-Goog-Upload-Offset: 5")
	assert.Equal(t, "final", resp.Header.Get("X-Goog-Upload-Status"))
	assert.Contains(t, body, `"sizeBytes":"9"`)
}

// socket is the client's end of a WebSocket.
type socket struct {
	t *testing.T
	w io.Writer
	r *bufio.Reader
}

func (s *socket) send(kind byte, message string) {
	frame := append([]byte{0x80 | kind, 0x80 | byte(len(message)), 1, 2, 3, 4}, message...)
	for i := range message {
		frame[6+i] ^= byte(i%4) + 1
	}
	_, err := s.w.Write(frame)
	require.NoError(s.t, err)
}

func (s *socket) receive() (kind byte, message string) {
	var head [2]byte
	_, err := io.ReadFull(s.r, head[:])
	require.NoError(s.t, err)
	size := int(head[1])
	if size == 126 {
		var n uint16
		require.NoError(s.t, binary.Read(s.r, binary.BigEndian, &n))
		size = int(n)
	}
	b := make([]byte, size)
	_, err = io.ReadFull(s.r, b)
	require.NoError(s.t, err)
	return head[0] & 0xf, string(b)
}

func TestRealtime(t *testing.T) {
	p := reauthtest.New(reauthtest.OpenAI)
	p.AddKey("key-EXAMPLE")
	p.Expire("key-EXAMPLE")
	server := p.Start()
	defer server.Close()
	handshake := func(rt http.RoundTripper) *http.Response {
		req, err := http.NewRequest(http.MethodGet, server.URL+"/v1/realtime?model=example", nil)
		require.NoError(t, err)
		for name, value := range map[string]string{
			"Authorization": "Bearer key-EXAMPLE", "Connection": "Upgrade", "Upgrade": "websocket",
			"Sec-Websocket-Version": "13", "Sec-Websocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
		} {
			req.Header.Set(name, value)
		}
		resp, err := rt.RoundTrip(req)
		require.NoError(t, err)
		return resp
	}
	refused := handshake(server.Client().Transport)
	require.NoError(t, refused.Body.Close())
	assert.Equal(t, 401, refused.StatusCode)

	p.Restore("key-EXAMPLE")
	resp := handshake(server.Client().Transport)
	require.Equal(t, 101, resp.StatusCode)
	assert.Equal(t, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", resp.Header.Get("Sec-Websocket-Accept"), "RFC 6455's own example")
	conn, ok := resp.Body.(io.ReadWriteCloser)
	require.True(t, ok)
	s := &socket{t: t, w: conn, r: bufio.NewReader(conn)}
	_, greeting := s.receive()
	assert.Contains(t, greeting, `"type":"session.created"`)
	s.send(0x9, "are you there?")
	kind, pong := s.receive()
	assert.EqualValues(t, 0xA, kind)
	assert.Equal(t, "are you there?", pong)
	s.send(0x1, `{"type":"response.create"}`)
	for message := ""; !strings.Contains(message, `"type":"response.done"`); {
		_, message = s.receive()
	}
	s.send(0x8, "\x03\xe8")
	kind, _ = s.receive()
	assert.EqualValues(t, 0x8, kind)
	require.NoError(t, conn.Close())
	assert.Equal(t, []int{401, 101}, []int{p.Requests()[0].Status, p.Requests()[1].Status})

	inMemory := handshake(p.Transport())
	require.NoError(t, inMemory.Body.Close())
	assert.Equal(t, 501, inMemory.StatusCode)
	server.Client().CloseIdleConnections()
}
