package bench

import (
	"context"
	"io"
	"net/http"
	"testing"

	"github.com/reauth-go/reauth"
)

// The comparison is fair only if all peers do the same work. Each one sends its own token and the
// whole body.
func TestPeersSendTokenAndBody(t *testing.T) {
	for _, p := range peers() {
		for _, rewinds := range []bool{true, false} {
			var got string
			var sent int64
			base := roundTripFunc(func(req *http.Request) (*http.Response, error) {
				got = req.Header.Get("Authorization")
				sent, _ = io.Copy(io.Discard, req.Body) // a body in memory does not fail
				return instant{}.RoundTrip(req)
			})
			l := newLoad(t, inMemory().url, 2<<10, rewinds)
			rt := p.wrap(t, base)
			for range 2 {
				if err := l.send(rt); err != nil {
					t.Fatal(p.name, err)
				}
			}
			want := map[string]string{
				"oauth2": "Bearer " + key(0), "reauth": "Bearer " + key(0), "ghinstallation": "token ghs_EXAMPLE",
			}[p.name]
			if want == "" {
				want = "Bearer placeholder" // by the base alone, and by peers without tokens of their own
			}
			if got != want || sent != 2<<10 {
				t.Errorf("%s, GetBody %v: sent %q and %d bytes, want %q and %d",
					p.name, rewinds, got, sent, want, 2<<10)
			}
		}
	}
}

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// When all credentials but one are put aside, each strategy chooses that one.
func TestCrowdAside(t *testing.T) {
	c := crowd{size: 20, aside: true}
	for _, s := range strategies() {
		got, err := c.pool(t, s).Token(context.Background(), providerName)
		if err != nil || got.ID != keyID(c.size-1) {
			t.Errorf("%s: Token = %q, %v, want %q", s, got.ID, err, keyID(c.size-1))
		}
	}
	for _, s := range []reauth.Strategy{reauth.FillFirst, reauth.RoundRobin} {
		selector, auths := c.cliproxy(s)
		got, err := selector.Pick(context.Background(), "xai", "", cliproxyOptions(), auths)
		if err != nil || got.ID != keyID(c.size-1) {
			t.Errorf("%s by cliproxyapi: Pick = %v, %v, want %q", s, got, err, keyID(c.size-1))
		}
	}
}

// In a storm each call is refused exactly once, and the library makes one exchange.
func TestStorm(t *testing.T) {
	const calls = 50
	for _, where := range []string{"http1", "memory"} {
		for _, who := range survivors() {
			if who.name == "anthropic-sdk-go" {
				continue // does not recover all calls
			}
			t.Run(where+"/"+who.name, func(t *testing.T) {
				s := newStage(t, where, calls)
				call := who.call(t, s)
				if err := call(); err != nil {
					t.Fatal(err)
				}
				exchanges, refused := s.exchanges.Load(), s.refused.Load()
				s.expire(calls)
				if failed := all(calls, call, func() {}); failed > 0 {
					t.Errorf("%d calls failed, want none", failed)
				}
				if n := s.exchanges.Load() - exchanges; n != 1 {
					t.Errorf("%d exchanges, want 1", n)
				}
				if n := s.refused.Load() - refused; n != calls {
					t.Errorf("%d refusals, want %d", n, calls)
				}
			})
		}
	}
}
