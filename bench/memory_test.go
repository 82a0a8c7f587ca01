package bench

import (
	"errors"
	"io"
	"net/http"
	"runtime"
	"sync"
	"testing"
)

// BenchmarkMemory measures the memory that a thousand requests of 1 MiB without GetBody hold while
// they are in flight. It takes the heap while all of them block in the base, which has read their
// bodies, and subtracts the heap of the same requests with empty bodies. It reports the difference
// as a multiple of the length of the bodies (x-bytes).
func BenchmarkMemory(b *testing.B) {
	const requests, size = 1000, 1 << 20
	for _, length := range []string{"known", "unknown"} {
		for _, p := range peers() {
			b.Run("length="+length+"/by="+p.name, func(b *testing.B) {
				var held float64
				var rounds int
				for b.Loop() {
					full := heapInFlight(b, p, requests, size, length == "known")
					empty := heapInFlight(b, p, requests, 0, length == "known")
					held += float64(full-empty) / (requests * size)
					rounds++
				}
				b.ReportMetric(held/float64(rounds), "x-bytes")
			})
		}
	}
}

// heapInFlight returns the bytes of heap in use while n requests with bodies of that size block in
// the base.
func heapInFlight(b *testing.B, p peer, n, size int, known bool) int64 {
	at := inMemory()
	base := &blocking{release: make(chan struct{})}
	base.arrived.Add(n)
	rt := p.wrap(b, base)
	failed := make(chan error, n)
	var done sync.WaitGroup
	for range n {
		done.Go(func() { failed <- sendUpload(rt, at.url, size, known) })
	}
	base.arrived.Wait()
	// Twice, because a sync.Pool gives up its content only at the second collection.
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	close(base.release)
	done.Wait()
	for range n {
		if err := <-failed; err != nil {
			b.Fatal(err)
		}
	}
	return int64(m.HeapAlloc)
}

// sendUpload sends a POST without GetBody. If its length is not known, the request has no
// ContentLength.
func sendUpload(rt http.RoundTripper, url string, size int, known bool) error {
	req, err := http.NewRequest(http.MethodPost, url, &zeros{left: size})
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer placeholder")
	if known {
		req.ContentLength = int64(size)
	}
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return errors.Join(err, resp.Body.Close())
}

// zeros is a body of zero bytes, which takes no memory itself.
type zeros struct{ left int }

func (z *zeros) Read(p []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	n := min(len(p), z.left)
	clear(p[:n])
	z.left -= n
	return n, nil
}

// blocking is a base that reads the body and then blocks until release is closed.
type blocking struct {
	arrived sync.WaitGroup
	release chan struct{}
}

func (t *blocking) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := instant{}.RoundTrip(req)
	t.arrived.Done()
	<-t.release
	return resp, err
}
