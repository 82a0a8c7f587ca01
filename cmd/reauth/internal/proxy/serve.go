package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Limits are the limits of Serve. With a zero Drain or Grace, Serve does not wait.
type Limits struct {
	// Connections is how many connections there may be at the same time, and PerClient how many of
	// one client: see gate. 0: no limit.
	Connections, PerClient int
	// Stall is how long a client may send nothing of a body that it has announced, and take nothing
	// of an answer. Each byte renews it, so that a slow stream goes on. 0: as long as it likes.
	Stall time.Duration
	// Drain is how long Serve still takes requests after ctx has ended, while /healthz answers 503.
	// A load balancer uses this time to send its requests elsewhere.
	Drain time.Duration
	// Grace is how long running requests may go on after Drain.
	Grace time.Duration
}

// Serve serves requests from the listeners until ctx ends. It then stops in three steps:
//
//   - /healthz answers 503, and requests are still taken, for l.Drain.
//   - No new request is taken. The running ones go on, for l.Grace at most.
//   - What still runs is cut.
//
// The end of now cuts everything at once. Serve closes the listeners and returns nil after such a
// stop, even if it had to cut requests. When a listener fails, it cuts everything and returns the
// error. The caller closes the pool.
func (p *Proxy) Serve(ctx, now context.Context, listeners []net.Listener, l Limits) error {
	defer p.stop()
	defer closeIdle(p.transport)
	// ReadTimeout and WriteTimeout stay 0: an upload and a stream may take as long as they take
	// while they move. The other limits end connections that only occupy memory.
	server := &http.Server{
		Handler:           p,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(p.log.Handler(), slog.LevelWarn),
		BaseContext:       func(net.Listener) context.Context { return p.stopped },
		ConnContext:       withConn,
	}
	g := newGate(l)
	defer g.cut()
	server.ConnState = g.watch
	ended := make(chan error, len(listeners))
	for _, ln := range listeners {
		go func() { ended <- server.Serve(p.behind(g, ln)) }()
	}
	left := len(listeners)
	var err error
	select {
	case err = <-ended:
		left--
		_ = server.Close() // it is err that matters
	case <-ctx.Done():
		p.drain(now, server, l)
	}
	for ; left > 0; left-- {
		if one := <-ended; err == nil && !errors.Is(one, http.ErrServerClosed) {
			err = one
		}
	}
	return err
}

// behind returns a listener behind the gate, which takes https if it is on TCP and there is a
// certificate.
func (p *Proxy) behind(g *gate, ln net.Listener) net.Listener {
	if p.secure != nil && !isSocket(ln.Addr()) {
		return tls.NewListener(gated{ln, g}, p.secure)
	}
	return gated{ln, g}
}

// drain stops the server: it waits for running requests and cuts what is left. See Serve.
func (p *Proxy) drain(now context.Context, server *http.Server, l Limits) {
	p.draining.Store(true)
	p.log.Info("stopping", "drain", l.Drain, "grace", l.Grace)
	wait(now, l.Drain)
	graced, cancel := context.WithTimeout(now, l.Grace)
	defer cancel()
	err := server.Shutdown(graced)
	// Shutdown forgets upgraded connections such as websockets. idle waits for them too.
	if !p.idle(graced) {
		err = context.DeadlineExceeded
	}
	if err == nil {
		p.log.Info("stopped")
		return
	}
	p.log.Warn("stopped; requests that were still running have been cut")
	p.stop()
	// Close reports errors of closing connections, which are closed all the same.
	_ = server.Close()
	// The handlers need a moment to notice the cut and to log their requests. 5 s bounds that
	// moment.
	final, cancelFinal := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancelFinal()
	p.idle(final)
}

// idle waits until no request is being forwarded. It returns false if ctx ends before. It polls,
// because a stop happens once and 10 ms do not matter there.
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

// wait waits for d, or until ctx ends.
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
