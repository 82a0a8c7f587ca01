package reauth_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/reauth-go/reauth"
)

// BenchmarkStorm measures a storm: the API refuses all requests in flight, and one exchange
// recovers them. The ideal is the same work without a library: as many refusals, the time of one
// exchange, as many replays.
func BenchmarkStorm(b *testing.B) {
	for _, n := range []int{20, 1000} {
		b.Run(fmt.Sprintf("loopback/%d", n), func(b *testing.B) {
			s := new(storm)
			server := httptest.NewServer(s)
			b.Cleanup(server.Close)
			base := &http.Transport{MaxIdleConnsPerHost: n}
			b.Cleanup(base.CloseIdleConnections)
			s.run(b, n, base, server.URL)
		})
	}
	b.Run("memory/10000", func(b *testing.B) {
		s := new(storm)
		s.run(b, 10000, s, "https://api.example.com")
	})
}

// exchangeTakes is the time that the token endpoint needs for an exchange.
const exchangeTakes = 200 * time.Millisecond

// storm is an API that accepts only the newest token. It withholds each refusal until it has
// refused all requests of a burst. It serves as an HTTP server and as a base in memory.
type storm struct {
	newest    atomic.Int64
	exchanges atomic.Int64
	refused   atomic.Pointer[sync.WaitGroup]
}

const stormRefusal = `{"error":{"message":"Your authentication token has expired.",` +
	`"type":"invalid_request_error","code":"token_expired"}}`

func (s *storm) accepts(token string) bool {
	if token == fmt.Sprint("Bearer token-", s.newest.Load()) {
		return true
	}
	all := s.refused.Load()
	all.Done()
	all.Wait()
	return false
}

func (s *storm) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	if !s.accepts(r.Header.Get("Authorization")) {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, stormRefusal)
	}
}

func (s *storm) RoundTrip(req *http.Request) (*http.Response, error) {
	_, _ = io.Copy(io.Discard, req.Body)
	_ = req.Body.Close()
	if !s.accepts(req.Header.Get("Authorization")) {
		return answer(req, http.StatusUnauthorized, stormRefusal), nil
	}
	return answer(req, http.StatusOK, "{}"), nil
}

// Refresh stands for the token endpoint: it returns the next pair of tokens.
func (s *storm) Refresh(context.Context, reauth.Credential) (reauth.Credential, error) {
	time.Sleep(exchangeTakes)
	n := s.exchanges.Add(1)
	return reauth.Credential{AccessToken: fmt.Sprint("token-", n), RefreshToken: fmt.Sprint("refresh-", n)}, nil
}

// run compares bursts of n requests through the library with bursts that need no library.
func (s *storm) run(b *testing.B, n int, base http.RoundTripper, url string) {
	pool := reauth.NewPool()
	b.Cleanup(func() { _ = pool.Close() })
	host := strings.TrimPrefix(url, "https://")
	if err := pool.Register(reauth.Provider{Name: "storm", Hosts: []string{host}, Refresher: s}); err != nil {
		b.Fatal(err)
	}
	login := reauth.Credential{Provider: "storm", AccessToken: "token-0", RefreshToken: "refresh-0"}
	if _, err := pool.Add(context.Background(), login); err != nil {
		b.Fatal(err)
	}
	rt := reauth.NewRecoveringTransport(base, pool)
	ideal := func() {
		s.newest.Add(1)
		var exchange sync.Once
		done := make(chan struct{})
		s.burst(b, n, func(req *http.Request) (*http.Response, error) {
			req.Header.Set("Authorization", "Bearer stale")
			resp, err := base.RoundTrip(req)
			if err != nil {
				return nil, err
			}
			drain(resp)
			go exchange.Do(func() { time.Sleep(exchangeTakes); close(done) })
			<-done
			again := req.Clone(req.Context())
			again.Body, _ = req.GetBody()
			again.Header.Set("Authorization", fmt.Sprint("Bearer token-", s.newest.Load()))
			return base.RoundTrip(again)
		}, url)
		s.newest.Add(-1)
	}
	ours := func() {
		s.newest.Add(1)
		s.burst(b, n, rt.RoundTrip, url)
	}
	warm := min(b.N, 1)
	for range warm { // later storms find open connections
		ours()
	}
	for b.Loop() {
		took := medianTimes(5, ideal, ours)
		b.ReportMetric(took[0]/1e6, "ideal-ms")
		b.ReportMetric(took[1]/took[0], "x-ideal")
	}
	if s.exchanges.Load() != s.newest.Load() {
		b.Errorf("%d exchanges in %d storms", s.exchanges.Load(), s.newest.Load())
	}
}

// burst sends n requests at once and waits until all of them are answered.
func (s *storm) burst(b *testing.B, n int, send func(*http.Request) (*http.Response, error), url string) {
	all := new(sync.WaitGroup)
	all.Add(n)
	s.refused.Store(all)
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			body := strings.NewReader(`{"model":"example"}`)
			req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url, body)
			if err != nil {
				b.Error(err)
				return
			}
			resp, err := send(req)
			if err != nil {
				b.Error(err)
				return
			}
			drain(resp)
			if resp.StatusCode != http.StatusOK {
				b.Error(resp.Status)
			}
		})
	}
	wg.Wait()
}

// drain reads a body to its end, so that its connection can serve again.
func drain(resp *http.Response) {
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
}
