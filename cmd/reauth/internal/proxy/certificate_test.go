package proxy

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// While the files of a certificate are gone, the last one stays in use, and the log says so once
// and not for each client.
func TestCertificateThatIsGone(t *testing.T) {
	server := httptest.NewUnstartedServer(nil)
	server.StartTLS()
	defer server.Close()
	pair := server.TLS.Certificates[0]
	private, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	require.NoError(t, err)
	certFile, keyFile := filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	write := func() {
		for file, block := range map[string]*pem.Block{
			certFile: {Type: "CERTIFICATE", Bytes: pair.Certificate[0]}, keyFile: {Type: "PRIVATE KEY", Bytes: private},
		} {
			require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(block), 0o600))
		}
	}
	write()
	var said bytes.Buffer
	c, err := OpenCertificate(certFile, keyFile, slog.New(slog.NewTextHandler(&said, nil)))
	require.NoError(t, err)
	first := c.latest()
	require.NotNil(t, first)
	require.NoError(t, os.Remove(keyFile))
	for range 3 {
		assert.Same(t, first, c.latest())
	}
	assert.Equal(t, 1, strings.Count(said.String(), "could not be read again"))
	write()
	assert.NotSame(t, first, c.latest(), "it is back")
	assert.Equal(t, 1, strings.Count(said.String(), "could not be read again"))
	_, err = OpenCertificate(certFile+".none", keyFile, slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, "cert.pem.none")
}
