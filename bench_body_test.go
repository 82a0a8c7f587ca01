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

// A body without GetBody is kept while it is sent: the bytes allocated per request are the copy.
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
			for name, rt := range map[string]http.RoundTripper{"bare": instant{}, "reauth": reauth.NewRecoveringTransport(instant{}, benchPool(b, 1))} {
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

// onlyReader hides the short cuts of a reader: a body of a user's own.
type onlyReader struct{ io.Reader }

// Memory of a thousand requests of 1 MiB without GetBody in flight, as a multiple of their bytes.
func BenchmarkKeptMemory(b *testing.B) {
	const requests, size = 1000, 1 << 20
	for b.Loop() {
		full, empty := heapInFlight(b, requests, size), heapInFlight(b, requests, 0)
		b.ReportMetric((full-empty)/(requests*size), "x-bytes")
	}
}

// heapInFlight returns the bytes on the heap while so many requests wait for an answer, their
// bodies sent.
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
			body := io.NopCloser(io.LimitReader(zeros{}, size)) // made while it is read: it takes no memory itself
			req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "https://api.x.ai/v1/chat/completions", body)
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

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
