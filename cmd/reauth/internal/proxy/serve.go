package proxy

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/netutil"
)

// Limits are what a listener grants.
type Limits struct {
	Connections int           // at the same time; further ones wait
	Drain       time.Duration // how long requests are still taken after the stop, while /healthz says 503
	Grace       time.Duration // how long requests that run may go on after that
}

// Serve takes requests from ln until ctx ends, and then stops: /healthz says 503, after the drain
// no request is taken any more, those that run go on for the grace period, and what is left then is
// cut, as it is at once when now ends. It closes ln. The pool is the caller's to close.
func (p *Proxy) Serve(ctx, now context.Context, ln net.Listener, l Limits) error {
	defer p.stop()
	defer p.forward.Transport.(timed).base.(interface{ CloseIdleConnections() }).CloseIdleConnections()
	server := &http.Server{
		Handler:           p,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(p.log.Handler(), slog.LevelWarn),
		BaseContext:       func(net.Listener) context.Context { return p.stopped },
	}
	if l.Connections > 0 {
		ln = netutil.LimitListener(ln, l.Connections)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ln) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	p.drain(now, server, l)
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// drain ends the server.
func (p *Proxy) drain(now context.Context, server *http.Server, l Limits) {
	p.draining.Store(true)
	p.log.Info("stopping", "drain", l.Drain, "grace", l.Grace)
	wait(now, l.Drain)
	graced, cancel := context.WithTimeout(now, l.Grace)
	defer cancel()
	err := server.Shutdown(graced)
	if !p.idle(graced) { // upgraded connections are no longer the server's
		err = context.DeadlineExceeded
	}
	if err == nil {
		p.log.Info("stopped")
		return
	}
	p.log.Warn("stopped; requests that were still running have been cut")
	p.stop()
	_ = server.Close() // what it says was closed already
	final, cancelFinal := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancelFinal()
	p.idle(final)
}

// idle waits until nothing is being forwarded.
func (p *Proxy) idle(ctx context.Context) bool {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for p.forwards.Load() > 0 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

func wait(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
