package login_test

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/login"
	"github.com/reauth-go/reauth/reauthtest"
)

// checkKey makes sure that a credential is a key that serves requests, and that nothing renews it.
func checkKey(t *testing.T, r *rig, got reauth.Credential) {
	t.Helper()
	assert.Equal(t, reauth.Credential{
		Provider: "openrouter", AccountID: "user_EXAMPLE", AccessToken: got.AccessToken,
	}, got)
	pool := reauth.NewPool()
	defer pool.Close()
	id, err := pool.Add(t.Context(), got)
	require.NoError(t, err)
	assert.Equal(t, "user_EXAMPLE", id)
	client := &http.Client{Transport: reauth.NewRecoveringTransport(r.fake.Transport(), pool)}
	assert.Equal(t, 200, statusOf(t, client, "https://openrouter.ai/api/v1/models"))
	require.ErrorIs(t, pool.Refresh(t.Context(), "openrouter", id), reauth.ErrNotRefreshable)
}

// The browser comes back to a path that nobody can guess, on any free port.
func TestOpenRoutersKeyByBrowser(t *testing.T) {
	r := newRig(t, "openrouter")
	r.person.visit = nil
	s, err := r.start(t.Context())
	require.NoError(t, err)
	defer s.Close()
	address, err := url.Parse(s.Prompt().URL)
	require.NoError(t, err)
	q := address.Query()
	assert.Equal(t, "https://openrouter.ai/auth", address.Scheme+"://"+address.Host+address.Path)
	assert.Equal(t, "S256", q.Get("code_challenge_method"))
	assert.Len(t, q.Get("code_challenge"), 43)
	assert.Equal(t, "reauth", q.Get("key_label"))
	assert.Regexp(t, `^http://localhost:\d+/callback/[A-Z2-7]{26}$`, q.Get("callback_url"))
	assert.NotContains(t, q, "state")
	assert.NotContains(t, q, "client_id")

	visited := make(chan struct{})
	go func() {
		defer close(visited)
		to := consents(t, r.fake, s.Prompt().URL, "approve")
		stranger := *to
		stranger.Path = "/callback/guessed"
		status, _ := browse(t, http.MethodGet, stranger.String())
		assert.Equal(t, 404, status)
		status, page := browse(t, http.MethodGet, to.String())
		assert.Equal(t, 200, status)
		assert.NotContains(t, page, to.Query().Get("code"))
	}()
	got, err := s.Wait(t.Context())
	require.NoError(t, err)
	<-visited
	checkKey(t, r, got)
	assert.Equal(t, []string{"POST https://openrouter.ai/api/v1/auth/keys"}, r.wire.asked)
}

func TestOpenRoutersRefusalByBrowser(t *testing.T) {
	r := newRig(t, "openrouter")
	visited := make(chan struct{})
	r.person.visit = func(address, _ string) {
		go func() {
			defer close(visited)
			_, page := browse(t, http.MethodGet, consents(t, r.fake, address, "deny").String())
			assert.Contains(t, page, "refused")
		}()
	}
	_, err := r.run(t)
	require.ErrorIs(t, err, login.ErrDenied)
	<-visited
}

// shownCode returns the code on the page at the end of the consent.
func shownCode(t *testing.T, r *rig, address string) string {
	t.Helper()
	_, page := decides(t, r.fake, address, "approve")
	shown := regexp.MustCompile(`id="code">([^<]+)<`).FindStringSubmatch(page)
	require.Len(t, shown, 2, page)
	return shown[1]
}

// Without a callback the page shows the code, and the person pastes it.
func TestOpenRoutersKeyByPaste(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "openrouter")
		r.opt.Flow = login.Paste
		r.person.visit = func(address, _ string) {
			assert.NotContains(t, address, "callback_url")
			r.person.lines = []string{"", "two words", "\x1b[2J", " " + shownCode(t, r, address) + "\n"}
		}
		got, err := r.run(t)
		require.NoError(t, err)
		assert.Equal(t, []string{
			"reauth: login openrouter: the code is empty",
			"reauth: login openrouter: this is no code: it has white space, or characters that no code has",
			"reauth: login openrouter: this is no code: it has white space, or characters that no code has",
		}, r.person.wrong)
		checkKey(t, r, got)
	})
}

func TestOpenRoutersAnswers(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer reauthtest.Answer
		want   string
	}{
		{"no JSON", reauthtest.Answer{Status: 200, Body: "<html>"}, "the answer is not of an authorization server"},
		{"no key", reauthtest.Answer{Status: 200, Body: `{"user_id":"user_EXAMPLE"}`}, "gave no key; start another login"},
		{"null", reauthtest.Answer{Status: 200, Body: `{"key":null}`}, "gave no key; start another login"},
		{"a key with a line break", reauthtest.Answer{Status: 200, Body: `{"key":"sk-or-v1-EXAMPLE\n"}`}, "gave no key"},
		{"redirect", reauthtest.Answer{Status: 307}, "points to another address, which is not followed"},
		{
			"overload",
			reauthtest.Answer{Status: 503, Body: `{"error":{"code":503,"message":"later"}}`},
			"status 503: later; start another login later",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, "openrouter")
				r.opt.Flow = login.Paste
				r.person.visit = func(string, string) { r.person.lines = []string{"ac-EXAMPLE"} }
				r.fake.Fail(reauthtest.Fault{Answer: &c.answer})
				text := r.fails(t, t.Context())
				assert.Contains(t, text, c.want)
				assert.NotContains(t, text, "EXAMPLE")
				assert.Len(t, r.wire.asked, 1, "a code is exchanged once")
			})
		})
	}
}

// Without a state only the exchange tells that a code is wrong.
func TestOpenRoutersWrongCode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "openrouter")
		r.opt.Flow = login.Paste
		r.person.visit = func(string, string) { r.person.lines = []string{"ac-EXAMPLE"} }
		assert.Equal(t, "reauth: login openrouter: the code was not exchanged: "+
			"status 403: Invalid code or code_verifier; start another login", r.fails(t, t.Context()))

		r.person.visit = func(address, _ string) { r.person.lines = []string{shownCode(t, r, address)} }
		r.fake.Fail(reauthtest.Fault{Lose: true})
		assert.Contains(t, r.fails(t, t.Context()), "the code may be spent. Start another login")

		r.person.visit = nil
		r.person.lines = nil
		ctx, stop := context.WithTimeout(t.Context(), time.Hour)
		defer stop()
		_, err := r.runIn(ctx)
		require.ErrorIs(t, err, login.ErrExpired)
	})
}

// The login has no client and no scope, and another server has the same paths.
func TestOpenRoutersOptions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "openrouter")
		for _, opt := range []login.Options{{ClientID: "mine"}, {Scope: "one"}} {
			_, err := login.Start(t.Context(), "openrouter", &opt)
			require.ErrorIs(t, err, login.ErrUnsupported)
			require.ErrorContains(t, err, "the login gives a key, and knows neither")
		}
		r.opt.Flow, r.opt.Issuer = login.Paste, "https://router.corp.example/tenant"
		r.person.visit = func(address, _ string) {
			assert.True(t, strings.HasPrefix(address, "https://router.corp.example/tenant/auth?"), address)
			r.person.lines = []string{"ac-EXAMPLE"}
		}
		r.wire.answer = func(*http.Request) (*http.Response, error) {
			return says(200, `{"key":"sk-or-v1-EXAMPLE"}`), nil
		}
		got, err := r.run(t)
		require.NoError(t, err)
		assert.Equal(t, reauth.Credential{Provider: "openrouter", AccessToken: "sk-or-v1-EXAMPLE"}, got)
		assert.Equal(t, []string{"POST https://router.corp.example/tenant/api/v1/auth/keys"}, r.wire.asked)
	})
	assert.Equal(t, []login.Flow{login.Browser, login.Paste}, login.Flows("openrouter"))
}
