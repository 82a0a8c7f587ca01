package reauthtest_test

import (
	"net/http"
	"net/http/httptrace"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/reauthtest"
)

// A bare base keeps all obligations, and so does a transport that adds a header for its own host.
func TestRoundTripperKept(t *testing.T) {
	t.Run("bare", func(t *testing.T) {
		reauthtest.TestRoundTripper(t, func(base http.RoundTripper) http.RoundTripper { return base })
	})
	t.Run("authorizing", func(t *testing.T) {
		wrap := func(base http.RoundTripper) http.RoundTripper { return authorizing{base} }
		for _, o := range reauthtest.CheckRoundTripper(wrap) {
			assert.Empty(t, o.Failures, o.Name)
			for _, text := range []string{o.Name, o.Duty, o.Why, o.Source} {
				assert.NotEmpty(t, text, o.Name)
			}
		}
	})
}

// authorizing is a transport that keeps all obligations.
type authorizing struct{ base http.RoundTripper }

func (a authorizing) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Host != "api.example.com" {
		return a.base.RoundTrip(req)
	}
	out := *req // a shallow copy: the Trailer map stays the caller's
	out.Header = req.Header.Clone()
	out.Header.Set("Authorization", "Bearer at-EXAMPLE")
	return a.base.RoundTrip(&out)
}

func (a authorizing) CloseIdleConnections() {
	if c, ok := a.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// For every obligation there is a transport that breaks it, and each such transport is found out.
func TestRoundTripperBroken(t *testing.T) {
	all := brokenTransports(t)
	names := reauthtest.ObligationNames()
	for _, name := range names {
		assert.NotEmpty(t, all[name], "no transport breaks %s", name)
	}
	require.Len(t, all, len(names))
	t.Run("all", func(t *testing.T) {
		for name, list := range all {
			for how := range list {
				t.Run(name+"/"+how, func(t *testing.T) {
					var failures []string
					synctest.Test(t, func(t *testing.T) {
						wrap := brokenTransports(t)[name][how] // made in the bubble
						failures = reauthtest.CheckObligation(name, 4*time.Second, wrap)
					})
					assert.NotEmpty(t, failures)
					for _, failure := range failures {
						assert.NotContains(t, failure, "panic")
					}
				})
			}
		}
	})
}

// The servers are on the loopback interface, or in memory in a bubble, whose clock a socket would
// stop.
func TestRoundTripperNetwork(t *testing.T) {
	networks := func() (list []string) {
		var mu sync.Mutex
		trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
			mu.Lock()
			defer mu.Unlock()
			list = append(list, info.Conn.RemoteAddr().Network())
		}}
		wrap := doing(func(base http.RoundTripper, req *http.Request) (*http.Response, error) {
			return base.RoundTrip(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
		})
		failures := reauthtest.CheckObligation("connection_is_used_again", 20*time.Second, wrap)
		assert.Empty(t, failures)
		slices.Sort(list)
		return slices.Compact(list)
	}
	assert.Equal(t, []string{"tcp"}, networks())
	synctest.Test(t, func(t *testing.T) { assert.Equal(t, []string{"pipe"}, networks()) })
}

// A transport that panics, hangs or ends its goroutine fails the obligation, and not the test.
func TestRoundTripperMisbehaves(t *testing.T) {
	for how, test := range map[string]struct {
		wrap wrapper
		want string
	}{
		"panic": {
			doing(func(http.RoundTripper, *http.Request) (*http.Response, error) { panic("a bug") }),
			"panic while it is in RoundTrip: a bug",
		},
		"goexit": {doing(func(http.RoundTripper, *http.Request) (*http.Response, error) {
			runtime.Goexit()
			return nil, nil
		}), "runtime.Goexit was called while it is in RoundTrip"},
		"hang": {doing(func(_ http.RoundTripper, req *http.Request) (*http.Response, error) {
			<-req.Context().Done()
			return nil, req.Context().Err()
		}), "it hangs: no progress in 3s while it is in RoundTrip"},
		"wrap returns nil": {func(http.RoundTripper) http.RoundTripper { return nil }, "wrap returned nil"},
		"wrap panics": {
			func(http.RoundTripper) http.RoundTripper { panic("a bug") },
			"panic while wrapping the base: a bug",
		},
	} {
		t.Run(how, func(t *testing.T) {
			patience := time.Minute
			if how == "hang" {
				patience = 3 * time.Second
			}
			failures := reauthtest.CheckObligation("any_response_is_no_error", patience, test.wrap)
			require.NotEmpty(t, failures)
			for _, failure := range failures {
				assert.Contains(t, failure, test.want)
			}
			assert.True(t, strings.HasPrefix(failures[0], "200: "), failures[0])
		})
	}
}
