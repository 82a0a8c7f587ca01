package login

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// loopback is the server that the browser brings the code to (RFC 8252 §7.3). It listens on a port
// of this host until the login ends. It answers on one path, and takes only a response with the
// state of this login.
type loopback struct {
	listeners []net.Listener // on the same port; the first is on 127.0.0.1
	path      string
	server    *http.Server
	serving   sync.WaitGroup
}

// listen listens on the port that the user has named, or on the first free one of ports, which the
// provider has registered for its client.
func (s *session) listen(ctx context.Context, path string, ports ...int) (*loopback, error) {
	if s.Port != 0 {
		ports = []int{s.Port}
	}
	var failed error
	for _, port := range ports {
		l, err := listen(ctx, port)
		if err == nil {
			return &loopback{listeners: l, path: path}, nil
		}
		var op *net.OpError
		if errors.As(err, &op) {
			err = op.Err
		}
		failed = err
	}
	numbers := "port " + strings.Trim(fmt.Sprint(ports), "[]")
	if len(ports) > 1 {
		numbers = "ports " + strings.ReplaceAll(strings.Trim(fmt.Sprint(ports), "[]"), " ", " and ")
	}
	return nil, fmt.Errorf("%s of 127.0.0.1, where the browser has to come back to, cannot be used: %w. End the program that is there, or use --flow paste",
		numbers, failed)
}

// redirect returns the address that the browser is sent to. Its host is localhost, not 127.0.0.1,
// since the providers have registered it so.
func (l *loopback) redirect() string {
	return fmt.Sprintf("http://localhost:%d%s", portOf(l.listeners[0]), l.path)
}

// wait sends the person to the consent page, and returns the code that the browser brings.
func (l *loopback) wait(ctx context.Context, s *session, r codeRequest) (string, error) {
	type brought struct {
		code string
		err  error
	}
	ch := make(chan brought, 1)
	l.server = &http.Server{
		ReadHeaderTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: 10 * time.Second,
		MaxHeaderBytes: 32 << 10,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			q := req.URL.Query()
			if req.URL.Path != l.path || req.Method != http.MethodGet {
				answerPage(w, http.StatusNotFound, "Nothing is here.")
				return
			}
			// Any page on the web can send a browser here, so a wrong state does not end the login.
			if subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(r.state)) != 1 {
				answerPage(w, http.StatusBadRequest,
					"This answer belongs to another login. The program goes on waiting for its own.")
				return
			}
			code, err := r.check(q)
			if err != nil {
				answerPage(w, http.StatusOK, "The login was refused. The program says why; you may close this page.")
			} else {
				answerPage(w, http.StatusOK,
					"The program has what it needs and finishes the login; you may close this page.")
			}
			select {
			case ch <- brought{code, err}:
			default: // the person has loaded the page again; the first response counts
			}
		}),
	}
	for _, listener := range l.listeners {
		l.serving.Go(func() {
			_ = l.server.Serve(listener) // Serve always returns an error, here ErrServerClosed
		})
	}
	s.Person.Visit(r.address(), "")
	got, err := await(ctx, s, ch, time.Now().Add(defaultLife))
	if err != nil {
		return "", err
	}
	var told *refusedError
	if errors.As(got.err, &told) {
		return "", s.refusal("consent was not given",
			&answer{raw: emptyObject(), code: told.code, description: told.description})
	}
	return got.code, got.err
}

// close ends the listeners. It waits up to two seconds until the browser has got its page.
func (l *loopback) close() {
	if l.server == nil { // wait was not called
		for _, listener := range l.listeners {
			_ = listener.Close() // nobody has connected
		}
		return
	}
	ctx, stop := context.WithTimeout(context.Background(), 2*time.Second)
	defer stop()
	if l.server.Shutdown(ctx) != nil {
		_ = l.server.Close() // the browser still holds a connection
	}
	l.serving.Wait()
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
	w.WriteHeader(status)
	// An error means that the browser has gone. Then nobody needs the page.
	_, _ = fmt.Fprintf(w, "<!doctype html>\n<meta charset=\"utf-8\">\n<title>reauth</title>\n<p>%s</p>\n", text)
}

// emptyObject returns the members of an answer without members. If they were nil, refusal would
// take the answer for one that is not of an authorization server.
func emptyObject() map[string]json.RawMessage { return map[string]json.RawMessage{} }
