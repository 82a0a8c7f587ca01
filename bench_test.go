package reauth_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/fixturetest"
)

// instant is a base that reads the body, as net/http does, and answers at once.
type instant struct{}

func (instant) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		_, _ = io.Copy(io.Discard, req.Body)
		_ = req.Body.Close()
	}
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody, Request: req}, nil
}

// sdkRequest returns a request as an SDK makes it: 13 header fields, a body of 2 KiB, and GetBody.
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

// benchPool returns a pool with n keys of xAI.
func benchPool(b *testing.B, n int) *reauth.Pool {
	pool := reauth.NewPool()
	for i := range n {
		key := reauth.Credential{Provider: "xai", ID: fmt.Sprint(i), AccessToken: fmt.Sprint("key-", i)}
		if _, err := pool.Add(context.Background(), key); err != nil {
			b.Fatal(err)
		}
	}
	return pool
}

// theirs returns x/oauth2's transport over the instant base.
func theirs(token string) http.RoundTripper {
	source := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: token})
	return &oauth2.Transport{Base: instant{}, Source: source}
}

// BenchmarkSuccess measures a request that succeeds: over the bare base, through x/oauth2, and
// through the library with pools of different sizes.
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
	b.Run("oauth2", func(b *testing.B) { run(b, theirs("key-0")) })
	ours := func(pool *reauth.Pool) http.RoundTripper { return reauth.NewRecoveringTransport(instant{}, pool) }
	for _, n := range []int{1, 100, 10000} {
		b.Run(fmt.Sprint("reauth/", n), func(b *testing.B) { run(b, ours(benchPool(b, n))) })
	}
	b.Run("no credential", func(b *testing.B) { run(b, ours(reauth.NewPool())) })
}

// BenchmarkOverhead measures what the library adds to the bare base, as a multiple of what x/oauth2
// adds. The three take turns, and the medians count. So other work on the machine slows all three.
func BenchmarkOverhead(b *testing.B) {
	for _, p := range []struct{ name, url, key string }{
		{"bearer", "https://api.x.ai/v1/chat/completions", "key-0"},
		{"anthropic", "https://api.anthropic.com/v1/messages", "sk-ant-oat01-EXAMPLE"},
		{"gemini", "https://generativelanguage.googleapis.com/v1beta/models/example:generateContent", "AIzaEXAMPLE"},
	} {
		b.Run(p.name, func(b *testing.B) {
			const turns, sends = 31, 4000
			pool := reauth.NewPool()
			provider, _ := pool.ProviderFor(mustURL(b, p.url))
			key := reauth.Credential{Provider: provider.Name, AccessToken: p.key}
			if _, err := pool.Add(context.Background(), key); err != nil {
				b.Fatal(err)
			}
			bare := sendAgain(b, instant{}, p.url, sends)
			theirs := sendAgain(b, theirs(p.key), p.url, sends)
			ours := sendAgain(b, reauth.NewRecoveringTransport(instant{}, pool), p.url, sends)
			for b.Loop() {
				took := medianTimes(turns, bare, theirs, ours)
				base, ref, own := took[0]/sends, took[1]/sends, took[2]/sends
				b.ReportMetric(base, "bare-ns")
				b.ReportMetric(ref-base, "oauth2-ns")
				b.ReportMetric(own-base, "reauth-ns")
				b.ReportMetric((own-base)/(ref-base), "x-oauth2")
			}
		})
	}
}

// sendAgain returns a function that sends n requests, one after the other.
func sendAgain(b *testing.B, rt http.RoundTripper, url string, n int) func() {
	req := sdkRequest(b)
	req.URL = mustURL(b, url)
	return func() {
		for range n {
			req.Body, _ = req.GetBody()
			resp, err := rt.RoundTrip(req)
			if err != nil {
				b.Fatal(err)
			}
			_ = resp.Body.Close()
		}
	}
}

// medianTimes runs each of fs turns times, in turn. It returns the median time of each, in
// nanoseconds.
func medianTimes(turns int, fs ...func()) []float64 {
	took := make([][]float64, len(fs))
	for range turns {
		for i, f := range fs {
			start := time.Now()
			f()
			took[i] = append(took[i], float64(time.Since(start)))
		}
	}
	medians := make([]float64, len(fs))
	for i := range took {
		medians[i] = median(took[i])
	}
	return medians
}

// median returns the median of a list.
func median(list []float64) float64 {
	list = slices.Sorted(slices.Values(list))
	return list[len(list)/2]
}

// BenchmarkChoose measures a request with a pool of ten thousand credentials, and with one in which
// all of them but one are put aside. It reports multiples of the time with one credential.
func BenchmarkChoose(b *testing.B) {
	const turns, sends = 201, 500
	for _, s := range strategies() {
		b.Run(s.String(), func(b *testing.B) {
			var fs []func()
			for _, pool := range []*reauth.Pool{benchPool(b, 1), benchPool(b, 10000), benchPool(b, 10000)} {
				p, _ := pool.ProviderFor(sdkRequest(b).URL)
				p.Strategy = s
				if err := pool.Register(p); err != nil {
					b.Fatal(err)
				}
				rt := reauth.NewRecoveringTransport(instant{}, pool)
				fs = append(fs, sendAgain(b, rt, sdkRequest(b).URL.String(), sends))
				if len(fs) == 3 {
					putAside(b, pool, 9999)
				}
			}
			for b.Loop() {
				took := medianTimes(turns, fs...)
				b.ReportMetric(took[0]/sends, "one-ns")
				b.ReportMetric(took[1]/took[0], "10000/one")
				b.ReportMetric(took[2]/took[0], "aside/one")
			}
		})
	}
}

// putAside puts the first n credentials of a benchPool aside.
func putAside(b *testing.B, pool *reauth.Pool, n int) {
	v := reauth.Verdict{Kind: reauth.Exhausted, Reason: "example:quota", Reset: time.Now().Add(24 * time.Hour)}
	for i := range n {
		if err := pool.Report(context.Background(), "xai", fmt.Sprint(i), fmt.Sprint("key-", i), v); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSuccessParallel sends requests that succeed from all processors at once.
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

// BenchmarkClassify judges all recorded answers. It reports the time per answer.
func BenchmarkClassify(b *testing.B) {
	fixtures := fixturetest.Answers(b, "fixtures")
	b.ReportAllocs()
	for b.Loop() {
		for _, f := range fixtures {
			reauth.Classify(f.Provider, f.Resp, f.Body)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(fixtures)), "ns/answer")
}
