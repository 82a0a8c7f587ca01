package objects

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func post(t *testing.T, path, body string) *http.Request {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, "https://api.example.com"+path, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	return req
}

func TestMemoryForgetsWhatWasUsedLongestAgo(t *testing.T) {
	var m Memory
	for i := range 4 {
		m.Add(fmt.Sprint("file-", i), "a", 3)
		m.Add("file-0", "b", 3) // again, by another account
	}
	assert.Equal(t, "b", m.accountOf("file-0"))
	assert.Empty(t, m.accountOf("file-1"))
	assert.Equal(t, "a", m.accountOf("file-2"))
	m.Add("file-4", "a", 3)
	assert.Empty(t, m.accountOf("file-3"))
	assert.Equal(t, "a", m.accountOf("file-2"), "it was asked for")
}

func TestMentionedBy(t *testing.T) {
	var m Memory
	account, body := m.MentionedBy(post(t, "/v1/files/file-1", `{}`))
	assert.Empty(t, account)
	assert.Nil(t, body)

	m.Add("file-1", "a", 10)
	m.Add("files/abc", "b", 10)
	for path, want := range map[string]string{
		"/v1/files/file-1": "a", "/v1/files/file-1/content": "a", "/v1beta/files/abc": "b", "/v1beta/files/abc:x": "", "/file-10": "", "": "",
	} {
		account, body := m.MentionedBy(post(t, path, ``))
		assert.Equal(t, want, account, path)
		assert.Nil(t, body, path)
	}
	for text, want := range map[string]string{
		`{"file_id":"file-1"}`: "a", `[{"uri":"https://api.example.com/v1beta/files/abc"}]`: "b", `{"x":"file-1 "}`: "", `{"x":"file\u002d1"}`: "",
	} {
		account, body := m.MentionedBy(post(t, "/v1/chat", text))
		assert.Equal(t, want, account, text)
		require.NotNil(t, body, text)
		b, err := io.ReadAll(body)
		require.NoError(t, err)
		assert.Equal(t, text, string(b))
	}
}

func TestBodiesThatAreNotReadBeforeTheyAreSent(t *testing.T) {
	var m Memory
	m.Add("file-1", "a", 10)
	for what, change := range map[string]func(*http.Request){
		"no body":    func(req *http.Request) { req.Body = nil },
		"NoBody":     func(req *http.Request) { req.Body = http.NoBody },
		"no GetBody": func(req *http.Request) { req.GetBody = nil },
		"not JSON":   func(req *http.Request) { req.Header.Set("Content-Type", "text/plain") },
		"compressed": func(req *http.Request) { req.Header.Set("Content-Encoding", "gzip") },
		"broken":     func(req *http.Request) { req.GetBody = func() (io.ReadCloser, error) { return nil, errors.New("x") } },
	} {
		req := post(t, "/v1/chat", `{"file_id":"file-1"}`)
		change(req)
		account, body := m.MentionedBy(req)
		assert.Empty(t, account, what)
		assert.Nil(t, body, what)
	}
}

type closer struct{ closed int }

func (c *closer) Close() error {
	c.closed++
	return nil
}

func TestSubstituteIsClosedWithTheCallersBody(t *testing.T) {
	var m Memory
	m.Add("file-1", "a", 10)
	req, own := post(t, "/v1/chat", `{}`), new(closer)
	req.Body = struct {
		io.Reader
		io.Closer
	}{req.Body, own}
	_, body := m.MentionedBy(req)
	require.NotNil(t, body)
	require.NoError(t, body.Close())
	assert.Equal(t, 1, own.closed)
}

// A GetBody that fails the second time leaves nothing to send.
func TestBodyWhoseSecondCopyFails(t *testing.T) {
	var m Memory
	m.Add("file-1", "a", 10)
	req, broken, calls := post(t, "/v1/chat", `{"file_id":"file-1"}`), errors.New("the disk is gone"), 0
	get := req.GetBody
	req.GetBody = func() (io.ReadCloser, error) {
		if calls++; calls > 1 {
			return nil, broken
		}
		return get()
	}
	account, body := m.MentionedBy(req)
	assert.Equal(t, "a", account)
	_, err := body.Read(make([]byte, 1))
	require.ErrorIs(t, err, broken)
}

func TestWords(t *testing.T) {
	long := strings.Repeat("n", maxName)
	for in, want := range map[string][]string{
		`{"a":"b","c":["d e","f"]}`:                    {"a", "b", "c", "f"},
		`"a\"b" "c\\" "d"`:                             {"d"},
		"\"a\tb\" \"\" \"c":                            nil,
		`"` + long + `" "` + long + `n" "x"`:           {long, "x"},
		`not JSON, "but" with \ and "quotation marks"`: {"but"},
	} {
		assert.Equal(t, want, slices.Collect(words(strings.NewReader(in))), in)
		assert.Equal(t, want, slices.Collect(words(iotest.OneByteReader(strings.NewReader(in)))), "in pieces: %s", in)
	}
	for w := range words(strings.NewReader(`"a" "b"`)) {
		assert.Equal(t, "a", w)
		break
	}
}

// answer returns a success with that body.
func answer(kind, body string) *http.Response {
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {kind}}, Body: io.NopCloser(strings.NewReader(body))}
}

func TestTrackLearnsNames(t *testing.T) {
	for what, c := range map[string]struct {
		kind, body string
		ofObjects  bool
		want       []string
	}{
		"an object":              {"application/json", `{"id":"file-1","object":"file"}`, true, []string{"file-1"}},
		"of something else":      {"application/json", `{"id":"chatcmpl-1","choices":[]}`, false, nil},
		"a list":                 {"application/json", `{"data":[{"id":"file-1"},{"id":"file-2"}]}`, true, []string{"file-1", "file-2"}},
		"too deep to be its own": {"application/json", `{"output":[{"content":[{"id":"msg-1"}]}]}`, true, nil},
		"what others are called": {"application/json", `{"a":[{"b":[{"c":{"file_id":"cfile_1","container_id":"cntr_1"}}]}]}`, false, []string{"cfile_1", "cntr_1"}},
		"a container in use":     {"application/json", `{"id":"msg_1","container":{"id":"container_1"}}`, false, []string{"container_1"}},
		"Google's":               {"application/json", `{"file":{"name":"files/abc","displayName":"x/y"}}`, true, []string{"files/abc"}},
		"a title":                {"application/json", `{"name":"notes.txt"}`, true, nil},
		"cut off":                {"application/json", `{"id":"file-1","bytes":12,"filename":"x`, true, []string{"file-1"}},
		"too long for a name":    {"application/json", `{"id":"` + strings.Repeat("n", maxName+1) + `"}`, true, nil},
		"behind the beginning":   {"application/json", `{"x":"` + strings.Repeat("x", maxSeen) + `","id":"file-1"}`, true, nil},
	} {
		var got []string
		body := Track(answer(c.kind, c.body), c.ofObjects, func(name string) { got = append(got, name) })
		b, err := io.ReadAll(body)
		require.NoError(t, err)
		require.NoError(t, body.Close())
		assert.Equal(t, c.body, string(b), what)
		assert.Equal(t, c.want, got, what)
	}
}

// The name of a response is known before its stream ends.
func TestTrackLearnsFromTheFirstEvent(t *testing.T) {
	const first = "event: response.created\ndata: {\"response\":{\"id\":\"resp_1\"}}\n\n"
	var got []string
	body := Track(answer("text/event-stream", first+"data: {\"file_id\":\"file-1\"}\n\n"), true, func(name string) { got = append(got, name) })
	_, err := io.ReadFull(body, make([]byte, len(first)-1))
	require.NoError(t, err)
	assert.Empty(t, got)
	_, err = body.Read(make([]byte, 1))
	require.NoError(t, err)
	assert.Equal(t, []string{"resp_1"}, got)
	_, err = body.Read(make([]byte, 100))
	require.NoError(t, err)
	require.NoError(t, body.Close())
	assert.Contains(t, got, "file-1")
}

func TestBodiesThatAreNotTracked(t *testing.T) {
	for what, change := range map[string]func(*http.Response){
		"a refusal":  func(resp *http.Response) { resp.StatusCode = 400 },
		"a redirect": func(resp *http.Response) { resp.StatusCode = 302 },
		"no body":    func(resp *http.Response) { resp.Body = http.NoBody },
		"a file":     func(resp *http.Response) { resp.Header.Set("Content-Type", "image/png") },
		"compressed": func(resp *http.Response) { resp.Header.Set("Content-Encoding", "gzip") },
	} {
		resp := answer("application/json", `{"file_id":"file-1"}`)
		change(resp)
		assert.Equal(t, resp.Body, Track(resp, true, func(string) { t.Error(what) }), what)
	}
}
