package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestProxyRefusesStrangers(t *testing.T) {
	r := newRig(t)
	p := r.start(t)
	port := p.url[strings.LastIndex(p.url, ":"):]
	for _, c := range []struct {
		what    string
		code    int
		path    string
		headers []string
	}{
		{"its own address", 200, "/v1/models", nil},
		{"localhost", 200, "/v1/models", []string{"Host: LocalHost" + port}},
		{"IPv6", 200, "/v1/models", []string{"Host: [::1]" + port}},
		{
			"its own origin", 200, "/v1/models",
			[]string{"Origin: http://localhost" + port, "Sec-Fetch-Site: same-origin"},
		},
		{"typed by a person", 200, "/v1/models", []string{"Sec-Fetch-Site: none"}},
		{"a name that was pointed here", 403, "/v1/models", []string{"Host: evil.example" + port}},
		{"the same for the page", 403, "/", []string{"Host: evil.example" + port}},
		{"the same for the metrics", 403, "/metrics", []string{"Host: evil.example" + port}},
		{"the same for the script", 403, "/-/status.js", []string{"Host: evil.example" + port}},
		{"another port", 403, "/v1/models", []string{"Host: 127.0.0.1:1"}},
		{"no port", 403, "/v1/models", []string{"Host: 127.0.0.1"}},
		{"a page", 403, "/v1/models", []string{"Origin: https://evil.example"}},
		{"a page that hides", 403, "/v1/models", []string{"Origin: null"}},
		{"a page of another port", 403, "/v1/models", []string{"Origin: http://localhost:1"}},
		{"its own origin behind a user", 403, "/v1/models", []string{"Origin: http://evil.example@localhost" + port}},
		{"its own origin with a path", 403, "/v1/models", []string{"Origin: http://localhost" + port + "/a"}},
		{"its own origin with a query", 403, "/v1/models", []string{"Origin: http://localhost" + port + "?"}},
		{"an extension", 403, "/v1/models", []string{"Origin: chrome-extension://abc"}},
		{"an image of a page", 403, "/v1/models", []string{"Sec-Fetch-Site: cross-site"}},
		{"a page of the same site", 403, "/", []string{"Sec-Fetch-Site: same-site"}},
		{
			"a second origin", 403, "/v1/models",
			[]string{"Origin: http://localhost" + port, "Origin: https://evil.example"},
		},
	} {
		resp, body := p.do(t, http.MethodGet, c.path, "", c.headers...)
		assert.Equal(t, c.code, resp.StatusCode, c.what)
		if c.code == 403 {
			assert.Contains(t, body, `"type":"reauth_proxy_error"`, c.what)
		}
	}
	resp, _ := p.do(t, http.MethodTrace, "/v1/models", "")
	assert.Equal(t, 405, resp.StatusCode)
	resp, _ = p.do(t, http.MethodPost, "/", "")
	assert.Equal(t, 405, resp.StatusCode)
	assert.Len(t, r.Requests(), 5, "what was refused never went up")
	assert.Equal(t, "HTTP/1.1 403 Forbidden",
		raw(t, p, "GET http://evil.example/v1/models HTTP/1.1\r\n"+
			"Host: "+strings.TrimPrefix(p.url, "http://")+"\r\n\r\n"))
	assert.Equal(t, "HTTP/1.0 403 Forbidden", raw(t, p, "GET /v1/models HTTP/1.0\r\n\r\n"))
}

// raw sends the bytes of request to the proxy and returns the status line of the answer.
func raw(t *testing.T, p *running, request string) string {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, request)
	require.NoError(t, err)
	line, err := bufio.NewReader(conn).ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSpace(line)
}

func TestProxyWantsItsClientToken(t *testing.T) {
	r := newRig(t)
	p := r.start(t, "--listen", "0.0.0.0:0", "--allow-remote",
		"--client-token-env", "REAUTH_TEST_CLIENT_TOKEN", "--host", "proxy.example,edge.example:443")
	port := p.url[strings.LastIndex(p.url, ":"):]
	assert.Equal(t, "http://proxy.example"+port, p.url, "it names itself as it is reached")
	p.url = "http://127.0.0.1" + port
	for _, c := range []struct {
		what    string
		code    int
		path    string
		headers []string
	}{
		{"no token", 401, "/v1/models", nil},
		{"another token", 401, "/v1/models", []string{"Authorization: Bearer client-token-0123456789abcdeF"}},
		{"an empty one", 401, "/v1/models", []string{"Authorization: Bearer "}},
		{"as Bearer", 200, "/v1/models", []string{"Authorization: bearer " + clientToken}},
		{"as x-api-key", 200, "/v1/models", []string{"X-Api-Key: " + clientToken}},
		{"as api-key", 200, "/v1/models", []string{"Api-Key: " + clientToken}},
		{"as x-goog-api-key", 200, "/v1/models", []string{"X-Goog-Api-Key: " + clientToken}},
		{"as a password, for the API", 401, "/v1/models", []string{"Authorization: " + basic(clientToken)}},
		{"the page without", 401, "/", nil},
		{"the metrics without", 401, "/metrics", nil},
		{"the page with a password", 200, "/", []string{"Authorization: " + basic(clientToken)}},
		{"the metrics with the token", 200, "/metrics", []string{"Authorization: Bearer " + clientToken}},
		{"health needs none", 200, "/healthz", nil},
		{
			"a name it was given", 200, "/v1/models",
			[]string{"Host: proxy.example" + port, "Authorization: Bearer " + clientToken},
		},
		{
			"that name behind TLS", 200, "/v1/models",
			[]string{"Host: proxy.example", "Authorization: Bearer " + clientToken},
		},
		{
			"a name with its own port", 200, "/v1/models",
			[]string{"Host: edge.example:443", "Authorization: Bearer " + clientToken},
		},
		{
			"that name with another", 403, "/v1/models",
			[]string{"Host: edge.example" + port, "Authorization: Bearer " + clientToken},
		},
		{
			"a name it was not given", 403, "/v1/models",
			[]string{"Host: evil.example" + port, "Authorization: Bearer " + clientToken},
		},
		{
			"a page that has it", 403, "/v1/models",
			[]string{"Origin: https://evil.example", "Authorization: Bearer " + clientToken},
		},
	} {
		resp, _ := p.do(t, http.MethodGet, c.path, "", c.headers...)
		assert.Equal(t, c.code, resp.StatusCode, c.what)
	}
	for _, q := range r.Requests() {
		assert.NotContains(t, fmt.Sprint(q.Header), clientToken)
	}
}

func basic(password string) string {
	req := &http.Request{Header: http.Header{}}
	req.SetBasicAuth("me", password)
	return req.Header.Get("Authorization")
}

func TestProxyDoesNotStart(t *testing.T) {
	r := newRig(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	t.Setenv("REAUTH_TEST_SHORT", "short")
	for _, c := range []struct {
		what string
		code int
		says []string
		args []string
	}{
		{
			"a busy port", 1,
			[]string{taken.Addr().String() + " is in use", "--listen 127.0.0.1:0"},
			[]string{"xai-oauth", "--listen", taken.Addr().String()},
		},
		{
			"no credential", 3,
			[]string{"no credential of nous", "reauth login nous", "reauth add nous"},
			[]string{"nous"},
		},
		{"no credential, a key", 3, []string{"no credential of groq", "run: reauth add groq"}, []string{"groq"}},
		{"an unknown provider", 2, []string{`"nobody" is unknown`}, []string{"nobody"}},
		{
			"an address for others", 2,
			[]string{"not a loopback address", "--allow-remote"},
			[]string{"xai-oauth", "--listen", "0.0.0.0:0"},
		},
		{"an empty host", 2, []string{"not a loopback address"}, []string{"xai-oauth", "--listen", ":0"}},
		{
			"remote without a token", 2,
			[]string{"--allow-remote needs --client-token-env"},
			[]string{"xai-oauth", "--listen", "0.0.0.0:0", "--allow-remote"},
		},
		{
			"remote without a name", 2,
			[]string{"--host"},
			[]string{
				"xai-oauth", "--listen", "0.0.0.0:0", "--allow-remote",
				"--client-token-env", "REAUTH_TEST_CLIENT_TOKEN",
			},
		},
		{
			"no such variable", 2,
			[]string{"REAUTH_TEST_NOTHING, for the client token, is not set"},
			[]string{"xai-oauth", "--client-token-env", "REAUTH_TEST_NOTHING"},
		},
		{
			"a short token", 2,
			[]string{"openssl rand"},
			[]string{"xai-oauth", "--client-token-env", "REAUTH_TEST_SHORT"},
		},
		{"no single address", 2, []string{"--base-url"}, []string{"azure-foundry"}},
		{"a base URL that is none", 2, []string{"--base-url"}, []string{"xai-oauth", "--base-url", "gateway"}},
	} {
		code, said := r.fails(t, c.args...)
		assert.Equal(t, c.code, code, "%s: %s", c.what, said)
		for _, words := range c.says {
			assert.Contains(t, said, words, c.what)
		}
		r.noSecrets(t, said)
	}
}
