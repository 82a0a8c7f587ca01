package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// certify writes a new certificate for 127.0.0.1 and its key, and returns the certificate.
func certify(t *testing.T, certFile, keyFile string, serial int64) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	for file, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: private},
	} {
		require.NoError(t, os.WriteFile(file+".new", pem.EncodeToMemory(block), 0o600))
		require.NoError(t, os.Rename(file+".new", file))
	}
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return cert
}

// The proxy serves https with the certificate of the files, and with the next one once they change.
// A pair that does not fit leaves the one before in use.
func TestProxyServesTLS(t *testing.T) {
	r := newRig(t)
	certFile, keyFile := filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	cert := certify(t, certFile, keyFile, 1)
	path := socketFor(t)
	p := r.start(t, "--tls-cert", certFile, "--tls-key", keyFile, "--listen", "unix:"+path, "--listen", "127.0.0.1:0")
	require.True(t, strings.HasPrefix(p.url, "https://"), p.url)
	(&running{url: "http://localhost", socket: path}).reachable(t, "a socket serves http")
	get := func(trusted *x509.Certificate, headers ...string) (int, error) {
		pool := x509.NewCertPool()
		pool.AddCert(trusted)
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.url+"/v1/models", nil)
		require.NoError(t, err)
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			req.Header.Set(name, value)
		}
		resp, err := (&http.Client{Transport: transport, Timeout: patience}).Do(req)
		if err != nil {
			return 0, err
		}
		return resp.StatusCode, resp.Body.Close()
	}
	for _, c := range []struct {
		header string
		status int
	}{{"Origin: " + p.url, 200}, {"Origin: https://evil.example", 403}} {
		status, err := get(cert, c.header)
		require.NoError(t, err)
		assert.Equal(t, c.status, status, c.header)
	}
	next := certify(t, certFile, keyFile, 2)
	status, err := get(next)
	require.NoError(t, err)
	assert.Equal(t, 200, status)
	_, err = get(cert)
	require.Error(t, err, "the one before is out of use")
	require.NoError(t, os.WriteFile(keyFile, []byte("half a k"), 0o600))
	status, err = get(next)
	require.NoError(t, err)
	assert.Equal(t, 200, status)
	require.Eventually(t, func() bool {
		return strings.Contains(p.output(), "could not be read again")
	}, patience, time.Millisecond)
	code, said := r.fails(t, "xai-oauth", "--tls-cert", certFile)
	assert.Equal(t, 2, code)
	assert.Contains(t, said, "--tls-key")
	code, said = r.fails(t, "xai-oauth", "--tls-cert", certFile, "--tls-key", keyFile)
	assert.Equal(t, 2, code)
	assert.Contains(t, said, keyFile)
}
