package models_test

import (
	"bytes"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/internal/models"
)

func header(kind string) http.Header { return http.Header{"Content-Type": {kind}} }

func TestInBody(t *testing.T) {
	long := strings.Repeat(`\\`, 32<<10) // escapes over the ends of the buffer
	for body, want := range map[string]string{
		`{"model":"gpt-5","messages":[]}`: "gpt-5",
		` { "messages" : [ {"model":"inner"}, {"x":{"model":"deep"}} ] , "model" : "last" } `: "last",
		`{"text":"model","model":"a"}`:                            "a",
		`{"text":"\"model\":\"no\"","model":"b"}`:                 "b",
		`{"list":["model","x"],"model":"c"}`:                      "c",
		`{"a":"` + long + `","model":"d"}`:                        "d",
		`{"a":"` + long + `\"","model":"e"}`:                      "e",
		`{"a":"x` + long + `","model":"f"}`:                       "f",
		`{"a":"` + strings.Repeat("é", 64<<10) + `","model":"g"}`: "g",
		`{"mod\u0065l":"gpt-\u0035"}`:                             "gpt-5",
		`{"model":"us.anthropic.claude-v2:0","stream":true`:       "us.anthropic.claude-v2:0", // cut off behind it
		`{"messages":[{"content":"hi"}],"model":"cut of`:          "",
		`{"model":5,"x":"y"}`:                                     "",
		`{"model":{"model":"x"}}`:                                 "",
		`{"model":"` + strings.Repeat("m", 129) + `"}`:            "",
		`{"model":"with space"}`:                                  "",
		`{"model":"line\nbreak"}`:                                 "",
		`["model","x"]`:                                           "",
		`"model"`:                                                 "",
		``:                                                        "",
		`}`:                                                       "",
		`{"a":1}{"model":"second"}`:                               "",
		strings.Repeat(`{"a":`, 300) + `{"model":"x"}`:            "",
		`{"n":null,"t":true,"e":1.5e3,"model":"h"}`:               "h",
		`{"model":"first","model":"second"}`:                      "first",
	} {
		h := header("application/json; charset=utf-8")
		assert.Equal(t, want, models.InBody(h, strings.NewReader(body)), "%.80s", body)
		assert.Equal(t, want, models.InBody(h, iotest.OneByteReader(strings.NewReader(body))), "%.80s", body)
	}
	assert.Empty(t, models.InBody(header("text/plain"), strings.NewReader(`{"model":"x"}`)))
	assert.Equal(t, "x", models.InBody(header("application/vnd.x+json"), strings.NewReader(`{"model":"x"}`)))
}

func TestInForm(t *testing.T) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	file, err := w.CreateFormFile("model", "model.bin")
	require.NoError(t, err)
	_, err = file.Write(bytes.Repeat([]byte("x"), 100<<10))
	require.NoError(t, err)
	require.NoError(t, w.WriteField("prompt", "model"))
	require.NoError(t, w.WriteField("model", "whisper-1"))
	require.NoError(t, w.Close())
	assert.Equal(t, "whisper-1", models.InBody(header(w.FormDataContentType()), bytes.NewReader(b.Bytes())))
	assert.Empty(t, models.InBody(header(w.FormDataContentType()), bytes.NewReader(b.Bytes()[:50<<10])))
	assert.Empty(t, models.InBody(header("multipart/form-data"), bytes.NewReader(b.Bytes())))
}

func TestInPath(t *testing.T) {
	for _, test := range []struct {
		path, marker, want string
	}{
		{"/v1beta/models/gemini-2.5-pro:streamGenerateContent", "models", "gemini-2.5-pro"},
		{"/v1/projects/p/locations/l/publishers/google/models/gemini-2.5-flash:generateContent", "models", "gemini-2.5-flash"},
		{"/model/anthropic.claude-3-5-sonnet-20241022-v2:0/invoke", "model", "anthropic.claude-3-5-sonnet-20241022-v2:0"},
		{"/openai/deployments/my-gpt/chat/completions", "deployments", "my-gpt"},
		{"/v1beta/models", "models", ""},
		{"/v1beta/models/", "models", ""},
		{"/v1/chat/completions", "models", ""},
		{"", "models", ""},
	} {
		assert.Equal(t, test.want, models.InPath(test.path, []string{"other", test.marker}), test.path)
	}
}

// What encoding/json reads as the member of a whole object is found, wherever the object is cut into
// reads.
func FuzzInBody(f *testing.F) {
	f.Add([]byte(`{"a":{"model":"x"},"model":"y"}`))
	f.Add([]byte(`{"a":"\\\"","model":"y"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		h := header("application/json")
		got := models.InBody(h, bytes.NewReader(b))
		assert.Equal(t, got, models.InBody(h, iotest.HalfReader(bytes.NewReader(b))))
		var members map[string]json.RawMessage
		if json.Unmarshal(b, &members) != nil || len(members) == 0 || bytes.Count(b, []byte("odel")) > 1 ||
			bytes.Contains(b, []byte(`\`)) {
			return // encoding/json takes the last of several
		}
		var want string
		if json.Unmarshal(members["model"], &want) != nil {
			want = ""
		}
		assert.Equal(t, models.Clean(want), got)
	})
}

func BenchmarkInBody(b *testing.B) {
	body := []byte(`{"messages":[{"content":"` + strings.Repeat("lorem ipsum ", 100<<10) + `"}],"model":"gpt-5"}`)
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if models.InBody(header("application/json"), io.Reader(bytes.NewReader(body))) != "gpt-5" {
			b.Fatal("not found")
		}
	}
}
