package reauth_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/reauth-go/reauth"
)

// BenchmarkStream reads a stream of 16 MiB over loopback. It reports the throughput and the time to
// the first byte, each as a multiple of the bare base's.
func BenchmarkStream(b *testing.B) {
	const turns, events = 31, 512
	event := make([]byte, 32<<10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		for range events {
			_, _ = w.Write(event)
			_ = http.NewResponseController(w).Flush()
		}
	}))
	b.Cleanup(server.Close)
	base := &http.Transport{}
	b.Cleanup(base.CloseIdleConnections)
	pool := benchPool(b, 1)
	p, _ := reauth.LookupProvider("xai")
	p.Hosts = append(p.Hosts, server.URL)
	if err := pool.Register(p); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		var whole, first [2][]float64
		for range turns {
			for i, rt := range []http.RoundTripper{base, reauth.NewRecoveringTransport(base, pool)} {
				req := sdkRequest(b)
				req.URL = mustURL(b, server.URL)
				req.Host = ""
				start := time.Now()
				resp, err := rt.RoundTrip(req)
				if err != nil {
					b.Fatal(err)
				}
				_, _ = io.ReadFull(resp.Body, make([]byte, 1))
				first[i] = append(first[i], float64(time.Since(start)))
				drain(resp)
				whole[i] = append(whole[i], float64(time.Since(start)))
			}
		}
		b.ReportMetric(median(whole[0])/median(whole[1]), "x-throughput")
		b.ReportMetric(median(first[1])/median(first[0]), "x-first-byte")
	}
}
