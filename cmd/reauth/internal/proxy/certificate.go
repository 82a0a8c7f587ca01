package proxy

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
)

// Certificate is a certificate in two PEM files. It is read again when a file changes, so that a
// renewed one needs no restart. It is safe for concurrent use.
type Certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate
	// cert and key are the files as they were when they were last read, if known is set; nil: there
	// was none.
	cert, key os.FileInfo
	known     bool
}

// OpenCertificate reads a certificate and its key. logger is told of later ones that cannot be
// read.
func OpenCertificate(certFile, keyFile string, logger *slog.Logger) (*Certificate, error) {
	c := &Certificate{certFile: certFile, keyFile: keyFile, log: logger}
	return c, c.reload()
}

// Config returns a server's configuration of TLS with the certificate. It offers HTTP/1.1 only.
func (c *Certificate) Config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return c.latest(), nil
		},
	}
}

// latest returns the certificate of the files. While they cannot be read, as in the moment between
// the renewal of one and of the other, that is the last one that could.
func (c *Certificate) latest() *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.reload(); err != nil {
		c.log.Warn("the certificate could not be read again; the one before stays", "err", err.Error())
	}
	return c.current
}

// reload reads the files if one of them has changed since it was last read. It returns an error
// once for each change.
func (c *Certificate) reload() error {
	cert, _ := os.Stat(c.certFile) // LoadX509KeyPair tells why there is none
	key, _ := os.Stat(c.keyFile)
	if c.known && same(cert, c.cert) && same(key, c.key) {
		return nil
	}
	c.cert, c.key, c.known = cert, key, true
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("the certificate %s with the key %s: %w", c.certFile, c.keyFile, err)
	}
	c.current = &pair
	return nil
}

// same reports whether a file is as it was; nil stands for none.
func same(now, before os.FileInfo) bool {
	if now == nil || before == nil {
		return now == nil && before == nil
	}
	return os.SameFile(now, before) && now.Size() == before.Size() && now.ModTime().Equal(before.ModTime())
}
