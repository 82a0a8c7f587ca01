package bench

import (
	"errors"
	"io"
	"net/http"
	"runtime"
	"sync"
	"testing"
)

// BenchmarkMemory is what is held while a thousand requests of 1 MiB without GetBody are in flight:
// the heap with all of them blocked in the base, which has read them, minus the same with empty
// bodies; as a multiple of the bodies themselves.
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

// heapInFlight returns how much heap is in use while n requests with bodies of that size are in the
// base.
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

// zeros is a body that costs no memory itself.
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

// blocking is a base that reads the body and then holds the request.
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
