package login

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// loopback is what the browser brings the code to (RFC 8252 §7.3): a port of this host, from Start to
// the end of the login. It is served during a Wait only. The system holds a connection that comes
// between two Waits, so that the next one answers it.
type loopback struct {
	s         *Session
	listeners []*net.TCPListener // on the same port; the first is on 127.0.0.1
	path      string
	ch        chan brought // what the browser has brought; there is room for one
}

// listen listens on the port that the program has named, or on the first free one of ports, which the
// provider has registered for its client.
func (s *Session) listen(ctx context.Context, path string, ports ...int) (*loopback, error) {
	if s.opt.Port != 0 {
		ports = []int{s.opt.Port}
	}
	var failed error
	for _, port := range ports {
		l, err := listen(ctx, port)
		if err == nil {
			return &loopback{s: s, listeners: l, path: path, ch: make(chan brought, 1)}, nil
		}
		var op *net.OpError
		if errors.As(err, &op) {
			err = op.Err
		}
		failed = err
	}
	numbers := strings.ReplaceAll(strings.Trim(fmt.Sprint(ports), "[]"), " ", " and ")
	if len(ports) > 1 {
		numbers = "s " + numbers
	} else {
		numbers = " " + numbers
	}
	return nil, fmt.Errorf("port%s of 127.0.0.1, where the browser has to come back to, cannot be used: %w. "+
		"End the program that is there, or take the flow paste", numbers, failed)
}

// listen listens on a port of 127.0.0.1, and of ::1 if it can: a browser may resolve localhost to
// either. It does not use the name localhost, which a host may resolve to an address that others can
// reach (RFC 8252 §8.3). Many hosts have no ::1, so only a failure of 127.0.0.1 is an error.
func listen(ctx context.Context, port int) ([]*net.TCPListener, error) {
	var c net.ListenConfig
	first, err := c.Listen(ctx, "tcp4", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return nil, err
	}
	listeners := []*net.TCPListener{first.(*net.TCPListener)} // so is every listener of that network
	if second, err := c.Listen(ctx, "tcp6", fmt.Sprintf("[::1]:%d", portOf(first))); err == nil {
		listeners = append(listeners, second.(*net.TCPListener))
	}
	return listeners, nil
}

// portOf returns the port of a TCP listener.
func portOf(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }

// redirect returns the address that the browser is sent to. Its host is localhost, not 127.0.0.1,
// since the providers have registered it so.
func (l *loopback) redirect() string {
	return fmt.Sprintf("http://localhost:%d%s", portOf(l.listeners[0]), l.path)
}

// browsed returns the course of a login whose code the browser brings. address is that of the consent
// page, and check finds the code in the browser's request.
func (l *loopback) browsed(address string, check func(url.Values) (string, error), redeem redeemer) course {
	prompt := Prompt{URL: address, Expires: time.Now().Add(defaultLife)}
	c := l.s.coded(prompt, func(ctx context.Context) (brought, error) {
		stop := l.serve(check)
		got, err := await(ctx, l.s, l.ch, prompt.Expires)
		stop(err == nil)
		return got, err
	}, redeem)
	c.close = l.close
	return c
}

// serve answers the browser until stop is called. If the browser has come back, stop waits up to two
// seconds until it has got its page.
func (l *loopback) serve(check func(url.Values) (string, error)) (stop func(cameBack bool)) {
	server := &http.Server{
		ReadHeaderTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: 10 * time.Second,
		MaxHeaderBytes: 32 << 10, Handler: l.handler(check),
	}
	var serving sync.WaitGroup
	for _, listener := range l.listeners {
		_ = listener.SetDeadline(time.Time{}) // of the Wait before; a listener that is closed serves nobody
		serving.Go(func() {
			_ = server.Serve(paused{listener}) // Serve always returns an error, here ErrServerClosed
		})
	}
	return func(cameBack bool) {
		ctx, end := context.WithTimeout(context.Background(), 2*time.Second)
		defer end()
		if !cameBack || server.Shutdown(ctx) != nil {
			_ = server.Close() // the browser may still hold a connection
		}
		serving.Wait()
	}
}

// paused is a listener that stays open when a server closes it.
type paused struct{ *net.TCPListener }

// Close ends an Accept under way. The port stays this process's own.
func (p paused) Close() error { return p.SetDeadline(time.Unix(1, 0)) }

// handler answers on the path of the login, and takes only what is of this login.
func (l *loopback) handler(check func(url.Values) (string, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path != l.path || req.Method != http.MethodGet {
			answerPage(w, http.StatusNotFound, "Nothing is here.")
			return
		}
		code, err := check(req.URL.Query())
		switch {
		case errors.Is(err, errAnotherLogin):
			// Any page on the web can send a browser here, so this does not end the login.
			answerPage(w, http.StatusBadRequest,
				"This answer belongs to another login. The program goes on waiting for its own.")
			return
		case err != nil:
			answerPage(w, http.StatusOK, "The login was refused. The program says why; you may close this page.")
		default:
			answerPage(w, http.StatusOK,
				"The program has what it needs and finishes the login; you may close this page.")
		}
		select {
		case l.ch <- brought{code, err}:
		default: // the person has loaded the page again; the first response counts
		}
	}
}

// close gives up the port.
func (l *loopback) close() {
	for _, listener := range l.listeners {
		_ = listener.Close() // an error means that it is closed
	}
}

// answerPage answers a request with a page that shows text. No cache may keep the page, and nothing
// may frame it.
func answerPage(w http.ResponseWriter, status int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer") // the address of the page holds the code
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	page := fmt.Sprintf("<!doctype html>\n<meta charset=\"utf-8\">\n<title>reauth</title>\n<p>%s</p>\n", text)
	h.Set("Content-Length", strconv.Itoa(len(page)))
	w.WriteHeader(status)
	// An error means that the browser has gone. Then nobody needs the page. It is on its way when this
	// returns: the end of a login closes the connection.
	_, _ = io.WriteString(w, page)
	_ = http.NewResponseController(w).Flush()
}

// emptyObject returns the members of an answer without members. If they were nil, refusal would
// take the answer for one that is not of an authorization server.
func emptyObject() map[string]json.RawMessage { return map[string]json.RawMessage{} }
