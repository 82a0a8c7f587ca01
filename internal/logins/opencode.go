package logins

import (
	"cmp"
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/reauth-go/reauth/internal/vendors"
)

// OpenCode keeps an entry for each provider, named by the provider's id on models.dev
// (anomalyco/opencode, packages/opencode/src/auth/index.ts).

// openCodeEntry is one of them.
type openCodeEntry struct {
	Type       string            `json:"type"`
	Key        string            `json:"key"` // of an API key
	Access     string            `json:"access"`
	Refresh    string            `json:"refresh"`
	Expires    stamp             `json:"expires"` // 0: never
	AccountID  string            `json:"accountId"`
	Enterprise string            `json:"enterpriseUrl"` // GitHub Enterprise's address
	Metadata   map[string]string `json:"metadata"`
}

// openCodePlaceholder stands where OpenCode has no token itself, but asks another program for it.
const openCodePlaceholder = "opencode-oauth-dummy-key"

// openCodeID is a provider of OpenCode's that has neither the name nor an alias of ours.
type openCodeID struct {
	provider string
	host     string // where ours has several platforms, and a key is good at one of them
}

// openCodeIDs has the ids of models.dev, with the hosts that it names.
//
//nolint:gochecknoglobals // a table
var openCodeIDs = sync.OnceValue(func() map[string]openCodeID {
	return map[string]openCodeID{
		"alibaba":                   {"alibaba", "dashscope-intl.aliyuncs.com"},
		"alibaba-cn":                {"alibaba", "dashscope.aliyuncs.com"},
		"azure-cognitive-services":  {"azure-foundry", ""},
		"fireworks-ai":              {"fireworks", ""},
		"github-copilot-enterprise": {"copilot", ""},
		"google-vertex":             {"vertex", ""},
		"kilo":                      {"kilocode", ""},
		"kimi-for-coding":           {kimiProvider, "api.kimi.com/coding"},
		"minimax-cn-coding-plan":    {"minimax-cn", ""},
		"minimax-coding-plan":       {"minimax-oauth", ""},
		"moonshotai":                {"moonshot", ""},
		"moonshotai-cn":             {"moonshot-cn", ""},
		"novita-ai":                 {"novita", ""},
		"opencode":                  {"opencode-zen", ""},
		"stepfun":                   {"stepfun", "api.stepfun.com"},
		"togetherai":                {"together", ""},
		"vercel":                    {"ai-gateway", ""},
		"zai":                       {"zai", "api.z.ai"},
		"zai-coding-plan":           {"zai", "api.z.ai"},
		"zhipuai":                   {"zai", "open.bigmodel.cn"},
		"zhipuai-coding-plan":       {"zai", "open.bigmodel.cn"},
	}
})

// openCodeClients are the providers with which OpenCode logs in as the client of the provider's own
// program, as reauth does. Another client's login nobody else can refresh.
//
//nolint:gochecknoglobals // never changed
var openCodeClients = []string{"anthropic", codexProvider, "xai-oauth"}

// absentOpenCode: version 2 has a database instead of the file.
func absentOpenCode(path string) string {
	if exists(filepath.Join(filepath.Dir(path), "opencode.db")) {
		return "OpenCode 2 keeps its logins in its database, which reauth does not read; log in with reauth instead"
	}
	return ""
}

// readOpenCode follows the keys too: OpenCode takes another one when a person changes it there.
func readOpenCode(content []byte, canonical Canonical) (found Found, err error) {
	var file map[string]json.RawMessage
	if err := decode(content, &file); err != nil {
		return found, err
	}
	for _, name := range slices.Sorted(maps.Keys(file)) {
		var e openCodeEntry
		if json.Unmarshal(file[name], &e) != nil {
			found.skip(name, "it cannot be read")
			continue
		}
		e.add(&found, name, canonical)
	}
	if len(found.followable) == 1 {
		found.Active = found.followable[0].Provider
	}
	return found, nil
}

// add adds the login of the entry of that name, or says why it is of no use.
func (e openCodeEntry) add(found *Found, name string, canonical Canonical) {
	id := e.id(name)
	provider, known := canonical(id.provider)
	l, ok := e.login()
	switch {
	case e.Type == "wellknown":
		found.skip(name, "it is of a server that configures OpenCode, and no LLM provider's")
		return
	case !ok:
		found.skip(name, "reauth does not know its type")
		return
	case !known:
		found.skip(name, "reauth does not know the provider")
		return
	case l.AccessToken == "":
		found.skip(name, "it holds no token")
		return
	}
	l.Provider, l.Name = provider, name
	l.FollowOnly = l.RefreshToken != "" && !slices.Contains(openCodeClients, provider)
	if l.Hosts, ok = e.hosts(provider, id.host); !ok {
		found.skip(name, "it does not name the host that takes it; add the key with its host")
		found.advise(provider, "it does not name the host that takes its key of "+provider+"; "+
			"add the key as a credential of its own, with its host")
		return
	}
	found.addFollowed(l)
}

// id returns which provider of ours the entry of that name is of. OpenAI has two, and both tokens
// stand under one name.
func (e openCodeEntry) id(name string) openCodeID {
	if name == "openai" && e.Type == "oauth" {
		return openCodeID{provider: codexProvider}
	}
	if id, ok := openCodeIDs()[name]; ok {
		return id
	}
	return openCodeID{provider: name}
}

// login returns the tokens of the entry, and false if it is of a type that is not known.
func (e openCodeEntry) login() (l Login, known bool) {
	switch e.Type {
	case "api":
		l.AccessToken = e.token(e.Key)
	case "oauth":
		l.AccessToken, l.RefreshToken = e.token(e.Access), e.token(e.Refresh)
		l.Expiry, l.AccountID = e.Expires.Time, sendable(e.AccountID)
		if l.RefreshToken == l.AccessToken {
			l.RefreshToken = "" // GitHub's token stands in both places, and is used as it is
		}
	default:
		return l, false
	}
	return l, true
}

func (openCodeEntry) token(s string) string {
	if s = token(s); s == openCodePlaceholder {
		return ""
	}
	return s
}

// hosts returns the hosts that take the entry's token, where they are not any of the provider's. It
// returns false where they must be named and are not.
func (e openCodeEntry) hosts(provider, host string) (list []string, ok bool) {
	row := vendors.Of(provider)
	switch {
	case host != "":
		return []string{host}, true
	case e.Enterprise != "":
		domain := strings.TrimSuffix(strings.TrimPrefix(e.Enterprise, "https://"), "/")
		return []string{"copilot-api." + domain}, provider == "copilot" && isDomain(domain)
	case !row.OwnHost:
		return nil, true
	}
	resource := cmp.Or(e.Metadata["resourceName"], e.AccountID)
	for _, pattern := range row.Hosts {
		list = append(list, strings.Replace(pattern, "*", resource, 1))
	}
	return list, provider == "azure-foundry" && isLabel(resource)
}

// isDomain reports whether s may be the name of a host.
func isDomain(s string) bool {
	return !slices.ContainsFunc(strings.Split(s, "."), func(label string) bool { return !isLabel(label) })
}

// isLabel reports whether s may be one label of a host name (RFC 1123 §2.1).
func isLabel(s string) bool {
	return s != "" && len(s) < 64 && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-'
	})
}
