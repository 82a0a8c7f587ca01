package reauth_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

// programFile is the file in which another program keeps its login. write puts a token there as
// that program does.
type programFile struct {
	path  string
	write func(token string)
}

// newProgramFile makes a programFile that is not written yet. format is its content, with %q for
// the token.
func newProgramFile(t testing.TB, format string) *programFile {
	f := &programFile{path: filepath.Join(t.TempDir(), "auth.json")}
	f.write = func(token string) {
		require.NoError(t, os.WriteFile(f.path, fmt.Appendf(nil, format, token), 0o600))
	}
	return f
}

const grokFile = `{"https://auth.x.ai::client":{"key":%q,"refresh_token":"programs-refresh-token","auth_mode":"oidc"}}`

// following runs f with a pool that follows a Grok CLI login.
func following(t *testing.T, f func(t *testing.T, r *rig, file *programFile)) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		file := newProgramFile(t, grokFile)
		access, _ := r.fake.Login()
		file.write(access)
		_, err := r.pool.Add(t.Context(), reauth.Follow("grok", file.path))
		require.NoError(t, err)
		f(t, r, file)
	})
}

func TestFollowedLoginIsReadAgainWhenItsTokenIsRefused(t *testing.T) {
	following(t, func(t *testing.T, r *rig, file *programFile) {
		status, _ := r.mustPost(t)
		require.Equal(t, 200, status)
		r.fake.Expire()
		access, _ := r.fake.Login()
		file.write(access)
		status, _ = r.mustPost(t)
		assert.Equal(t, 200, status)
		assert.Zero(t, r.fake.TokenRequests(), "only the program may spend the refresh token")
		assert.Len(t, r.events.all(reauth.Adopted), 1)
	})
}

func TestFollowedLoginThatStaysRefused(t *testing.T) {
	following(t, func(t *testing.T, r *rig, file *programFile) {
		r.fake.Expire()
		before, err := os.ReadFile(file.path)
		require.NoError(t, err)
		status, body := r.mustPost(t)
		assert.Equal(t, 403, status, "the provider's own refusal")
		assert.Contains(t, body, "bad-credentials")
		assert.Zero(t, r.fake.TokenRequests())
		failed := r.events.all(reauth.RefreshFailed)
		require.Len(t, failed, 1)
		assert.Equal(t, "borrowed:grok", failed[0].Reason)
		assert.ErrorContains(t, failed[0].Err, "the login is that of Grok CLI ("+file.path)
		require.ErrorIs(t, failed[0].Err, reauth.ErrNotRefreshable)
		after, err := os.ReadFile(file.path)
		require.NoError(t, err)
		assert.Equal(t, before, after)

		// The user logs in again in the program.
		access, _ := r.fake.Login()
		file.write(access)
		time.Sleep(2 * time.Second)
		r.mustPost(t) // the pool reads the file again, in the background
		synctest.Wait()
		status, _ = r.mustPost(t)
		assert.Equal(t, 200, status)
		assert.Equal(t, reauth.Good, r.pool.Status()[0].State)
	})
}

func TestFollowedLoginIsNoticedBeforeItIsRefused(t *testing.T) {
	following(t, func(t *testing.T, r *rig, file *programFile) {
		r.mustPost(t)
		old := r.tokens()[0]
		access, _ := r.fake.Login()
		file.write(access + "\n") // white space is not part of the token
		time.Sleep(2 * time.Second)
		r.mustPost(t)
		synctest.Wait()
		r.fake.Expire(old)
		r.mustPost(t)
		assert.Equal(t, access, r.tokens()[len(r.tokens())-1])
		for _, s := range r.statuses() {
			assert.Equal(t, 200, s)
		}
	})
}

func TestFollowedFileThatIsGoneOrBrokenLeavesTheTokenInUse(t *testing.T) {
	following(t, func(t *testing.T, r *rig, file *programFile) {
		for _, breakIt := range []func() error{
			func() error { return os.WriteFile(file.path, []byte(`{"half`), 0o600) },
			func() error { return os.Remove(file.path) },
		} {
			require.NoError(t, breakIt())
			time.Sleep(2 * time.Second)
			status, _ := r.mustPost(t)
			synctest.Wait()
			assert.Equal(t, 200, status)
		}
		r.fake.Expire()
		status, _ := r.mustPost(t)
		assert.Equal(t, 403, status)
		failed := r.events.all(reauth.RefreshFailed)
		require.NotEmpty(t, failed)
		assert.ErrorContains(t, failed[0].Err, "log in there first")
	})
}

func TestFollowedLoginIsStoredWithoutTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := reauth.NewMemStore()
		fleet(t, 2, store, func(t *testing.T, rigs []*rig) {
			a, b := rigs[0], rigs[1]
			file := newProgramFile(t, grokFile)
			access, _ := a.fake.Login()
			file.write(access)
			id, err := a.pool.Add(t.Context(), reauth.Follow("grok", file.path))
			require.NoError(t, err)
			stored := store.Record(t, "xai-oauth", id).Credential
			assert.Equal(t, id, stored.ID)
			assert.Empty(t, stored.AccessToken)
			assert.Empty(t, stored.RefreshToken)

			time.Sleep(2 * time.Second)
			b.mustPost(t) // b reads the store, in the background
			synctest.Wait()
			status, _ := b.mustPost(t)
			assert.Equal(t, 200, status, "another pool reads the file itself")
			s := b.status(t, id)
			assert.Equal(t, "grok", s.Follows)
			assert.Equal(t, "xai-oauth", s.Provider)

			a.fake.Exhaust(noReset, access)
			a.mustPost(t)
			synctest.Wait()
			time.Sleep(2 * time.Second)
			b.mustPost(t)
			synctest.Wait()
			assert.Equal(t, reauth.Aside, b.status(t, id).State, "pools share how a followed login stands")
			require.ErrorIs(t, a.pool.Refresh(t.Context(), "xai", id), reauth.ErrNotRefreshable)
		})
	})
}

// A user's program adds the credential at every start. The pool may follow the login already, or
// the program's file may not exist yet.
func TestFollowAddedAgainAndFileThatComesLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := reauth.NewMemStore()
		file := newProgramFile(t, grokFile)
		fake := reauthtest.New(reauthtest.XAI)
		access, _ := fake.Login()
		open := func() *rig {
			pool, err := reauth.OpenPool(context.Background(), store)
			require.NoError(t, err)
			r := newRigOn(t, reauthtest.XAI, pool)
			r.fake, r.transport.Base = fake, fake.Transport()
			return r
		}
		first := open()
		file.write(access)
		for range 2 {
			_, err := first.pool.Add(t.Context(), reauth.Follow("grok", file.path))
			require.NoError(t, err)
		}
		require.Len(t, first.pool.Status(), 1)
		require.NoError(t, first.pool.Close())

		require.NoError(t, os.Remove(file.path))
		second := open()
		second.mustPost(t)
		assert.Equal(t, []string{"set by the transport"}, second.tokens(), "the request went out as the caller made it")
		file.write(access)
		time.Sleep(2 * time.Minute)
		second.mustPost(t)
		synctest.Wait()
		status, _ := second.mustPost(t)
		assert.Equal(t, 200, status)
		require.NoError(t, second.pool.Close())
	})
}

func TestFollowReadsEachProgramsFile(t *testing.T) {
	exp := time.Now().Add(time.Hour).Truncate(time.Second)
	ms := fmt.Sprint(exp.UnixMilli())
	for name, c := range map[string]struct {
		kind, file string
		provider   string // that the caller sets; "": the one that Follow finds
		want       reauth.Credential
	}{
		"codex": {
			kind: "codex",
			file: `{"OPENAI_API_KEY":null,"tokens":{"id_token":"x","access_token":"at-1","refresh_token":"rt-1",` +
				`"account_id":"acc"},"last_refresh":"2026-01-01T00:00:00Z"}`,
			want: reauth.Credential{Provider: "openai-codex", AccessToken: "at-1", AccountID: "acc"},
		},
		"codex, personal access token": {
			kind: "codex",
			file: `{"auth_mode":"personalAccessToken","OPENAI_API_KEY":null,"personal_access_token":"at-1"}`,
			want: reauth.Credential{Provider: "openai-codex", AccessToken: "at-1"},
		},
		"opencode, the only one": {
			kind: "opencode",
			file: `{"anthropic":{"type":"oauth","access":"at-1","refresh":"rt-1","expires":` + ms + `}}`,
			want: reauth.Credential{Provider: "anthropic", AccessToken: "at-1", Expiry: exp},
		},
		"opencode, ChatGPT": {
			kind: "opencode",
			file: `{"anthropic":{"type":"api","key":"k"},"openai":{"type":"oauth","access":"at-1","refresh":"rt-1",` +
				`"expires":` + ms + `,"accountId":"acc"}}`,
			provider: "codex",
			want:     reauth.Credential{Provider: "openai-codex", AccessToken: "at-1", Expiry: exp, AccountID: "acc"},
		},
		"opencode, a key": {
			kind:     "opencode",
			file:     `{"anthropic":{"type":"api","key":"at-1"},"openai":{"type":"api","key":"k"}}`,
			provider: "claude",
			want:     reauth.Credential{Provider: "anthropic", AccessToken: "at-1"},
		},
		"claude": {
			kind: "claude-code",
			file: `{"claudeAiOauth":{"accessToken":"at-1","refreshToken":"rt-1","expiresAt":` + ms +
				`,"scopes":["a"]},"mcpOAuth":{}}`,
			want: reauth.Credential{Provider: "anthropic", AccessToken: "at-1", Expiry: exp},
		},
		"qwen": {
			kind: "qwen",
			file: `{"access_token":"at-1","refresh_token":"rt-1","token_type":"Bearer",` +
				`"resource_url":"portal.qwen.ai","expiry_date":` + ms + `}`,
			want: reauth.Credential{Provider: "qwen-oauth", AccessToken: "at-1", Expiry: exp},
		},
		"grok, several": {
			kind: "grok",
			file: `{"https://x.ai":{"key":"api-key"},` +
				`"a::b":{"key":"at-0","refresh_token":"r","expires_at":"2020-01-01T00:00:00.123456Z"},` +
				`"c::d":{"key":"at-1","refresh_token":"r","expires_at":"` + exp.Format(time.RFC3339Nano) + `"},` +
				`"odd":7}`,
			want: reauth.Credential{Provider: "xai-oauth", AccessToken: "at-1", Expiry: exp},
		},
		"hermes, active": {
			kind: "hermes",
			file: `{"version":1,"active_provider":"xai-oauth",` +
				`"providers":{"xai-oauth":{"tokens":{"access_token":"at-1","refresh_token":"rt-1"}}},` +
				`"credential_pool":{}}`,
			want: reauth.Credential{Provider: "xai-oauth", AccessToken: "at-1"},
		},
		"hermes, named": {
			kind: "hermes",
			file: `{"active_provider":"nous",` +
				`"providers":{"nous":{"access_token":"no","expires_at":"` + exp.Format(time.RFC3339) + `"}},` +
				`"credential_pool":{"qwen-oauth":[` +
				`{"access_token":"at-0","priority":0,"last_status":"dead"},` +
				`{"access_token":"at-1","priority":3,"expires_at_ms":` + ms + `},` +
				`{"access_token":"at-2","priority":4}]}}`,
			provider: "qwen",
			want:     reauth.Credential{Provider: "qwen-oauth", AccessToken: "at-1", Expiry: exp},
		},
		"hermes, odd others": {
			kind: "hermes",
			file: `{"active_provider":"nous","providers":{"nous":7,"xai":{"access_token":"at-1"}},` +
				`"credential_pool":{"zai":{"odd":true},"groq":[{"access_token":1}]}}`,
			provider: "xai",
			want:     reauth.Credential{Provider: "xai-oauth", AccessToken: "at-1"},
		},
		"hermes, flat": {
			kind: "hermes",
			file: `{"active_provider":"nous","providers":{"nous":{"access_token":"at-1","expires_at":"` +
				exp.Format(time.RFC3339) + `"}}}`,
			want: reauth.Credential{Provider: "nous", AccessToken: "at-1", Expiry: exp},
		},
		"hermes, agent's key": {
			kind: "hermes",
			file: `{"active_provider":"nous","providers":{"nous":{"access_token":"no",` +
				`"agent_key":"eyJh.eyJh.c2ln","agent_key_expires_at":` + ms + `}}}`,
			want: reauth.Credential{Provider: "nous", AccessToken: "eyJh.eyJh.c2ln", Expiry: exp},
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "file.json")
			require.NoError(t, os.WriteFile(path, []byte(c.file), 0o600))
			pool := reauth.NewPool()
			t.Cleanup(func() { require.NoError(t, pool.Close()) })
			f := reauth.Follow(c.kind, path)
			if c.provider != "" {
				f.Provider = c.provider
			}
			_, err := pool.Add(t.Context(), f)
			require.NoError(t, err)
			got, err := pool.Token(t.Context(), c.want.Provider)
			require.NoError(t, err)
			assert.Equal(t, c.want.AccessToken, got.AccessToken)
			assert.Empty(t, got.RefreshToken)
			assert.Equal(t, c.want.AccountID, got.AccountID)
			assert.True(t, c.want.Expiry.Equal(got.Expiry), "%v", got.Expiry)
		})
	}
}

// A user may have registered a provider of another name that takes the program's tokens, such as a
// proxy.
func TestFollowForAProviderOfAnotherName(t *testing.T) {
	path := filepath.Join(t.TempDir(), "auth.json")
	require.NoError(t, os.WriteFile(path, []byte(`{"tokens":{"access_token":"at-1"}}`), 0o600))
	pool := reauth.NewPool()
	t.Cleanup(func() { require.NoError(t, pool.Close()) })
	require.NoError(t, pool.Register(reauth.Provider{Name: "my-proxy", Hosts: []string{"proxy.example"}}))
	c := reauth.Follow("codex", path)
	c.Provider = "my-proxy"
	_, err := pool.Add(t.Context(), c)
	require.NoError(t, err)
	got, err := pool.Token(t.Context(), "my-proxy")
	require.NoError(t, err)
	assert.Equal(t, "at-1", got.AccessToken)
}

func TestFollowFindsTheProgramsOwnPlace(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("CODEX_HOME", dir)
	codex := filepath.Join(dir, "auth.json")
	require.NoError(t, os.WriteFile(codex, []byte(`{"tokens":{"access_token":"at-1"}}`), 0o600))
	t.Setenv("QWEN_HOME", "")
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	qwen := filepath.Join(home, ".qwen", "oauth_creds.json")
	require.NoError(t, os.Mkdir(filepath.Dir(qwen), 0o700))
	require.NoError(t, os.WriteFile(qwen, []byte(`{"access_token":"at-2"}`), 0o600))
	pool := reauth.NewPool()
	t.Cleanup(func() { require.NoError(t, pool.Close()) })
	for _, kind := range []string{"codex", "qwen"} {
		id, err := pool.Add(t.Context(), reauth.Follow(kind, ""))
		require.NoError(t, err)
		assert.Equal(t, kind, id)
	}
}

func TestFollowThatCannotBe(t *testing.T) {
	dir := t.TempDir()
	file := func(content string) string {
		f, err := os.CreateTemp(dir, "*.json")
		require.NoError(t, err)
		_, err = f.WriteString(content)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		return f.Name()
	}
	missing := filepath.Join(dir, "none")
	pool := reauth.NewPool()
	t.Cleanup(func() { require.NoError(t, pool.Close()) })
	for want, c := range map[string]reauth.Credential{
		`there is no program "cursor" to follow; known are ant, claude-code, codex, grok, hermes, kimi, opencode, qwen`: {
			Provider: "openai", Metadata: reauth.Follow("cursor", "").Metadata,
		},
		"follow Codex CLI (" + missing + "): no such file or directory; log in there": reauth.Follow("codex", missing),
		"it is not what that program writes": reauth.Follow(
			"codex", file(`{"tokens":{"access_token":"secret-secret-secret`),
		),
		"it holds an API key and no login": reauth.Follow("codex", file(`{"OPENAI_API_KEY":"secret-secret-secret"}`)),
		"it holds no login of anthropic": reauth.Follow(
			"claude-code", file(`{"mcpOAuth":{"a":"secret-secret-secret"}}`),
		),
		"names no provider":              reauth.Follow("hermes", file(`{}`)),
		"it holds an agent identity":     reauth.Follow("codex", file(`{"agent_identity":"secret-secret-secret"}`)),
		"it holds no login of xai-oauth": reauth.Follow("grok", file(`{}`)),
	} {
		_, err := pool.Add(t.Context(), c)
		require.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), "secret-secret")
	}
	assert.Empty(t, pool.Status())
}

// The pool does not take the refresh token from the program's file. So nothing of ours can send it.
func TestFollowedRefreshTokenIsNowhere(t *testing.T) {
	following(t, func(t *testing.T, r *rig, _ *programFile) {
		r.fake.Expire()
		r.mustPost(t)
		c, err := r.pool.Token(t.Context(), "xai")
		require.NoError(t, err)
		header := http.Header{"X": {c.AccessToken, c.RefreshToken}}
		assert.NotContains(t, fmt.Sprintf("%#v", struct{ http.Header }{header}), "programs-refresh-token")
		assert.NotContains(t, fmt.Sprint(c.Metadata), "programs-refresh-token")
	})
}

// A program's file may hold entries that nobody can use: a digest in place of a secret that the
// program keeps elsewhere, a login that the program has found dead, a value that no header can
// carry. Follow takes the next entry then.
func TestFollowPassesOverEntriesThatAreOfNoUse(t *testing.T) {
	const (
		digest = `{"access_token":"sha256:0123456789abcdef","secret_fingerprint":"sha256:0123456789abcdef"}`
		dead   = `{"access_token":"dead-1","refresh_token":"rt-1","last_status":"dead"}`
		live   = `{"access_token":"live-1","refresh_token":"rt-2","priority":9,"last_status":"ok"}`
	)
	for name, c := range map[string]struct{ kind, file string }{
		"digest before a live entry": {
			kind: "hermes", file: `{"credential_pool":{"xai-oauth":[` + digest + `,` + live + `]}}`,
		},
		"digest in the pool, live login beside": {
			kind: "hermes",
			file: `{"credential_pool":{"xai-oauth":[` + digest + `]},"providers":{"xai-oauth":` + live + `}}`,
		},
		"digest below tokens": {
			kind: "hermes", file: `{"credential_pool":{"xai-oauth":[{"tokens":` + digest + `},` + live + `]}}`,
		},
		"digest below tokens of a provider": {
			kind: "hermes",
			file: `{"providers":{"xai":{"tokens":` + digest + `},"xai-oauth":{"tokens":` + live + `}}}`,
		},
		"digest in place of an agent's key": {
			kind: "hermes",
			file: `{"credential_pool":{"xai-oauth":[{"agent_key":"sha256:0123456789abcdef"},` + live + `]}}`,
		},
		"digest under another name of it": {
			kind: "hermes", file: `{"credential_pool":{"xai":[` + digest + `],"xai-oauth":[` + live + `]}}`,
		},
		"dead in the pool, live login beside": {
			kind: "hermes",
			file: `{"credential_pool":{"xai-oauth":[` + dead + `]},"providers":{"xai-oauth":` + live + `}}`,
		},
		"dead under another name of it": {
			kind: "hermes", file: `{"credential_pool":{"xai":[` + dead + `],"xai-oauth":[` + live + `]}}`,
		},
		"dead as a provider's own": {
			kind: "hermes", file: `{"providers":{"xai":` + dead + `,"xai-oauth":` + live + `}}`,
		},
		"login below tokens in the pool": {
			kind: "hermes",
			file: `{"credential_pool":{"xai-oauth":[{"tokens":` + live +
				`}]},"providers":{"xai-oauth":{"access_token":"no"}}}`,
		},
		"odd entry before a live one": {
			kind: "hermes", file: `{"credential_pool":{"xai-oauth":[7,{"access_token":7},` + live + `]}}`,
		},
		"provider without a token before one": {"hermes", `{"providers":{"xai":{},"xai-oauth":` + live + `}}`},
		"exhausted is not for ever": {
			kind: "hermes",
			file: `{"credential_pool":{"xai-oauth":[{"access_token":"live-1","last_status":"exhausted"}]}}`,
		},
		"line break inside the better entry": {
			kind: "grok", file: `{"a::b":{"key":"to\nken","refresh_token":"r"},"c::d":{"key":"live-1"}}`,
		},
		"no text inside the better entry": {
			kind: "grok", file: `{"a::b":{"key":"to\ud800ken","refresh_token":"r"},"c::d":{"key":"live-1"}}`,
		},
		"line break in a pool entry": {
			kind: "hermes", file: `{"credential_pool":{"xai-oauth":[{"access_token":"to\nken"},` + live + `]}}`,
		},
		"odd stamp does not hide the only login": {"grok", `{"c::d":{"key":"live-1","expires_at":[]}}`},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "auth.json")
			require.NoError(t, os.WriteFile(path, []byte(c.file), 0o600))
			pool := reauth.NewPool()
			t.Cleanup(func() { require.NoError(t, pool.Close()) })
			f := reauth.Follow(c.kind, path)
			f.Provider = "xai"
			_, err := pool.Add(t.Context(), f)
			require.NoError(t, err)
			got, err := pool.Token(t.Context(), "xai")
			require.NoError(t, err)
			assert.Equal(t, "live-1", got.AccessToken)
		})
	}
}

// When a file holds only such entries, Add fails. Its error says whose login it is and what to do.
func TestFollowOfAFileWithoutALoginThatCanBeUsed(t *testing.T) {
	const digest, dead = `"sha256:0123456789abcdef"`, `"access_token":"secret-secret-secret","last_status":"dead"`
	for name, c := range map[string]struct{ kind, file, provider, want string }{
		"digest": {
			kind: "hermes",
			file: `{"credential_pool":{"openrouter":[{"source":"env:secret-secret",` +
				`"access_token":` + digest + `}]}}`,
			provider: "openrouter",
			want:     "Hermes keeps the secret of openrouter elsewhere; add that secret as a credential of its own",
		},
		"fingerprint only": {
			kind:     "hermes",
			file:     `{"credential_pool":{"openrouter":[{"secret_fingerprint":` + digest + `}]}}`,
			provider: "openrouter",
			want:     "Hermes keeps the secret of openrouter elsewhere; add that secret as a credential of its own",
		},
		"digest below tokens": {
			kind:     "hermes",
			file:     `{"providers":{"xai-oauth":{"tokens":{"access_token":` + digest + `}}}}`,
			provider: "xai",
			want:     "Hermes keeps the secret of xai-oauth elsewhere",
		},
		"dead": {
			kind:     "hermes",
			file:     `{"credential_pool":{"xai-oauth":[{` + dead + `}]}}`,
			provider: "xai",
			want:     "Hermes found its login of xai-oauth dead; log in there again",
		},
		"dead as the provider's": {
			kind:     "hermes",
			file:     `{"providers":{"xai-oauth":{` + dead + `}}}`,
			provider: "xai",
			want:     "Hermes found its login of xai-oauth dead; log in there again",
		},
		"of another provider": {
			kind:     "hermes",
			file:     `{"providers":{"nous":{` + dead + `}}}`,
			provider: "xai",
			want:     "it holds no login of xai-oauth; log in there first",
		},
		"codex, no token": {
			kind: "codex",
			file: `{"tokens":{"access_token":"secret-\nsecret"}}`,
			want: "it holds no login of openai-codex; log in there first",
		},
		"claude, no token": {
			kind: "claude-code",
			file: `{"claudeAiOauth":{"accessToken":"secret-\u0000secret","refreshToken":"r"}}`,
			want: "it holds no login of anthropic; log in there first",
		},
		"qwen, no token": {
			kind: "qwen",
			file: `{"access_token":"\u007f","refresh_token":"r"}`,
			want: "it holds no login of qwen-oauth; log in there first",
		},
		"grok, no token": {
			kind: "grok",
			file: `{"a::b":{"key":"secret-\u0001secret"}}`,
			want: "it holds no login of xai-oauth; log in there first",
		},
		"grok, digest": {
			kind: "grok",
			file: `{"a::b":{"key":` + digest + `}}`,
			want: "it holds no login of xai-oauth; log in there first",
		},
		"larger than any of them": {
			kind: "codex",
			file: `{"tokens":{"access_token":"at-1"},"more":"` + strings.Repeat("x", 4<<20) + `"}`,
			want: "it is larger than 4 MiB",
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "auth.json")
			require.NoError(t, os.WriteFile(path, []byte(c.file), 0o600))
			pool := reauth.NewPool()
			t.Cleanup(func() { require.NoError(t, pool.Close()) })
			f := reauth.Follow(c.kind, path)
			if c.provider != "" {
				f.Provider = c.provider
			}
			_, err := pool.Add(t.Context(), f)
			require.ErrorContains(t, err, "("+path+"): "+c.want)
			assert.NotContains(t, err.Error(), "secret-")
			assert.NotContains(t, err.Error(), "sha256:")
			assert.Empty(t, pool.Status())
		})
	}
}
