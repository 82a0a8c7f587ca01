package reauth_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

// programFolder is the folder of a program that keeps its login in several files. write writes one
// of them.
func programFolder(t *testing.T) (folder string, write func(content string, path ...string)) {
	t.Helper()
	for _, variable := range []string{"ANTHROPIC_PROFILE", "KIMI_CODE_HOME", "KIMI_SHARE_DIR"} {
		t.Setenv(variable, "")
	}
	folder = t.TempDir()
	return folder, func(content string, path ...string) {
		file := filepath.Join(append([]string{folder}, path...)...)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
		require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
	}
}

// A profile of Anthropic's CLI is followed by its folder, by its file and by the environment. What
// the CLI writes to the file of the tokens is adopted.
func TestFollowAProfileOfAnthropicsCLI(t *testing.T) {
	folder, write := programFolder(t)
	write(`{"version":"1.0","authentication":{"type":"user_oauth","client_id":"c"}}`, "configs", "work.json")
	write("work\n", "active_config")
	t.Setenv("ANTHROPIC_CONFIG_DIR", folder)
	bubble(t, reauthtest.Anthropic, func(t *testing.T, r *rig) {
		r.fake.JWT = true // so that the tokens are known from API keys
		tokens := func() string {
			access, refresh := r.fake.Login()
			write(fmt.Sprintf(`{"type":"oauth_token","access_token":%q,"refresh_token":%q}`, access, refresh), "credentials", "work.json")
			return access
		}
		first := tokens()
		for _, path := range []string{folder, filepath.Join(folder, "credentials", "work.json"), ""} {
			id, err := r.pool.Add(t.Context(), reauth.Follow("ant", path))
			require.NoError(t, err)
			got, err := r.pool.Token(t.Context(), "anthropic")
			require.NoError(t, err)
			assert.Equal(t, first, got.AccessToken)
			if path != "" {
				require.NoError(t, r.pool.Remove(t.Context(), "anthropic", id))
			}
		}
		r.fake.Expire()
		tokens()
		status, _ := r.mustPost(t)
		assert.Equal(t, 200, status)
		assert.Zero(t, r.fake.TokenRequests(), "only the program may spend the refresh token")
	})
}

// kimiPool returns a pool in which both hosts of Kimi Code get the credentials of kimi-coding.
func kimiPool(t *testing.T, store reauth.Store) *reauth.Pool {
	t.Helper()
	pool, err := reauth.OpenPool(t.Context(), store)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, pool.Close()) })
	p, ok := reauth.LookupProvider("kimi-coding")
	require.True(t, ok)
	p.Hosts = []string{"api.kimi.com/coding", "api.kimi.ai/coding"}
	require.NoError(t, pool.Register(p))
	return pool
}

const kimiGlobal = "kimi-code-env-0e4f99c69cc27850.json"

func kimiTokens(access string, expiry time.Time) string {
	b, _ := json.Marshal(map[string]any{"access_token": access, "refresh_token": "rt", "expires_at": float64(expiry.Unix())})
	return string(b)
}

// A login of one region of Kimi Code goes to that region's host and to no other. When the program
// logs in to another region, its token does not take the place of the first.
func TestFollowBindsALoginToItsHost(t *testing.T) {
	folder, write := programFolder(t)
	soon := time.Now().Add(time.Hour).Truncate(time.Second)
	write(kimiTokens("at-global", soon), "credentials", kimiGlobal)
	store := reauth.NewMemStore()
	pool := kimiPool(t, store)
	id, err := pool.Add(t.Context(), reauth.Follow("kimi", folder))
	require.NoError(t, err)
	stored := store.Record(t, "kimi-coding", id).Credential
	assert.Equal(t, []string{"api.kimi.ai/coding"}, stored.Hosts)
	assert.Empty(t, stored.AccessToken)

	write(kimiTokens("at-china", soon.Add(time.Hour)), "credentials", "kimi-code.json")
	other := reauth.Follow("kimi", filepath.Join(folder, "credentials", "kimi-code.json"))
	_, err = pool.Add(t.Context(), other)
	require.NoError(t, err)
	sent := make(map[string]string)
	transport := reauth.NewRecoveringTransport(roundTripFunc(func(req *http.Request) (*http.Response, error) {
		sent[req.URL.Host] = req.Header.Get("Authorization")
		return answer(req, 200, "{}"), nil
	}), pool)
	for _, host := range []string{"api.kimi.ai", "api.kimi.com"} {
		res, err := (&http.Client{Transport: transport}).Get("https://" + host + "/coding/v1/models")
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
	}
	assert.Equal(t, map[string]string{"api.kimi.ai": "Bearer at-global", "api.kimi.com": "Bearer at-china"}, sent)

	require.NoError(t, os.Remove(filepath.Join(folder, "credentials", kimiGlobal)))
	require.ErrorContains(t, pool.Refresh(t.Context(), "kimi-coding", id),
		"its login of kimi-coding is good at api.kimi.com/coding, and the credential is for api.kimi.ai/coding; log in there")
	again := kimiPool(t, store) // another process: the folder has the login of China alone
	for _, s := range again.Status() {
		assert.Equal(t, s.ID != id, s.Fingerprint != "", "a token of one host is none of the other's: %v", s)
	}
}

// A user's own provider, such as a proxy, may take the program's tokens at another host.
func TestFollowALoginOfAHostForAnotherProvider(t *testing.T) {
	folder, write := programFolder(t)
	write(kimiTokens("at-1", time.Now().Add(time.Hour)), "credentials", "kimi-code.json")
	pool := poolOf(t)
	require.NoError(t, pool.Register(reauth.Provider{Name: "my-proxy", Hosts: []string{"proxy.example"}}))
	c := reauth.Follow("kimi", folder)
	c.Provider = "my-proxy"
	_, err := pool.Add(t.Context(), c)
	require.NoError(t, err)
	got, err := pool.Token(t.Context(), "my-proxy")
	require.NoError(t, err)
	assert.Equal(t, "at-1", got.AccessToken)
	assert.Empty(t, got.Hosts)
}

// A record that somebody has written by hand without the host of its login gets no token.
func TestFollowedRecordWithoutItsHost(t *testing.T) {
	folder, write := programFolder(t)
	write(kimiTokens("at-1", time.Now().Add(time.Hour)), "credentials", "kimi-code.json")
	store := reauth.NewMemStore()
	c := reauth.Follow("kimi", folder)
	_, err := store.Update(t.Context(), c.Provider, c.ID, func(reauth.Holding) (reauth.Entry, error) {
		return reauth.Entry{Credential: c, Login: time.Now(), Generation: 1}, nil
	})
	require.NoError(t, err)
	pool := kimiPool(t, store)
	require.Len(t, pool.Status(), 1)
	assert.Empty(t, pool.Status()[0].Fingerprint)
	require.ErrorContains(t, pool.Refresh(t.Context(), c.Provider, c.ID), "is good at api.kimi.com/coding only; add the credential again")
	_, err = pool.Add(t.Context(), reauth.Follow("kimi", folder))
	require.NoError(t, err)
	got, err := pool.Token(t.Context(), c.Provider)
	require.NoError(t, err)
	assert.Equal(t, "at-1", got.AccessToken)
}

// Of a file with two logins of one provider, Hosts choose.
func TestFollowTheLoginOfAHost(t *testing.T) {
	folder, write := programFolder(t)
	write(`{"zai":{"type":"api","key":"key-of-zai"},"zhipuai":{"type":"api","key":"key-of-bigmodel"}}`, "auth.json")
	for host, want := range map[string]string{"": "key-of-zai", "api.z.ai": "key-of-zai", "open.bigmodel.cn": "key-of-bigmodel"} {
		pool := poolOf(t)
		c := reauth.Follow("opencode", folder)
		c.Provider = "zai"
		if host != "" {
			c.Hosts = []string{host}
		}
		_, err := pool.Add(t.Context(), c)
		require.NoError(t, err)
		got, err := pool.Token(t.Context(), "zai")
		require.NoError(t, err)
		assert.Equal(t, want, got.AccessToken, host)
		assert.Len(t, got.Hosts, 1)
	}
	c := reauth.Follow("opencode", folder)
	c.Provider, c.Hosts = "zai", []string{"gateway.example"}
	_, err := poolOf(t).Add(t.Context(), c)
	require.ErrorContains(t, err, "its login of zai is good at api.z.ai, open.bigmodel.cn, and the credential is for gateway.example")
}
