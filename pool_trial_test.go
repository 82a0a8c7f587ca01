package reauth_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

// slow makes each answer of the API take a second.
type slow struct{ base http.RoundTripper }

func (s slow) RoundTrip(req *http.Request) (*http.Response, error) {
	select {
	case <-time.After(time.Second):
		return s.base.RoundTrip(req)
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
}

// When a mark ends, one request tries the credential while others serve the rest.
func TestOneRequestTriesAfterARest(t *testing.T) {
	for name, lifted := range map[string]bool{"the limit still holds": false, "the limit was lifted": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
				a, _ := r.login(t, "a")
				b, _ := r.login(t, "b")
				r.fake.Exhaust(time.Now().Add(10*time.Minute), a)
				status, _ := r.mustPost(t)
				require.Equal(t, 200, status)
				time.Sleep(10 * time.Minute)
				require.Equal(t, "probing", r.status(t, "a").Reason)
				require.Equal(t, reauth.Good, r.status(t, "a").State)
				if !lifted {
					r.fake.Exhaust(time.Now().Add(10*time.Minute), a)
				}
				r.transport.Base = slow{r.fake.Transport()}
				before := len(r.fake.Requests())
				require.Equal(t, map[int]int{200: 200}, r.atOnce(t, 200))
				refused, tries := 0, 0
				for _, q := range r.fake.Requests()[before:] {
					if q.Status != 200 {
						refused++
					}
					if q.Token == a {
						tries++
					}
				}
				require.Equal(t, 1, tries)
				if lifted {
					require.Zero(t, refused)
					require.Empty(t, r.status(t, "a").Reason)
					r.mustPost(t)
					require.Equal(t, a, r.tokens()[len(r.tokens())-1])
				} else {
					require.Equal(t, 1, refused)
					require.Equal(t, reauth.Aside, r.status(t, "a").State)
					require.Equal(t, b, r.tokens()[len(r.tokens())-1])
				}
			})
		})
	}
}

// A try ends with its answer, its error, or its caller; one that hangs ends after ten seconds.
func TestTryEnds(t *testing.T) {
	for name, c := range map[string]struct {
		try   func(t *testing.T, r *rig)
		after time.Duration
	}{
		"its error": {try: func(t *testing.T, r *rig) {
			r.transport.Base = roundTripFunc(func(*http.Request) (*http.Response, error) { return nil, errors.New("broken") })
			_, _, err := r.post(t.Context())
			require.Error(t, err)
		}},
		"its caller": {try: func(t *testing.T, r *rig) {
			r.transport.Base = slow{r.fake.Transport()}
			ctx, stop := context.WithTimeout(t.Context(), time.Millisecond)
			defer stop()
			_, _, err := r.post(ctx)
			require.ErrorIs(t, err, context.DeadlineExceeded)
		}},
		"an answer that says nothing": {try: func(t *testing.T, r *rig) {
			r.refuseAll(503, `{}`)
			status, _ := r.mustPost(t)
			require.Equal(t, 503, status)
			r.fake.Refuse = nil
		}},
		"ten seconds": {after: 10 * time.Second, try: func(t *testing.T, r *rig) {
			ctx, stop := context.WithCancel(t.Context())
			t.Cleanup(stop)
			r.transport.Base = roundTripFunc(func(req *http.Request) (*http.Response, error) {
				<-req.Context().Done()
				return nil, req.Context().Err()
			})
			go func() { _, _, _ = r.post(ctx) }()
			synctest.Wait()
			time.AfterFunc(time.Minute, stop)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
				a, _ := r.login(t, "a")
				b, _ := r.login(t, "b")
				r.fake.Exhaust(time.Now().Add(10*time.Minute), a)
				r.mustPost(t)
				time.Sleep(10 * time.Minute)
				c.try(t, r)
				r.transport.Base = r.fake.Transport()
				if c.after > 0 {
					r.mustPost(t)
					require.Equal(t, b, r.tokens()[len(r.tokens())-1], "the try is under way")
					time.Sleep(c.after)
				}
				r.mustPost(t)
				require.Equal(t, a, r.tokens()[len(r.tokens())-1])
				time.Sleep(2 * time.Minute)
			})
		})
	}
}

// A request with affinity to another credential tries nothing, and one about objects of the first
// account goes there.
func TestWhoTriesAfterARest(t *testing.T) {
	bubble(t, reauthtest.OpenAI, func(t *testing.T, r *rig) {
		r.register(t, func(p *reauth.Provider) { p.BoundPaths = []string{"files"} })
		a, _ := r.login(t, "a")
		b, _ := r.login(t, "b")
		key := ""
		for _, k := range []string{"1", "2", "3", "4", "5", "6", "7", "8"} {
			_, _, err := r.post(reauth.WithAffinity(t.Context(), k))
			require.NoError(t, err)
			if r.tokens()[len(r.tokens())-1] == b {
				key = k
			}
		}
		require.NotEmpty(t, key)
		r.fake.Exhaust(time.Now().Add(10*time.Minute), a)
		r.mustPost(t)
		time.Sleep(10 * time.Minute)
		_, _, err := r.post(reauth.WithAffinity(t.Context(), key))
		require.NoError(t, err)
		require.Equal(t, b, r.tokens()[len(r.tokens())-1])
		r.send(t, http.MethodGet, "/backend-api/codex/files/f", "")
		require.Equal(t, a, r.tokens()[len(r.tokens())-1])
	})
}

// A reset that the provider states later than a mark's end extends it, whenever its request was sent.
func TestLaterResetExtendsAMark(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		a, _ := r.login(t, "a")
		now := time.Now()
		for _, c := range []struct {
			late, reset, want time.Duration
		}{
			{time.Second, time.Hour, time.Hour},
			{3 * time.Second, 2 * time.Hour, 2 * time.Hour}, // sent before the first one was answered
			{5 * time.Second, time.Minute, 2 * time.Hour},   // likewise, and says less
		} {
			go func() {
				base := roundTripFunc(func(req *http.Request) (*http.Response, error) {
					time.Sleep(c.late)
					r.fake.Exhaust(now.Add(c.reset), a)
					return r.fake.Transport().RoundTrip(req)
				})
				client := &http.Client{Transport: reauth.NewRecoveringTransport(base, r.pool)}
				req, _ := http.NewRequest(http.MethodGet, r.url, nil)
				if resp, err := client.Do(req); err == nil {
					_ = resp.Body.Close()
				}
			}()
			time.AfterFunc(c.late+time.Millisecond, func() {
				if got := r.status(t, "a").AsideUntil.Sub(now).Round(time.Minute); got != c.want {
					t.Errorf("after %v it is put aside for %v, want %v", c.late, got, c.want)
				}
			})
		}
		time.Sleep(time.Minute)
	})
}
