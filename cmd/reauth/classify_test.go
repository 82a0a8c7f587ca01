package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

func TestClassify(t *testing.T) {
	s := newShell(t)
	xai := "HTTP/2 403 \r\ncontent-type: application/json\r\n\r\n" +
		"{\"code\":\"unauthenticated:bad-credentials\"," +
		"\"error\":\"The OAuth2 access token could not be validated.\"}"
	quota := "HTTP/1.1 429 Too Many Requests\nRetry-After: 5430\nContent-Type: application/json\n\n" +
		`{"error":{"type":"rate_limit_exceeded","message":"Rate limit reached"}}`
	var b strings.Builder
	for _, c := range []struct {
		stdin string
		args  []string
	}{
		{xai, []string{"-p", "grok"}},
		{xai, []string{"--provider", "xai", "-"}},
		{xai, nil},
		{xai, []string{"-p", "xai", "--json"}},
		{
			"HTTP/1.1 403 Forbidden\n\n" + `{"error":{"code":"permission_denied","message":"The account of ` +
				`sk-proj-Zk3vT9qLw2xR8mN5pB7c has an overdue balance. Please pay."}}`, []string{"--explain"},
		},
		{quota, []string{"-p", "groq"}},
		{"HTTP/1.1 200 Connection established\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" +
			"HTTP/1.1 402 Payment Required\r\n\r\n{}", []string{"-p", "openrouter"}},
		{
			"HTTP/1.1 403 Forbidden\n\n" + `{"error":{"type":"permission_error","message":"no"}}`,
			[]string{"-p", "anthropic"},
		},
		{
			"HTTP/1.1 429 Too Many Requests\n\n" + `{"error":{"message":"You've hit your Opus limit"}}`,
			[]string{"-p", "anthropic"},
		},
		{
			"HTTP/1.1 403 Forbidden\n\n" + `{"error":{"message":"Your project does not have access to model gpt-5"}}`,
			[]string{"-p", "openai", "--json"},
		},
		{
			"HTTP/1.1 403 Forbidden\n\n" + `{"error":{"message":"Country, region, or territory not supported"}}`,
			[]string{"-p", "openai"},
		},
		{"HTTP/1.1 401 Unauthorized\n\n" + `{"error":{"code":"account_deactivated"}}`, []string{"-p", "openai"}},
		{"HTTP/1.1 401 Unauthorized\n\n" + `{"error":{"code":"invalid_api_key"}}`, []string{"-p", "openai"}},
		{"HTTP/2 200\n\n" + `{"ok":true}`, []string{"-p", "openai"}},
		{"HTTP/2 529\n\noverloaded", []string{"-p", "anthropic"}},
		{"HTTP/2 401\ncontent-encoding: br\n\n\x1b\x0f\x00\x00\x84", []string{"-p", "openai"}},
		{
			"HTTP/1.1 429\n\n" + `{"error":{"type":"insufficient_quota","code":"insufficient_quota"}}`,
			[]string{"-p", "openai"},
		},
		{`{"error":"pasted without its header"}`, []string{"-p", "openai"}},
		{"HTTP/1.1 100 Continue\n\n", nil},
	} {
		r := s.run(c.stdin, append([]string{"classify"}, c.args...)...)
		fmt.Fprintf(&b, "$ reauth classify %s\n%s%s[%d]\n\n", strings.Join(c.args, " "), r.out, r.errors, r.code)
	}
	s.golden("classify", b.String())
	fixture, err := filepath.Abs("../../fixtures/rejected/xai-403-wke-bad-credentials.http")
	require.NoError(t, err)
	assert.Regexp(t, `provider: +xai-oauth\nverdict: +rejected`, s.run("", "classify", fixture).ok())
	assert.Contains(t, s.run("", "classify", filepath.Join(s.home, "nowhere")).fails(exitFailed), "no such file")
}

// The command gives a recorded response the verdict of its folder, as the library does. The
// library's own tests check all of the recordings; here every eighth is enough.
func TestClassifyRecordings(t *testing.T) {
	s := newShell(t)
	for _, verdict := range []string{"rejected", "dead", "exhausted", "forbidden", "pass"} {
		files, err := filepath.Glob("../../fixtures/" + verdict + "/*.http")
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for i, file := range files {
			// Each file costs a process.
			if i%8 != 0 {
				continue
			}
			path, err := filepath.Abs(file)
			require.NoError(t, err)
			name := regexp.MustCompile(`^(.+?)-\d{3}-`).FindStringSubmatch(filepath.Base(file))[1]
			args := []string{"classify", path, "--json"}
			if _, ok := reauth.LookupProvider(name); ok {
				args = append(args, "-p", name)
			}
			var doc struct{ Verdict string }
			require.NoError(t, json.Unmarshal([]byte(s.run("", args...).ok()), &doc))
			assert.Equal(t, verdict, doc.Verdict, file)
		}
	}
}

func TestClassifyWritesAFixture(t *testing.T) {
	s := newShell(t)
	const who = "jane.doe@corp.example.org"
	key := "sk-proj-" + marker + "AbCdEf0123456789"
	body := `{"error":{"message":"Rate limit reached for gpt-4o in organization org-Ab12Cd34Ef56Gh78 of ` +
		who + ` with ` + key + `. Please try again in 20s.",` +
		`"type":"requests","code":"rate_limit_exceeded","user":"jane"}}`
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write([]byte(body))
	require.NoError(t, z.Close())
	raw := "HTTP/2 429 \r\ndate: " + time.Now().UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT") +
		"\r\ncontent-type: application/json\r\n" +
		"content-encoding: gzip\r\ncontent-length: 300\r\n" +
		"openai-organization: jane-corp\r\n" +
		"set-cookie: __cf_bm=" + marker + "; path=/\r\n" +
		"x-ratelimit-limit-requests: 500\r\nx-request-id: req_" + marker + "\r\nretry-after: 20\r\n\r\n" +
		zipped.String()
	args := []string{
		"classify", "-p", "openai", "--fixture",
		"--source", "https://github.com/reauth-go/reauth/issues/1",
	}
	s.golden("classify-fixture", s.run(raw, args...).ok())
	path := filepath.Join(s.home, "fixtures", "exhausted", "openai-api-429-rate-limit.http")
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	checkSecrets(t, "the fixture", string(b))
	for _, gone := range []string{
		who, "jane", "org-Ab12", "Date:",
		"Openai-Organization", "Set-Cookie", "Content-Length", "Content-Encoding",
	} {
		assert.NotContains(t, string(b), gone)
	}
	compareGolden(t, "fixture-http", string(b))
	if runtime.GOOS != "windows" { // there a file has the permissions of its folder
		info, err := os.Stat(path)
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o600), info.Mode().Perm(), "nobody has read it yet")
	}

	assert.Contains(t, s.run(raw, args...).fails(exitFailed), "is there already and was not touched")
	s.run(raw, append(args, "--name", "Another one!", "--dir", "more")...).ok()
	assert.FileExists(t, filepath.Join(s.home, "more", "exhausted", "openai-api-429-another-one.http"))
	s.run(raw, append(args, "--name", "!")...).fails(exitUsage)
	s.run(raw, append(args[:4], "--name", "source", "--source", "https://jane:"+marker+"@git.example/i/7?token="+marker)...).ok()
	b, err = os.ReadFile(filepath.Join(s.home, "fixtures", "exhausted", "openai-api-429-source.http"))
	require.NoError(t, err)
	assert.Contains(t, string(b), "Fixture-Source: https://git.example/i/7?token=EXAMPLE\n")
	checkSecrets(t, "the fixture", string(b))

	// The command can read the fixture that it has written.
	again := s.run("", "classify", path).ok()
	assert.Contains(t, again, "exhausted")
	assert.Contains(t, again, "openai-api")
}

// The fixture notes a reset time that the provider gave as an instant as an instant. A response of
// an unknown provider becomes a fixture of "generic".
func TestClassifyWritesAFixtureWithAnInstant(t *testing.T) {
	s := newShell(t)
	at := time.Now().Add(3 * time.Hour).Unix()
	raw := fmt.Sprintf("HTTP/1.1 429 Too Many Requests\n\n"+
		"{\"error\":{\"code\":\"rate_limit_exceeded\",\"resets_at\":%d}}", at)
	s.run(raw, "classify", "--fixture", "--name", "reset").ok()
	b, err := os.ReadFile(filepath.Join(s.home, "fixtures", "exhausted", "generic-429-reset.http"))
	require.NoError(t, err)
	assert.Contains(t, string(b), fmt.Sprintf("Fixture-Reset: at %d\n", at))
	assert.Contains(t, string(b), "Fixture-Source: recorded by a user\n")
}
