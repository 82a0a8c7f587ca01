package logins_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/internal/logins"
)

// canonical knows the providers of these tests, and one alias.
func canonical(name string) (string, bool) {
	switch name {
	case "xai", "xai-oauth":
		return "xai-oauth", true
	case "nous", "openrouter", "qwen-oauth", "zai", "novita", "openai-codex", "azure-foundry", "copilot", "kimi-coding":
		return name, true
	case "openai":
		return "openai-api", true
	case "azure":
		return "azure-foundry", true
	case "github-copilot":
		return "copilot", true
	case "qwen":
		return "qwen-oauth", true
	}
	return name, false
}

func program(t *testing.T, kind string) logins.Program {
	t.Helper()
	p, ok := logins.Lookup(kind)
	require.True(t, ok, kind)
	return p
}

// read reads a file of the content as the program of a kind does.
func read(t *testing.T, kind, content string) (logins.Found, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.json")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return program(t, kind).Read(path, canonical)
}

var (
	end = time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)
	iso = end.Format(time.RFC3339)
	ms  = fmt.Sprint(end.UnixMilli())

	seconds = fmt.Sprint(end.Unix())
)

// The rows name the whole of what a reader finds. A followed login stands first in Logins.
func TestReaders(t *testing.T) {
	const digest = `"sha256:0123456789abcdef"`
	type login = logins.Login
	for name, c := range map[string]struct {
		kind, file string
		want       []login
		skipped    []string // "name: why"
	}{
		"codex": {
			"codex", `{"auth_mode":"chatgpt","OPENAI_API_KEY":null,"tokens":{"id_token":"x","access_token":" at\n","refresh_token":"rt","account_id":"acc"},"last_refresh":"` + iso + `","agent_identity":null}`,
			[]login{{Provider: "openai-codex", Name: "ChatGPT login", Followed: true, AccessToken: "at", RefreshToken: "rt", AccountID: "acc"}},
			nil,
		},
		"codex, all that it may hold": {
			"codex", `{"OPENAI_API_KEY":"sk","tokens":{"access_token":"at","account_id":null},"agent_identity":{"a":1},"personal_access_token":"pat"}`,
			[]login{
				{Provider: "openai-codex", Name: "personal access token", Followed: true, AccessToken: "pat"},
				{Provider: "openai-codex", Name: "ChatGPT login", AccessToken: "at"},
				{Provider: "openai-api", Name: "API key", AccessToken: "sk"},
			},
			[]string{"agent identity: reauth cannot use it"},
		},
		"codex, personal access token": {
			"codex", `{"auth_mode":"personalAccessToken","OPENAI_API_KEY":null,"personal_access_token":" at-1 "}`,
			[]login{{Provider: "openai-codex", Name: "personal access token", Followed: true, AccessToken: "at-1"}},
			nil,
		},
		"codex, personal access token in the place of a login": {
			"codex", `{"tokens":{"access_token":"at-1","account_id":"acc"}}`,
			[]login{{Provider: "openai-codex", Name: "personal access token", Followed: true, AccessToken: "at-1", AccountID: "acc"}},
			nil,
		},
		"codex, a login beside a personal access token": {
			"codex", `{"auth_mode":"chatgpt","tokens":{"access_token":"at","refresh_token":"rt"},"personal_access_token":"at-1"}`,
			[]login{
				{Provider: "openai-codex", Name: "ChatGPT login", Followed: true, AccessToken: "at", RefreshToken: "rt"},
				{Provider: "openai-codex", Name: "personal access token", AccessToken: "at-1"},
			},
			nil,
		},
		"codex, digest in place of a personal access token": {
			"codex", `{"auth_mode":"personalAccessToken","personal_access_token":` + digest + `}`, nil, []string{"personal access token: it is no token"},
		},
		"codex, key of Amazon Bedrock": {
			"codex", `{"auth_mode":"bedrockApiKey","bedrock_api_key":{"api_key":"x","region":"us-east-1"}}`,
			nil,
			[]string{`Amazon Bedrock key: it is no login of ChatGPT; add it as a credential of "bedrock"`},
		},
		"codex, key only":   {"codex", `{"OPENAI_API_KEY":"sk","tokens":null}`, []login{{Provider: "openai-api", Name: "API key", AccessToken: "sk"}}, nil},
		"codex, logged out": {"codex", `{}`, nil, nil},
		"codex, values that no header can carry": {
			"codex", `{"OPENAI_API_KEY":"s\u0000k","tokens":{"access_token":"at","refresh_token":"r\nt","account_id":"a\u007fc"}}`,
			[]login{{Provider: "openai-codex", Name: "ChatGPT login", Followed: true, AccessToken: "at"}},
			nil,
		},
		"claude": {
			"claude-code", `{"claudeAiOauth":{"accessToken":"at","refreshToken":"rt","expiresAt":` + ms + `,"scopes":["user:inference"],"clientId":"c"},"mcpOAuth":{"a":{},"b":7}}`,
			[]login{{Provider: "anthropic", Name: "Claude login", Followed: true, AccessToken: "at", RefreshToken: "rt", Expiry: end, ClientID: "c"}},
			[]string{"2 login(s) of MCP servers: they are no LLM provider's"},
		},
		"claude, other scopes, odd stamp": {
			"claude-code", `{"claudeAiOauth":{"accessToken":"at","expiresAt":{},"scopes":["user:profile"]}}`,
			[]login{{Provider: "anthropic", Name: "Claude login, without the scope user:inference", Followed: true, AccessToken: "at"}},
			nil,
		},
		"claude, no token": {"claude-code", `{"claudeAiOauth":{"accessToken":"a\tt","refreshToken":"rt"}}`, nil, nil},
		"qwen": {
			"qwen", `{"access_token":"at","refresh_token":"rt","token_type":"Bearer","resource_url":"portal.qwen.ai","expiry_date":` + ms + `}`,
			[]login{{Provider: "qwen-oauth", Name: "Qwen login", Followed: true, AccessToken: "at", RefreshToken: "rt", Expiry: end, Metadata: map[string]string{"resource_url": "portal.qwen.ai"}}},
			nil,
		},
		"qwen, no token": {"qwen", `{"refresh_token":"rt"}`, nil, nil},
		"opencode, logins and keys": {
			"opencode", `{"xai":{"type":"oauth","access":"at","refresh":"rt","expires":` + ms + `},"openai":{"type":"oauth","access":"at2","refresh":"rt2","expires":` + ms + `,"accountId":"acc"},
				"openrouter":{"type":"api","key":"sk-1"},"zai-coding-plan":{"type":"api","key":"zk"},"zhipuai":{"type":"api","key":"zp"},"novita-ai":{"type":"api","key":"nk"}}`,
			[]login{
				{Provider: "novita", Name: "novita-ai", Followed: true, AccessToken: "nk"},
				{Provider: "openai-codex", Name: "openai", Followed: true, AccessToken: "at2", RefreshToken: "rt2", Expiry: end, AccountID: "acc"},
				{Provider: "openrouter", Name: "openrouter", Followed: true, AccessToken: "sk-1"},
				{Provider: "xai-oauth", Name: "xai", Followed: true, AccessToken: "at", RefreshToken: "rt", Expiry: end},
				{Provider: "zai", Name: "zai-coding-plan", Followed: true, AccessToken: "zk", Hosts: []string{"api.z.ai"}},
				{Provider: "zai", Name: "zhipuai", AccessToken: "zp", Hosts: []string{"open.bigmodel.cn"}},
			},
			nil,
		},
		"opencode, a key of OpenAI": {"opencode", `{"openai":{"type":"api","key":"sk"}}`, []login{{Provider: "openai-api", Name: "openai", Followed: true, AccessToken: "sk"}}, nil},
		"opencode, GitHub": {
			"opencode", `{"github-copilot":{"type":"oauth","access":"gho_1","refresh":"gho_1","expires":0},"github-copilot-enterprise":{"type":"oauth","access":"gho_2","refresh":"gho_2","expires":0,"enterpriseUrl":"https://acme.ghe.com/"}}`,
			[]login{
				{Provider: "copilot", Name: "github-copilot", Followed: true, AccessToken: "gho_1"},
				{Provider: "copilot", Name: "github-copilot-enterprise", AccessToken: "gho_2", Hosts: []string{"copilot-api.acme.ghe.com"}},
			},
			nil,
		},
		"opencode, a client of its own": {
			"opencode", `{"nous":{"type":"oauth","access":"at","refresh":"rt"}}`,
			[]login{{Provider: "nous", Name: "nous", Followed: true, AccessToken: "at", RefreshToken: "rt", FollowOnly: true}},
			nil,
		},
		"opencode, Azure": {
			"opencode", `{"azure":{"type":"api","key":"ak","metadata":{"resourceName":"my-res"}},"azure-cognitive-services":{"type":"api","key":"ak2"}}`,
			[]login{{Provider: "azure-foundry", Name: "azure", Followed: true, AccessToken: "ak", Hosts: []string{"my-res.openai.azure.com", "my-res.services.ai.azure.com", "my-res.cognitiveservices.azure.com"}}},
			[]string{"azure-cognitive-services: it does not name the host that takes it; add the key with its host"},
		},
		"opencode, odd entries": {
			"opencode", `{"xai":7,"nous":{"type":"api","key":7},"openrouter":{"type":"api","key":"a\nb"},"qwen":{"type":"api","key":` + digest + `},"azure":{"type":"oauth","access":"opencode-oauth-dummy-key","refresh":"opencode-oauth-dummy-key","accountId":"my-res"},
				"https://corp.example":{"type":"wellknown","key":"TOKEN","token":"x"},"zai":{"type":"oauth2","access":"x"},"github-copilot":{"type":"oauth","access":"gho_1","enterpriseUrl":"evil.example/x?"},"other":{"type":"api","key":"x"},"novita-ai":{}}`,
			nil,
			[]string{
				"azure: it holds no token", "github-copilot: it does not name the host that takes it; add the key with its host",
				"https://corp.example: it is of a server that configures OpenCode, and no LLM provider's", "nous: it cannot be read", "novita-ai: reauth does not know its type",
				"openrouter: it holds no token", "other: reauth does not know the provider", "qwen: it holds no token", "xai: it cannot be read", "zai: reauth does not know its type",
			},
		},
		"grok, one that can be refreshed": {
			"grok", `{"https://x.ai":{"key":"api"},"a::b":{"key":"at","refresh_token":"rt","expires_at":"` + iso + `","oidc_client_id":"b","email":"jane@example.com"},"old":{"refresh_token":"x"},"odd":7}`,
			[]login{{Provider: "xai-oauth", Name: "a::b", Followed: true, AccessToken: "at", RefreshToken: "rt", Expiry: end, ClientID: "b"}},
			[]string{"odd: it holds no token", "old: it holds no token", "https://x.ai: the Grok CLI prefers another entry"},
		},
		"grok, one that lives longest": {
			"grok", `{"a":{"key":"1","expires_at":"` + iso + `"},"b":{"key":"2","expires_at":"2020-01-01T00:00:00.123456Z"},"c":{"key":"3","expires_at":1.5e9}}`,
			[]login{{Provider: "xai-oauth", Name: "a", Followed: true, AccessToken: "1", Expiry: end}},
			[]string{"b: the Grok CLI prefers another entry", "c: the Grok CLI prefers another entry"},
		},
		"grok, one without an end": {
			"grok", `{"a":{"key":"1","expires_at":"` + iso + `"},"b":{"key":"2"}}`,
			[]login{{Provider: "xai-oauth", Name: "b", Followed: true, AccessToken: "2"}},
			[]string{"a: the Grok CLI prefers another entry"},
		},
		"grok, of another authorization server": {
			"grok", `{"https://SSO.corp.example:8443/x::b":{"key":"at","refresh_token":"rt"}}`,
			[]login{{Provider: "xai-oauth", Name: "https://SSO.corp.example:8443/x::b", Followed: true, AccessToken: "at", RefreshToken: "rt", Metadata: map[string]string{"reauth-issuer": "https://SSO.corp.example:8443"}}},
			nil,
		},
		"grok, of xAI's authorization server": {
			"grok", `{"https://accounts.x.ai::b":{"key":"at","refresh_token":"rt"}}`,
			[]login{{Provider: "xai-oauth", Name: "https://accounts.x.ai::b", Followed: true, AccessToken: "at", RefreshToken: "rt"}},
			nil,
		},
		"grok, digest in place of a refresh token": {
			"grok", `{"a":{"key":"1","refresh_token":` + digest + `}}`,
			[]login{{Provider: "xai-oauth", Name: "a", Followed: true, AccessToken: "1"}},
			nil,
		},
		"hermes, pool in its order": {
			"hermes", `{"active_provider":"nous","credential_pool":{"xai-oauth":[
				{"id":"c","label":"low","priority":7,"access_token":"3"},
				{"id":"a","label":"first","priority":-1,"access_token":"1","refresh_token":"rt","client_id":"cl","account_id":"acc","expires_at":"` + iso + `"},
				{"source":"manual","access_token":"2","chatgpt_account_id":"acc2","expires_at":"2020-01-01T00:00:00Z","expires_at_ms":` + ms + `},
				{"access_token":"4","priority":9,"last_status":"exhausted"}]}}`,
			[]login{
				{Provider: "xai-oauth", Name: "xai-oauth, first", ID: "a", Followed: true, AccessToken: "1", RefreshToken: "rt", ClientID: "cl", AccountID: "acc", Expiry: end},
				{Provider: "xai-oauth", Name: "xai-oauth, manual", AccessToken: "2", AccountID: "acc2", Expiry: end},
				{Provider: "xai-oauth", Name: "xai-oauth, low", ID: "c", AccessToken: "3", Priority: 7},
				{Provider: "xai-oauth", Name: "xai-oauth, entry 4", AccessToken: "4", Priority: 9},
			},
			nil,
		},
		"hermes, providers' own": {
			"hermes", `{"providers":{"nous":{"access_token":"1","agent_key":"eyJh.eyJh.c2ln","agent_key_expires_at":` + ms + `},"qwen-oauth":{"access_token":"2","agent_key":"no JWT"},"xai":{"tokens":{"access_token":"3","refresh_token":"rt"}}}}`,
			[]login{
				{Provider: "nous", Name: "nous", Followed: true, AccessToken: "eyJh.eyJh.c2ln", Expiry: end},
				{Provider: "qwen-oauth", Name: "qwen-oauth", Followed: true, AccessToken: "2"},
				{Provider: "xai-oauth", Name: "xai", Followed: true, AccessToken: "3", RefreshToken: "rt"},
			},
			nil,
		},
		"hermes, the pool goes first": {
			"hermes", `{"credential_pool":{"xai":[{"access_token":"1"}]},"providers":{"xai-oauth":{"access_token":"2"}}}`,
			[]login{{Provider: "xai-oauth", Name: "xai, entry 1", Followed: true, AccessToken: "1"}},
			nil,
		},
		"hermes, two names of one provider": {
			"hermes", `{"credential_pool":{"xai":[{"access_token":"1"}],"xai-oauth":[{"access_token":"2"}]}}`,
			[]login{{Provider: "xai-oauth", Name: "xai, entry 1", Followed: true, AccessToken: "1"}, {Provider: "xai-oauth", Name: "xai-oauth, entry 1", AccessToken: "2"}},
			nil,
		},
		"hermes, dead in the pool": {
			"hermes", `{"credential_pool":{"xai":[{"label":"gone","access_token":"1","last_status":"dead"}]},"providers":{"xai-oauth":{"access_token":"2","last_status":"ok"}}}`,
			[]login{{Provider: "xai-oauth", Name: "xai-oauth", Followed: true, AccessToken: "2"}},
			[]string{"xai, gone: Hermes found it dead; log in there again"},
		},
		"hermes, secrets kept elsewhere": {
			"hermes", `{"credential_pool":{"openrouter":[{"source":"env:KEY","secret_fingerprint":` + digest + `},{"access_token":` + digest + `}],"nous":[{"label":"a","tokens":{"access_token":` + digest + `}}],"qwen-oauth":[{"access_token":"","agent_key":` + digest + `}]},"providers":{"openrouter":{"access_token":"1"}}}`,
			[]login{{Provider: "openrouter", Name: "openrouter", Followed: true, AccessToken: "1"}},
			[]string{
				"nous, a: Hermes keeps its secret elsewhere, in its environment",
				"openrouter, env:KEY: Hermes keeps its secret elsewhere, in env:KEY",
				"openrouter, entry 2: Hermes keeps its secret elsewhere, in its environment",
				"qwen-oauth, entry 1: it holds no token",
			},
		},
		"hermes, odd entries": {
			"hermes", `{"active_provider":"x\u001b","credential_pool":{"xai":[7,{"access_token":1},null,{"id":"i\nd","access_token":"1"}],"nous":"broken","other":[{},{}]},"providers":{"qwen-oauth":7,"spotify":{"access_token":"x"},"openrouter":{"tokens":{}}}}`,
			[]login{{Provider: "xai-oauth", Name: "xai, entry 4", Followed: true, AccessToken: "1"}},
			[]string{
				"nous: its entries cannot be read", "other, 2 in its pool: reauth does not know the provider",
				"xai, entry 1: it cannot be read", "xai, entry 2: it cannot be read", "xai, entry 3: it holds no token",
				"openrouter: it holds no token", "qwen-oauth: it cannot be read", "spotify: reauth does not know the provider",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := read(t, c.kind, c.file)
			require.NoError(t, err)
			for i := range found.Logins {
				found.Logins[i].Expiry = found.Logins[i].Expiry.UTC()
			}
			for i := range c.want {
				c.want[i].Expiry = c.want[i].Expiry.UTC()
			}
			assert.Equal(t, c.want, found.Logins)
			var skipped []string
			for _, s := range found.Skipped {
				skipped = append(skipped, s.Name+": "+s.Why)
			}
			assert.Equal(t, c.skipped, skipped)
		})
	}
}

// Followed gives the login that is marked, without its refresh token, or says what to do.
func TestFollowed(t *testing.T) {
	const digest, dead = `"access_token":"sha256:0123456789abcdef"`, `"access_token":"secret-1","last_status":"dead"`
	for name, c := range map[string]struct{ kind, file, provider, token, advice string }{
		"codex":                  {"codex", `{"OPENAI_API_KEY":"sk","tokens":{"access_token":"at","refresh_token":"rt"}}`, "openai-codex", "at", ""},
		"codex, key only":        {"codex", `{"OPENAI_API_KEY":"secret-1"}`, "openai-codex", "", `it holds an API key and no login; add the key as a credential of "openai"`},
		"codex, logged out":      {"codex", `{}`, "openai-codex", "", "it holds no login of openai-codex; log in there first"},
		"codex, agent identity":  {"codex", `{"auth_mode":"agentIdentity","agent_identity":"secret-1"}`, "openai-codex", "", "it holds an agent identity, which signs each request, and reauth cannot do that; log in there with ChatGPT, or with a personal access token"},
		"codex, bedrock":         {"codex", `{"auth_mode":"bedrockApiKey","bedrock_api_key":{"api_key":"secret-1"}}`, "openai-codex", "", `it holds a key of Amazon Bedrock and no login; add the key as a credential of "bedrock"`},
		"hermes":                 {"hermes", `{"credential_pool":{"nous":[{"access_token":"at","refresh_token":"rt"}]}}`, "nous", "at", ""},
		"hermes, another's":      {"hermes", `{"credential_pool":{"nous":[{` + dead + `}]}}`, "xai-oauth", "", "it holds no login of xai-oauth; log in there first"},
		"hermes, dead":           {"hermes", `{"credential_pool":{"xai":[{` + dead + `}]}}`, "xai-oauth", "", "Hermes found its login of xai-oauth dead; log in there again"},
		"hermes, elsewhere":      {"hermes", `{"providers":{"xai":{"source":"secret-1",` + digest + `}}}`, "xai-oauth", "", "Hermes keeps the secret of xai-oauth elsewhere; add that secret as a credential of its own"},
		"hermes, the first goes": {"hermes", `{"credential_pool":{"xai":[{"priority":2,` + digest + `},{"priority":1,` + dead + `}]}}`, "xai-oauth", "", "Hermes found its login of xai-oauth dead; log in there again"},
		"opencode, host unknown": {"opencode", `{"azure":{"type":"api","key":"secret-1"}}`, "azure-foundry", "", "it does not name the host that takes its key of azure-foundry; add the key as a credential of its own, with its host"},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := read(t, c.kind, c.file)
			require.NoError(t, err)
			l, err := found.Followed(c.provider, nil)
			if c.advice != "" {
				require.EqualError(t, err, c.advice)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, c.token, l.AccessToken)
			assert.Empty(t, l.RefreshToken)
		})
	}
}

// Of two logins of one provider that are good at different hosts, the hosts of the credential
// choose. A login is never given out for another host.
func TestFollowedByHost(t *testing.T) {
	found, err := read(t, "opencode", `{"zai":{"type":"api","key":"z"},"zhipuai":{"type":"api","key":"p"},"xai":{"type":"oauth","access":"x","refresh":"r"}}`)
	require.NoError(t, err)
	for hosts, want := range map[string]string{"": "z", "api.z.ai": "z", "open.bigmodel.cn": "p"} {
		l, err := found.Followed("zai", strings.Fields(hosts))
		require.NoError(t, err)
		assert.Equal(t, want, l.AccessToken, hosts)
	}
	_, err = found.Followed("zai", []string{"api.z.ai", "open.bigmodel.cn"})
	require.EqualError(t, err, "its login of zai is good at api.z.ai, open.bigmodel.cn, and the credential is for "+
		"api.z.ai, open.bigmodel.cn; log in there for that host, or follow it anew")
	l, err := found.Followed("xai-oauth", []string{"gateway.example"})
	require.NoError(t, err)
	assert.Equal(t, "x", l.AccessToken, "a login that names no host may go where its owner says")
}

// What no program renews is told from what it renews.
func TestStatic(t *testing.T) {
	for file, want := range map[string]bool{
		`{"xai":{"type":"api","key":"k"}}`: true, `{"xai":{"type":"oauth","access":"a","refresh":"r"}}`: false,
		`{"xai":{"type":"oauth","access":"a","refresh":"","expires":` + ms + `}}`: false,
	} {
		found, err := read(t, "opencode", file)
		require.NoError(t, err)
		l, err := found.Followed("xai-oauth", nil)
		require.NoError(t, err)
		assert.Equal(t, want, l.Static, file)
	}
}

func TestActive(t *testing.T) {
	for _, c := range []struct{ kind, file, want string }{
		{"hermes", `{"active_provider":" nous ","providers":{}}`, "nous"},
		{"hermes", `{"active_provider":"n\u0000ous","providers":{}}`, ""},
		{"hermes", `{"providers":{"nous":{"access_token":"at"}}}`, ""},
		{"hermes", `{"active_provider":null,"credential_pool":{"a":1}}`, ""},
		{"opencode", `{"xai":{"type":"api","key":"k"},"nobody":{"type":"api","key":"k"}}`, "xai-oauth"},
		{"opencode", `{"xai":{"type":"api","key":"k"},"nous":{"type":"api","key":"k"}}`, ""},
		{"opencode", `{}`, ""},
	} {
		found, err := read(t, c.kind, c.file)
		require.NoError(t, err)
		assert.Equal(t, c.want, found.Active, c.file)
	}
}

// No error quotes a file, and no file makes a reader panic.
func TestFilesOfOthersAndHalfFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // half a file is read again after some time
		for _, p := range logins.Programs() {
			for _, content := range []string{
				"", " ", "null secret-secret", `"secret-secret"`, `["secret-secret"]`, "7", "\x00secret-secret", "\xff\xfe{", "secret-secret=1\n",
				`{"tokens":{"access_token":"secret-secret`, `{"access_token":"secret-secret"`, `{"a::b":{"key":"secret-secret"}`,
				`{"tokens":"secret-secret","claudeAiOauth":"secret-secret","access_token":{"a":"secret-secret"},"credential_pool":"secret-secret","authentication":"secret-secret","a` + strings.Repeat("[", 20000),
			} {
				_, err := read(t, p.Kind, content)
				require.EqualError(t, err, "it is not what that program writes: broken JSON, or another program's file", "%s %.40q", p.Kind, content)
			}
		}
	})
	for kind, content := range map[string]string{
		"hermes": `{"tokens":{"access_token":"at"}}`, // neither a pool nor providers
		"ant":    `{"access_token":"at"}`,            // no way to authenticate
	} {
		_, err := read(t, kind, content)
		require.Error(t, err, "%s: another program's file", kind)
	}
}
