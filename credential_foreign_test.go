package reauth_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/testrig"
)

// ways are some in which others repeat a secret. internal/mask tests them all.
var ways = map[string]func(string) string{
	"plain":  func(s string) string { return s },
	"Base64": func(s string) string { return base64.StdEncoding.EncodeToString([]byte("app:" + s)) },
	"hex":    func(s string) string { return hex.EncodeToString([]byte(s)) },
	"lines":  func(s string) string { return s[:len(s)/2] + "\n  " + s[len(s)/2:] },
}

// echo is a world in which everybody repeats the secrets that they have seen.
type echo struct {
	*rig
	store  *watchedStore
	log    bytes.Buffer
	hidden secrets
	way    func(string) string
}

// says returns an error that repeats secrets, and words around them.
func (e *echo) says(secrets ...string) error {
	text := "the words stay"
	for _, s := range secrets {
		e.hidden.add(s)
		text += " (" + e.way(s) + ")"
	}
	return errors.New(text + " at the end")
}

// Whoever repeats a secret, in whatever way: it reaches no error, no event and no log, and the words
// do.
func TestForeignTextIsRedactedWhereverItEnters(t *testing.T) {
	const fresh = "new-0123456789abcdefEXAMPLE"
	ctx := context.Background()
	refreshWith := func(f func(e *echo, c reauth.Credential) (reauth.Credential, error)) func(*testing.T, *echo) error {
		return func(t *testing.T, e *echo) error {
			e.register(t, func(p *reauth.Provider) {
				p.Refresher = reauth.RefresherFunc(func(_ context.Context, c reauth.Credential) (reauth.Credential, error) {
					return f(e, c)
				})
			})
			return e.pool.Refresh(ctx, e.provider, "me")
		}
	}
	answering := func(e *echo, status int, text string) error {
		refresher := testrig.RefresherAt(t, e.provider, roundTripFunc(func(req *http.Request) (*http.Response, error) {
			return answer(req, status, text, "Content-Type", "application/json"), nil
		}))
		_, err := refresher.Refresh(ctx, reauth.Credential{Provider: e.provider, RefreshToken: "rt-0123456789abcdefEXAMPLE"})
		return err
	}
	failing := func(op string, do func(*echo) error) func(*testing.T, *echo) error {
		return func(t *testing.T, e *echo) error {
			access, refresh := e.current(t)
			e.store.fail(op, e.says("sk-proj-0123456789abcdefEXAMPLE"))
			if op == "persist" || op == "mark spending" {
				e.store.fail(op, e.says(access, refresh))
			}
			defer e.store.fail(op, nil)
			return do(e)
		}
	}
	refresh := func(e *echo) error { return e.pool.Refresh(ctx, e.provider, "me") }
	for name, f := range map[string]func(*testing.T, *echo) error{
		"refresher": refreshWith(func(e *echo, c reauth.Credential) (reauth.Credential, error) {
			return reauth.Credential{}, e.says(c.AccessToken, c.RefreshToken)
		}),
		"refresher, its new pair": refreshWith(func(e *echo, _ reauth.Credential) (reauth.Credential, error) {
			return reauth.Credential{RefreshToken: fresh}, fmt.Errorf("wrapped: %w", e.says(fresh))
		}),
		"refresher, RefreshError": refreshWith(func(e *echo, c reauth.Credential) (reauth.Credential, error) {
			said := e.says(c.AccessToken, c.RefreshToken)
			return reauth.Credential{}, &reauth.RefreshError{Code: said.Error(), Description: said.Error(), Err: said}
		}),
		"x/oauth2": func(t *testing.T, e *echo) error {
			access, refresh := e.current(t)
			e.register(t, func(p *reauth.Provider) {
				p.Refresher = reauth.TokenSourceRefresher(func(context.Context, reauth.Credential) oauth2.TokenSource {
					return tokenSourceFunc(func() (*oauth2.Token, error) {
						return nil, &oauth2.RetrieveError{ErrorCode: "x", ErrorDescription: e.says(access, refresh).Error()}
					})
				})
			})
			return e.pool.Refresh(ctx, e.provider, "me")
		},
		"token endpoint": func(_ *testing.T, e *echo) error {
			said := e.says("rt-0123456789abcdefEXAMPLE", fresh).Error()
			return answering(e, 400, fmt.Sprintf(`{"access_token":%q,"error":"x","error_description":%q}`, fresh, said))
		},
		"token endpoint, its client's secrets": func(t *testing.T, e *echo) error {
			const secret, header, proxy = "cs-0123456789abcdefEXAMPLE", "hd-0123456789abcdefEXAMPLE", "px-0123456789abcdefEXAMPLE"
			base := &http.Transport{
				Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: "127.0.0.1:1", User: url.UserPassword("bob", proxy)}),
				DialContext: func(context.Context, string, string) (net.Conn, error) {
					return nil, e.says(secret, header, proxy)
				},
			}
			refresher := reauth.OAuth2Refresher(reauth.OAuth2Config{
				TokenURL: "https://login.example/token", ClientSecret: secret, Header: http.Header{"X-Api-Token": {"Key " + header}},
				HTTPClient: &http.Client{Transport: base},
			})
			_, err := refresher.Refresh(ctx, reauth.Credential{RefreshToken: "rt"})
			return err
		},
		"store, claim": failing("claim", refresh),
		"store, persist": failing("persist", func(e *echo) error {
			_ = refresh(e) // the pair serves from memory
			return e.events.all(reauth.StoreFailed)[0].Err
		}),
		"store, spending":      failing("mark spending", refresh),
		"store, load":          failing("load", func(e *echo) error { return e.pool.Reset(ctx, e.provider, "me") }),
		"store, mark by Reset": failing("mark", func(e *echo) error { return e.pool.Reset(ctx, e.provider, "me") }),
		"store, Add": failing("claim", func(e *echo) error {
			_, err := e.pool.Add(ctx, reauth.Credential{Provider: e.provider, AccessToken: fresh})
			return err
		}),
		"store, Remove": failing("claim", func(e *echo) error { return e.pool.Remove(ctx, e.provider, "me") }),
		"store, Open": failing("load", func(e *echo) error {
			_, err := reauth.OpenPool(ctx, e.store)
			return err
		}),
		"base": func(t *testing.T, e *echo) error {
			access, refresh := e.current(t)
			e.transport.Base = roundTripFunc(func(*http.Request) (*http.Response, error) { return nil, e.says(access, refresh) })
			_, _, err := e.post(ctx)
			require.Error(t, err, "it is the base's own")
			return e.events.all(reauth.Sent)[0].Err
		},
		"base, after a refusal": func(t *testing.T, e *echo) error {
			access, _ := e.current(t)
			e.fake.Expire(access)
			first := e.transport.Base
			e.transport.Base = roundTripFunc(func(req *http.Request) (*http.Response, error) {
				if sent := req.Header.Get("Authorization"); sent != "Bearer "+access {
					return nil, e.says(sent[len("Bearer "):])
				}
				return first.RoundTrip(req)
			})
			status, _ := e.mustPost(t)
			assert.Equal(t, 403, status)
			return e.events.all(reauth.GaveUp)[0].Err
		},
		"classifier": func(t *testing.T, e *echo) error {
			access, _ := e.current(t)
			e.transport.Classifier = func(string, *http.Response, []byte) (reauth.Verdict, bool) {
				return reauth.Verdict{Kind: reauth.Forbidden, Reason: e.says(access).Error()}, true
			}
			e.fake.Expire(access)
			e.mustPost(t)
			return errors.New(e.events.all(reauth.GaveUp)[0].Reason)
		},
	} {
		for way, encode := range ways {
			t.Run(name+", "+way, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					store := &watchedStore{Store: reauth.NewMemStore()}
					fleet(t, 1, store, func(t *testing.T, rigs []*rig) {
						e := &echo{rig: rigs[0], store: store, hidden: make(secrets), way: encode}
						e.pool.Logger = slog.New(slog.NewTextHandler(&e.log, nil))
						e.login(t, "me")
						err := f(t, e)
						require.ErrorContains(t, err, "the words stay (")
						e.hidden.assertAbsent(t, "error", shownChain(err))
						synctest.Wait()
						e.hidden.assertAbsent(t, "log", e.log.String())
						for _, event := range e.events.all() {
							e.hidden.assertAbsent(t, "event", shown(event)+shownChain(event.Err))
						}
						time.Sleep(5 * time.Second)
					})
				})
			})
		}
	}
}

type tokenSourceFunc func() (*oauth2.Token, error)

func (f tokenSourceFunc) Token() (*oauth2.Token, error) { return f() }

// What passes the redaction stays what it was to those who decide by it, unless it holds a secret: then
// nobody gets it.
func TestRedactedErrorStaysWhatItWas(t *testing.T) {
	const refresh = "rt-0123456789abcdefEXAMPLE"
	for name, c := range map[string]struct {
		err   error
		typed bool
	}{
		"clean":         {fmt.Errorf("reading: %w", &net.OpError{Op: "read", Err: io.EOF}), true},
		"with a secret": {fmt.Errorf("reading %s: %w", refresh, &net.OpError{Op: "read", Err: io.EOF}), false},
	} {
		pool := loginPool(t, reauth.RefresherFunc(func(context.Context, reauth.Credential) (reauth.Credential, error) {
			return reauth.Credential{}, c.err
		}), reauth.Credential{Provider: "example", ID: "me", AccessToken: "at-EXAMPLE", RefreshToken: refresh})
		err := pool.Refresh(context.Background(), "example", "me")
		require.ErrorIs(t, err, io.EOF, name)
		var op *net.OpError
		assert.Equal(t, c.typed, errors.As(err, &op), name)
	}
	wrapped := loginPool(t, reauth.RefresherFunc(func(context.Context, reauth.Credential) (reauth.Credential, error) {
		inner := &reauth.RefreshError{Code: "x", Description: refresh, Permanent: true}
		return reauth.Credential{}, fmt.Errorf("in a wrapper, %s: %w", refresh, inner)
	}), reauth.Credential{Provider: "example", ID: "me", AccessToken: "at-EXAMPLE", RefreshToken: refresh})
	err := wrapped.Refresh(context.Background(), "example", "me")
	re := refreshError(t, err)
	assert.True(t, re.Permanent)
	assert.Equal(t, "[redacted]", re.Description)
	assert.Contains(t, err.Error(), "in a wrapper")
}

// A store's path may be a connection string by mistake.
func TestFileStoreDoesNotRepeatAPassword(t *testing.T) {
	s := reauth.NewFileStore(filepath.Join(t.TempDir(), "host=db password=hunter2 user=bob") + "\x00")
	_, err := s.Load(context.Background(), "")
	require.Error(t, err)
	assert.NotContains(t, err.Error()+s.String(), "hunter2")
}

// An error may break when it is asked for its text.
func TestErrorThatPanicsIsTold(t *testing.T) {
	pool := loginPool(t, reauth.RefresherFunc(func(context.Context, reauth.Credential) (reauth.Credential, error) {
		return reauth.Credential{}, brokenError{}
	}), exampleLogin())
	err := pool.Refresh(context.Background(), "example", "me")
	assert.ErrorContains(t, err, "PANIC")
}

type brokenError struct{}

func (brokenError) Error() string { panic(runtime.Version()) }
