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

// secrets are tokens that nobody may see.
type secrets map[string]bool

func (s secrets) add(tokens ...string) {
	for _, t := range tokens {
		if t != "" {
			s[t] = true
		}
	}
}

// assertAbsent looks for each secret, whole, by halves, and as the verbs and encoders of logs write it.
func (s secrets) assertAbsent(t *testing.T, where, text string) {
	t.Helper()
	require.NotEmpty(t, s)
	for secret := range s {
		require.GreaterOrEqual(t, len(secret), 16, "too short to be found by halves")
		half := len(secret) / 2
		for _, form := range []string{
			secret[:half], secret[half:], fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret), fmt.Sprintf("% x", secret), fmt.Sprintf("%d", []byte(secret)),
			url.QueryEscape(secret), base64.StdEncoding.EncodeToString([]byte(secret)), base64.RawURLEncoding.EncodeToString([]byte(secret)),
		} {
			assert.NotContains(t, text, form, where)
		}
	}
}

// shown is v as fmt shows it under any verb.
func shown(v any) string {
	var b strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X", "% x"} {
		fmt.Fprintf(&b, verb+"\n", v)
	}
	return b.String()
}

// shownChain is what is shown of an error and of all it wraps.
func shownChain(err error) string {
	text := shown(err)
	for ; err != nil; err = errors.Unwrap(err) {
		text += shown(err)
	}
	return text
}

// A small pool of each kind of secret.
func TestNoVerbShowsASecret(t *testing.T) {
	creds := []reauth.Credential{
		{Provider: "xai", ID: "pair", AccessToken: "at-0123456789abcdefEXAMPLE", RefreshToken: "rt-0123456789abcdefEXAMPLE", AccountID: "acct-1", ClientID: "client-1", Metadata: map[string]string{"note": "mine"}},
		{Provider: "groq", AccessToken: "gsk_0123456789abcdefEXAMPLE"},
		{Provider: "openai", AccessToken: exampleJWT(`{"sub":"user-1","exp":4102444800}`)},
		{Provider: "xai", RefreshToken: "rt-alone-0123456789abcdefEXAMPLE"},
	}
	pool, hidden := poolOf(t, creds...), make(secrets)
	for _, c := range creds {
		hidden.add(c.AccessToken, c.RefreshToken)
	}
	transport := reauth.NewRecoveringTransport(nil, pool)
	entry := reauth.Entry{Credential: creds[0], Standing: reauth.Standing{Reason: "x"}}
	for name, v := range map[string]any{
		"Credential": creds[0], "*Credential": &creds[0], "key": creds[1], "JWT": creds[2], "refresh token alone": creds[3], "[]Credential": creds, "[]*Credential": []*reauth.Credential{&creds[0]},
		"[1]Credential": [1]reauth.Credential{creds[0]}, "map": map[string]reauth.Credential{"a": creds[0]}, "any": []any{creds[0], &creds[1]},
		"struct": struct{ C reauth.Credential }{creds[0]}, "Entry": entry, "*Entry": &entry, "[]Entry": []reauth.Entry{entry},
		"Pool": reflect.ValueOf(pool).Elem(), "*Pool": pool, "RecoveringTransport": *transport, "*RecoveringTransport": transport, "http.Client": http.Client{Transport: transport},
		"[]CredentialStatus": pool.Status(), "CredentialStatus": pool.Status()[0], "Event": reauth.Event{Type: reauth.Sent, Provider: "xai-oauth", ID: "pair", Err: fmt.Errorf("with %v", creds[0])},
		"error": fmt.Errorf("%w of %v and %#v and %s", io.EOF, creds[0], creds[1], &creds[2]),
	} {
		hidden.assertAbsent(t, name, shown(v))
		hidden.assertAbsent(t, name+" in a text log", logged(func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, nil) }, v))
		switch v.(type) {
		case reauth.Credential, *reauth.Credential, reauth.CredentialStatus, []reauth.CredentialStatus, reauth.Event, *reauth.Pool, *reauth.RecoveringTransport, error:
			hidden.assertAbsent(t, name+" in a JSON log", logged(func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, nil) }, v))
		}
	}
	assert.Contains(t, shown(creds[0]), "xai/pair (", "a credential shows its name")
	assert.NotContains(t, shown(creds[0]), shown(creds[0].AccessToken)[:8])
	b, err := json.Marshal(creds[0])
	require.NoError(t, err)
	assert.Contains(t, string(b), creds[0].RefreshToken, "a store's encoding keeps what it is for")
}

func logged(handler func(io.Writer) slog.Handler, v any) string {
	var b bytes.Buffer
	slog.New(handler(&b)).With("before", v).Info("x", "v", v, slog.Group("in", "v", v))
	return b.String()
}

// story is a rig whose log, events and errors are kept, and all its tokens.
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
	pool.Logger = slog.New(slog.NewMultiHandler(slog.NewTextHandler(&s.text, debug), slog.NewJSONHandler(&s.json, debug)))
	s.rig = newRigOn(t, reauthtest.XAI, pool)
	return s
}

// learn adds the tokens that the pool now holds of a credential to the secrets.
func (s *story) learn(id string) reauth.Credential {
	c, err := s.pool.Token(reauth.WithCredential(context.Background(), s.provider, id), s.provider)
	require.NoError(s.t, err)
	s.hidden.add(c.AccessToken, c.RefreshToken)
	return c
}

// fails keeps an error that must have come.
func (s *story) fails(what string, err error) {
	require.Error(s.t, err, what)
	s.errs[what] = err
}

// refreshFails refreshes "me" with another refresher, which must fail.
func (s *story) refreshFails(what string, f func(context.Context, reauth.Credential) (reauth.Credential, error)) {
	if f != nil {
		s.register(s.t, func(p *reauth.Provider) { p.Refresher = reauth.RefresherFunc(f) })
	}
	require.NoError(s.t, s.pool.Reset(context.Background(), s.provider, "me"))
	s.fails(what, s.pool.Refresh(context.Background(), s.provider, "me"))
}

// echo is a token endpoint's answer that repeats what it was asked with.
func echoing(status int, code string, c reauth.Credential) reauthtest.Fault {
	body, _ := json.Marshal(map[string]any{"error": code, "error_description": "no: " + c.RefreshToken + ", not " + c.AccessToken}) // strings always encode
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

		// Refreshes that fail, while a request waits and on demand.
		s.fake.Expire()
		s.fake.Fail(echoing(503, "temporarily_unavailable", c), echoing(503, "temporarily_unavailable", c))
		status, _ = s.mustPost(t)
		require.Equal(t, 403, status)
		for what, fault := range map[string]reauthtest.Fault{
			"echo": echoing(400, "invalid_scope", c), "echo in an object": {Answer: &reauthtest.Answer{Status: 401, Body: `{"error":{"message":"` + c.RefreshToken + `","code":"` + c.AccessToken + `"}}`}},
			"cut": {Cut: true}, "page": reauthtest.Page(403), "nothing new": {Answer: &reauthtest.Answer{Status: 200, Body: `{"access_token":"` + c.AccessToken + `"}`}},
			"no token": {Answer: &reauthtest.Answer{Status: 200, Body: `{"error_description":"` + c.RefreshToken + `"}`}},
		} {
			s.fake.Fail(fault)
			s.refreshFails(what, nil)
		}
		s.fake.Fail(reauthtest.TooManyRequests(time.Hour))
		s.refreshFails("too many", nil)

		// A token endpoint's client that tells all it knows.
		talkative, err := reauth.BuiltinRefresher(s.provider, reauth.OAuth2Config{TokenURL: "https://auth.example.com/token", HTTPClient: &http.Client{Transport: roundTripFunc(func(req *http.Request) (*http.Response, error) {
			body, _ := io.ReadAll(req.Body) // of memory
			return nil, fmt.Errorf("cannot send %s to %s with %s, %s", body, req.URL, c.RefreshToken, c.AccessToken)
		})}})
		require.NoError(t, err)
		s.refreshFails("url.Error", talkative.Refresh)

		// Refreshers that break.
		s.refreshFails("panic", func(_ context.Context, c reauth.Credential) (reauth.Credential, error) {
			panic("lost " + c.RefreshToken)
		})
		s.refreshFails("panic with an error", func(_ context.Context, c reauth.Credential) (reauth.Credential, error) {
			panic(&url.Error{Op: "Post", URL: "https://auth.example.com/?refresh_token=" + c.RefreshToken, Err: io.EOF})
		})
		s.refreshFails("panic with the credential", func(_ context.Context, c reauth.Credential) (reauth.Credential, error) { panic(c) })
		s.refreshFails("runtime panic", func(_ context.Context, c reauth.Credential) (reauth.Credential, error) { _ = c.Hosts[7]; return c, nil })
		s.refreshFails("goexit", func(_ context.Context, c reauth.Credential) (reauth.Credential, error) {
			runtime.Goexit()
			return c, nil
		})

		// The login ends.
		s.refreshAt(t, s.fake)
		require.NoError(t, s.pool.Reset(ctx, s.provider, "me"))
		s.fake.Fail(echoing(400, "invalid_grant", c))
		status, _ = s.mustPost(t)
		require.Equal(t, 403, status)
		require.EqualValues(t, reauth.Retired, s.status(t, "me").State)
		s.fails("report", s.pool.Report(ctx, s.provider, "me", c.AccessToken, reauth.Verdict{Kind: reauth.Rejected, Reason: "x"}))

		// Keys that come to nothing, one after the other.
		for id, do := range map[string]func(...string){"spent": func(k ...string) { s.fake.Exhaust(noReset, k...) }, "blocked": s.fake.Block, "expired": s.fake.Expire, "forbidden": s.fake.Forbid} {
			k := "key-0123456789abcdef-" + id
			s.key(t, id, k)
			s.hidden.add(k)
			do(k)
		}
		_, _ = s.mustPost(t)
		s.fails("static key", s.pool.Refresh(ctx, s.provider, "spent"))
		s.transport.Base = roundTripFunc(func(req *http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF })
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

func (s *story) assertNothingTold(t *testing.T, statuses string) {
	for _, what := range []string{"refreshed", "refresh-failed", "retired", "put-aside", "switched", "gave-up", "judged", "not-durable", "refresher panicked"} {
		require.Contains(t, s.text.String(), what, "the story is not told to its end")
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

// What the answer says of its request is what the caller sent: an SDK's dump of it holds the placeholder.
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
			hidden.assertAbsent(t, "dump", string(dump)+shown(resp.Request.Header)+shown(*resp.Request.URL)+shown(resp.Header))
		}
	}
}

// The errors of methods that were asked for what cannot be name the thing, not its tokens.
func TestErrorsOfThePoolHoldNoSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const access, refresh = "at-0123456789abcdefEXAMPLE", "rt-0123456789abcdefEXAMPLE"
		ctx, hidden, pool := context.Background(), secrets{access: true, refresh: true}, reauth.NewPool()
		slow := func(context.Context, reauth.Credential) (reauth.Credential, error) {
			time.Sleep(10 * time.Minute) // whatever the context says
			return reauth.Credential{}, errors.New("too late")
		}
		require.NoError(t, pool.Register(reauth.Provider{Name: "slow", Hosts: []string{"slow.example"}, Refresher: reauth.RefresherFunc(slow)}))
		add := func(c reauth.Credential) error { _, err := pool.Add(ctx, c); return err }
		c := reauth.Credential{Provider: "slow", ID: "me", AccessToken: access, RefreshToken: refresh}
		require.NoError(t, add(c))
		short, stop := context.WithTimeout(ctx, time.Second)
		defer stop()
		_, tokenErr := pool.Token(ctx, "groq")
		errs := map[string]error{
			"refresh, given up": pool.Refresh(short, "slow", "me"),
			"add, given up":     func() error { _, err := pool.Add(short, c); return err }(),
			"add, unknown":      add(reauth.Credential{Provider: "unheard-of", AccessToken: access, RefreshToken: refresh}),
			"add, bad host":     add(reauth.Credential{Provider: "xai", AccessToken: access, Hosts: []string{"*.com"}}),
			"add, azure":        add(reauth.Credential{Provider: "azure", AccessToken: access}),
			"remove":            pool.Remove(ctx, "slow", "you"), "reset": pool.Reset(ctx, "slow", "you"), "refresh": pool.Refresh(ctx, "slow", "you"),
			"report": pool.Report(ctx, "slow", "you", access, reauth.Verdict{Kind: reauth.Dead}), "token": tokenErr,
			"register": pool.Register(reauth.Provider{Name: "bad", Hosts: []string{"slow.example"}}), "close": pool.Close(), "closed": pool.Refresh(ctx, "slow", "me"),
		}
		for _, field := range []func(*reauth.Credential){
			func(c *reauth.Credential) { c.AccessToken += "\n" + access }, func(c *reauth.Credential) { c.RefreshToken += "\x00" + refresh },
		} {
			c := c
			field(&c)
			errs[fmt.Sprintf("add %d", len(errs))] = add(c)
		}
		for what, err := range errs {
			require.Error(t, err, what)
			hidden.assertAbsent(t, what, shownChain(err))
		}
		time.Sleep(time.Hour) // the slow refresher ends
	})
}

// A refresher of the user's own that tells all it knows.
func TestErrorOfARefresherIsRedacted(t *testing.T) {
	const refresh = "rt-0123456789abcdefEXAMPLE"
	ctx, pool, events := context.Background(), reauth.NewPool(), new(eventLog)
	defer func() { require.NoError(t, pool.Close()) }()
	pool.Observe = events.observe
	cause := errors.New("the cause")
	require.NoError(t, pool.Register(reauth.Provider{Name: "own", Refresher: reauth.RefresherFunc(func(_ context.Context, c reauth.Credential) (reauth.Credential, error) {
		return reauth.Credential{}, errors.Join(errors.New("no "+c.RefreshToken), cause)
	})}))
	_, err := pool.Add(ctx, reauth.Credential{Provider: "own", ID: "me", AccessToken: "at-EXAMPLE", RefreshToken: refresh})
	require.NoError(t, err)
	err = pool.Refresh(ctx, "own", "me")
	require.ErrorIs(t, err, cause)
	hidden := secrets{refresh: true}
	hidden.assertAbsent(t, "error", shownChain(err))
	for _, e := range events.all() {
		hidden.assertAbsent(t, "event", shown(e)+shownChain(e.Err))
	}
}

// A refresher's own RefreshError stays one when a token is taken out of it.
func TestRefreshErrorOfAUserIsRedacted(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		_, refresh := r.login(t, "me")
		cause := errors.New("cannot send " + refresh)
		r.register(t, func(p *reauth.Provider) {
			p.Refresher = reauth.RefresherFunc(func(context.Context, reauth.Credential) (reauth.Credential, error) {
				return reauth.Credential{}, &reauth.RefreshError{Code: "invalid_grant", Description: "no " + refresh, Permanent: true, Err: cause}
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
	cfg := reauth.OAuth2Config{TokenURL: "https://user:pass-EXAMPLE@login.example/token?key=q-EXAMPLE", ClientID: "app", ClientSecret: "cs-EXAMPLE"}
	for _, v := range []any{cfg, &cfg, reauth.OAuth2Refresher(cfg), reauth.Provider{Refresher: reauth.OAuth2Refresher(cfg)}} {
		text := shown(v)
		assert.NotContains(t, text, "cs-EXAMPLE")
		assert.NotContains(t, text, "pass-EXAMPLE")
		assert.NotContains(t, text, "q-EXAMPLE")
	}
	assert.Equal(t, "token endpoint https://login.example/token, client app", cfg.String())
	assert.Equal(t, "token endpoint of the provider, client ", reauth.OAuth2Config{}.String())
}
