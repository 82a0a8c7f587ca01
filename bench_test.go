package reauth_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"

	"golang.org/x/oauth2"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

// instant is a base that answers at once and reads the body as net/http does.
type instant struct{}

func (instant) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		_, _ = io.Copy(io.Discard, req.Body)
		_ = req.Body.Close()
	}
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody, Request: req}, nil
}

// sdkRequest is a request as an SDK makes it: 13 headers, 2 KiB, GetBody.
func sdkRequest(b testing.TB) *http.Request {
	body := bytes.Repeat([]byte("x"), 2<<10)
	req, err := http.NewRequest(http.MethodPost, "https://api.x.ai/v1/chat/completions", bytes.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	for i := range 12 {
		req.Header.Set(fmt.Sprintf("X-Stainless-%d", i), "value")
	}
	req.Header.Set("Authorization", "Bearer placeholder")
	return req
}

func benchPool(b *testing.B, n int) *reauth.Pool {
	pool := reauth.NewPool()
	for i := range n {
		if _, err := pool.Add(context.Background(), reauth.Credential{Provider: "xai", ID: fmt.Sprint(i), AccessToken: fmt.Sprint("key-", i)}); err != nil {
			b.Fatal(err)
		}
	}
	return pool
}

func BenchmarkSuccess(b *testing.B) {
	run := func(b *testing.B, rt http.RoundTripper) {
		req := sdkRequest(b)
		b.ReportAllocs()
		for b.Loop() {
			req.Body, _ = req.GetBody()
			resp, err := rt.RoundTrip(req)
			if err != nil {
				b.Fatal(err)
			}
			_ = resp.Body.Close()
		}
	}
	b.Run("bare", func(b *testing.B) { run(b, instant{}) })
	b.Run("oauth2", func(b *testing.B) {
		run(b, &oauth2.Transport{Base: instant{}, Source: oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "key-0"})})
	})
	for _, n := range []int{1, 100, 10000} {
		b.Run(fmt.Sprint("reauth/", n), func(b *testing.B) { run(b, reauth.NewRecoveringTransport(instant{}, benchPool(b, n))) })
	}
	b.Run("no credential", func(b *testing.B) { run(b, reauth.NewRecoveringTransport(instant{}, reauth.NewPool())) })
}

func BenchmarkSuccessParallel(b *testing.B) {
	rt := reauth.NewRecoveringTransport(instant{}, benchPool(b, 1))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		req := sdkRequest(b)
		for pb.Next() {
			req.Body, _ = req.GetBody()
			if _, err := rt.RoundTrip(req); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// A storm: all requests in flight are refused, one exchange recovers them.
func BenchmarkStorm(b *testing.B) {
	for _, n := range []int{20, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			r := newRig(b, reauthtest.XAI)
			r.login(b, "me")
			for b.Loop() {
				r.fake.Expire()
				var wg sync.WaitGroup
				for range n {
					wg.Go(func() {
						if status, _, err := r.post(context.Background()); err != nil || status != 200 {
							b.Error(status, err)
						}
					})
				}
				wg.Wait()
			}
			b.ReportMetric(float64(r.fake.Exchanges())/float64(b.N), "exchanges/op")
		})
	}
}

func BenchmarkClassify(b *testing.B) {
	fixtures := loadFixtures(b, false)
	b.ReportAllocs()
	for b.Loop() {
		for _, f := range fixtures {
			reauth.Classify(f.provider, f.resp, f.body)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(fixtures)), "ns/answer")
}
