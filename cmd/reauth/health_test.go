package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// health are the arguments for an answer that may take patience.
func health(args ...string) []string {
	return append([]string{"health", "--timeout", patience.String()}, args...)
}

// The command reaches the proxy wherever it listens, by the variables that the proxy reads.
func TestHealth(t *testing.T) {
	r := newRig(t)
	p := r.start(t)
	s := newShell(t)
	address := strings.TrimPrefix(p.url, "http://")
	assert.Equal(t, "ok\n", s.run("", health(address)...).ok())
	s.setenv("REAUTH_PROXY_LISTEN", ":"+portOf(t, address)+",unix:/nowhere")
	assert.Equal(t, "ok\n", s.run("", health()...).ok(), "it is reached at the loopback, and the first one is asked")

	certFile, keyFile := filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	certify(t, certFile, keyFile, 1)
	secure := strings.TrimPrefix(r.start(t, "--tls-cert", certFile, "--tls-key", keyFile).url, "https://")
	assert.Equal(t, "ok\n", s.run("", health(secure, "--tls-cert", certFile)...).ok())
	other := filepath.Join(t.TempDir(), "other.pem")
	certify(t, other, keyFile, 2)
	assert.Contains(t, s.run("", health(secure, "--tls-cert", other)...).fails(exitFailed), "certificate")
}

func portOf(t *testing.T, address string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	return port
}

func TestHealthOfNobody(t *testing.T) {
	s := newShell(t)
	const nobody = "127.0.0.1:1" // no program gets this port by chance
	assert.Contains(t, s.run("", "health", nobody).fails(exitFailed), "the proxy at "+nobody+" does not answer")

	draining := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "stopping", http.StatusServiceUnavailable)
	}))
	defer draining.Close()
	address := strings.TrimPrefix(draining.URL, "http://")
	assert.Contains(t, s.run("", health(address)...).fails(exitFailed), "503")

	assert.Contains(t, s.run("", "health", "no address").fails(exitUsage), "HOST:PORT")
	empty := s.write("", "empty.pem")
	assert.Contains(t, s.run("", "health", "--tls-cert", empty).fails(exitUsage), "has no certificate")
}
