package reauth_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/reauth-go/reauth/internal/testrig"
	"github.com/reauth-go/reauth/reauthtest"
)

// Uploads side by side keep no more than MaxBodyMemory together. Those that fit are replayed, the
// others get the refusal, and nothing is kept when all have ended.
func TestKeptBodiesFitIntoTheMemory(t *testing.T) {
	const uploads, length, chunk = 24, 32 << 10, 512 // what a body takes up is rounded up to a chunk
	body := strings.Repeat("x", length)
	for name, test := range map[string]struct {
		memory   int64
		replayed int
	}{
		"some fit":     {8 * (length + chunk), 8},
		"all fit":      {0, uploads},
		"none is kept": {-1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
				stale, _ := r.login(t, "login")
				r.fake.Expire(stale)
				var arrived, looked sync.WaitGroup
				arrived.Add(uploads)
				looked.Add(uploads)
				var most atomic.Int64
				provider := r.transport.Base
				r.transport.Base = testrig.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
					if req.Header.Get("Authorization") != "Bearer "+stale {
						return provider.RoundTrip(req)
					}
					_, err := io.Copy(io.Discard, req.Body)
					arrived.Done()
					arrived.Wait()
					most.Store(r.transport.HeldBodies())
					looked.Done()
					looked.Wait()
					_ = req.Body.Close()
					return testrig.Answer(req, 401, ""), err
				})
				r.transport.MaxBodyMemory = test.memory
				statuses := make(chan int, uploads)
				for range uploads {
					go func() {
						req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, r.url,
							io.NopCloser(strings.NewReader(body)))
						assert.NoError(t, err)
						req.ContentLength = length
						resp, err := r.client.Do(req)
						if assert.NoError(t, err) {
							assert.NoError(t, resp.Body.Close())
							statuses <- resp.StatusCode
						}
					}()
				}
				count := make(map[int]int)
				for range uploads {
					count[<-statuses]++
				}
				assert.Equal(t, test.replayed, count[200], "%v", count)
				assert.Equal(t, uploads, count[200]+count[401], "%v", count)
				assert.GreaterOrEqual(t, most.Load(), int64(test.replayed*length))
				assert.LessOrEqual(t, most.Load(), int64(test.replayed*(length+chunk)))
				assert.Zero(t, r.transport.HeldBodies())
				r.transport.Base = provider
				r.mustPost(t)
			})
		})
	}
}
