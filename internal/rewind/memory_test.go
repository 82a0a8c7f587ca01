package rewind_test

import (
	"bytes"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/internal/rewind"
)

// A copy of a body that is in memory reads what is left of it, and does not move it.
func TestMemoryCopy(t *testing.T) {
	for name, r := range map[string]io.Reader{
		"bytes.Reader":   bytes.NewReader([]byte("..the body")),
		"bytes.Buffer":   bytes.NewBufferString("..the body"),
		"strings.Reader": strings.NewReader("..the body"),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := io.CopyN(io.Discard, r, 2)
			require.NoError(t, err)
			req, err := http.NewRequest(http.MethodPost, "https://api.example.com/", r)
			require.NoError(t, err)
			var own rewind.MemoryCopy
			require.Same(t, r, reflect.ValueOf(own.Of(req)).Field(0).Interface(), "http.NewRequest has made GetBody")
			req.GetBody = func() (io.ReadCloser, error) { return req.Body, nil }
			for range 2 {
				var c rewind.MemoryCopy
				body := c.Of(req)
				require.NotNil(t, body)
				got, err := io.ReadAll(body)
				require.NoError(t, err)
				assert.Equal(t, "the body", string(got))
			}
			got, err := io.ReadAll(req.Body)
			require.NoError(t, err)
			assert.Equal(t, "the body", string(got))
		})
	}
}

// ownReader is a program's reader over one that is in memory.
type ownReader struct{ *strings.Reader }

// A body whose reads or whose Close may do anything is not taken for one in memory.
func TestMemoryCopyOfOthers(t *testing.T) {
	for name, body := range map[string]io.ReadCloser{
		"a reader of another type": io.NopCloser(iotest.OneByteReader(strings.NewReader("body"))),
		"one that embeds a reader": io.NopCloser(ownReader{strings.NewReader("body")}),
		"a Close of its own":       struct{ io.ReadCloser }{io.NopCloser(strings.NewReader("body"))},
		"no reader":                io.NopCloser(nil),
	} {
		t.Run(name, func(t *testing.T) {
			var c rewind.MemoryCopy
			assert.Nil(t, c.Of(&http.Request{Body: body}))
		})
	}
}

// What is left of a body in memory can be read without moving the body. Others are not known.
func TestInMemory(t *testing.T) {
	for name, r := range map[string]io.Reader{
		"bytes.Reader": bytes.NewReader([]byte("..body")), "bytes.Buffer": bytes.NewBufferString("..body"),
		"strings.Reader": strings.NewReader("..body"),
	} {
		_, err := io.CopyN(io.Discard, r, 2)
		require.NoError(t, err)
		req := &http.Request{Body: io.NopCloser(r)}
		for range 2 {
			got, err := io.ReadAll(rewind.InMemory(req))
			require.NoError(t, err)
			assert.Equal(t, "body", string(got), name)
		}
		got, err := io.ReadAll(req.Body)
		require.NoError(t, err)
		assert.Equal(t, "body", string(got), name)
	}
	assert.Nil(t, rewind.InMemory(&http.Request{Body: io.NopCloser(iotest.OneByteReader(strings.NewReader("body")))}))
}
