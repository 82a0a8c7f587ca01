package bench

import (
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// sizes returns the lengths of the bodies by name: a short conversation, and one with files in it.
func sizes() map[string]int { return map[string]int{"2KiB": 2 << 10, "1MiB": 1 << 20} }

// BenchmarkOverhead measures a request that succeeds, with each peer around the base and with none.
func BenchmarkOverhead(b *testing.B) {
	for _, base := range []string{"memory", "http1", "http2"} {
		for _, body := range []string{"2KiB", "1MiB"} {
			for _, getBody := range []string{"yes", "no"} {
				for _, p := range peers() {
					b.Run("base="+base+"/body="+body+"/getbody="+getBody+"/by="+p.name, func(b *testing.B) {
						s := inMemory()
						if base != "memory" {
							s = loopback(b, base, http.HandlerFunc(answering))
						}
						rt, l := p.wrap(b, s.base), newLoad(b, s.url, sizes()[body], getBody == "yes")
						b.ReportAllocs()
						for b.Loop() {
							if err := l.send(rt); err != nil {
								b.Fatal(err)
							}
						}
					})
				}
			}
		}
	}
}

// BenchmarkParallel is BenchmarkOverhead on all cores at once, in memory. It also reports how many
// of a thousand requests had to wait for a lock that another request held.
func BenchmarkParallel(b *testing.B) {
	list := append(peers()[:3:3], peer{"oauth2-reused", wrapOAuth2Reused})
	for _, p := range list {
		b.Run("by="+p.name, func(b *testing.B) {
			s := inMemory()
			rt := p.wrap(b, s.base)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				l := newLoad(b, s.url, 2<<10, true)
				for pb.Next() {
					if err := l.send(rt); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.StopTimer()
			b.ReportMetric(contention(b, rt, s.url), "waits/1000")
		})
	}
}

// contention returns how many of a thousand requests, sent on all cores, had to wait for a lock.
// The caller has stopped the timer: to record every wait costs time.
func contention(b *testing.B, rt http.RoundTripper, url string) float64 {
	const each = 20_000
	before := lockWaits()
	defer runtime.SetMutexProfileFraction(runtime.SetMutexProfileFraction(1))
	workers := runtime.GOMAXPROCS(0)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			l := newLoad(b, url, 2<<10, true)
			for range each {
				if err := l.send(rt); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return float64(lockWaits()-before) / float64(each*workers) * 1000
}

// lockWaits returns how many waits for a sync.Mutex or sync.RWMutex the runtime's profile holds.
func lockWaits() (n int64) {
	var records []runtime.BlockProfileRecord
	for size := 64; ; size *= 2 {
		records = make([]runtime.BlockProfileRecord, size)
		if k, ok := runtime.MutexProfile(records); ok {
			records = records[:k]
			break
		}
	}
	for _, r := range records {
		frame, _ := runtime.CallersFrames(r.Stack()).Next()
		if strings.HasPrefix(frame.Function, "sync.") || strings.HasPrefix(frame.Function, "internal/sync.") {
			n += r.Count
		}
	}
	return n
}
