package contract_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/testrig"
)

// 6: the request of the first send stays as it is, so that a late Close of its body does not close
// the body of the replay.
func TestContract06OwnRequestPerSend(t *testing.T) {
	for name, again := range map[string]bool{"kept": false, "GetBody": true} {
		t.Run(name, func(t *testing.T) {
			replaying, closed := make(chan struct{}), make(chan struct{})
			c := newContract(t, testrig.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
				if isLive(req) {
					close(replaying)
					<-closed
					b, err := io.ReadAll(req.Body)
					if err != nil {
						return nil, err
					}
					return testrig.Answer(req, 200, string(b)), req.Body.Close()
				}
				_, err := io.Copy(io.Discard, req.Body)
				go func() {
					<-replaying
					_ = req.Body.Close() // the late Close of the first body
					close(closed)
				}()
				return testrig.Answer(req, 401, refusal), err
			}), refreshable(staleToken))
			body := func() (io.ReadCloser, error) {
				r, w := io.Pipe() // a closed pipe fails
				go func() {
					_, _ = io.WriteString(w, "body")
					_ = w.Close()
				}()
				return r, nil
			}
			req := contractRequest(t.Context(), t, nil)
			req.Body, _ = body()
			if again {
				req.GetBody = body
			}
			assert.Equal(t, "body", mustSend(t, c, req, 200))
		})
	}
}

// 7: a second Close of a body does nothing.
func TestContract07CloseTwice(t *testing.T) {
	for name, again := range map[string]bool{"kept": false, "GetBody": true} {
		t.Run(name, func(t *testing.T) {
			bothWays(t, func(t *testing.T, token string) {
				bodies, req := bodiesAndRequest(t.Context(), t, again)
				c := newContract(t, testrig.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
					consume(req)
					assert.NoError(t, req.Body.Close())
					return refuseStale(&http.Request{Header: req.Header})
				}), refreshable(token))
				mustSend(t, c, req, 200)
				for i, b := range *bodies {
					assert.EqualValues(t, 1, b.closes.Load(), "body %d", i)
				}
			})
		})
	}
}

// 22: to a credential, the host of another provider is a stranger. And that one's credential is not
// for a hop to which somebody else has led.
func TestContract22AnotherProvidersHost(t *testing.T) {
	base := &hops{to: map[string]string{contractURL: "https://other.example/"}}
	c := newContract(t, base, refreshable(liveToken))
	require.NoError(t, c.Pool.Register(reauth.Provider{Name: "other", Hosts: []string{"other.example"}}))
	_, err := c.Pool.Add(t.Context(), reauth.Credential{Provider: "other", AccessToken: "other-token"})
	require.NoError(t, err)
	follow(t, c, contractURL, http.Header{"X-Vendor-Token": {liveToken}, "X-Note": {"the caller's own"}})
	assert.Empty(t, secretsOf(base.last()))
	assert.Empty(t, base.last().Get("Authorization"))
	assert.Equal(t, "the caller's own", base.last().Get("X-Note"))
}

// 22: to a credential, a host of its own provider is no stranger.
func TestContract22OwnHostIsNoStranger(t *testing.T) {
	base := &hops{to: map[string]string{contractURL: "https://api.example.com/v2"}}
	c := newContract(t, base, refreshable(liveToken))
	req, err := http.NewRequestWithContext(reauth.WithoutCredential(t.Context()), http.MethodGet, contractURL, nil)
	require.NoError(t, err)
	req.Header = http.Header{"Authorization": {"Bearer " + liveToken}, "X-Vendor-Token": {liveToken}}
	resp, err := (&http.Client{Transport: c}).Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, 200, resp.StatusCode)
	assert.Equal(t, liveToken, base.last().Get("X-Vendor-Token"))
}

// 22: a replaced token is still a secret, because it may serve for another hour.
func TestContract22ReplacedToken(t *testing.T) {
	base := &hops{to: map[string]string{contractURL: "https://stranger.example/"}}
	c := newContract(t, base, refreshable(staleToken))
	require.NoError(t, c.Pool.Refresh(t.Context(), "example", "login"))
	follow(t, c, contractURL, http.Header{"X-Api-Key": {staleToken}})
	assert.Empty(t, secretsOf(base.last()))
}

// 30: a refusal whose body breaks off does so for the caller too, whatever error its body wraps.
func TestContract30BrokenRefusal(t *testing.T) {
	cut := fmt.Errorf("connection lost: %w", io.EOF)
	c := newContract(t, testrig.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		resp := testrig.Answer(req, 401, "")
		resp.Body = io.NopCloser(io.MultiReader(strings.NewReader("begin"),
			readerFunc(func([]byte) (int, error) { return 0, cut })))
		resp.ContentLength = -1
		return resp, nil
	}), staticKey("a"))
	resp, err := c.RoundTrip(contractRequest(t.Context(), t, nil))
	require.NoError(t, err)
	b, err := io.ReadAll(resp.Body)
	assert.Equal(t, "begin", string(b))
	assert.Equal(t, cut, err) //nolint:testifylint // the very same error
	require.NoError(t, resp.Body.Close())
}

// 35: the peek reads a refusal of exactly 64 KiB to its end.
func TestContract35ExactlyThePeek(t *testing.T) {
	content := bytes.NewReader(bytes.Repeat([]byte("x"), 64<<10))
	body := &contractBody{Reader: iotest.DataErrReader(content)} // io.EOF comes with the last bytes, as from net/http
	c := newContract(t, testrig.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		if isLive(req) {
			assert.EqualValues(t, 1, body.closes.Load(),
				"the refusal is closed before the replay, which can use its connection")
			return refuseStale(req)
		}
		resp := testrig.Answer(req, 401, "")
		resp.Body, resp.ContentLength = body, 64<<10
		return resp, nil
	}), refreshable(staleToken))
	mustSend(t, c, contractRequest(t.Context(), t, nil), 200)
}

// 45: the error unwraps to the error of the caller's context, and to the error of the base.
func TestContract45ReplayCutByTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		torn := errors.New("torn down")
		c := newContract(t, testrig.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			if !isLive(req) {
				return testrig.Answer(req, 401, refusal), nil
			}
			<-req.Context().Done()
			return nil, torn
		}), refreshable(staleToken))
		_, err := c.RoundTrip(contractRequest(ctx, t, nil))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.ErrorIs(t, err, torn)
	})
}
