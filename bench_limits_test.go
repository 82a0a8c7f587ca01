package reauth_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/reauth-go/reauth"
)

// telltale is the instant base, whose answers have the header of an answer of OpenAI.
type telltale struct{ header http.Header }

func (b telltale) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := instant{}.RoundTrip(req)
	resp.Header = b.header
	return resp, err
}

// BenchmarkReadLimits measures a request that succeeds, whose answer tells two limits, with and without
// ReadLimits, and with MostHeadroom in pools of different sizes.
func BenchmarkReadLimits(b *testing.B) {
	h := http.Header{"Content-Type": {"application/json"}, "X-Request-Id": {"req_1"}, "Server": {"cloudflare"}}
	for _, what := range []string{"Requests", "Tokens"} {
		h.Set("X-Ratelimit-Limit-"+what, "150000")
		h.Set("X-Ratelimit-Remaining-"+what, "149984")
		h.Set("X-Ratelimit-Reset-"+what, "6m0s")
	}
	for name, change := range map[string]func(*reauth.Provider){
		"without": func(*reauth.Provider) {},
		"with":    func(p *reauth.Provider) { p.ReadLimits = true },
		"chosen":  func(p *reauth.Provider) { p.Strategy = reauth.MostHeadroom },
	} {
		for _, n := range []int{1, 100} {
			b.Run(fmt.Sprint(name, "/", n), func(b *testing.B) {
				pool := benchPool(b, n)
				p, _ := pool.ProviderFor(sdkRequest(b).URL)
				change(&p)
				if err := pool.Register(p); err != nil {
					b.Fatal(err)
				}
				send := sendAgain(b, reauth.NewRecoveringTransport(telltale{h}, pool), sdkRequest(b).URL.String(), 1)
				b.ReportAllocs()
				for b.Loop() {
					send()
				}
			})
		}
	}
}
