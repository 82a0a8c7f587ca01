package reauthtest

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
)

// requestObligations returns what a transport owes to the request of the caller and to the request
// of the base.
func requestObligations() []Obligation {
	return []Obligation{
		{
			Name: "request_is_not_modified",
			Duty: "RoundTrip does not modify the request, not even for a time: neither its fields, nor its maps, " +
				"nor the URL that it points to.",
			Why: "The caller may read the request meanwhile, send it again, or share its header and URL with other " +
				"requests. http.Client keeps it for redirects.",
			Source: `http.RoundTripper: "RoundTrip should not modify the request, except for consuming and closing ` +
				`the Request's Body."`,
			check: checkRequestUnmodified,
		},
		{
			Name: "other_fields_stay",
			Duty: "The base's request has the caller's method, URL, Host, header, Trailer, TransferEncoding, Close " +
				"and Proto.",
			Why: "A request that is rebuilt from some of its fields loses the others: the virtual host, the " +
				"encoding, the trailers.",
			Source: "net/http: Request.Clone and Request.WithContext copy a request as a whole.",
			check:  checkFieldsStay,
		},
		{
			Name:   "context_values_reach_the_base",
			Duty:   "The context of the base's request is the caller's, or derives from it.",
			Why:    "Traces, baggage and httptrace hooks are in the context. Without them nobody can observe a send.",
			Source: "http.Request.Context; net/http/httptrace.WithClientTrace.",
			check:  checkContextValues,
		},
		{
			Name: "Cancel_ends_the_request",
			Duty: "Closing Request.Cancel still ends the request.",
			Why: "http.Client sets Cancel if it has a Timeout and a transport that it does not know. Older programs " +
				"have no other way to end a request.",
			Source: "net/http: Request.Cancel; setRequestCancel in client.go.",
			check:  checkCancel,
		},
		{
			Name: "transport_errors_are_not_retried",
			Duty: "RoundTrip does not send a POST again after its send failed.",
			Why: "The server may have acted on the request, and charged for it, before the connection broke. " +
				"net/http itself sends a POST again only if it wrote nothing of it.",
			Source: `net/http: Request.isReplayable and persistConn.shouldRetryRequest; RFC 9110 §9.2.2: "A client ` +
				`SHOULD NOT automatically retry a request with a non-idempotent method".`,
			check: checkNoRetry,
		},
		{
			Name: "redirects_are_not_followed",
			Duty: "RoundTrip returns a redirect to the caller.",
			Why: "Otherwise http.Client does not ask CheckRedirect, does not keep cookies, and a body can go to a " +
				"host that the caller never chose.",
			Source: `http.RoundTripper: "RoundTrip should not attempt to handle higher-level protocol details such ` +
				`as redirects, authentication, or cookies."`,
			check: checkNoRedirects,
		},
		{
			Name: "credential_is_not_put_back_after_a_redirect",
			Duty: "After a redirect to another host, the request carries neither Authorization nor its value in " +
				"another header.",
			Why: "http.Client removes Authorization when the domain changes. RoundTrip runs once per hop: a " +
				"transport that adds the header to every request hands the credential to any host that a redirect " +
				"names.",
			Source: "net/http: makeHeadersCopier and shouldCopyHeaderOnRedirect in client.go; golang/oauth2 issue 500.",
			check:  checkForeignHop,
		},
		{
			Name: "concurrent_use",
			Duty: "Several goroutines may call RoundTrip at once. Each gets the answer to its own request, and may " +
				"read the request meanwhile.",
			Why: "One http.Client, with one transport, serves a whole program. The race detector finds further " +
				"faults.",
			Source: `http.RoundTripper: "A RoundTripper must be safe for concurrent use by multiple goroutines."`,
			check:  checkConcurrentUse,
		},
	}
}

// snapshot is the state of a request at one moment.
type snapshot struct {
	shallow http.Request  // the fields
	deep    *http.Request // what the fields point to
	upload  *upload
}

func newSnapshot(req *http.Request, u *upload) *snapshot {
	return &snapshot{shallow: *req, deep: req.Clone(req.Context()), upload: u}
}

// changes returns the parts of the request that differ from the snapshot.
func (s *snapshot) changes(now *http.Request) (list []string) {
	same := func(what string, ok bool) {
		if !ok {
			list = append(list, what)
		}
	}
	was := &s.shallow
	same("Method", was.Method == now.Method)
	same("Host", was.Host == now.Host)
	same("Proto", was.Proto == now.Proto && was.ProtoMajor == now.ProtoMajor && was.ProtoMinor == now.ProtoMinor)
	same("ContentLength", was.ContentLength == now.ContentLength)
	same("TransferEncoding", slices.Equal(s.deep.TransferEncoding, now.TransferEncoding))
	same("Close", was.Close == now.Close)
	same("Form", reflect.DeepEqual(s.deep.Form, now.Form) && reflect.DeepEqual(s.deep.PostForm, now.PostForm))
	same("RequestURI", was.RequestURI == now.RequestURI)
	same("Response", was.Response == now.Response)
	same("Cancel", canceled(was) == canceled(now))
	same("the context", was.Context() == now.Context())
	same("the URL", was.URL == now.URL && reflect.DeepEqual(s.deep.URL, now.URL))
	same("Header", reflect.DeepEqual(s.deep.Header, now.Header))
	// An append to the header's slice writes behind its end, where only the capacity shows it.
	if several := now.Header["X-Several"]; len(several) == 1 && cap(several) > 1 {
		same("the memory behind a header's value", several[:2][1] == "")
	}
	same("Trailer", reflect.DeepEqual(s.deep.Trailer, now.Trailer))
	same("Body", was.Body == now.Body)
	same("GetBody", (was.GetBody == nil) == (now.GetBody == nil))
	return list
}

func checkRequestUnmodified(c *check) {
	for name, test := range map[string]struct {
		status int
		hop    bool
	}{
		"answered 200": {status: 200}, "answered 401": {status: 401}, "answered 503": {status: 503},
		"the base fails":   {},
		"after a redirect": {status: 200, hop: true},
	} {
		c.bothBodies(name, func(c *check, again bool) {
			req, u := c.post(again)
			req.Header = http.Header{
				"Authorization": {"Bearer callers"}, "User-Agent": {"example"}, "x-raw": {"1"},
				"X-Several": append(make([]string, 0, 4), "1"),
			}
			req.Trailer = http.Header{"X-Sum": nil}
			req.TransferEncoding = []string{"chunked"}
			req.Host = "virtual.example"
			if test.hop {
				req.Response = &http.Response{StatusCode: http.StatusTemporaryRedirect, Request: req.Clone(c.ctx)}
			}
			before := newSnapshot(req, u)
			rt := c.wrapped(baseFunc(func(out *http.Request) (*http.Response, error) {
				if changed := before.changes(req); len(changed) > 0 {
					c.failf("the caller's request is modified while it is sent: %s", strings.Join(changed, ", "))
				}
				if test.status == 0 {
					_, _ = take(out)
					return nil, io.ErrUnexpectedEOF
				}
				return always(test.status)(out)
			}))
			if resp, _ := c.roundTrip(rt, req); resp != nil && resp.Body != nil {
				c.text(resp)
			}
			if changed := before.changes(req); len(changed) > 0 {
				c.failf("the caller's request is modified: %s", strings.Join(changed, ", "))
			}
			if b := req.GetBody; again && b != nil {
				body, err := b()
				if mine, ok := body.(*tracked); !ok || err != nil || !slices.Contains(u.all(), mine) {
					c.failf("the caller's request is modified: GetBody is another one")
				}
			}
		})
	}
}

func checkFieldsStay(c *check) {
	address, err := url.Parse("https://api.example.com/v1/a%2Fb/../c;d?q=1&q=2&empty=#part")
	if err != nil {
		c.fatalf("parsing a URL: %v", err)
	}
	c.bothBodies("", func(c *check, again bool) {
		req, _ := c.post(again)
		req.Method, req.Host, req.Close = "REPORT", "virtual.example", true
		req.URL = address
		req.TransferEncoding = []string{"chunked"}
		req.Trailer = http.Header{"X-Sum": nil}
		req.Proto, req.ProtoMajor, req.ProtoMinor = "HTTP/1.0", 1, 0
		req.Header = http.Header{
			"User-Agent": {"example"},
			"X-Several":  {"1", "2"},
			"X-Empty":    {""},
			"Cookie":     {"a=1; b=2"},
		}
		fields := func(r *http.Request) map[string]string {
			m := map[string]string{
				"Method": r.Method, "URL": r.URL.String(), "Host": r.Host, "Close": fmt.Sprint(r.Close),
				"Proto":            fmt.Sprint(r.Proto, r.ProtoMajor, r.ProtoMinor),
				"TransferEncoding": fmt.Sprint(r.TransferEncoding),
				"Trailer":          fmt.Sprint(slices.Sorted(maps.Keys(r.Trailer))),
			}
			for _, name := range []string{"User-Agent", "X-Several", "X-Empty", "Cookie"} {
				m[name] = fmt.Sprintf("%q", r.Header[name])
			}
			return m
		}
		want := fields(req)
		rt := c.wrapped(baseFunc(func(out *http.Request) (*http.Response, error) {
			got := fields(out)
			for _, name := range slices.Sorted(maps.Keys(want)) {
				if got[name] != want[name] {
					c.failf("%s was %s, the base is given %s", name, want[name], got[name])
				}
			}
			return always(200)(out)
		}))
		c.text(c.answer(rt, req))
	})
}

func checkNoRetry(c *check) {
	c.bothBodies("", func(c *check, again bool) {
		var mu sync.Mutex
		sends := 0
		rt := c.wrapped(baseFunc(func(out *http.Request) (*http.Response, error) {
			mu.Lock()
			sends++
			mu.Unlock()
			_, _ = take(out)
			return nil, fmt.Errorf("connection lost: %w", io.ErrUnexpectedEOF)
		}))
		req, _ := c.post(again)
		_, _ = c.roundTrip(rt, req)
		mu.Lock()
		defer mu.Unlock()
		if sends > 1 {
			c.failf("a POST whose connection broke was sent %d times", sends)
		}
	})
}

func checkNoRedirects(c *check) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		c.sub(fmt.Sprint(status), func(c *check) {
			const to = "/elsewhere"
			rt := c.wrapped(baseFunc(func(out *http.Request) (*http.Response, error) {
				if out.URL.Path == to {
					c.failf("the redirect was followed")
					return always(200)(out)
				}
				resp, err := always(status)(out)
				if err == nil {
					resp.Header.Set("Location", to)
				}
				return resp, err
			}))
			req, _ := c.post(true)
			resp, err := c.roundTrip(rt, req)
			switch {
			case err != nil:
				c.failf("the redirect became an error: %v", err)
			case resp != nil && (resp.StatusCode != status || resp.Header.Get("Location") != to):
				c.failf("the redirect came back as %s, Location %q", describe(resp), resp.Header.Get("Location"))
			}
		})
	}
}

func checkForeignHop(c *check) {
	for _, status := range []int{302, 307} {
		c.sub(fmt.Sprint(status), func(c *check) {
			var mu sync.Mutex
			var secret string
			rt := c.wrapped(baseFunc(func(out *http.Request) (*http.Response, error) {
				resp, err := always(200)(out)
				mu.Lock()
				defer mu.Unlock()
				sent := out.Header.Get("Authorization")
				if out.URL.Host != "stranger.example" {
					if _, token, ok := strings.Cut(sent, " "); ok {
						secret = token
					}
					if err == nil {
						resp.StatusCode = status
						resp.Header.Set("Location", strangerURL)
					}
					return resp, err
				}
				for name, values := range out.Header {
					if name != "Referer" && secret != "" && strings.Contains(strings.Join(values, " "), secret) {
						c.failf("the other host is sent the credential in %s", name)
					}
				}
				if sent != "" {
					c.failf("the other host is sent an Authorization header")
				}
				return resp, err
			}))
			req := c.request(http.MethodGet)
			req.Header.Set("Authorization", "Bearer callers")
			c.step("http.Client follows a redirect")
			resp, err := (&http.Client{Transport: rt}).Do(req)
			if err != nil {
				c.failf("following a redirect: %v", err)
				return
			}
			c.text(resp)
		})
	}
}

func checkConcurrentUse(c *check) {
	rt := c.wrapped(baseFunc(func(out *http.Request) (*http.Response, error) {
		text, err := take(out)
		if err != nil {
			return nil, err
		}
		resp := respond(out, 200, text)
		resp.Header.Set("X-Id", out.Header.Get("X-Id"))
		return resp, nil
	}))
	c.step("16 goroutines call RoundTrip at once")
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			for j := range 8 {
				c.exchange(rt, fmt.Sprintf("%d-%d", i, j), j%2 == 0)
			}
		})
	}
	all.Wait()
}

// exchange sends a request and expects it back in the answer, while another goroutine reads the
// request.
func (c *check) exchange(rt http.RoundTripper, id string, again bool) {
	defer func() {
		if v := recover(); v != nil {
			c.failf("panic in concurrent use: %v", v)
		}
	}()
	u := &upload{text: "body " + id}
	req, err := http.NewRequestWithContext(c.ctx, http.MethodPost, exampleURL, nil)
	if err != nil {
		c.failf("making a request: %v", err)
		return
	}
	req.Header.Set("X-Id", id)
	req.Body, _ = u.open() // open does not fail
	if req.ContentLength = -1; again {
		req.GetBody, req.ContentLength = u.open, int64(len(u.text))
	}
	stop := make(chan struct{})
	var reader sync.WaitGroup
	reader.Go(func() { readFields(req, stop) })
	defer reader.Wait()
	defer close(stop)
	resp, err := rt.RoundTrip(req)
	if err != nil || resp == nil || resp.Body == nil {
		c.failf("the base answered, but RoundTrip returned (%s, %v)", describe(resp), err)
		return
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if got := resp.Header.Get("X-Id"); err != nil || got != id || string(b) != u.text {
		c.failf("the request %s got the answer to %s (%q, %v)", id, got, b, err)
	}
}

// readFields reads the fields of a request until stop is closed, as the caller may.
func readFields(req *http.Request, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		default:
			_ = fmt.Sprint(req.Method, req.URL, req.Host, req.ContentLength, len(req.Header),
				req.Header.Get("X-Id"), req.Body != nil)
			runtime.Gosched()
		}
	}
}
