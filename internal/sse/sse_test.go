package sse

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestEvents(t *testing.T) {
	for in, want := range map[string][]string{
		"":                                   nil,
		"no stream at all":                   nil,
		"data: x\n\n":                        {"", "x"},
		"data:x":                             {"", "x"},
		"event: error\ndata: x\n\ndata: y\n": {"error", "x", "", "y"},
		"event: error\r\nid: 7\r\nretry: 3\r\ndata: x\r\n\r\n": {"error", "x"},
		": a comment\n\ndata: x: y\n\n":                        {"", "x: y"},
		"data\n\n":                                             {"", ""},
		"dataset: x\n data: y\n":                               nil,
		"data: {\"cut\":\"o":                                   {"", `{"cut":"o`},
		"data: a\ndata: b\n\n":                                 {"", "a", "", "b"},
	} {
		var got []string
		for name, data := range Events([]byte(in)) {
			got = append(got, name, string(data))
		}
		assert.Equal(t, want, got, "%q", in)
	}
	for _, data := range Events([]byte("data: x\ndata: y\n")) {
		assert.Equal(t, "x", string(data))
		break
	}
}

func TestEndOfTheFirstEvent(t *testing.T) {
	for in, rest := range map[string]string{
		"data: x\n\nmore":                          "more",
		"event: e\r\ndata: x\r\n\r\nmore":          "more",
		": comment\n\nretry: 3\n\ndata: x\n\nmore": "more",
		"data: x\nid: 1\n\n":                       "",
	} {
		assert.Equal(t, rest, in[End([]byte(in)):], "%q", in)
	}
	for _, in := range []string{"", "data: x", "data: x\n", "data: x\n\r", ": comment\n\n", "event: e\n\n", "data: x\r\rmore"} {
		assert.Zero(t, End([]byte(in)), "%q", in)
	}
}

func TestBegins(t *testing.T) {
	for _, in := range []string{"data: x", "event: x", ": x", "id:1", "retry:1"} {
		assert.True(t, Begins([]byte(in)), in)
	}
	for _, in := range []string{"", "data", `{"data":1}`, " data: x", "Data: x"} {
		assert.False(t, Begins([]byte(in)), in)
	}
}

func TestIsStream(t *testing.T) {
	for name, c := range map[string]struct {
		resp http.Response
		want bool
	}{
		"a stream":             {http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"text/event-stream; charset=utf-8"}}}, true},
		"a bad parameter":      {http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"text/event-stream; charset"}}}, true},
		"a refusal":            {http.Response{StatusCode: 429, Header: http.Header{"Content-Type": {"text/event-stream"}}}, false},
		"JSON":                 {http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}}, false},
		"no type":              {http.Response{StatusCode: 200}, false},
		"compressed":           {http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"text/event-stream"}, "Content-Encoding": {"gzip"}}}, false},
		"decoded by transport": {http.Response{StatusCode: 200, Uncompressed: true, Header: http.Header{"Content-Type": {"text/event-stream"}, "Content-Encoding": {"gzip"}}}, true},
	} {
		assert.Equal(t, c.want, IsStream(&c.resp), name)
	}
}
