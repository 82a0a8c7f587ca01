package reauthtest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/textproto"
	"strings"
	"sync"
	"testing"
)

// wrapper wraps a base in a transport.
type wrapper = func(base http.RoundTripper) http.RoundTripper

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// doing makes a transport that calls f in place of base.RoundTrip.
func doing(f func(base http.RoundTripper, req *http.Request) (*http.Response, error)) wrapper {
	return func(base http.RoundTripper) http.RoundTripper {
		return roundTripFunc(func(req *http.Request) (*http.Response, error) { return f(base, req) })
	}
}

// sending makes a transport that changes a shallow copy of the request.
func sending(change func(out *http.Request)) wrapper {
	return doing(func(base http.RoundTripper, req *http.Request) (*http.Response, error) {
		out := *req
		change(&out)
		return base.RoundTrip(&out)
	})
}

// answering makes a transport that changes the answer.
func answering(change func(resp *http.Response)) wrapper {
	return doing(func(base http.RoundTripper, req *http.Request) (*http.Response, error) {
		resp, err := base.RoundTrip(req)
		if err == nil {
			change(resp)
		}
		return resp, err
	})
}

// failing makes a transport that changes the error.
func failing(change func(error) error) wrapper {
	return doing(func(base http.RoundTripper, req *http.Request) (*http.Response, error) {
		resp, err := base.RoundTrip(req)
		if err != nil {
			return nil, change(err)
		}
		return resp, nil
	})
}

// setting makes a transport that sets a header on a copy of the request.
func setting(name, value string) wrapper {
	return sending(func(out *http.Request) {
		out.Header = out.Header.Clone()
		out.Header.Set(name, value)
	})
}

// brokenTransports returns transports that break an obligation, by the name of the obligation and
// by the way in which they break it.
func brokenTransports(t *testing.T) map[string]map[string]wrapper {
	forever, end := context.WithCancel(context.Background())
	t.Cleanup(end)
	leavesContext := func(base http.RoundTripper, req *http.Request) (*http.Response, error) {
		return base.RoundTrip(req.WithContext(forever))
	}
	one := func(how string, w wrapper) map[string]wrapper { return map[string]wrapper{how: w} }
	return map[string]map[string]wrapper{
		"request_is_not_modified": {
			"header":                   doing(modifiesHeader),
			"memory of a header":       sending(addsToHeader),
			"URL":                      sending(func(out *http.Request) { out.URL.RawQuery = "key=1" }),
			"body, for the time being": doing(swapsBody),
		},
		"other_fields_stay":                one("rebuilt", doing(rebuilds)),
		"context_values_reach_the_base":    one("background", doing(leavesContext)),
		"Cancel_ends_the_request":          one("dropped", sending(dropsCancel)),
		"transport_errors_are_not_retried": one("twice", doing(sendsTwice)),
		"redirects_are_not_followed":       one("by a client", doing(usesClient)),
		"credential_is_not_put_back_after_a_redirect": {
			"Authorization":  setting("Authorization", "Bearer at-EXAMPLE"),
			"another header": sending(authorizesOtherwise),
		},
		"concurrent_use": one("one header for all", func(base http.RoundTripper) http.RoundTripper {
			var once sync.Once
			var first http.Header
			return sending(func(out *http.Request) {
				once.Do(func() { first = out.Header.Clone() })
				out.Header = first
			})(base)
		}),
		"body_is_closed_on_every_path": {
			"never":           sending(func(out *http.Request) { out.Body = io.NopCloser(out.Body) }),
			"not on an error": doing(forgetsBody),
		},
		"body_may_be_closed_late_by_another_goroutine": one("closed on return", doing(endsBody)),
		"close_ends_a_waiting_read": {
			"request": sending(func(out *http.Request) {
				if out.Body != nil {
					out.Body = deaf{out.Body}
				}
			}),
			"answer": answering(func(resp *http.Response) { resp.Body = deaf{resp.Body} }),
			"locked": answering(func(resp *http.Response) {
				resp.Body = &locked{ReadCloser: resp.Body, lock: make(chan struct{}, 1)}
			}),
		},
		"first_send_uses_Body":             one("GetBody", sending(prefersGetBody)),
		"body_is_sent_while_it_is_written": one("read before", doing(readsBefore)),
		"body_of_any_size_arrives":         one("cut", sending(cutsBody)),
		"length_and_NoBody_stay": {
			"NoBody wrapped":  sending(wrapsNoBody),
			"length unknown":  sending(func(out *http.Request) { out.ContentLength = -1 }),
			"length invented": sending(func(out *http.Request) { out.ContentLength = max(out.ContentLength, 1) }),
		},
		"clone_has_a_working_GetBody": {
			"none": sending(func(out *http.Request) { out.GetBody = nil }),
			"another": sending(func(out *http.Request) {
				out.GetBody = func() (io.ReadCloser, error) { return http.NoBody, nil }
			}),
			"fails": sending(func(out *http.Request) {
				out.GetBody = func() (io.ReadCloser, error) { return nil, io.EOF }
			}),
		},
		"trailers_filled_while_the_body_is_read_arrive": one("cloned", doing(clones)),
		"any_response_is_no_error": {
			"error": doing(givesUp),
			"empty": answering(func(resp *http.Response) { resp.Body = http.NoBody }),
		},
		"response_or_error_never_both_never_neither": {
			"both": doing(func(base http.RoundTripper, req *http.Request) (*http.Response, error) {
				resp, err := base.RoundTrip(req)
				if err == nil && resp.StatusCode == 503 {
					return resp, errors.New("unavailable")
				}
				return resp, err
			}),
			"neither": failing(func(error) error { return nil }),
		},
		"response_body_is_never_nil": one("nil", answering(func(resp *http.Response) { resp.Body = nil })),
		"response_comes_back_as_it_came": {
			"cut": answering(func(resp *http.Response) {
				resp.Body = limited{io.LimitReader(resp.Body, 64<<10), resp.Body}
			}),
			"header": answering(func(resp *http.Response) { resp.Header.Del("Retry-After") }),
			"length": answering(func(resp *http.Response) { resp.ContentLength = -1 }),
			"status": answering(func(resp *http.Response) { resp.StatusCode = 200 }),
		},
		"closed_response_is_closed_at_the_base": one("kept open", answering(func(resp *http.Response) {
			resp.Body = io.NopCloser(resp.Body)
		})),
		"replaced_responses_are_closed": one("dropped", doing(replays)),
		"upgrade_can_be_written": one("read only", answering(func(resp *http.Response) {
			resp.Body = struct{ io.ReadCloser }{resp.Body}
		})),
		"upgrade_can_be_half_closed": one("whole only", answering(func(resp *http.Response) {
			if rw, ok := resp.Body.(io.ReadWriteCloser); ok {
				resp.Body = struct{ io.ReadWriteCloser }{rw}
			}
		})),
		"stream_arrives_as_it_is_sent": one("held back", answering(readsAnswer)),
		"compressed_response_is_what_was_asked_for": {
			"not decoded":      setting("Accept-Encoding", "gzip"),
			"asked of nobody":  sending(func(out *http.Request) { out.Header = http.Header{} }),
			"length forgotten": answering(func(resp *http.Response) { resp.Header.Del("Content-Encoding") }),
		},
		"response_trailers_arrive_at_the_end": one("copied", doing(copiesAnswer)),
		"length_without_body":                 one("as read", answering(readsAnswer)),
		"response_names_its_request": {
			"none": answering(func(resp *http.Response) { resp.Request = nil }),
			"another": answering(func(resp *http.Response) {
				resp.Request = &http.Request{Method: http.MethodPost, URL: resp.Request.URL.JoinPath("x")}
			}),
		},
		"errors_of_the_base_are_kept": one("text", failing(func(err error) error { return errors.New(err.Error()) })),
		"context_ends_the_request": {
			"text":    failing(func(err error) error { return errors.New(err.Error()) }),
			"ignored": doing(leavesContext),
		},
		"context_governs_body_reads": {
			"canceled on return": doing(func(base http.RoundTripper, req *http.Request) (*http.Response, error) {
				ctx, cancel := context.WithCancel(req.Context())
				defer cancel()
				return base.RoundTrip(req.WithContext(ctx))
			}),
			"never canceled": doing(leavesContext),
		},
		"connection_is_used_again": one("closed unread",
			answering(func(resp *http.Response) { _ = resp.Body.Close() })),
		"idle_connections_are_closed": one("no method", sending(func(*http.Request) {})),
		"nothing_runs_when_all_is_closed": one("a goroutine", answering(func(*http.Response) {
			go func() { <-forever.Done() }()
		})),
	}
}

// usesClient follows redirects.
func usesClient(base http.RoundTripper, req *http.Request) (*http.Response, error) {
	return (&http.Client{Transport: base}).Do(req)
}

// endsBody ends the body of the request when the base returns.
func endsBody(base http.RoundTripper, req *http.Request) (*http.Response, error) {
	out := *req
	body := &endedBody{ReadCloser: req.Body}
	out.Body = body
	defer body.end()
	return base.RoundTrip(&out)
}

// clones copies the map of trailers together with the request.
func clones(base http.RoundTripper, req *http.Request) (*http.Response, error) {
	return base.RoundTrip(req.Clone(req.Context()))
}

func modifiesHeader(base http.RoundTripper, req *http.Request) (*http.Response, error) {
	req.Header.Set("X-Added", "1")
	return base.RoundTrip(req)
}

// addsToHeader appends to a value of the header, behind the end of the slice that the caller has
// too.
func addsToHeader(out *http.Request) {
	own := make(http.Header)
	for k, v := range out.Header {
		own[k] = v
	}
	own.Add("X-Several", "2")
	out.Header = own
}

// swapsBody replaces the caller's Body until it returns.
func swapsBody(base http.RoundTripper, req *http.Request) (*http.Response, error) {
	body := req.Body
	req.Body = struct{ io.ReadCloser }{body}
	defer func() { req.Body = body }()
	return base.RoundTrip(req)
}

func rebuilds(base http.RoundTripper, req *http.Request) (*http.Response, error) {
	out, err := http.NewRequestWithContext(req.Context(), req.Method, req.URL.String(), req.Body)
	if err != nil {
		return nil, err
	}
	out.Header = req.Header
	return base.RoundTrip(out)
}

func dropsCancel(out *http.Request) {
	//lint:ignore SA1019 it is what is tested
	out.Cancel = nil //nolint:staticcheck // it is what is tested
}

func sendsTwice(base http.RoundTripper, req *http.Request) (*http.Response, error) {
	resp, err := base.RoundTrip(req)
	if err == nil || req.GetBody == nil {
		return resp, err
	}
	out := *req
	if out.Body, err = req.GetBody(); err != nil {
		return nil, err
	}
	return base.RoundTrip(&out)
}

// replays sends a request again after a 503, and forgets the first answer.
func replays(base http.RoundTripper, req *http.Request) (*http.Response, error) {
	resp, err := base.RoundTrip(req)
	if err != nil || resp.StatusCode != 503 || req.GetBody == nil {
		return resp, err
	}
	out := *req
	if out.Body, err = req.GetBody(); err != nil {
		return nil, err
	}
	return base.RoundTrip(&out)
}

func authorizesOtherwise(out *http.Request) {
	out.Header = out.Header.Clone()
	out.Header.Set("X-Api-Key", "at-EXAMPLE")
	if out.URL.Host == "api.example.com" {
		out.Header.Set("Authorization", "Bearer at-EXAMPLE")
	}
}

func forgetsBody(base http.RoundTripper, req *http.Request) (*http.Response, error) {
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	return base.RoundTrip(req)
}

func prefersGetBody(out *http.Request) {
	if out.GetBody != nil {
		out.Body, _ = out.GetBody()
	}
}

func readsBefore(base http.RoundTripper, req *http.Request) (*http.Response, error) {
	if req.Body == nil {
		return base.RoundTrip(req)
	}
	b, err := io.ReadAll(req.Body)
	_ = req.Body.Close()
	if err != nil {
		return nil, err
	}
	out := *req
	out.Body, out.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
	return base.RoundTrip(&out)
}

func wrapsNoBody(out *http.Request) {
	if out.Body != nil {
		out.Body = struct{ io.ReadCloser }{out.Body}
	}
}

func cutsBody(out *http.Request) {
	if out.Body != nil {
		out.Body = limited{io.LimitReader(out.Body, 32<<20), out.Body}
	}
}

func givesUp(base http.RoundTripper, req *http.Request) (*http.Response, error) {
	resp, err := base.RoundTrip(req)
	if err == nil && resp.StatusCode >= 500 {
		_ = resp.Body.Close()
		return nil, errors.New("giving up")
	}
	return resp, err
}

// readsAnswer reads an answer to its end before RoundTrip returns it.
func readsAnswer(resp *http.Response) {
	b, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	resp.Body, resp.ContentLength = io.NopCloser(strings.NewReader(string(b))), int64(len(b))
}

// copiesAnswer returns a copy of the response. net/http does not fill in the trailers of the copy.
func copiesAnswer(base http.RoundTripper, req *http.Request) (*http.Response, error) {
	resp, err := base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	own := *resp
	own.Trailer = http.Header(textproto.MIMEHeader(resp.Trailer.Clone()))
	return &own, nil
}

// limited reads from one body and closes another.
type limited struct {
	io.Reader
	io.Closer
}

// endedBody is a body that another goroutine can end.
type endedBody struct {
	io.ReadCloser
	mu    sync.Mutex
	ended bool
}

func (b *endedBody) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
}

func (b *endedBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return 0, io.EOF
	}
	return b.ReadCloser.Read(p)
}

// deaf is a body whose Close does nothing.
type deaf struct{ io.Reader }

func (deaf) Close() error { return nil }

// locked is a body that holds a lock while it reads. The lock is a channel, because a goroutine
// that waits for a sync.Mutex stops the clock of a bubble.
type locked struct {
	io.ReadCloser
	lock chan struct{} // of size one
}

func (b *locked) Read(p []byte) (int, error) {
	b.lock <- struct{}{}
	defer func() { <-b.lock }()
	return b.ReadCloser.Read(p)
}

func (b *locked) Close() error {
	b.lock <- struct{}{}
	defer func() { <-b.lock }()
	return b.ReadCloser.Close()
}
