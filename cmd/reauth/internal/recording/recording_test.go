package recording

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"compress/zlib"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

func TestParse(t *testing.T) {
	const body = `{"code":"unauthenticated:bad-credentials"}`
	var zipped, deflated bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write([]byte(body))
	require.NoError(t, z.Close())
	d := zlib.NewWriter(&deflated)
	_, _ = d.Write([]byte(body))
	require.NoError(t, d.Close())
	for name, c := range map[string]struct {
		raw     string
		skipped int
	}{
		"HTTP/1.1": {
			"HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nContent-Length: 42\r\n\r\n" + body, 0,
		},
		"HTTP/2, no reason":      {"HTTP/2 403\r\ncontent-type: application/json\r\n\r\n" + body, 0},
		"HTTP/2, space":          {"HTTP/2 403 \r\ncontent-type: application/json\r\n\r\n" + body, 0},
		"HTTP/3, bare LF":        {"HTTP/3 403\ncontent-type: application/json\n\n" + body, 0},
		"HTTP/1.0":               {"HTTP/1.0 403 Forbidden\nContent-Type: application/json\n\n" + body, 0},
		"a mark and empty lines": {"\xef\xbb\xbf\r\n\r\nHTTP/2 403\ncontent-type: application/json\n\n" + body, 0},
		"100 Continue": {
			"HTTP/1.1 100 Continue\r\n\r\n" +
				"HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\n\r\n" + body, 1,
		},
		"103 Early Hints": {
			"HTTP/2 103\r\nlink: </x>\r\n\r\n" +
				"HTTP/2 403\r\ncontent-type: application/json\r\n\r\n" + body, 1,
		},
		"a proxy's CONNECT": {
			"HTTP/1.1 200 Connection established\r\n\r\n" +
				"HTTP/2 403\r\ncontent-type: application/json\r\n\r\n" + body, 1,
		},
		"a proxy and a 100": {
			"HTTP/1.1 200 OK\r\nVia: x\r\n\r\n" +
				"HTTP/1.1 100 Continue\r\n\r\n" +
				"HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\n\r\n" + body, 2,
		},
		"a redirect": {
			"HTTP/2 302\r\nlocation: /x\r\ncontent-type: text/html\r\n\r\n" +
				"HTTP/2 403\r\ncontent-type: application/json\r\n\r\n" + body, 1,
		},
		"chunked, decoded by curl": {
			"HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n" + body, 0,
		},
		"chunked, as on the wire": {
			"HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n" +
				"2a\r\n" + body + "\r\n0\r\n\r\n", 0,
		},
		"a length that does not fit": {
			"HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n" + body, 0,
		},
		"gzip": {
			"HTTP/2 403\ncontent-type: application/json\ncontent-encoding: gzip\n\n" + zipped.String(), 0,
		},
		"gzip, decoded by curl": {
			"HTTP/2 403\ncontent-type: application/json\ncontent-encoding: gzip\n\n" + body, 0,
		},
		"deflate": {
			"HTTP/2 403\ncontent-type: application/json\ncontent-encoding: deflate\n\n" + deflated.String(), 0,
		},
		"a folded line": {"HTTP/1.1 403 Forbidden\nContent-Type:\n application/json\n\n" + body, 0},
		"notes": {
			"HTTP/1.1 403 Forbidden\nFixture-Source: x\nContent-Type: application/json\n\n" + body, 0,
		},
	} {
		r, err := Parse([]byte(c.raw))
		require.NoError(t, err, name)
		assert.Equal(t, 403, r.Status, name)
		assert.Equal(t, body, string(r.Body), name)
		assert.Equal(t, http.Header{"Content-Type": {"application/json"}}, clone(r.Header), name)
		assert.Equal(t, c.skipped, r.Skipped, name)
		assert.Equal(t, "xai:bad-credentials", r.Verdict("xai").Reason, name)
	}
}

// clone copies a header and joins the values of each name.
func clone(h http.Header) http.Header {
	out := make(http.Header)
	for k, v := range h {
		out[k] = []string{strings.TrimSpace(strings.Join(v, ""))}
	}
	return out
}

func TestParseRefusesWhatIsNoResponse(t *testing.T) {
	for raw, want := range map[string]string{
		"":                                  "nothing to read",
		" \r\n ":                            "nothing to read",
		`{"error":"x"}`:                     "no status line",
		"GET / HTTP/1.1\nHost: x\n\n":       "no status line",
		"HTTP/1.1 99 Low\n\n":               "no status line",
		"HTTP/1.1 403\n{\"error\":\"x\"}":   "no header line",
		"HTTP/1.1 100 Continue\n\n":         "not the last one",
		"< HTTP/2 403\n< server: x\n\n":     "no status line",
		"HTTP/1.1 403\nContent-Type text\n": "no header line",
	} {
		_, err := Parse([]byte(raw))
		require.ErrorContains(t, err, want, "%q", raw)
	}
	r, err := Parse([]byte("HTTP/2 401\ncontent-encoding: br\n\n\x1b\x0f\x00\x00\x84\x01"))
	require.NoError(t, err)
	assert.True(t, r.Opaque)
	assert.Empty(t, r.Body)
	// A recording that ends behind the status is good enough.
	r, err = Parse([]byte("HTTP/2 401"))
	require.NoError(t, err)
	assert.Equal(t, 401, r.Status)
}

func TestRedact(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		// Secrets.
		{"Incorrect API key provided: sk-proj-abcDEF1234567890abcDEF.", "Incorrect API key provided: sk-EXAMPLE."},
		{"Incorrect API key provided: sk-ab12****wxyz. You", "Incorrect API key provided: sk-EXAMPLE. You"},
		{"token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.abc-_def is bad", "token JWT-EXAMPLE is bad"},
		{"Authorization: Bearer abcdef0123456789abcdef", "Authorization: Bearer EXAMPLE"},
		{
			"https://x.example/v1?api_key=0123456789abcdef&model=gpt-4o",
			"https://x.example/v1?api_key=EXAMPLE&model=gpt-4o",
		},
		{"key AIzaSyA1234567890abcdefghijklmnopqrstu not valid", "key EXAMPLE not valid"},
		{`{"refresh_token":"anything at all"}`, `{"refresh_token":"EXAMPLE"}`},
		{"ghu_16C7e42F292c6912E7710c838347Ae178B4a", "ghu_EXAMPLE"},
		{"session 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 expired", "session EXAMPLE expired"},
		// Persons, accounts and addresses.
		{`{"email":"jane.doe+x@corp.example.org"}`, `{"email":"EXAMPLE"}`},
		{"User jane.doe+x@corp.example.org has no access", "User user@example.com has no access"},
		{"request 5d3f8a0e-1c2b-4d5e-8f90-a1b2c3d4e5f6 failed", "request EXAMPLE failed"},
		{"organization 5d3f8a0e-1c2b-4d5e-8f90-a1b2c3d4e5f6 is disabled", "organization EXAMPLE is disabled"},
		{
			"Rate limit reached for gpt-4o in organization org-Ab12Cd34Ef56Gh78 on",
			"Rate limit reached for gpt-4o in organization org-EXAMPLE on",
		},
		{
			"Project `proj_Ab12Cd34Ef56` does not have access to model `o3`",
			"Project `proj_EXAMPLE` does not have access to model `o3`",
		},
		{`{"request_id":"req_011CSHoEeqs5C35K2UUqR7Fy"}`, `{"request_id":"EXAMPLE"}`},
		{`(request id: req_011CSHoEeqs5C35K2UUqR7Fy)`, `(request id: req_EXAMPLE)`},
		{`{"user_id": 12345678, "code": 1113}`, `{"user_id": 1, "code": 1113}`},
		{"Your IP 203.0.113.77 is not allowed", "Your IP 192.0.2.1 is not allowed"},
		{"from 2001:db8:85a3:8d3:1319:8a2e:370:7348.", "from 2001:db8::1."},
		{"projects/my-corp-4711/locations/us", "projects/EXAMPLE/locations/us"},
		{"project 764086051850 has", "project EXAMPLE has"},
		{"CONSUMER 'project_number:764086051850'", "CONSUMER 'project_number:EXAMPLE'"},
		{`{"message":"{\"account_id\":\"acme corp\"}"}`, `{"message":"{\"account_id\":\"EXAMPLE\"}"}`},
		// Redact keeps what the rules read: an empty value means no change.
		{`{"code":"personal-team-blocked:spending-limit","error":"You have run out of credits"}`, ""},
		{`{"error":{"code":"user_deactivated","type":"account_deactivated"}}`, ""},
		{`{"error":{"type":"request_quota_exceeded","param":null,"status":"RESOURCE_EXHAUSTED"}}`, ""},
		{"quota metric generativelanguage.googleapis.com/generate_content_free_tier_requests, limit: 20", ""},
		{"model claude-sonnet-4-5-20250929 not found", ""},
		{`{"resets_at":1783986548,"resets_in_seconds":15342}`, ""},
		{"Your limit will reset at 2026-07-14 07:49:08, or 2026-07-14T07:49:08Z", ""},
		{"OAuth authentication requires the beta oauth-2025-04-20", ""},
		{"Bearer authentication is required", ""},
		{"team_blocked, org_disabled, key_invalid, sess_expired", ""},
		{"余额不足 (1113)", ""},
	} {
		want := cmp.Or(c.want, c.in)
		assert.Equal(t, want, Redact(c.in))
	}
}

// notes are the notes of written fixtures, which the loader of the rules' tests knows.
var notes = []string{"Fixture-Source", "Fixture-Seen", "Fixture-Host", "Fixture-Reset", "Fixture-Scope", "Fixture-Cause", "Fixture-Encoding"}

// Every fixture of the repository, redacted and written again, loads by the rules of the loader and
// gets the same verdict.
func TestFixturesOfFixtures(t *testing.T) {
	name := regexp.MustCompile(`^(.+?)-\d{3}-`)
	n := 0
	require.NoError(t, filepath.WalkDir("../../../../fixtures", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.Contains(path, "token") || strings.Contains(path, "limits") {
			return err
		}
		n++
		raw, err := os.ReadFile(path)
		require.NoError(t, err)
		r, err := Parse(raw)
		require.NoError(t, err, path)
		provider := name.FindStringSubmatch(filepath.Base(path))[1]
		clean, _ := r.Redacted()
		file := clean.File(Fixture{
			Source: "synthetic", Host: r.Notes.Get("Fixture-Host"), Reset: r.Notes.Get("Fixture-Reset"),
			Scope: r.Notes.Get("Fixture-Scope"), Cause: r.Notes.Get("Fixture-Cause"),
		})
		r.Header.Del("Date") // a fixture tells no time of its own
		want := r.Verdict(provider)
		resp, body := load(t, path, file)
		got := reauth.Classify(provider, resp, body)
		assert.Equal(t, want.Kind, got.Kind, path)
		assert.Equal(t, want.Scope, got.Scope, path)
		assert.WithinDuration(t, want.Reset, got.Reset, 2*time.Second, path)
		assert.Equal(t, want.Reason, got.Reason, "%s\n%s", path, body)
		return nil
	}))
	assert.Greater(t, n, 250)
}

// load reads a fixture as the loader of the rules' tests does, and checks what that one checks.
func load(t *testing.T, path string, file []byte) (*http.Response, []byte) {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(file)), nil)
	require.NoError(t, err, "%s\n%s", path, file)
	defer resp.Body.Close()
	_, after, ok := bytes.Cut(file, []byte("\n\n"))
	require.True(t, ok)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.Equal(t, string(after), string(body), path)
	for _, h := range []string{"Transfer-Encoding", "Content-Encoding", "Content-Length"} {
		assert.Empty(t, resp.Header.Get(h), path)
	}
	for h := range resp.Header {
		if strings.HasPrefix(h, "Fixture-") {
			assert.True(t, slices.Contains(notes, h), h)
			delete(resp.Header, h)
		}
	}
	return resp, body
}
