package proxy

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// session is the affinity that the flag --affinity stands for.
func session() Affinity { return Affinity{Header: SessionHeader, Members: SessionMembers()} }

// post returns a request with a JSON body.
func post(body io.Reader, headers ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/v1/responses", body)
	r.Header.Set("Content-Type", "application/json")
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	return r
}

// A conversation is found by the header, else by a member of the body, wherever that is in it; and
// the body is sent as it came.
func TestAffinityOfARequest(t *testing.T) {
	long := strings.Repeat("lorem ipsum ", 100<<10)
	for _, c := range []struct {
		body, want string
		headers    []string
	}{
		{`{"session_id":"a","input":"x"}`, "a", nil},
		{`{"input":"` + long + `","prompt_cache_key":"b"}`, "b", nil},
		{`{"prompt_cache_key":"first","session_id":"second"}`, "first", nil},
		{`{"metadata":{"session_id":"inner"},"input":[{"prompt_cache_key":"x"}]}`, "", nil},
		{`{"session_id":"a"}`, "h", []string{"X-Session-Id: h"}},
		{`{"session_id":7}`, "", nil},
		{`{"session_id":"a"`, "a", nil},
		{`session_id`, "", nil},
		{``, "", nil},
		{`{"session_id":"a"}`, "", []string{"Content-Encoding: gzip"}},
		{`{"session_id":"a"}`, "", []string{"Content-Type: text/plain"}},
		{`{"session_id":"a"}`, "a", []string{"Content-Type: application/problem+json; charset=utf-8"}},
	} {
		for what, body := range map[string]io.Reader{
			"whole": strings.NewReader(c.body), "in pieces": iotest.OneByteReader(strings.NewReader(c.body)),
		} {
			a, left := newAffinity(session(), 8<<20)
			assert.EqualValues(t, 4<<20, left)
			r := post(body, c.headers...)
			key, instead := a.of(r)
			assert.Equal(t, c.want, key, "%.60s %s", c.body, what)
			if instead != nil {
				assert.LessOrEqual(t, a.kept.Held(), int64(len(c.body)))
				r.Body = instead
			}
			sent, err := io.ReadAll(r.Body)
			require.NoError(t, err)
			assert.Equal(t, c.body, string(sent), what)
			assert.Zero(t, a.kept.Held(), "what is sent is kept by the transport")
			require.NoError(t, r.Body.Close())
		}
	}
}

// Without the flag no body is read, and none with no memory for it.
func TestAffinityReadsNoBody(t *testing.T) {
	for _, c := range []struct {
		of           Affinity
		memory, left int64
	}{{Affinity{}, 8, 8}, {Affinity{Header: SessionHeader}, 0, 0}, {session(), -1, -1}} {
		a, left := newAffinity(c.of, c.memory)
		assert.Equal(t, c.left, left)
		key, instead := a.of(post(iotest.ErrReader(errors.New("it was read"))))
		assert.Empty(t, key)
		assert.Nil(t, instead)
	}
	a, left := newAffinity(session(), 0)
	assert.EqualValues(t, defaultBodyMemory, a.most+left)
}

// No more is read than may be kept, of one body and of all. What does not fit is sent all the same.
func TestAffinityIsBounded(t *testing.T) {
	a, _ := newAffinity(session(), 256<<10)
	content := `{"input":"` + strings.Repeat("x", 1<<20) + `","session_id":"a"}`
	var bodies []io.ReadCloser
	for range 3 {
		key, instead := a.of(post(strings.NewReader(content)))
		assert.Empty(t, key, "it is too far behind")
		assert.LessOrEqual(t, a.kept.Held(), int64(128<<10))
		bodies = append(bodies, instead)
	}
	for _, body := range bodies {
		sent, err := io.ReadAll(body)
		require.NoError(t, err)
		assert.Equal(t, content, string(sent))
	}
	assert.Zero(t, a.kept.Held())
	_, instead := a.of(post(strings.NewReader(content)))
	require.NoError(t, instead.Close())
	assert.Zero(t, a.kept.Held(), "it is not sent")
	_, err := instead.Read(make([]byte, 1))
	require.ErrorIs(t, err, http.ErrBodyReadAfterClose)
}

// The error of a body comes where it came, and the body is not read again behind it.
func TestAffinityKeepsTheErrorOfABody(t *testing.T) {
	broken := errors.New("broken")
	reads := 0
	a, _ := newAffinity(session(), 0)
	rest := readerFunc(func([]byte) (int, error) { reads++; return 0, broken })
	key, instead := a.of(post(io.MultiReader(strings.NewReader(`{"a":`), rest)))
	assert.Empty(t, key)
	sent, err := io.ReadAll(instead)
	require.ErrorIs(t, err, broken)
	assert.Equal(t, `{"a":`, string(sent))
	assert.Equal(t, 1, reads)
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// whose records which credential each request got.
type whose struct {
	mu  sync.Mutex
	got map[string]int
}

func (w *whose) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.got[req.Header.Get("Authorization")]++
	return says(req, strings.NewReader(string(body))), nil
}

// The requests of a conversation go to one credential, those of many to all.
func TestConversationsKeepTheirCredential(t *testing.T) {
	w := &whose{got: make(map[string]int)}
	p := newProxyOf(t, Config{Base: w, Affinity: session()}, "groq")
	for i := range 4 {
		_, err := p.pool.Add(t.Context(), reauth.Credential{Provider: "groq", AccessToken: fmt.Sprintf("key-%d", i)})
		require.NoError(t, err)
	}
	send := func(r *http.Request) {
		r.Host, r.URL.Path = "127.0.0.1:8787", "/openai/v1/responses"
		rec := httptest.NewRecorder()
		p.ServeHTTP(rec, r)
		require.Equal(t, http.StatusOK, rec.Code, rec.Body)
	}
	for conversation := range 40 {
		clear(w.got)
		for range 3 {
			send(post(strings.NewReader(fmt.Sprintf(`{"input":"x","prompt_cache_key":"c%d"}`, conversation))))
		}
		send(post(strings.NewReader("{}"), fmt.Sprintf("X-Session-Id: c%d", conversation)))
		assert.Len(t, w.got, 1, conversation)
	}
	clear(w.got)
	for conversation := range 40 {
		send(post(strings.NewReader("{}"), fmt.Sprintf("X-Session-Id: c%d", conversation)))
	}
	assert.Len(t, w.got, 4)
}

// A body that stalls while it is read for its conversation is cut off as any other.
func TestStalledBodyIsCutBeforeItIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProxyOf(t, Config{Base: reading(0), Affinity: session()}, "groq")
		_, err := p.pool.Add(t.Context(), reauth.Credential{Provider: "groq", AccessToken: "theirs"})
		require.NoError(t, err)
		s := serveProxy(t, Limits{Stall: time.Minute}, p)
		conn := s.dial("192.0.2.1")
		defer conn.Close()
		start := time.Now()
		s.send(conn, head("POST", "/openai/v1/x", "Content-Type: application/json", "Content-Length: 100", "", `{"a":`))
		resp, said := s.answered(conn)
		assert.Equal(t, http.StatusRequestTimeout, resp.StatusCode)
		assert.Contains(t, said, deniedStalled)
		assert.Equal(t, time.Minute, time.Since(start), "once")
		assert.Zero(t, p.affinity.kept.Held())
		s.ended(conn)
	})
}
