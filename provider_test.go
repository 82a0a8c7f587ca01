package reauth_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/vendors"
)

// placeholders is a header as SDKs and their users leave it, with a placeholder under every
// spelling of every name that may carry a key.
var placeholders = http.Header{
	"Authorization": {"Bearer placeholder"}, "authorization": {"Bearer placeholder"},
	"X-Api-Key": {"placeholder"}, "x-api-key": {"placeholder"}, "X-API-KEY": {"placeholder"},
	"Api-Key": {"placeholder"}, "api-key": {"placeholder"},
	"X-Goog-Api-Key": {"placeholder"}, "x-goog-api-key": {"placeholder"},
	"Chatgpt-Account-Id": {"placeholder"}, "ChatGPT-Account-ID": {"placeholder"},
	"X-Openai-Fedramp": {"placeholder"}, "X-OpenAI-Fedramp": {"placeholder"},
}

// bystanders are header fields that the transport must leave alone. Some look much like those
// above.
var bystanders = http.Header{
	"Accept":              {"application/json", "text/event-stream"},
	"User-Agent":          {"sdk/1"},
	"Anthropic-Version":   {"2023-06-01"},
	"x-stainless-lang":    {"go"},
	"Openai-Organization": {"org-1"}, "X-Api-Key-Id": {"7"}, "Proxy-Authorization": {"Basic eA=="}, "Cookie": {"a=b"},
}

// scheme says how a credential must go out. The sent header must be the bystanders and want, and
// nothing else.
type scheme struct {
	cred   reauth.Credential // of the row's provider
	placed http.Header       // what the SDK has put into the header; nil: placeholders
	want   http.Header
}

// inHeader makes the scheme of a key that goes out as that value of that header.
func inHeader(header, value string) scheme {
	return scheme{cred: reauth.Credential{AccessToken: "key-EXAMPLE"}, want: http.Header{header: {value}}}
}

// exampleJWT makes a JWT with those claims. Its signature is not valid.
func exampleJWT(claims string) string {
	enc := base64.RawURLEncoding.EncodeToString
	return enc([]byte(`{"alg":"none"}`)) + "." + enc([]byte(claims)) + "." + enc([]byte("EXAMPLE"))
}

var (
	entraToken = exampleJWT(`{"sub":"entra"}`)
	codexToken = exampleJWT(`{"https://api.openai.com/auth":{"chatgpt_account_id":"acct-2"}}`)
	stateToken = exampleJWT(
		`{"https://api.openai.com/auth":{"chatgpt_account_id":"acct-3","chatgpt_account_is_fedramp":true}}`)
	opaque = asBearer("opaque-EXAMPLE", "rt-EXAMPLE")

	bearerKey  = []scheme{inHeader("Authorization", "Bearer key-EXAMPLE")}
	whereAsked = []scheme{
		whereItWas("Authorization", "Bearer "), whereItWas("X-Api-Key", ""), whereItWas("X-Goog-Api-Key", ""),
		{cred: bearerKey[0].cred, placed: http.Header{}, want: bearerKey[0].want},
	}
	googleWays = []scheme{
		inHeader("X-Goog-Api-Key", "key-EXAMPLE"), asBearer(entraToken, ""), asBearer("ya29.EXAMPLE", ""), opaque,
	}
	azureWays = []scheme{
		inHeader("Api-Key", "key-EXAMPLE"), asBearer(entraToken, ""), opaque,
		{
			cred:   bearerKey[0].cred,
			placed: http.Header{"X-Api-Key": {"placeholder"}, "Api-Key": {""}},
			want:   http.Header{"X-Api-Key": {"key-EXAMPLE"}},
		},
	}
	codexWays = []scheme{
		opaque,
		withAccount(asBearer("opaque-EXAMPLE", "rt-EXAMPLE"), "acct-1"),
		withAccount(asBearer(codexToken, ""), "acct-2"),
		ofFedRAMP(withAccount(asBearer(stateToken, ""), "acct-3")),
	}
	anthropicBy = []scheme{
		inHeader("X-Api-Key", "key-EXAMPLE"),
		{
			cred: reauth.Credential{AccessToken: "sk-ant-api03-EXAMPLE", RefreshToken: "rt-EXAMPLE"},
			want: http.Header{"X-Api-Key": {"sk-ant-api03-EXAMPLE"}},
		},
		withBetas("sk-ant-oat01-EXAMPLE", "", nil, "oauth-2025-04-20"),
		withBetas("opaque-EXAMPLE", "rt-EXAMPLE", []string{"files-2025"}, "files-2025,oauth-2025-04-20"),
		withBetas(entraToken, "", []string{"a-1, b-2", "c-3"}, "a-1, b-2,c-3,oauth-2025-04-20"),
		withBetas("sk-ant-oat01-EXAMPLE", "", []string{"oauth-2025-04-20, a-1"}, "oauth-2025-04-20, a-1"),
	}
)

// whereItWas makes the scheme of a key that goes out in the header in which the SDK has put its
// placeholder.
func whereItWas(header, prefix string) scheme {
	s := inHeader(header, prefix+"key-EXAMPLE")
	s.placed = http.Header{header: {prefix + "placeholder"}, "Api-Key": {"placeholder"}}
	return s
}

// asBearer makes the scheme of a pair whose access token goes out as a bearer token.
func asBearer(access, refresh string) scheme {
	return scheme{
		cred: reauth.Credential{AccessToken: access, RefreshToken: refresh},
		want: http.Header{"Authorization": {"Bearer " + access}},
	}
}

// withAccount adds the account to a scheme of Codex. If the token is a JWT, the transport reads the
// account from it.
func withAccount(s scheme, id string) scheme {
	if s.cred.AccountID = id; strings.HasPrefix(s.cred.AccessToken, "eyJ") {
		s.cred.AccountID = ""
	}
	s.want["Chatgpt-Account-Id"] = []string{id}
	return s
}

// ofFedRAMP adds what says that the account of a scheme is of that environment.
func ofFedRAMP(s scheme) scheme {
	s.want["X-Openai-Fedramp"] = []string{"true"}
	return s
}

// withBetas makes a scheme of Anthropic. betas are the values of Anthropic-Beta that the SDK has
// set, and want is the value that goes out.
func withBetas(access, refresh string, betas []string, want string) scheme {
	s := asBearer(access, refresh)
	s.placed = placeholders.Clone()
	if betas != nil {
		s.placed["Anthropic-Beta"] = betas
	}
	s.want["Anthropic-Beta"] = []string{want}
	return s
}

// providerTable lists what a user relies on of each built-in provider: its names, its base URLs and
// other URLs, and how credentials go out there.
var providerTable = []struct {
	name, aliases, urls string
	schemes             []scheme
}{
	{"ai-gateway", "", "https://ai-gateway.vercel.sh/v1", whereAsked},
	{
		name: "aihubmix", aliases: "", schemes: whereAsked,
		urls: "https://aihubmix.com/v1 https://aihubmix.com/gemini/v1beta",
	},
	{
		name:    "alibaba",
		aliases: "dashscope",
		urls: "https://dashscope-intl.aliyuncs.com/compatible-mode/v1 https://dashscope.aliyuncs.com/api/v1 " +
			"https://dashscope-us.aliyuncs.com/compatible-mode/v1 " +
			"https://ws-1.ap-southeast-1.maas.aliyuncs.com/compatible-mode/v1",
		schemes: bearerKey,
	},
	{
		name:    "alibaba-coding-plan",
		urls:    "https://coding-intl.dashscope.aliyuncs.com/v1 https://coding.dashscope.aliyuncs.com/v1",
		schemes: bearerKey,
	},
	{
		name: "alibaba-token-plan", aliases: "", schemes: bearerKey,
		urls: "https://token-plan.cn-beijing.maas.aliyuncs.com/compatible-mode/v1",
	},
	{"anthropic", "claude claude-code", "https://api.anthropic.com https://api.anthropic.com/v1/messages", anthropicBy},
	{
		name: "anthropic-aws", aliases: "claude-aws claude-platform-aws", schemes: whereAsked,
		urls: "https://aws-external-anthropic.us-west-2.api.aws/v1/messages",
	},
	{"arcee", "", "https://api.arcee.ai/api/v1", bearerKey},
	{
		name:    "azure-foundry",
		aliases: "azure-openai openai-azure-aad",
		urls: "https://my-resource.openai.azure.com/openai/v1 https://my-resource.services.ai.azure.com/models " +
			"https://my-resource.cognitiveservices.azure.com/openai",
		schemes: azureWays,
	},
	{
		name: "baseten", aliases: "", schemes: bearerKey,
		urls: "https://inference.baseten.co/v1 https://model-abcd1234.api.baseten.co/environments/production/sync/v1",
	},
	{
		name: "bedrock",
		urls: "https://bedrock-runtime.us-east-1.amazonaws.com " +
			"https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com " +
			"https://bedrock-runtime.cn-north-1.amazonaws.com.cn https://bedrock-mantle.us-east-1.api.aws/openai/v1 " +
			"https://bedrock-runtime.us-east-1.api.aws https://bedrock-runtime.eusc-de-east-1.amazonaws.eu",
		schemes: bearerKey,
	},
	{"cerebras", "", "https://api.cerebras.ai/v1", bearerKey},
	{
		name: "chutes", aliases: "", schemes: bearerKey,
		urls: "https://llm.chutes.ai/v1",
	},
	{"cloudflare", "cloudflare-ai-gateway", "https://gateway.ai.cloudflare.com/v1/account/gateway/compat", bearerKey},
	{"cohere", "", "https://api.cohere.com/v2 https://api.cohere.ai/compatibility/v1", bearerKey},
	{
		name:    "copilot",
		aliases: "github github-copilot",
		urls: "https://api.githubcopilot.com https://api.enterprise.githubcopilot.com " +
			"https://api.business.githubcopilot.com https://api.individual.githubcopilot.com",
		schemes: bearerKey,
	},
	{"copilot-acp", "github-copilot-acp copilot-acp-agent", "", nil}, // a local process: acp://copilot
	{
		name: "databricks", aliases: "", schemes: bearerKey,
		urls: "https://my-workspace.cloud.databricks.com/serving-endpoints https://adb-123.4.azuredatabricks.net/serving-endpoints",
	},
	{"deepinfra", "", "https://api.deepinfra.com/v1/openai", bearerKey},
	{"deepseek", "", "https://api.deepseek.com/v1", bearerKey},
	{"fireworks", "", "https://api.fireworks.ai/inference/v1", bearerKey},
	{
		name:    "gemini",
		aliases: "google google-gemini google-ai-studio",
		urls: "https://generativelanguage.googleapis.com/v1beta " +
			"https://cloudcode-pa.googleapis.com/v1internal:generateContent",
		schemes: googleWays,
	},
	{"gmi", "gmi-cloud gmicloud", "https://api.gmi-serving.com/v1", bearerKey},
	{"groq", "", "https://api.groq.com/openai/v1", bearerKey},
	{"huggingface", "", "https://router.huggingface.co/v1", bearerKey},
	{
		name: "hyperbolic", aliases: "", schemes: bearerKey,
		urls: "https://api.hyperbolic.xyz/v1",
	},
	{"kilocode", "", "https://api.kilo.ai/api/gateway", bearerKey},
	{
		name: "kimi-coding", aliases: "kimi kimi-code", schemes: bearerKey,
		urls: "https://api.kimi.com/coding https://api.kimi.com/coding/v1 https://api.kimi.ai/coding/v1",
	},
	{"lmstudio", "", "http://127.0.0.1:1234/v1 http://localhost:1234/v1", bearerKey},
	{"minimax-cn", "minimax-china minimax_cn", "https://api.minimaxi.com/anthropic", bearerKey},
	{"minimax-oauth", "minimax", "https://api.minimax.io/anthropic", bearerKey},
	{"mistral", "", "https://api.mistral.ai/v1", bearerKey},
	{"moonshot", "", "https://api.moonshot.ai/v1 https://api.moonshot.ai/anthropic", bearerKey},
	{"moonshot-cn", "kimi-cn kimi-coding-cn", "https://api.moonshot.cn/v1", bearerKey},
	{
		name: "nebius", aliases: "", schemes: bearerKey,
		urls: "https://api.tokenfactory.nebius.com/v1 https://api.studio.nebius.com/v1",
	},
	{"nous", "", "https://inference-api.nousresearch.com/v1", bearerKey},
	{"novita", "", "https://api.novita.ai/openai/v1", bearerKey},
	{"nvidia", "nvidia-nim", "https://integrate.api.nvidia.com/v1", bearerKey},
	{"ollama-cloud", "", "https://ollama.com/v1", bearerKey},
	{"openai-api", "openai", "https://api.openai.com/v1", bearerKey},
	{"openai-codex", "codex openai-chatgpt", "https://chatgpt.com/backend-api/codex", codexWays},
	{"opencode-go", "", "https://opencode.ai/zen/go/v1", whereAsked},
	{"opencode-zen", "", "https://opencode.ai/zen/v1", whereAsked},
	{"openrouter", "", "https://openrouter.ai/api/v1", bearerKey},
	{"perplexity", "", "https://api.perplexity.ai", bearerKey},
	{
		name: "poe", aliases: "", schemes: whereAsked,
		urls: "https://api.poe.com/v1",
	},
	{"qwen-oauth", "qwen", "https://portal.qwen.ai/v1", bearerKey},
	{
		name: "sambanova", aliases: "", schemes: bearerKey,
		urls: "https://api.sambanova.ai/v1",
	},
	{
		name: "scaleway", aliases: "", schemes: bearerKey,
		urls: "https://api.scaleway.ai/v1",
	},
	{
		name: "siliconflow", aliases: "", schemes: bearerKey,
		urls: "https://api.siliconflow.com/v1",
	},
	{
		name: "siliconflow-cn", aliases: "", schemes: bearerKey,
		urls: "https://api.siliconflow.cn/v1",
	},
	{
		name: "snowflake", aliases: "snowflake-cortex", schemes: bearerKey,
		urls: "https://my-account.snowflakecomputing.com/api/v2/cortex/v1 https://ab123.eu-west-1.snowflakecomputing.com/api/v2/cortex/inference:complete",
	},
	{"stepfun", "", "https://api.stepfun.ai/step_plan/v1", bearerKey},
	{
		name:    "tencent-tokenhub",
		aliases: "tencent tokenhub tencent-cloud tencentmaas",
		urls:    "https://tokenhub.tencentmaas.com/v1",
		schemes: bearerKey,
	},
	{"together", "", "https://api.together.xyz/v1", bearerKey},
	{"upstage", "", "https://api.upstage.ai/v1", bearerKey},
	{
		name: "venice", aliases: "", schemes: bearerKey,
		urls: "https://api.venice.ai/api/v1",
	},
	{
		name: "vertex",
		urls: "https://aiplatform.googleapis.com/v1 https://us-central1-aiplatform.googleapis.com/v1 " +
			"https://aiplatform.us.rep.googleapis.com/v1 " +
			"https://claude.googleapis.com/v1/projects/p/locations/global/workspaces/w/invoke/v1/messages",
		schemes: bearerKey,
	},
	{
		name: "volcengine", aliases: "volcengine-ark ark doubao", schemes: bearerKey,
		urls: "https://ark.cn-beijing.volces.com/api/v3 https://ark.cn-beijing.volces.com/api/coding",
	},
	{
		name:    "xai-oauth",
		aliases: "xai x-ai x.ai grok grok-oauth x-ai-oauth xai-grok-oauth",
		urls:    "https://api.x.ai/v1 https://us-east-1.api.x.ai/v1 https://cli-chat-proxy.grok.com/v1",
		schemes: append(bearerKey[:1:1], asBearer("opaque-EXAMPLE", "rt-EXAMPLE")),
	},
	{"xiaomi", "", "https://api.xiaomimimo.com/v1", bearerKey},
	{
		name: "xiaomi-token-plan", aliases: "mimo-token-plan", schemes: bearerKey,
		urls: "https://token-plan-sgp.xiaomimimo.com/v1 https://token-plan-cn.xiaomimimo.com/anthropic",
	},
	{"zai", "glm z-ai z.ai zhipu", "https://api.z.ai/api/paas/v4 https://open.bigmodel.cn/api/paas/v4", bearerKey},
}

func TestBuiltinProviders(t *testing.T) {
	var names []string
	for _, row := range providerTable {
		names = append(names, row.name)
		for _, name := range append(strings.Fields(row.aliases), row.name) {
			for _, spelling := range []string{name, " " + strings.ToUpper(name) + " ", "custom:" + name} {
				p, ok := reauth.LookupProvider(spelling)
				assert.True(t, ok, spelling)
				assert.Equal(t, row.name, p.Name, spelling)
			}
			for raw := range strings.FieldsSeq(row.urls) {
				for i, s := range row.schemes {
					t.Run(fmt.Sprintf("%s/%s/%d", name, strings.ReplaceAll(raw, "/", "_"), i), func(t *testing.T) {
						assertSent(t, row.name, name, raw, s)
					})
				}
			}
		}
	}
	assert.Equal(t, names, reauth.ProviderNames(), "every provider has a row")
}

// assertSent sends a request with a credential of a provider and compares all headers that arrive.
func assertSent(t *testing.T, provider, name, raw string, s scheme) {
	u, err := url.Parse(raw)
	require.NoError(t, err)
	s.cred.Provider = name
	if vendors.Of(provider).OwnHost {
		s.cred.Hosts = []string{u.Host}
	}
	pool := poolOf(t, s.cred)
	p, ok := pool.ProviderFor(u)
	require.True(t, ok)
	assert.Equal(t, provider, p.Name)

	header := s.placed
	if header == nil {
		header = placeholders
	}
	want := bystanders.Clone()
	maps.Copy(want, s.want)
	header = header.Clone()
	maps.Copy(header, bystanders.Clone())
	before := header.Clone()
	assert.Equal(t, want, headerSent(t, pool, raw, header))
	assert.Equal(t, before, header, "the transport leaves the caller's header as it was")
}

// poolOf makes a pool with those credentials. It is closed when the test ends.
func poolOf(t *testing.T, creds ...reauth.Credential) *reauth.Pool {
	t.Helper()
	pool := reauth.NewPool()
	t.Cleanup(func() { require.NoError(t, pool.Close()) })
	for _, c := range creds {
		_, err := pool.Add(context.Background(), c)
		require.NoError(t, err)
	}
	return pool
}

// headerSent sends a request with that header to raw and returns the header that the base gets.
func headerSent(t *testing.T, pool *reauth.Pool, raw string, header http.Header) (sent http.Header) {
	t.Helper()
	base := roundTripFunc(func(req *http.Request) (*http.Response, error) {
		sent = req.Header.Clone()
		return answer(req, 200, "{}", "Content-Type", "application/json"), nil
	})
	req, err := http.NewRequest(http.MethodPost, raw, http.NoBody)
	require.NoError(t, err)
	req.Header = header
	resp, err := reauth.NewRecoveringTransport(base, pool).RoundTrip(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return sent
}

// bearerSent sends a request with a placeholder in Authorization and returns the bearer token that
// the base gets.
func bearerSent(t *testing.T, pool *reauth.Pool, raw string) string {
	t.Helper()
	sent := headerSent(t, pool, raw, http.Header{"Authorization": {"Bearer placeholder"}})
	return strings.TrimPrefix(sent.Get("Authorization"), "Bearer ")
}

// No provider claims these URLs: paths of a host that does more than inference, token endpoints,
// look-alikes, plain http.
func TestUnclaimedURLs(t *testing.T) {
	pool := poolOf(t)
	for _, raw := range []string{
		"https://x.ai/v1", "https://auth.x.ai/oauth2/token", "https://grok.com/", "http://api.x.ai/v1",
		"https://api.x.ai:8443/v1", "https://api.x.ai.evil.example/v1",
		"https://chatgpt.com/", "https://chatgpt.com/backend-apis", "https://auth.openai.com/oauth/token",
		"https://platform.openai.com/", "https://platform.claude.com/v1/oauth/token",
		"https://opencode.ai/", "https://opencode.ai/zen/../account", "https://openrouter.ai/models",
		"https://ollama.com/library", "https://api.kimi.com/v1", "https://api.kimi.ai/v1", "https://auth.kimi.ai/api/oauth/token", "https://kilocode.ai/",
		"https://github.com/", "https://api.github.com/copilot_internal/v2/token", "https://xgithubcopilot.com/",
		"https://openai.azure.com/", "https://a.b.openai.azure.com/",
		"https://s3.us-east-1.amazonaws.com/", "https://storage.googleapis.com/", "http://127.0.0.1:1235/v1",
		"https://aihubmix.com/", "https://my-workspace.cloud.databricks.com/api/2.0/clusters/list",
		"https://my-account.snowflakecomputing.com/api/v2/statements", "https://ark.cn-beijing.volces.com/",
		"http://127.0.0.1/v1", "acp://copilot", "https://portal.nousresearch.com/",
	} {
		u, err := url.Parse(raw)
		require.NoError(t, err)
		p, ok := pool.ProviderFor(u)
		assert.False(t, ok, "%s is claimed by %s", raw, p.Name)
	}
	_, ok := pool.ProviderFor(nil)
	assert.False(t, ok)
}

// providerOf returns the name of the provider of a URL, or "".
func providerOf(t *testing.T, pool *reauth.Pool, raw string) string {
	t.Helper()
	u, err := url.Parse(raw)
	require.NoError(t, err)
	p, _ := pool.ProviderFor(u)
	return p.Name
}

func TestRegisterRefusesBadProviders(t *testing.T) {
	for name, c := range map[string]struct {
		p    reauth.Provider
		want string
	}{
		"no name": {reauth.Provider{Hosts: []string{"good.example"}}, "the provider has no name"},
		"name of spaces": {
			p: reauth.Provider{Name: " \t", Hosts: []string{"good.example"}}, want: "the provider has no name",
		},
		"no name after custom": {
			p: reauth.Provider{Name: "Custom:", Hosts: []string{"good.example"}}, want: "the provider has no name",
		},
		"bad pattern": {
			p:    reauth.Provider{Name: "bad", Hosts: []string{"good.example", "*.com"}},
			want: `reauth: register bad: host pattern "*.com": a wildcard cannot stand`,
		},
		"somebody else's": {
			p:    reauth.Provider{Name: "bad", Hosts: []string{"good.example", "own.example"}},
			want: `register bad: host pattern "own.example" belongs to the registered provider own`,
		},
		"the same otherwise spelt": {
			p:    reauth.Provider{Name: "bad", Hosts: []string{"good.example", "https://OWN.example./"}},
			want: `host pattern "https://OWN.example./" belongs to the registered provider own`,
		},
		"the same path": {
			p:    reauth.Provider{Name: "bad", Hosts: []string{"good.example", "own.example/v1/"}},
			want: "belongs to the registered provider own",
		},
		"the same on loopback": {
			p:    reauth.Provider{Name: "bad", Hosts: []string{"good.example", "http://localhost:9999"}},
			want: "belongs to the registered provider own",
		},
		"the same over http": {
			p:    reauth.Provider{Name: "bad", Hosts: []string{"good.example", "HTTP://lan:4000"}},
			want: "belongs to the registered provider own",
		},
	} {
		t.Run(name, func(t *testing.T) {
			pool := poolOf(t)
			own := []string{"own.example", "own.example/v1", "localhost:9999", "http://lan:4000"}
			require.NoError(t, pool.Register(reauth.Provider{Name: "own", Hosts: own}))
			require.ErrorContains(t, pool.Register(c.p), c.want)
			assert.Empty(t, providerOf(t, pool, "https://good.example/"), "a failed Register changes nothing")
			assert.Equal(t, "own", providerOf(t, pool, "https://own.example/v1"))
			_, err := pool.Add(context.Background(), reauth.Credential{Provider: "bad", AccessToken: "key-EXAMPLE"})
			assert.ErrorContains(t, err, `provider "bad" is unknown; Register it first`)
		})
	}
}

func TestRegisterAllowsWhatIsNoConflict(t *testing.T) {
	pool := poolOf(t)
	hosts := []string{"own.example", "*.own.example", "own.example:8443", "lan:4000"}
	require.NoError(t, pool.Register(reauth.Provider{Name: "own", Hosts: hosts}))
	// A provider does not conflict with itself.
	require.NoError(t, pool.Register(reauth.Provider{Name: " OWN ", Hosts: hosts}))
	hosts[0] = "changed.example"
	others := []string{"own.example/v1", "a.own.example", "own.example:9443", "http://lan:4000"}
	require.NoError(t, pool.Register(reauth.Provider{Name: "other", Hosts: others}))
	require.NoError(t, pool.Register(reauth.Provider{Name: "silent"}), "a provider for Token needs no host")
	for raw, want := range map[string]string{
		"https://own.example/":        "own",
		"https://own.example/v1":      "other",
		"https://b.own.example/":      "own",
		"https://a.own.example/":      "other",
		"https://own.example:8443/v1": "own",
		"https://own.example:9443/":   "other",
		"https://lan:4000/":           "own",
		"http://lan:4000/":            "other",
		"https://changed.example/":    "",
	} {
		assert.Equal(t, want, providerOf(t, pool, raw), raw)
	}
}

func TestRegisterReplacesABuiltinProvider(t *testing.T) {
	pool := poolOf(t, reauth.Credential{Provider: "grok", AccessToken: "key-EXAMPLE"})
	require.NoError(t, pool.Register(reauth.Provider{
		Name: "xai", Hosts: []string{"gateway.example/xai"},
		Authorize: func(h http.Header, c reauth.Credential) {
			h["Authorization"] = []string{"Bearer via " + c.Provider + " " + c.AccessToken}
		},
	}))
	sent := bearerSent(t, pool, "https://gateway.example/xai/v1")
	assert.Equal(t, "via xai-oauth key-EXAMPLE", sent, "Register takes any name of the provider")
	sent = bearerSent(t, pool, "https://api.x.ai/v1")
	assert.Equal(t, "placeholder", sent, "no provider claims the hosts of the replaced one")
	_, ok := reauth.LookupProvider("xai")
	assert.True(t, ok, "LookupProvider still returns the built-in one")
	other := poolOf(t, reauth.Credential{Provider: "xai", AccessToken: "key-EXAMPLE"})
	assert.Equal(t, "key-EXAMPLE", bearerSent(t, other, "https://api.x.ai/v1"), "another pool has the built-in one")
}

func TestRegisterExtendsABuiltinProvider(t *testing.T) {
	pool := poolOf(t, reauth.Credential{Provider: "anthropic", AccessToken: "key-EXAMPLE"})
	p, ok := reauth.LookupProvider("claude")
	require.True(t, ok)
	p.Hosts = append(p.Hosts, "http://claude-proxy:8080/v1", "claude.corp.example")
	require.NoError(t, pool.Register(p))
	for _, raw := range []string{
		"https://api.anthropic.com/v1", "http://claude-proxy:8080/v1/messages", "https://claude.corp.example/",
	} {
		sent := headerSent(t, pool, raw, placeholders.Clone())
		assert.Equal(t, http.Header{"X-Api-Key": {"key-EXAMPLE"}}, sent, "%s: with the built-in header scheme", raw)
	}
	assert.Equal(t, "placeholder", bearerSent(t, pool, "http://claude-proxy:8080/v2"))
	p, _ = reauth.LookupProvider("claude")
	assert.Len(t, p.Hosts, 1, "the built-in table has not changed")
}

// A registered provider takes a pattern over from a built-in one. When the registered provider
// gives the pattern up, the built-in one has it again.
func TestRegisteredPatternGoesBeforeABuiltinOne(t *testing.T) {
	pool := poolOf(t)
	own := reauth.Provider{Name: "own", Hosts: []string{"api.x.ai", "chatgpt.com/backend-api/own"}}
	require.NoError(t, pool.Register(own))
	assert.Equal(t, "own", providerOf(t, pool, "https://api.x.ai/v1"))
	assert.Equal(t, "xai-oauth", providerOf(t, pool, "https://us.api.x.ai/v1"))
	assert.Equal(t, "own", providerOf(t, pool, "https://chatgpt.com/backend-api/own/x"))
	assert.Equal(t, "openai-codex", providerOf(t, pool, "https://chatgpt.com/backend-api/codex"))
	own.Hosts = own.Hosts[1:]
	require.NoError(t, pool.Register(own))
	assert.Equal(t, "xai-oauth", providerOf(t, pool, "https://api.x.ai/v1"))
}

func TestProvidersAreHandedOutAsCopies(t *testing.T) {
	own, _ := reauth.LookupProvider("xai")
	own.Hosts[0] = "evil.example"
	own, _ = reauth.LookupProvider("xai")
	assert.Equal(t, "api.x.ai", own.Hosts[0])
	pool := poolOf(t)
	u := &url.URL{Scheme: "https", Host: "api.x.ai"}
	p, ok := pool.ProviderFor(u)
	require.True(t, ok)
	require.NotNil(t, p.Refresher)
	p.Hosts[0] = "evil.example"
	p, _ = pool.ProviderFor(u)
	assert.Equal(t, "api.x.ai", p.Hosts[0])
}

func TestAzureCredentialNamesItsHost(t *testing.T) {
	ctx := context.Background()
	for _, name := range []string{"azure-foundry", "azure-openai", "openai-azure-aad"} {
		for _, c := range []struct {
			hosts []string
			want  string
		}{
			{
				want: `a credential of azure-foundry is good at one resource only; name its host in ` +
					`Credential.Hosts, as in "my-resource.openai.azure.com"`,
			},
			{
				hosts: []string{"*.openai.azure.com"},
				want: `host pattern "*.openai.azure.com": a key of azure-foundry is good at one resource only; ` +
					`name its host exactly`,
			},
			{[]string{"one.openai.azure.com", "tw*.openai.azure.com"}, "name its host exactly"},
			{[]string{"one.openai.azure.com:x"}, `port "x" is not a number`},
		} {
			_, err := poolOf(t).Add(ctx, reauth.Credential{Provider: name, AccessToken: "key-EXAMPLE", Hosts: c.hosts})
			assert.ErrorContains(t, err, c.want, name)
		}
	}
	pool := poolOf(t,
		reauth.Credential{Provider: "azure-openai", AccessToken: "key-one", Hosts: []string{"one.openai.azure.com"}},
		reauth.Credential{
			Provider: "azure-openai", AccessToken: "key-two",
			Hosts: []string{"two.openai.azure.com", "two.services.ai.azure.com"},
		})
	for host, want := range map[string]string{
		"one.openai.azure.com":      "key-one",
		"ONE.openai.azure.com":      "key-one",
		"two.openai.azure.com":      "key-two",
		"two.services.ai.azure.com": "key-two",
		"one.services.ai.azure.com": "placeholder", "three.openai.azure.com": "placeholder",
	} {
		sent := headerSent(t, pool, "https://"+host+"/openai/v1", http.Header{"Api-Key": {"placeholder"}})
		assert.Equal(t, http.Header{"Api-Key": {want}}, sent, host)
	}
}

func TestCredentialHostsRestrictWhereAKeyGoes(t *testing.T) {
	pool := poolOf(t,
		reauth.Credential{Provider: "xai", AccessToken: "key-eu", Hosts: []string{"eu.api.x.ai"}},
		reauth.Credential{Provider: "xai", AccessToken: "key-us", Hosts: []string{"us.api.x.ai", "us-*.api.x.ai/v1"}},
		reauth.Credential{Provider: "xai", AccessToken: "key-elsewhere", Hosts: []string{"elsewhere.example", "ap.api.x.ai"}},
		reauth.Credential{Provider: "groq", AccessToken: "key-groq", Hosts: []string{"api.groq.com:443"}})
	for raw, want := range map[string]string{
		"https://eu.api.x.ai/v1":        "key-eu",
		"https://us.api.x.ai/v2":        "key-us",
		"https://us-west.api.x.ai/v1/x": "key-us",
		"https://us-west.api.x.ai/v2":   "placeholder",
		"https://api.x.ai/v1":           "placeholder", // no key is for this host
		"https://elsewhere.example/":    "placeholder", // Credential.Hosts adds no host to the provider
		"https://api.groq.com/v1":       "key-groq",
	} {
		assert.Equal(t, want, bearerSent(t, pool, raw), raw)
	}
	everywhere := reauth.Credential{Provider: "xai", AccessToken: "key-EXAMPLE", Hosts: []string{"*.ai"}}
	_, err := pool.Add(context.Background(), everywhere)
	assert.ErrorContains(t, err, "a wildcard cannot stand in the last two labels")
}

// A pattern without a port means port 443, so it conflicts with one that names that port.
func TestRegisterKnowsHTTPSsPort(t *testing.T) {
	pool := poolOf(t)
	require.NoError(t, pool.Register(reauth.Provider{Name: "own", Hosts: []string{"own.example"}}))
	err := pool.Register(reauth.Provider{Name: "bad", Hosts: []string{"own.example:443"}})
	assert.ErrorContains(t, err, "belongs to the registered provider own")
}

// A header name that is not in canonical form means the same header on the wire.
func TestHeaderSchemesUnderOtherSpellings(t *testing.T) {
	zen := poolOf(t, reauth.Credential{Provider: "opencode-zen", AccessToken: "key-EXAMPLE"})
	sent := headerSent(t, zen, "https://opencode.ai/zen/v1/messages", http.Header{"x-api-key": {"placeholder"}})
	assert.Equal(t, http.Header{"X-Api-Key": {"key-EXAMPLE"}}, sent)
	claude := poolOf(t, reauth.Credential{Provider: "anthropic", AccessToken: "sk-ant-oat01-EXAMPLE"})
	sent = headerSent(t, claude, "https://api.anthropic.com/v1/messages", http.Header{"anthropic-beta": {"files-2025"}})
	assert.Equal(t, http.Header{
		"Authorization":  {"Bearer sk-ant-oat01-EXAMPLE"},
		"Anthropic-Beta": {"files-2025,oauth-2025-04-20"},
	}, sent)
}

// The header that the base gets shares its values with the caller's header. A base may add values
// to it. They must reach neither the caller's header nor the next request.
func TestBaseThatAddsToTheHeaderLeavesTheCallersAlone(t *testing.T) {
	t.Parallel()
	for _, name := range reauth.ProviderNames() {
		p, _ := reauth.LookupProvider(name)
		if len(p.Hosts) == 0 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			host := strings.ReplaceAll(p.Hosts[0], "*", "example")
			var sent http.Header
			base := roundTripFunc(func(req *http.Request) (*http.Response, error) {
				sent = req.Header.Clone()
				for name := range req.Header {
					req.Header.Add(name, "of the base")
				}
				return answer(req, http.StatusOK, "{}"), nil
			})
			pool := reauth.NewPool()
			for _, token := range []string{"key", "sk-ant-oat01-EXAMPLE"} { // Anthropic's login goes out with a beta
				_, err := pool.Add(t.Context(), reauth.Credential{
					Provider: name, ID: "me", AccessToken: token, AccountID: "account", Hosts: []string{host},
				})
				require.NoError(t, err)
				body := strings.NewReader("{}")
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+host, body)
				require.NoError(t, err)
				for _, name := range []string{"Accept", "Authorization", "X-Api-Key", "Anthropic-Beta"} {
					req.Header[name] = append(make([]string, 0, 4), "caller's")
				}
				before := req.Header.Clone()
				for range 2 { // the second request must not have them either
					_, err = reauth.NewRecoveringTransport(base, pool).RoundTrip(req)
					require.NoError(t, err)
					require.Contains(t, fmt.Sprint(sent), token)
					require.NotContains(t, fmt.Sprint(sent), "of the base")
				}
				require.Equal(t, before, req.Header)
				for name, values := range req.Header {
					require.Equal(t, []string{"caller's", ""}, values[:2], name)
				}
			}
		})
	}
}
