package reauth_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

// secrets are tokens that must not appear in any log, error, event or dump.
type secrets map[string]bool

func (s secrets) add(tokens ...string) {
	for _, t := range tokens {
		if t != "" {
			s[t] = true
		}
	}
}

// assertAbsent fails if text holds a secret. It looks for either half of each secret, and for the
// forms in which the verbs of fmt and the encoders of logs write a secret.
func (s secrets) assertAbsent(t *testing.T, where, text string) {
	t.Helper()
	require.NotEmpty(t, s)
	for secret := range s {
		require.GreaterOrEqual(t, len(secret), 16, "too short to be found by halves")
		half := len(secret) / 2
		for _, form := range []string{
			secret[:half], secret[half:], url.QueryEscape(secret),
			fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret), fmt.Sprintf("% x", secret),
			fmt.Sprintf("%d", []byte(secret)),
			base64.StdEncoding.EncodeToString([]byte(secret)),
			base64.RawURLEncoding.EncodeToString([]byte(secret)),
		} {
			assert.NotContains(t, text, form, where)
		}
	}
}

// shown returns v as fmt shows it under any verb.
func shown(v any) string {
	var b strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X", "% x"} {
		fmt.Fprintf(&b, verb+"\n", v)
	}
	return b.String()
}

// shownChain returns what fmt shows of an error and of all errors that it wraps.
func shownChain(err error) string {
	text := shown(err)
	for ; err != nil; err = errors.Unwrap(err) {
		text += shown(err)
	}
	return text
}

// The pool holds a credential of each kind: a pair, a key, a JWT, a refresh token alone. Every
// value of ours that a program may print leads to them.
func TestNoVerbShowsASecret(t *testing.T) {
	creds := []reauth.Credential{
		{
			Provider:     "xai",
			ID:           "pair",
			AccessToken:  "at-0123456789abcdefEXAMPLE",
			RefreshToken: "rt-0123456789abcdefEXAMPLE",
			AccountID:    "acct-1",
			ClientID:     "client-1",
			Metadata:     map[string]string{"note": "mine"},
		},
		{Provider: "groq", AccessToken: "gsk_0123456789abcdefEXAMPLE"},
		{Provider: "openai", AccessToken: exampleJWT(`{"sub":"user-1","exp":4102444800}`)},
		{Provider: "xai", RefreshToken: "rt-alone-0123456789abcdefEXAMPLE"},
	}
	pool, hidden := poolOf(t, creds...), make(secrets)
	for _, c := range creds {
		hidden.add(c.AccessToken, c.RefreshToken)
	}
	transport := reauth.NewRecoveringTransport(nil, pool)
	entry := reauth.Entry{Credential: creds[0], Spent: []string{"x"}}
	for name, v := range map[string]any{
		"Credential":           creds[0],
		"*Credential":          &creds[0],
		"key":                  creds[1],
		"JWT":                  creds[2],
		"refresh token alone":  creds[3],
		"[]Credential":         creds,
		"[]*Credential":        []*reauth.Credential{&creds[0]},
		"[1]Credential":        [1]reauth.Credential{creds[0]},
		"map":                  map[string]reauth.Credential{"a": creds[0]},
		"any":                  []any{creds[0], &creds[1]},
		"struct":               struct{ C reauth.Credential }{creds[0]},
		"Entry":                entry,
		"*Entry":               &entry,
		"[]Entry":              []reauth.Entry{entry},
		"Pool":                 reflect.ValueOf(pool).Elem(),
		"*Pool":                pool,
		"RecoveringTransport":  reflect.ValueOf(transport).Elem(),
		"*RecoveringTransport": transport,
		"http.Client":          http.Client{Transport: transport},
		"[]CredentialStatus":   pool.Status(),
		"CredentialStatus":     pool.Status()[0],
		"Event": reauth.Event{
			Type: reauth.Sent, Provider: "xai-oauth", ID: "pair", Err: fmt.Errorf("with %v", creds[0]),
		},
		"error": fmt.Errorf("%w of %v and %#v and %s", io.EOF, creds[0], creds[1], &creds[2]),
	} {
		hidden.assertAbsent(t, name, shown(v))
		hidden.assertAbsent(t, name+" in a text log", logged(textHandler, v))
		switch v.(type) {
		case reauth.Credential, *reauth.Credential, reauth.CredentialStatus, []reauth.CredentialStatus,
			reauth.Event, *reauth.Pool, *reauth.RecoveringTransport, error:
			hidden.assertAbsent(t, name+" in a JSON log", logged(jsonHandler, v))
		}
	}
	assert.Contains(t, shown(creds[0]), "xai/pair (", "a credential shows its name")
	assert.NotContains(t, shown(creds[0]), shown(creds[0].AccessToken)[:8])
	b, err := json.Marshal(creds[0])
	require.NoError(t, err)
	assert.Contains(t, string(b), creds[0].RefreshToken, "a store encodes a credential with its tokens")
}

func textHandler(w io.Writer) slog.Handler { return slog.NewTextHandler(w, nil) }

func jsonHandler(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, nil) }

// logged returns what a handler writes of v, as an attribute of the logger, of a record and of a
// group.
func logged(handler func(io.Writer) slog.Handler, v any) string {
	var b bytes.Buffer
	slog.New(handler(&b)).With("before", v).Info("x", "v", v, slog.Group("in", "v", v))
	return b.String()
}

// story is a rig that keeps all that could betray a token: its logs, events and errors. hidden are
// the tokens that the rig has had.
type story struct {
	*rig
	t      *testing.T
	text   bytes.Buffer
	json   bytes.Buffer
	hidden secrets
	errs   map[string]error
}

func newStory(t *testing.T) *story {
	s := &story{t: t, hidden: make(secrets), errs: make(map[string]error)}
	pool := reauth.NewPool()
	debug := &slog.HandlerOptions{Level: slog.LevelDebug, AddSource: true}
	text, asJSON := slog.NewTextHandler(&s.text, debug), slog.NewJSONHandler(&s.json, debug)
	pool.Logger = slog.New(slog.NewMultiHandler(text, asJSON))
	s.rig = newRigOn(t, reauthtest.XAI, pool)
	return s
}

// learn adds the current tokens of a credential to the secrets.
func (s *story) learn(id string) reauth.Credential {
	c, err := s.pool.Token(reauth.WithCredential(context.Background(), s.provider, id), s.provider)
	require.NoError(s.t, err)
	s.hidden.add(c.AccessToken, c.RefreshToken)
	return c
}

// fails requires that err is an error, and keeps it.
func (s *story) fails(what string, err error) {
	require.Error(s.t, err, what)
	s.errs[what] = err
}

// refreshFails refreshes "me" and requires that the refresh fails. With f it registers f as the
// refresher first.
func (s *story) refreshFails(what string, f reauth.RefresherFunc) {
	if f != nil {
		s.register(s.t, func(p *reauth.Provider) { p.Refresher = f })
	}
	require.NoError(s.t, s.pool.Reset(context.Background(), s.provider, "me"))
	s.fails(what, s.pool.Refresh(context.Background(), s.provider, "me"))
}

// echoing returns an answer of a token endpoint that repeats the tokens of c.
func echoing(status int, code string, c reauth.Credential) reauthtest.Fault {
	body, _ := json.Marshal(map[string]any{ // strings always encode
		"error": code, "error_description": "no: " + c.RefreshToken + ", not " + c.AccessToken,
	})
	return reauthtest.Fault{Answer: &reauthtest.Answer{Status: status, Body: string(body)}}
}

func TestNoSecretInTheStoryOfARecovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, s := context.Background(), newStory(t)
		s.fake.JWT = true
		old, _ := s.login(t, "me")
		s.learn("me")
		s.fake.Expire(old)
		status, _ := s.mustPost(t)
		require.Equal(t, 200, status)
		c := s.learn("me")
		require.NotEqual(t, old, c.AccessToken)

		// Refreshes fail: one while a request waits, the others on demand.
		s.fake.Expire()
		s.fake.Fail(echoing(503, "temporarily_unavailable", c), echoing(503, "temporarily_unavailable", c))
		status, _ = s.mustPost(t)
		require.Equal(t, 403, status)
		for what, fault := range map[string]reauthtest.Fault{
			"echo": echoing(400, "invalid_scope", c),
			"echo in an object": {
				Answer: &reauthtest.Answer{
					Status: 401,
					Body:   `{"error":{"message":"` + c.RefreshToken + `","code":"` + c.AccessToken + `"}}`,
				},
			},
			"cut":  {Cut: true},
			"page": reauthtest.Page(403),
			"nothing new": {
				Answer: &reauthtest.Answer{Status: 200, Body: `{"access_token":"` + c.AccessToken + `"}`},
			},
			"no token": {
				Answer: &reauthtest.Answer{Status: 200, Body: `{"error_description":"` + c.RefreshToken + `"}`},
			},
		} {
			s.fake.Fail(fault)
			s.refreshFails(what, nil)
		}
		s.fake.Fail(reauthtest.TooManyRequests(time.Hour))
		s.refreshFails("too many", nil)

		// The HTTP client of a token endpoint writes the request and the tokens into its error.
		leaky := roundTripFunc(func(req *http.Request) (*http.Response, error) {
			body, _ := io.ReadAll(req.Body) // it is in memory
			return nil, fmt.Errorf("cannot send %s to %s with %s, %s", body, req.URL, c.RefreshToken, c.AccessToken)
		})
		talkative, err := reauth.BuiltinRefresher(s.provider, reauth.OAuth2Config{
			TokenURL: "https://auth.example.com/token", HTTPClient: &http.Client{Transport: leaky},
		})
		require.NoError(t, err)
		s.refreshFails("url.Error", talkative.Refresh)

		// Refreshers panic, or end their goroutine.
		s.refreshFails("panic", func(_ context.Context, c reauth.Credential) (reauth.Credential, error) {
			panic("lost " + c.RefreshToken)
		})
		s.refreshFails("panic with an error", func(_ context.Context, c reauth.Credential) (reauth.Credential, error) {
			panic(&url.Error{Op: "Post", URL: "https://auth.example.com/?refresh_token=" + c.RefreshToken, Err: io.EOF})
		})
		s.refreshFails("panic with the credential",
			func(_ context.Context, c reauth.Credential) (reauth.Credential, error) { panic(c) })
		s.refreshFails("runtime panic", func(_ context.Context, c reauth.Credential) (reauth.Credential, error) {
			_ = c.Hosts[7]
			return c, nil
		})
		s.refreshFails("goexit", func(_ context.Context, c reauth.Credential) (reauth.Credential, error) {
			runtime.Goexit()
			return c, nil
		})

		// The provider ends the login.
		s.refreshAt(t, s.fake)
		require.NoError(t, s.pool.Reset(ctx, s.provider, "me"))
		s.fake.Fail(echoing(400, "invalid_grant", c))
		status, _ = s.mustPost(t)
		require.Equal(t, 403, status)
		require.EqualValues(t, reauth.Retired, s.status(t, "me").State)
		rejected := reauth.Verdict{Kind: reauth.Rejected, Reason: "x"}
		s.fails("report", s.pool.Report(ctx, s.provider, "me", c.AccessToken, rejected))

		// The provider refuses each of four keys, for different reasons.
		for id, do := range map[string]func(...string){
			"spent":     func(k ...string) { s.fake.Exhaust(noReset, k...) },
			"blocked":   s.fake.Block,
			"expired":   s.fake.Expire,
			"forbidden": s.fake.Forbid,
		} {
			k := "key-0123456789abcdef-" + id
			s.key(t, id, k)
			s.hidden.add(k)
			do(k)
		}
		_, _ = s.mustPost(t)
		s.fails("static key", s.pool.Refresh(ctx, s.provider, "spent"))
		s.transport.Base = roundTripFunc(func(*http.Request) (*http.Response, error) {
			return nil, io.ErrUnexpectedEOF
		})
		_, _, err = s.post(ctx)
		s.fails("base", err)
		var ue *url.Error
		require.ErrorAs(t, err, &ue)

		statuses := shown(s.pool.Status())
		require.NoError(t, s.pool.Close())
		s.fails("closed", s.pool.Refresh(ctx, s.provider, "me"))
		s.assertNothingTold(t, statuses)
	})
}

// assertNothingTold fails if a log, an event, a status or an error holds a secret. It requires
// first that the log tells the whole story.
func (s *story) assertNothingTold(t *testing.T, statuses string) {
	for _, what := range []string{
		"refreshed", "refresh-failed", "retired", "put-aside", "switched", "gave-up", "judged", "not-durable",
		"refresher panicked",
	} {
		require.Contains(t, s.text.String(), what, "the log does not tell the whole story")
	}
	s.hidden.assertAbsent(t, "text log", s.text.String())
	s.hidden.assertAbsent(t, "JSON log", s.json.String())
	s.hidden.assertAbsent(t, "statuses", statuses)
	for _, e := range s.events.all() {
		s.hidden.assertAbsent(t, "event", shown(e))
		s.hidden.assertAbsent(t, "event's error", shownChain(e.Err))
		b, err := json.Marshal(e)
		require.NoError(t, err)
		s.hidden.assertAbsent(t, "encoded event", string(b))
	}
	for what, err := range s.errs {
		s.hidden.assertAbsent(t, what, shownChain(err))
	}
}

// resp.Request is the request that the caller sent, with the placeholder of the SDK in its header.
// So a dump of it holds no secret.
func TestAnswerShowsTheCallersRequest(t *testing.T) {
	for _, d := range []reauthtest.Dialect{reauthtest.XAI, reauthtest.OpenAI, reauthtest.Anthropic} {
		r, hidden := newRig(t, d), make(secrets)
		old, refresh := r.login(t, "me")
		hidden.add(old, refresh)
		for _, expire := range []bool{false, true} {
			if expire {
				r.fake.Expire(old)
			}
			req, err := http.NewRequest(http.MethodPost, r.url, strings.NewReader("{}"))
			require.NoError(t, err)
			req.Header.Set("Authorization", "Bearer placeholder")
			before := req.Header.Clone()
			resp, err := r.transport.RoundTrip(req)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, 200, resp.StatusCode)
			c, err := r.pool.Token(context.Background(), r.provider)
			require.NoError(t, err)
			hidden.add(c.AccessToken, c.RefreshToken)

			assert.Same(t, req, resp.Request)
			assert.Equal(t, before, resp.Request.Header)
			dump, err := httputil.DumpRequest(resp.Request, false)
			require.NoError(t, err)
			text := string(dump) + shown(resp.Request.Header) + shown(*resp.Request.URL) + shown(resp.Header)
			hidden.assertAbsent(t, "dump", text)
		}
	}
}

// The pool cannot do what each of these calls asks for. The errors name the credential and hold no
// token.
func TestErrorsOfThePoolHoldNoSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const access, refresh = "at-0123456789abcdefEXAMPLE", "rt-0123456789abcdefEXAMPLE"
		ctx, hidden, pool := context.Background(), secrets{access: true, refresh: true}, reauth.NewPool()
		slow := func(context.Context, reauth.Credential) (reauth.Credential, error) {
			time.Sleep(10 * time.Minute) // it ignores its context
			return reauth.Credential{}, errors.New("too late")
		}
		provider := reauth.Provider{
			Name: "slow", Hosts: []string{"slow.example"}, Refresher: reauth.RefresherFunc(slow),
		}
		require.NoError(t, pool.Register(provider))
		add := func(c reauth.Credential) error { _, err := pool.Add(ctx, c); return err }
		c := reauth.Credential{Provider: "slow", ID: "me", AccessToken: access, RefreshToken: refresh}
		require.NoError(t, add(c))
		short, stop := context.WithTimeout(ctx, time.Second)
		defer stop()
		_, tokenErr := pool.Token(ctx, "groq")
		errs := map[string]error{
			"refresh, given up": pool.Refresh(short, "slow", "me"),
			"add, given up":     func() error { _, err := pool.Add(short, c); return err }(),
			"add, unknown": add(reauth.Credential{
				Provider: "unheard-of", AccessToken: access, RefreshToken: refresh,
			}),
			"add, bad host": add(reauth.Credential{Provider: "xai", AccessToken: access, Hosts: []string{"*.com"}}),
			"add, azure":    add(reauth.Credential{Provider: "azure", AccessToken: access}),
			"remove":        pool.Remove(ctx, "slow", "you"),
			"reset":         pool.Reset(ctx, "slow", "you"),
			"refresh":       pool.Refresh(ctx, "slow", "you"),
			"report":        pool.Report(ctx, "slow", "you", access, reauth.Verdict{Kind: reauth.Dead}),
			"token":         tokenErr,
			"register":      pool.Register(reauth.Provider{Name: "bad", Hosts: []string{"slow.example"}}),
			"close":         pool.Close(),
			"closed":        pool.Refresh(ctx, "slow", "me"),
		}
		for _, field := range []func(*reauth.Credential){
			func(c *reauth.Credential) { c.AccessToken += "\n" + access },
			func(c *reauth.Credential) { c.RefreshToken += "\x00" + refresh },
		} {
			c := c
			field(&c)
			errs[fmt.Sprintf("add %d", len(errs))] = add(c)
		}
		for what, err := range errs {
			require.Error(t, err, what)
			hidden.assertAbsent(t, what, shownChain(err))
		}
		time.Sleep(time.Hour) // until the slow refresher has ended
	})
}

// A user's refresher puts the refresh token into its error. The pool takes it out.
func TestErrorOfARefresherIsRedacted(t *testing.T) {
	const refresh = "rt-0123456789abcdefEXAMPLE"
	ctx, pool, events := context.Background(), reauth.NewPool(), new(eventLog)
	defer func() { require.NoError(t, pool.Close()) }()
	pool.Observe = events.observe
	cause := errors.New("the cause")
	leaky := func(_ context.Context, c reauth.Credential) (reauth.Credential, error) {
		return reauth.Credential{}, errors.Join(errors.New("no "+c.RefreshToken), cause)
	}
	require.NoError(t, pool.Register(reauth.Provider{Name: "own", Refresher: reauth.RefresherFunc(leaky)}))
	login := reauth.Credential{Provider: "own", ID: "me", AccessToken: "at-EXAMPLE", RefreshToken: refresh}
	_, err := pool.Add(ctx, login)
	require.NoError(t, err)
	err = pool.Refresh(ctx, "own", "me")
	require.ErrorIs(t, err, cause)
	hidden := secrets{refresh: true}
	hidden.assertAbsent(t, "error", shownChain(err))
	for _, e := range events.all() {
		hidden.assertAbsent(t, "event", shown(e)+shownChain(e.Err))
	}
}

// When the pool takes a token out of a user's RefreshError, the error stays a RefreshError with its
// other fields and its cause.
func TestRefreshErrorOfAUserIsRedacted(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		_, refresh := r.login(t, "me")
		cause := errors.New("cannot send " + refresh)
		leaky := &reauth.RefreshError{
			Code: "invalid_grant", Description: "no " + refresh, Permanent: true, Err: cause,
		}
		r.register(t, func(p *reauth.Provider) {
			p.Refresher = reauth.RefresherFunc(func(context.Context, reauth.Credential) (reauth.Credential, error) {
				return reauth.Credential{}, leaky
			})
		})
		err := r.pool.Refresh(context.Background(), r.provider, "me")
		var re *reauth.RefreshError
		require.ErrorAs(t, err, &re)
		assert.True(t, re.Permanent)
		assert.Equal(t, "invalid_grant", re.Code)
		assert.Equal(t, "no [redacted]", re.Description)
		require.ErrorIs(t, err, cause)
		assert.NotContains(t, err.Error(), refresh)
	})
}

func TestConfigShowsNoSecret(t *testing.T) {
	cfg := reauth.OAuth2Config{
		TokenURL: "https://user:pass-EXAMPLE@login.example/token?key=q-EXAMPLE",
		ClientID: "app", ClientSecret: "cs-EXAMPLE",
	}
	refresher := reauth.OAuth2Refresher(cfg)
	for _, v := range []any{cfg, &cfg, refresher, reauth.Provider{Refresher: refresher}} {
		text := shown(v)
		assert.NotContains(t, text, "cs-EXAMPLE")
		assert.NotContains(t, text, "pass-EXAMPLE")
		assert.NotContains(t, text, "q-EXAMPLE")
	}
	assert.Equal(t, "token endpoint https://login.example/token, client app", cfg.String())
	assert.Equal(t, "token endpoint of the provider, client ", reauth.OAuth2Config{}.String())
}

// An ID is shown in events, logs and lists: it must not be the token.
func TestAddRefusesATokenAsID(t *testing.T) {
	for _, c := range []reauth.Credential{
		{ID: "sk-AAAABBBBCCCCDDDD", AccessToken: "sk-AAAABBBBCCCCDDDD"},
		{ID: "me", AccountID: "sk-AAAABBBBCCCCDDDD", AccessToken: "sk-AAAABBBBCCCCDDDD"},
	} {
		c.Provider = "xai"
		_, err := poolOf(t).Add(t.Context(), c)
		require.ErrorContains(t, err, "is the key itself")
		assert.NotContains(t, err.Error(), "AAAA")
	}
}
