package reauth_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"sync"
	"testing"

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
// zeros is a reader of zeros without an end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
