package reauthtest

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
)

// bothProtocols runs a case over HTTP/1.1 and HTTP/2.
func (c *check) bothProtocols(name string, test func(c *check, http2 bool)) {
	c.sub(name+"HTTP/1.1", func(c *check) { test(c, false) })
	c.sub(name+"HTTP/2", func(c *check) { test(c, true) })
}

// server serves h as https://api.example.com and returns a transport that leads there. A handler that waits must heed c.ctx.
func (c *check) server(http2 bool, h http.HandlerFunc) *http.Transport {
	return c.start(http2, httptest.NewUnstartedServer(h))
}

func (c *check) start(http2 bool, s *httptest.Server) *http.Transport {
	c.step("a server is started")
	s.EnableHTTP2 = http2
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // connections are cut on purpose
	s.StartTLS()
	base, ok := s.Client().Transport.(*http.Transport)
	if !ok {
		c.fatalf("httptest's transport is a %T", s.Client().Transport)
	}
	c.cleanup(func() {
		c.step("its connections are closed")
		base.CloseIdleConnections()
		s.CloseClientConnections()
		s.Close()
	})
	return base
}

// flush sends what was written so far.
func flush(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() } // a client that has gone needs nothing
