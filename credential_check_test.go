package reauth_test

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// Add refuses what no provider takes. The error names the way out, and nothing of the value.
func TestAddRefusesWhatCanNeverWork(t *testing.T) {
	const (
		variable, ascii, space = "the name of a variable and not its value", "outside of ASCII", "holds white space"
		quotes, scheme         = "stands in quotes", "give the key alone"
	)
	for value, want := range map[string]string{
		"$OPENAI_API_KEY": variable, "${OPENAI_API_KEY}": variable, "sk-${SECRET-KEY}": variable,
		"%OPENAI_API_KEY%": variable, "$(pass show SECRET-KEY)": variable, "{{ .Values.SECRET_KEY }}": variable,
		"$env_SECRET": variable,

		"Bearer sk-SECRET": `begins with "Bearer"; ` + scheme, "bearer sk-SECRET": scheme,
		"Authorization: Bearer SECRET": scheme, "x-api-key:sk-SECRET": scheme, "Basic SECRET": scheme,
		"OPENAI_API_KEY=sk-SECRET": `begins with "OPENAI_API_KEY="`,

		"sk-SECRET\u2026": ascii, "sk-SECR\u00c9T": ascii, "sk\u2011SECRET": ascii, "sk-SECRET\u200b": ascii, "\ufeffsk-SECRET": ascii,

		"sk-SECRET sk-SECRET": space, "sk-SEC RET": space, "sk-SECRET # my key": space,
		`"sk-SECRET"`: quotes, "'sk-SECRET'": quotes, "`sk-SECRET`": quotes,
	} {
		for name, c := range map[string]reauth.Credential{
			"AccessToken":  {Provider: "openai", AccessToken: value},
			"RefreshToken": {Provider: "xai", AccessToken: "at-EXAMPLE", RefreshToken: value},
		} {
			pool := poolOf(t)
			_, err := pool.Add(t.Context(), c)
			require.ErrorContains(t, err, "reauth: add credential ", "%s %q", name, value)
			require.ErrorContains(t, err, name, value)
			require.ErrorContains(t, err, want, value)
			assert.NotContains(t, err.Error(), "SECRET")
			assert.Empty(t, pool.Status())
		}
	}
}

// What looks odd and may work is taken.
func TestAddTakesOddTokens(t *testing.T) {
	for _, value := range []string{
		"k", "$", "$5-EXAMPLE", "a$B_C", "%", "50%off%now", "sk-EXAMPLE==", "abc_KEY", "KEY=abc", "ya29.a0~+/-_.=", "bearer", "it's",
		"{\"a\":1}", "user:password",
	} {
		_, err := poolOf(t).Add(t.Context(), reauth.Credential{Provider: "openai", AccessToken: value})
		assert.NoError(t, err, value)
	}
}

// A provider of the program's own with an Authorize, or a Refresher, of its own may make anything of
// a token, but of the name of a variable.
func TestAddTakesWhatAProgramMakesSomethingOf(t *testing.T) {
	pool := poolOf(t)
	refresher := reauth.RefresherFunc(func(_ context.Context, c reauth.Credential) (reauth.Credential, error) { return c, nil })
	require.NoError(t, pool.Register(reauth.Provider{
		Name: "own", Hosts: []string{"own.example"}, Refresher: refresher,
		Authorize: func(h http.Header, c reauth.Credential) { h["Authorization"] = []string{c.AccessToken} },
	}))
	require.NoError(t, pool.Register(reauth.Provider{Name: "plain", Hosts: []string{"plain.example"}, Refresher: refresher}))
	for _, value := range []string{"Basic abc", "user name:pass word", "\u00fcser:p\u00e4ss"} {
		_, err := pool.Add(t.Context(), reauth.Credential{Provider: "own", ID: "a", AccessToken: value, RefreshToken: value})
		require.NoError(t, err)
		_, err = pool.Add(t.Context(), reauth.Credential{Provider: "plain", ID: "a", AccessToken: value})
		require.Error(t, err)
		_, err = pool.Add(t.Context(), reauth.Credential{Provider: "plain", ID: "b", RefreshToken: value})
		require.NoError(t, err)
	}
	_, err := pool.Add(t.Context(), reauth.Credential{Provider: "own", ID: "a", AccessToken: "${TOKEN}"})
	assert.ErrorContains(t, err, "AccessToken is the name of a variable")
}

// Without a Refresher nobody can get an access token for a refresh token.
func TestAddRefusesARefreshTokenThatNobodyCanUse(t *testing.T) {
	pool := poolOf(t)
	_, err := pool.Add(t.Context(), reauth.Credential{Provider: "groq", RefreshToken: "rt-EXAMPLE"})
	require.ErrorContains(t, err, "it has no access token, and groq has no Refresher that gets one for a refresh token")
	for _, c := range []reauth.Credential{
		{Provider: "groq", AccessToken: "at-EXAMPLE", RefreshToken: "rt-EXAMPLE"},
		{Provider: "xai", RefreshToken: "rt-EXAMPLE"},
		{Provider: "copilot", RefreshToken: "gho_EXAMPLE"}, // it is the key itself
	} {
		_, err := pool.Add(t.Context(), c)
		assert.NoError(t, err, c.Provider)
	}
}

// A credential that is bound to hosts of others than its provider's would never be sent.
func TestAddRefusesHostsThatAreNoneOfTheProviders(t *testing.T) {
	pool := poolOf(t)
	add := func(provider string, hosts ...string) error {
		_, err := pool.Add(t.Context(), reauth.Credential{Provider: provider, ID: "a", AccessToken: "key-EXAMPLE", Hosts: hosts})
		return err
	}
	for _, hosts := range [][]string{
		{"api.openai.com"}, {"x.ai"}, {"a.b.api.x.ai"}, {"api.x.ai:8443"}, {"http://api.x.ai:80"}, {"one.example", "two.example"},
	} {
		require.ErrorContains(t, add("xai", hosts...), "is one of xai-oauth (api.x.ai, *.api.x.ai, cli-chat-proxy.grok.com), "+
			"so no request would get it", "%q", hosts)
	}
	require.ErrorContains(t, add("azure", "my.openai.azure.com.evil.example"), "so no request would get it")
	require.NoError(t, add("xai", "us.api.x.ai"))
	require.NoError(t, add("xai", "us-*.api.x.ai/v1", "gone.example"))
	require.NoError(t, add("openrouter", "openrouter.ai"), "the provider has a path of that host")
	require.NoError(t, add("azure", "my.openai.azure.com"))
	require.NoError(t, add("copilot-acp", "own.example"), "of a provider without hosts nothing is known")

	xai, _ := reauth.LookupProvider("xai")
	xai.Hosts = append(xai.Hosts, "llm.corp.example")
	require.NoError(t, pool.Register(xai))
	assert.NoError(t, add("xai", "llm.corp.example"), "a registered host is the provider's")
}

// A key that begins as those of another vendor do is probably that vendor's.
func TestForeignKeysAreDoubtful(t *testing.T) {
	for _, c := range []struct{ provider, key, prefix, owner string }{
		{"openai", "sk-ant-api03-SECRET", "sk-ant-", "anthropic"},
		{"openai", "sk-or-v1-SECRET", "sk-or-", "openrouter"},
		{"openai-codex", "sk-proj-SECRET", "sk-proj-", "openai-api"},
		{"anthropic", "sk-proj-SECRET", "sk-proj-", "openai-api"},
		{"xai", "gsk_SECRET", "gsk_", "groq"},
		{"groq", "xai-SECRET", "xai-", "xai-oauth"},
		{"openrouter", "AIzaSECRET", "AIza", "gemini"},
		{"alibaba", "sk-sp-SECRET", "sk-sp-", "alibaba-coding-plan"},

		{"openai", "sk-SECRET", "", ""},
		{"openai", "sk-proj-SECRET", "", ""},
		{"deepseek", "sk-SECRET", "", ""},
		{"vertex", "AIzaSECRET", "", ""},
		{"copilot", "gho_SECRET", "", ""},
		{"cloudflare", "sk-ant-SECRET", "", ""}, // its gateway passes the keys of others on
		{"gateway", "sk-ant-SECRET", "", ""},
	} {
		pool, events := poolOf(t), new(eventLog)
		pool.Observe = events.observe
		require.NoError(t, pool.Register(reauth.Provider{Name: "gateway", Hosts: []string{"gateway.example"}}))
		id, err := pool.Add(t.Context(), reauth.Credential{Provider: c.provider, AccessToken: c.key})
		require.NoError(t, err, "it may work all the same")
		told := events.all(reauth.Doubtful)
		if c.owner == "" {
			assert.Empty(t, told, "%s %s", c.provider, c.key)
			continue
		}
		require.Len(t, told, 1, "%s %s", c.provider, c.key)
		assert.Equal(t, []string{"foreign-prefix", id}, []string{told[0].Reason, told[0].ID})
		require.ErrorContains(t, told[0].Err, fmt.Sprintf("begins with %q, as those of %s do", c.prefix, c.owner))
		assert.NotContains(t, told[0].Err.Error(), "SECRET")
	}
}

// openWith opens a pool over a store that holds a credential which no pool would have taken.
func openWith(t *testing.T, c reauth.Credential) map[string]*reauth.Pool {
	t.Helper()
	pools := make(map[string]*reauth.Pool)
	memory, file := reauth.NewMemStore(), reauth.NewFileStore(filepath.Join(t.TempDir(), "auth.json"))
	memory.Put(t, c, time.Time{})
	put(t, file, c)
	for name, s := range map[string]reauth.Store{"memory": memory, "file": file} {
		pool, err := reauth.OpenPool(t.Context(), s)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, pool.Close()) })
		pools[name] = pool
	}
	return pools
}

// A credential of Azure that stands in a store and names no resource of its own must not go to
// everybody's.
func TestStoredCredentialWithoutItsOwnHostIsSentNowhere(t *testing.T) {
	for name, hosts := range map[string][]string{
		"no hosts": nil, "a wildcard": {"*.openai.azure.com"}, "no pattern": {"a..b"},
	} {
		stored := reauth.Credential{Provider: "azure-foundry", ID: "a", AccessToken: "key-SECRET", Hosts: hosts}
		for store, pool := range openWith(t, stored) {
			t.Run(name+" "+store, func(t *testing.T) {
				events := new(eventLog)
				pool.Observe = events.observe
				for _, host := range []string{"evil.openai.azure.com", "my.services.ai.azure.com", "a..b"} {
					assert.Equal(t, "placeholder", bearerSent(t, pool, "https://"+host+"/openai/v1"), host)
				}
				assert.Eventually(t, func() bool { return len(events.all(reauth.StoreFailed)) > 0 }, time.Minute, time.Millisecond)
				told := events.all(reauth.StoreFailed)
				require.Len(t, told, 1)
				assert.Equal(t, []string{"record", "azure-foundry", "a"}, []string{told[0].Reason, told[0].Provider, told[0].ID})
				require.ErrorContains(t, told[0].Err, "reauth: record azure-foundry/a: ")
				assert.NotContains(t, told[0].Err.Error(), "SECRET")
				passed := events.all(reauth.PassedThrough)
				require.NotEmpty(t, passed)
				assert.Equal(t, "key-not-for-host", passed[0].Reason)
			})
		}
	}
}

// Of several hosts a stored credential keeps those that are good.
func TestStoredCredentialKeepsItsGoodHosts(t *testing.T) {
	stored := reauth.Credential{
		Provider: "azure-foundry", ID: "a", AccessToken: "key-EXAMPLE", Hosts: []string{"*.openai.azure.com", "my.openai.azure.com"},
	}
	for _, pool := range openWith(t, stored) {
		sent := func(host string) string {
			return headerSent(t, pool, "https://"+host+"/openai/v1", http.Header{"Api-Key": {"placeholder"}}).Get("Api-Key")
		}
		assert.Equal(t, "key-EXAMPLE", sent("my.openai.azure.com"))
		assert.Equal(t, "placeholder", sent("evil.openai.azure.com"))
	}
}

// What Add refuses is told when it stands in a store. A good credential beside it serves.
func TestStoredCredentialsAreCheckedAsAddChecksThem(t *testing.T) {
	for want, c := range map[string]reauth.Credential{
		"has neither an access token nor a refresh token": {},
		"there is no program \"netscape\" to follow":      {Metadata: map[string]string{"reauth-follow": "netscape"}},
		"AccessToken begins with \"Bearer\"":              {AccessToken: "Bearer key-SECRET"},
		"AccessToken is the name of a variable":           {AccessToken: "$XAI_SECRET"},
		"AccessToken holds a character outside of ASCII":  {AccessToken: "key-SECRET\u2026"},
		"AccessToken holds white space":                   {AccessToken: "k-SEC RET"},
		"RefreshToken stands in quotes":                   {AccessToken: "at", RefreshToken: `"rt-SECRET"`},
		"a label of the host is empty":                    {AccessToken: "key-SECRET", Hosts: []string{"a..b"}},
	} {
		c.Provider, c.ID, c.Priority = "xai-oauth", "bad", 1
		for store, pool := range openWith(t, c) {
			events := new(eventLog)
			pool.Observe = events.observe
			_, err := pool.Add(t.Context(), reauth.Credential{Provider: "xai", ID: "good", AccessToken: "key-good"})
			require.NoError(t, err)
			assert.Equal(t, "key-good", bearerSent(t, pool, "https://api.x.ai/v1"))
			assert.Eventually(t, func() bool { return len(events.all(reauth.StoreFailed)) > 0 }, time.Minute, time.Millisecond, store)
			told := events.all(reauth.StoreFailed)
			require.Len(t, told, 1, "%s: %s", store, want)
			require.ErrorContains(t, told[0].Err, want, store)
			assert.NotContains(t, told[0].Err.Error(), "SECRET")
			var record *reauth.RecordError
			require.ErrorAs(t, told[0].Err, &record)
			assert.True(t, strings.HasPrefix(record.Error(), "reauth: record xai-oauth/bad: "))
		}
	}
}
