package reauth_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/reauth-go/reauth"
)

// BenchmarkBody sends bodies with and without GetBody. The transport copies a body without GetBody
// while it sends it. The bytes allocated per request are that copy.
func BenchmarkBody(b *testing.B) {
	for _, size := range []int{2 << 10, 1 << 20} {
		for _, rewindable := range []bool{true, false} {
			body := bytes.Repeat([]byte("x"), size)
			req, err := http.NewRequest(http.MethodPost, "https://api.x.ai/v1/chat/completions", bytes.NewReader(body))
			if err != nil {
				b.Fatal(err)
			}
			if !rewindable {
				req.GetBody = nil
			}
			for name, rt := range map[string]http.RoundTripper{
				"bare":   instant{},
				"reauth": reauth.NewRecoveringTransport(instant{}, benchPool(b, 1)),
			} {
				b.Run(fmt.Sprintf("%d/getbody=%v/%s", size, rewindable, name), func(b *testing.B) {
					b.ReportAllocs()
					b.SetBytes(int64(size))
					for b.Loop() {
						req.Body = io.NopCloser(onlyReader{bytes.NewReader(body)})
						resp, err := rt.RoundTrip(req)
						if err != nil {
							b.Fatal(err)
						}
						_ = resp.Body.Close()
					}
				})
			}
		}
	}
}

// onlyReader hides every method of a reader but Read. It stands for a type of reader that net/http
// does not know.
type onlyReader struct{ io.Reader }

// BenchmarkKeptMemory measures the memory of a thousand requests in flight, each with a body of
// 1 MiB and without GetBody. It reports the memory as a multiple of the bytes in the bodies.
func BenchmarkKeptMemory(b *testing.B) {
	const requests, size = 1000, 1 << 20
	for b.Loop() {
		full, empty := heapInFlight(b, requests, size), heapInFlight(b, requests, 0)
		b.ReportMetric((full-empty)/(requests*size), "x-bytes")
	}
}

// heapInFlight returns the bytes on the heap while the requests wait for their answers. Their
// bodies have been sent.
func heapInFlight(b *testing.B, requests int, size int64) float64 {
	var sent, answered sync.WaitGroup
	hold := make(chan struct{})
	base := roundTripFunc(func(req *http.Request) (*http.Response, error) {
		_, _ = io.Copy(io.Discard, req.Body)
		sent.Done()
		<-hold
		_ = req.Body.Close()
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody, Request: req}, nil
	})
	rt := reauth.NewRecoveringTransport(base, benchPool(b, 1))
	sent.Add(requests)
	for range requests {
		answered.Go(func() {
			// The body is made while it is read, so that it takes no memory itself.
			body := io.NopCloser(io.LimitReader(zeros{}, size))
			const url = "https://api.x.ai/v1/chat/completions"
			req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url, body)
			if err != nil {
				b.Error(err)
				return
			}
			req.ContentLength = size
			if _, err := rt.RoundTrip(req); err != nil {
				b.Error(err)
			}
		})
	}
	sent.Wait()
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	close(hold)
	answered.Wait()
	return float64(m.HeapAlloc)
}

// zeros is a reader of zeros without an end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

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
