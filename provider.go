package reauth

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// Provider is everything the package knows about one provider of an API: one value, so that there is no second table to
// forget. The fields must not change after Register.
type Provider struct {
	// Name is what credentials, events and metrics call the provider. Names are compared trimmed and in lower case.
	Name string
	// Hosts are the patterns of the URLs that get this provider's credentials: a host ("api.x.ai"), perhaps with a port
	// ("gateway.corp:8443") and a path prefix that ends at a segment ("opencode.ai/zen/go"). The longest match wins.
	// A "*" stands for one label or a part of one, never for a dot, and not in the last two labels
	// ("bedrock-runtime.*.amazonaws.com"). Without a port a pattern means https's default, on loopback any. Plain http
	// is for loopback, and for a pattern that says so with its exact port ("http://litellm:4000").
	Hosts []string
	// Authorize puts c on the header of a request about to be sent, and removes what would rival it, such as the
	// placeholder an SDK was given. It is called with a header of its own for each send. nil sets
	// "Authorization: Bearer <access token>" and removes the other headers that carry keys.
	Authorize func(h http.Header, c Credential)
	// Classify judges an answer before the generic rules do; false leaves it to them, as nil does.
	Classify func(resp *http.Response, body []byte) (Verdict, bool)
	// MayRefuse tells, by status and header alone, which answers are looked into. nil: 400 to 404, 410, 412 and 429.
	MayRefuse func(resp *http.Response) bool
	// Refresher obtains new tokens. nil: the credentials are static keys; a rejection re-reads the store, then switches.
	Refresher Refresher
	// Strategy says which of several credentials in good standing is used. The zero value is FillFirst.
	Strategy Strategy

	// FirstEvent is for providers that answer 200 and refuse in the first event of the stream: it is how long an event
	// stream may take to show that event before the answer goes to the caller. A refusal in it is recovered from like any
	// other. Later events are never looked at, and no byte is changed. 0: streams are not looked at. A compressed one never is.
	FirstEvent time.Duration
	// BoundPaths are the segments of the API's paths under which objects of one account live: "files" for that segment and
	// all below it, "responses/*" only for what is below. A request for one is refreshed, never switched: another account
	// would not find the object. Without WithCredential it goes to the first credential in good standing, whatever the Strategy.
	BoundPaths []string
	// TrackObjects is how many such objects the pool remembers, with the credential whose answer named them; it is then
	// that credential's requests that mention them, by path or in a JSON body with GetBody. For this alone the bodies of
	// successes are looked at, as they pass by. The memory is this process's; the oldest object is forgotten first. 0: none.
	TrackObjects int
}

// Strategy is how a pool chooses among the credentials of a provider that are in good standing and share the best priority.
type Strategy uint8

// The strategies.
const (
	FillFirst     Strategy = iota // the first one, until it is put aside
	RoundRobin                    // each in turn
	LeastInFlight                 // the one with the fewest requests waiting for a response header
	Random                        // any
)

// String returns the strategy's name.
func (s Strategy) String() string {
	names := [...]string{"fill-first", "round-robin", "least-in-flight", "random"}
	if int(s) < len(names) {
		return names[s]
	}
	return "unknown"
}

// mayRefuse is the default of Provider.MayRefuse.
func mayRefuse(resp *http.Response) bool {
	switch s := resp.StatusCode; {
	case s < 400:
		return false
	default:
		return s <= 404 || s == 410 || s == 412 || s == 429
	}
}

// mayHide also takes answers that say 200 and may be a refusal all the same. An event stream is left alone, and so is what
// is too long for an error: the answer must not wait to be looked at.
func mayHide(resp *http.Response) bool {
	if resp.StatusCode != http.StatusOK {
		return mayRefuse(resp)
	}
	kind := resp.Header.Get("Content-Type")
	return (kind == "" || strings.Contains(kind, "json")) && resp.ContentLength <= 8<<10
}

// LookupProvider returns the built-in provider of that name or alias. To extend one, change the copy and Register it.
func LookupProvider(name string) (Provider, bool) {
	name = canonicalName(name)
	i := slices.IndexFunc(builtinTable, func(b builtin) bool { return b.name == name })
	if i < 0 {
		return Provider{}, false
	}
	return builtinTable[i].provider(), true
}

// ProviderNames returns the names of the built-in providers, sorted. Aliases are not among them.
func ProviderNames() []string {
	names := make([]string, 0, len(builtinTable))
	for _, b := range builtinTable {
		names = append(names, b.name)
	}
	slices.Sort(names)
	return names
}

// builtin is a row of the table of providers.
type builtin struct {
	name      string
	hosts     []string
	authorize func(http.Header, Credential) // nil: Bearer
	hides     bool                          // refusals may hide in a 200
	ownHost   bool                          // a credential must name its own hosts
	objects   []string                      // BoundPaths
}

func (b builtin) provider() Provider {
	p := Provider{Name: b.name, Hosts: slices.Clone(b.hosts), Authorize: b.authorize, BoundPaths: slices.Clone(b.objects)}
	name := b.name
	p.Classify = func(resp *http.Response, body []byte) (Verdict, bool) { return classify(name, resp, body), true }
	if b.hides {
		p.MayRefuse = mayHide
	}
	if r, ok := builtinRefreshers[name]; ok {
		p.Refresher = r(OAuth2Config{})
	}
	return p
}

// needsOwnHost reports whether a credential of the provider is good at one resource only.
func needsOwnHost(provider string) bool {
	return slices.ContainsFunc(builtinTable, func(b builtin) bool { return b.name == provider && b.ownHost })
}

// builtinTable holds the built-in providers. A host that does more than inference is claimed by path.
// The base URLs are those the providers document.
var builtinTable = []builtin{
	{name: "ai-gateway", hosts: []string{"ai-gateway.vercel.sh"}, authorize: authorizeAsAsked},
	{name: "alibaba", hosts: []string{"dashscope-intl.aliyuncs.com", "dashscope.aliyuncs.com", "dashscope-us.aliyuncs.com"}, hides: true, objects: hostedObjects},
	{name: "alibaba-coding-plan", hosts: []string{"coding-intl.dashscope.aliyuncs.com", "coding.dashscope.aliyuncs.com"}, hides: true},
	{name: "anthropic", hosts: []string{"api.anthropic.com"}, authorize: authorizeAnthropic, objects: anthropicObjects},
	{name: "arcee", hosts: []string{"api.arcee.ai"}},
	{name: "azure-foundry", hosts: []string{"*.openai.azure.com", "*.services.ai.azure.com", "*.cognitiveservices.azure.com"}, authorize: authorizeAzure, ownHost: true, objects: openAIObjects},
	{name: "bedrock", hosts: []string{"bedrock-runtime.*.amazonaws.com", "bedrock-runtime-fips.*.amazonaws.com", "bedrock-runtime.*.amazonaws.com.cn", "bedrock-mantle.*.api.aws"}},
	{name: "cerebras", hosts: []string{"api.cerebras.ai"}},
	{name: "cloudflare", hosts: []string{"gateway.ai.cloudflare.com"}},
	{name: "cohere", hosts: []string{"api.cohere.com", "api.cohere.ai"}},
	{name: "copilot", hosts: []string{"*.githubcopilot.com", "api.*.githubcopilot.com", "copilot-api.*.ghe.com"}},
	{name: "copilot-acp"}, // speaks to a local process, not over HTTP: known by name, claims no host
	{name: "deepinfra", hosts: []string{"api.deepinfra.com"}, objects: hostedObjects},
	{name: "deepseek", hosts: []string{"api.deepseek.com"}},
	{name: "fireworks", hosts: []string{"api.fireworks.ai"}, objects: hostedObjects},
	{name: "gemini", hosts: []string{"generativelanguage.googleapis.com", "cloudcode-pa.googleapis.com"}, authorize: authorizeGoogle, objects: googleObjects},
	{name: "gmi", hosts: []string{"api.gmi-serving.com"}},
	{name: "groq", hosts: []string{"api.groq.com"}, objects: hostedObjects},
	{name: "huggingface", hosts: []string{"router.huggingface.co", "api-inference.huggingface.co"}},
	{name: "kilocode", hosts: []string{"api.kilo.ai/api/gateway", "kilocode.ai/api/openrouter"}},
	{name: "kimi-coding", hosts: []string{"api.moonshot.ai", "api.kimi.com/coding"}, objects: hostedObjects},
	{name: "kimi-coding-cn", hosts: []string{"api.moonshot.cn"}, objects: hostedObjects},
	{name: "lmstudio", hosts: []string{"127.0.0.1:1234", "localhost:1234", "[::1]:1234"}},
	{name: "minimax-cn", hosts: []string{"api.minimaxi.com"}, hides: true, objects: hostedObjects},
	{name: "minimax-oauth", hosts: []string{"api.minimax.io"}, hides: true, objects: hostedObjects},
	{name: "mistral", hosts: []string{"api.mistral.ai"}, objects: mistralObjects},
	{name: "nous", hosts: []string{"inference-api.nousresearch.com", "welcome-api.nousresearch.com"}},
	{name: "novita", hosts: []string{"api.novita.ai"}},
	{name: "nvidia", hosts: []string{"integrate.api.nvidia.com"}},
	{name: "ollama-cloud", hosts: []string{"ollama.com/v1", "ollama.com/api"}},
	{name: "openai-api", hosts: []string{"api.openai.com", "*.api.openai.com"}, objects: openAIObjects},
	{name: "openai-codex", hosts: []string{"chatgpt.com/backend-api"}, authorize: authorizeCodex, objects: openAIObjects},
	{name: "opencode-go", hosts: []string{"opencode.ai/zen/go"}, authorize: authorizeAsAsked},
	{name: "opencode-zen", hosts: []string{"opencode.ai/zen"}, authorize: authorizeAsAsked},
	{name: "openrouter", hosts: []string{"openrouter.ai/api"}},
	{name: "perplexity", hosts: []string{"api.perplexity.ai"}},
	{name: "qwen-oauth", hosts: []string{"portal.qwen.ai"}, hides: true},
	{name: "stepfun", hosts: []string{"api.stepfun.ai", "api.stepfun.com"}},
	{name: "tencent-tokenhub", hosts: []string{"tokenhub.tencentmaas.com"}},
	{name: "together", hosts: []string{"api.together.xyz", "api.together.ai"}, objects: hostedObjects},
	{name: "upstage", hosts: []string{"api.upstage.ai"}},
	{name: "vertex", hosts: []string{"aiplatform.googleapis.com", "*-aiplatform.googleapis.com", "aiplatform.*.rep.googleapis.com"}, objects: vertexObjects},
	{name: "xai-oauth", hosts: []string{"api.x.ai", "*.api.x.ai", "cli-chat-proxy.grok.com"}, objects: xaiObjects},
	{name: "xiaomi", hosts: []string{"api.xiaomimimo.com"}},
	{name: "zai", hosts: []string{"api.z.ai", "open.bigmodel.cn"}, hides: true, objects: hostedObjects},
}
