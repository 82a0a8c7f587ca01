package vendors

import "slices"

// Client is how programs are led to an API that is at another address: by variables of their
// environment. The zero value says that none are known.
type Client struct {
	BaseURL []string // the variables of the base URL
	Key     []string // the variables of the key
	// Instead are variables in which such programs look for another key, and which they prefer to Key,
	// or warn of beside it. They are taken out of the environment.
	Instead []string
}

// Clients of the two APIs that many providers speak.
//
//nolint:gochecknoglobals // never changed
var (
	// OpenAIClient are the programs that speak OpenAI's API: github.com/openai/openai-node and
	// openai-python read OPENAI_BASE_URL, aider.chat/docs/llms/openai-compat.html has OPENAI_API_BASE.
	OpenAIClient = Client{
		BaseURL: []string{"OPENAI_BASE_URL", "OPENAI_API_BASE"},
		Key:     []string{"OPENAI_API_KEY"},
	}
	// ClaudeClient are the programs that speak Anthropic's API: code.claude.com/docs/en/env-vars.
	// Claude Code asks its user to approve each new ANTHROPIC_API_KEY, and warns of one beside
	// ANTHROPIC_AUTH_TOKEN, which it sends as a bearer token.
	ClaudeClient = Client{
		BaseURL: []string{"ANTHROPIC_BASE_URL"},
		Key:     []string{"ANTHROPIC_AUTH_TOKEN"},
		Instead: []string{"ANTHROPIC_API_KEY"},
	}
)

// Lead is how the programs of one kind are led to a provider.
type Lead struct {
	Client
	URL string // the base URL that they want
	// Foremost: this is the provider's own kind of client, or the dialect that it is documented with
	// first. Another provider may be the better one for a kind that is not.
	Foremost bool
}

// Leads returns how programs are led to the provider when its API is at another origin, such as
// "http://127.0.0.1:8787". Paths are those of api, which is the row's own but for an address that the
// user has named.
func (v Vendor) Leads(api API, origin string) (leads []Lead) {
	at := API{Origin: origin}
	if len(v.Client.Key) > 0 {
		path := api.first()
		if api.Native != "" {
			path = api.Native
		}
		leads = append(leads, Lead{v.Client, at.At(path), true})
	}
	for _, spoken := range []struct {
		path   string
		client Client
	}{{api.OpenAI, OpenAIClient}, {api.Claude, ClaudeClient}} {
		if spoken.path != "" {
			leads = append(leads, Lead{spoken.client, at.At(spoken.path), spoken.path == api.first()})
		}
	}
	return leads
}

// Spoken returns an API at an origin of the user's own, of which one path is known. It is that of the
// row's own clients, else of the dialect with which the provider is documented first; one of a
// provider that is documented with none speaks OpenAI's.
func (v Vendor) Spoken(origin, path string) API {
	switch {
	case v.API.Native != "" && len(v.Client.Key) > 0, v.API.OpenAI == "" && v.API.Claude == "" && v.API.Native != "":
		return API{Origin: origin, Native: path}
	case v.API.OpenAI == "" && v.API.Claude != "":
		return API{Origin: origin, Claude: path}
	}
	return API{Origin: origin, OpenAI: path}
}

// Names returns all variables of the client.
func (c Client) Names() []string { return slices.Concat(c.BaseURL, c.Key, c.Instead) }
