package reauth_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/reauth-go/reauth"
)

// BenchmarkFirstByte measures the time from the start of a request to the first byte of the
// stream's body, over loopback. It compares three ways: without the library, with it, and with it
// while it looks at the first event.
func BenchmarkFirstByte(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		for range 3 {
			_, _ = io.WriteString(w, "data: {\"choices\":[{\"delta\":{\"content\":\"Hello\"}}]}\n\n")
			_ = http.NewResponseController(w).Flush()
		}
	}))
	defer server.Close()
	base := &http.Transport{MaxIdleConnsPerHost: 4}
	defer base.CloseIdleConnections()
	with := func(look time.Duration) http.RoundTripper {
		pool := benchPool(b, 1)
		p, _ := reauth.LookupProvider("xai")
		p.Hosts, p.FirstEvent = []string{server.Listener.Addr().String()}, look
		if err := pool.Register(p); err != nil {
			b.Fatal(err)
		}
		return reauth.NewRecoveringTransport(base, pool)
	}
	for _, c := range []struct {
		name string
		rt   http.RoundTripper
	}{{"bare", base}, {"reauth", with(0)}, {"first event", with(2 * time.Second)}} {
		b.Run(c.name, func(b *testing.B) {
			var first time.Duration
			one := make([]byte, 1)
			for b.Loop() {
				req, err := http.NewRequest(http.MethodPost, server.URL, strings.NewReader(`{}`))
				if err != nil {
					b.Fatal(err)
				}
				begin := time.Now()
				resp, err := c.rt.RoundTrip(req)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(resp.Body, one); err != nil {
					b.Fatal(err)
				}
				first += time.Since(begin)
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
			b.ReportMetric(float64(first.Nanoseconds())/float64(b.N), "ns/first-byte")
		})
	}
}
