// Package vendors holds the facts about the providers that the library knows: one row each, and no
// second table.
//
// A row is plain data. What a provider needs a function for (how its key is put on a request, what
// its authorization server does differently), the row names by a constant; the package that has the
// types implements it once. To add a provider, add its row to table.go. The tests of this package,
// of reauth and of the command say what is missing.
package vendors

import (
	"cmp"
	"iter"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Vendor is the row of one provider.
type Vendor struct {
	Name    string   // what credentials, events and metrics call the provider
	Aliases []string // other names for it, in lower case

	Hosts   []string // patterns of the URLs that get its credentials; none: the provider does not speak HTTP
	OwnHost bool     // a key is good at one resource only, so a credential must name its host
	Header  Header   // how a key is put on a request
	Query   []string // parameters of a URL in which the provider's clients may send a key
	// ModelPaths are the segments of paths behind which a request names its model; none: it is in the body.
	ModelPaths []string
	Objects    []string // segments of paths below which objects of one account live (Provider.BoundPaths)

	Hides Hides // how a refusal in a 200 is told; empty: the provider refuses by status
	// UTCOffset is how far the zone of reset times that name none is ahead of UTC.
	UTCOffset time.Duration

	Limits Limits // how headers tell what is left of the account's limits

	API     API
	Client  Client // of programs that have variables for this provider's API; zero: there are none
	Own     Own    // where each customer has a base URL of their own
	Instead string // the provider to use where this one does not speak HTTP
	Probe   Probe  // no Method: the provider cannot be probed

	Auth      *Auth  // nil: API keys only
	KeyLogin  *Auth  // a login that gives an API key, of which nothing is renewed; nil: there is none
	KeyPrefix string // of the tokens that IsKey reports; empty: there are none

	Remade   []Remade // static tokens of which a person makes a new one; none: nothing is known
	Prefixes []string // how keys begin that only this provider has, or the few that name the same prefix
	AnyKey   bool     // its API takes keys of other providers, which it passes on
}

// Zone returns the zone of reset times that name none; nil: UTC.
func (v Vendor) Zone() *time.Location {
	if v.UTCOffset == 0 {
		return nil
	}
	return time.FixedZone("", int(v.UTCOffset/time.Second)) // without a name it is made once for each hour
}

// IsKey reports whether a refresh token cannot be exchanged because the API takes it as it is.
func (v Vendor) IsKey(refreshToken string) bool {
	return v.KeyPrefix != "" && strings.HasPrefix(refreshToken, v.KeyPrefix)
}

// PublicPrefix returns the longest of Prefixes with which a secret begins, and of a JWT (RFC 7519)
// its header. It is empty when the secret begins with none: then all of it is secret.
func PublicPrefix(secret string) string {
	best := ""
	for _, p := range Prefixes() {
		if len(p) > len(best) && strings.HasPrefix(secret, p) {
			best = p
		}
	}
	if best == jwtPrefix {
		if header, _, ok := strings.Cut(secret, "."); ok {
			return header + "."
		}
	}
	return best
}

// jwtPrefix is the Base64 of {" with which each JWT begins.
const jwtPrefix = "eyJ"

// commonPrefixes are public beginnings that tell no provider, and longer ones of those that do.
//
//nolint:gochecknoglobals // never changed
var commonPrefixes = []string{
	jwtPrefix, "sk-", "sk-ant-api03-", "sk-ant-admin01-", "sk-ant-oat01-", "sk-ant-ort01-", "sk-or-v1-", "ghs_", "ghr_",
	"1//0", "bedrock-api-key-",
}

// Prefixes returns the public beginnings of keys and tokens, whoever's they are.
//
//nolint:gochecknoglobals // made once for the process
var Prefixes = sync.OnceValue(func() []string {
	list := slices.Clone(commonPrefixes)
	for _, v := range table() {
		list = append(list, v.Prefixes...)
	}
	return list
})

// Foreign returns which provider's keys begin as the key does, and how they begin, when those are not
// this provider's.
func (v Vendor) Foreign(key string) (owner, prefix string) {
	for row := range All() {
		for _, p := range row.Prefixes {
			if len(p) > len(prefix) && strings.HasPrefix(key, p) {
				owner, prefix = row.Name, p
			}
		}
	}
	if prefix == "" || slices.Contains(v.Prefixes, prefix) {
		return "", ""
	}
	return owner, prefix
}

// Login is how a person logs in, whether the login is renewed or gives a key. It is nil where there
// is none.
func (v Vendor) Login() *Auth { return cmp.Or(v.Auth, v.KeyLogin) }

// Header names a way to put a credential on a request. The functions are in the root's
// provider_authorize.go.
type Header string

// The ways.
const (
	HeaderBearer    Header = ""          // Authorization: Bearer
	HeaderAnthropic Header = "anthropic" // X-Api-Key, or Bearer with a beta
	HeaderAzure     Header = "azure"     // Api-Key, or Bearer
	HeaderGoogle    Header = "google"    // X-Goog-Api-Key, or Bearer
	HeaderCodex     Header = "codex"     // Bearer, and the account beside it
	HeaderAsAsked   Header = "as-asked"  // the header where the SDK put its placeholder
)

// Hides names the member of a body by which a provider refuses a request that it answers with 200.
type Hides string

// The members.
const (
	HidesInBaseResp Hides = "base_resp" // {"base_resp":{"status_code":1004}}: not 0
	HidesInSuccess  Hides = "success"   // {"success":false,"code":…}
	HidesInCode     Hides = "code"      // {"code":"…","message":"…"} without output or choices
)

// Limits is how a provider tells in the headers of its answers what is left of an account's limits. The
// package internal/limits reads them. The zero value says that nothing is known: then every dialect is
// read, as for a provider that has no row.
type Limits struct {
	Dialect LimitDialect
	// Requests and Tokens are the windows of limits whose names tell none, as the provider documents
	// them; 0: it does not.
	Requests, Tokens time.Duration
	// Buckets says that the limits that count, of requests and tokens, are token buckets, of which each
	// model has its own: they fill up steadily, and are full at their reset. A window of a subscription
	// is none.
	Buckets bool
}

// LimitDialect names a family of headers.
type LimitDialect string

// The dialects of limits.
const (
	LimitsAnthropic LimitDialect = "anthropic" // Anthropic-Ratelimit-Unified-5h-Utilization, Anthropic-Ratelimit-Tokens-Remaining
	LimitsCodex     LimitDialect = "codex"     // X-Codex-Primary-Used-Percent
	LimitsCounted   LimitDialect = "counted"   // X-Ratelimit-Remaining-Tokens, or X-Ratelimit-Remaining alone
)

// API is where a provider documents its API to be. A path is what a program adds to Origin for its
// base URL; "/" stands for Origin itself. An empty path means that the provider does not speak the
// dialect there.
type API struct {
	Origin string // scheme and host; empty: each customer's own
	OpenAI string // path for clients that speak OpenAI's API
	Claude string // path for clients that speak Anthropic's API
	Native string // path of the provider's own API, where that is neither
}

// BaseURL is what a program sets as its base URL. It is empty where each customer has another one.
func (a API) BaseURL() string {
	if a.first() == "" {
		return ""
	}
	return a.At(a.first())
}

// Path is the path of BaseURL.
func (a API) Path() string { return strings.TrimSuffix(a.first(), "/") }

// At returns the base URL of one of the paths.
func (a API) At(path string) string { return a.Origin + strings.TrimSuffix(path, "/") }

// first returns the path of the first that the provider has of OpenAI's API, Anthropic's and its
// own.
func (a API) first() string { return cmp.Or(a.OpenAI, a.Claude, a.Native) }

// Remade says how a person replaces a static token that begins so, when it has ended.
type Remade struct {
	Prefix string
	How    string // as in "make a new one at …"
}

// HowRemade tells how a person replaces a static token; empty: nobody knows.
func (v Vendor) HowRemade(token string) string {
	for _, r := range v.Remade {
		if strings.HasPrefix(token, r.Prefix) {
			return r.How
		}
	}
	return ""
}

// Own says what the base URL depends on where each customer has their own.
type Own struct {
	What    string // as in "name the resource"
	Example string // a base URL
}

// Host is the host of the example.
func (o Own) Host() string {
	u, err := url.Parse(o.Example)
	if err != nil {
		return ""
	}
	return u.Host
}

// Probe is the harmless request that tells whether a credential is accepted. Where a list of models
// is public and proves nothing, or is not documented, it is a completion that asks for nothing: the
// provider refuses the credential before it refuses the request, and nothing is spent.
type Probe struct {
	Method, Path string
	Header       string // one more header, "Name: value"
	Root         string // path at API.Origin to which Path is added; empty: that of the base URL
}

// ProbeBase is the URL to which the path of the probe is added. It is empty where each customer has
// another one.
func (v Vendor) ProbeBase() string {
	if v.Probe.Root == "" {
		return v.API.BaseURL()
	}
	return v.API.At(v.Probe.Root)
}

// Auth is how a login of a person is obtained, and how it is renewed unless it gives a key.
type Auth struct {
	Dialect  Dialect
	Issuer   string // the authorization server's address
	ClientID string // the public one of the vendor's own program
	Scopes   string // of a login, space-separated
	Flows    []Flow // the ways to log in, the default first
	Device   Device
	// Ended, when not empty, says since when the vendor takes no such logins any more, where that is
	// told, and what to use.
	Ended string

	TokenURL string // where tokens are renewed; of a KeyLogin, where the code is exchanged for the key
	// Domain, when not empty, says that the issuer publishes its endpoints (OpenID Connect
	// Discovery 1.0 §4). An endpoint must be at this domain or below it.
	Domain string
	// Regions, when there are any, are the authorization servers of the vendor, each with the hosts
	// that take its tokens; the first is Issuer's. At each the endpoints have the same paths.
	Regions []Region
	// BaseNote, when not empty, is the name under which the metadata of a login keeps the base URL of
	// the API that takes its tokens. The answers of the authorization server name it.
	BaseNote string
	JSON     bool // tokens are renewed by a JSON object instead of a form
	Mints    bool // the login's token is kept, and exchanged for access tokens again and again; no client is named then
	// Account is a path at the issuer that tells whose a static token is, which begins with
	// AccountPrefix and does not tell it itself. Empty: there are no such tokens.
	Account, AccountPrefix string
	// RenewPrefix is how the refresh tokens begin that renew a token which mints; empty: it does not
	// expire.
	RenewPrefix string
}

// IssuerNote is the name under which the metadata of a credential keeps the authorization server of
// its login, when that was another one than the provider's own. Only that server gets its tokens.
const IssuerNote = "reauth-issuer"

// GitHubRefreshNote is the name under which the metadata of a credential of Copilot keeps the refresh
// token (ghr_…) that renews its GitHub token, when that token expires. It is a secret and rotates.
const GitHubRefreshNote = "github-refresh-token"

// GitHubExpiryNote is the name under which the metadata of a credential of Copilot keeps when its
// GitHub token expires (RFC 3339).
const GitHubExpiryNote = "github-expiry"

// FedRAMPNote is the name under which the metadata of a credential of Codex says "true" when its account
// is of ChatGPT's FedRAMP environment, which wants a header on each request.
const FedRAMPNote = "chatgpt-fedramp"

// DeviceNote is the name under which the metadata of a credential keeps the id by which its login
// named the device to an authorization server that wants one; see DeviceHeader.
const DeviceNote = "reauth-device"

// SecretNotes are the names under which metadata of a credential keeps secrets.
func SecretNotes() []string { return []string{GitHubRefreshNote} }

// Region is one of a vendor's authorization servers.
type Region struct {
	Issuer string   // its address
	Hosts  []string // those of the row's Hosts that take its tokens
}

// RegionOf returns the region whose server has that address: scheme, host and port are compared.
func (a *Auth) RegionOf(issuer string) (Region, bool) {
	at := server(issuer)
	i := slices.IndexFunc(a.Regions, func(r Region) bool { return at != "" && server(r.Issuer) == at })
	if i < 0 {
		return Region{}, false
	}
	return a.Regions[i], true
}

// RegionTokenURL returns where tokens of the region are renewed whose server has that address.
func (a *Auth) RegionTokenURL(issuer string) (string, bool) {
	r, ok := a.RegionOf(issuer)
	return r.Issuer + a.TokenPath(), ok
}

// server returns scheme, host and port of an address; empty: it has none, or holds a user name.
func server(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil {
		return ""
	}
	scheme, port := strings.ToLower(u.Scheme), u.Port()
	if scheme == "https" && port == "" {
		port = "443"
	}
	return scheme + "://" + strings.ToLower(strings.TrimRight(u.Hostname(), ".")) + ":" + port
}

// HasAPIAt reports whether a URL is at one of the row's hosts, whatever its path, over https.
func (v Vendor) HasAPIAt(address string) bool {
	at := server(address)
	return slices.ContainsFunc(v.Hosts, func(h string) bool { return server(originOf(h)) == at })
}

// originOf returns the address of the host of a pattern without a wildcard.
func originOf(pattern string) string {
	host, _, _ := strings.Cut(pattern, "/")
	return "https://" + host
}

// RefusedBy returns those of the row's hosts that refuse a login's tokens: they are another region's,
// or the login's metadata names the host that takes them. A key, whose region nobody knows, is refused
// by none.
func (v Vendor) RefusedBy(notes map[string]string, isLogin bool) (hosts []string) {
	if v.Auth == nil {
		return nil
	}
	good := func(string) bool { return true }
	if base := notes[cmp.Or(v.Auth.BaseNote, " ")]; v.HasAPIAt(base) {
		good = func(host string) bool { return server(originOf(host)) == server(base) }
	}
	if issuer := notes[IssuerNote]; issuer != "" || isLogin {
		if r, ok := v.Auth.RegionOf(cmp.Or(issuer, v.Auth.Issuer)); ok {
			good = func(host string) bool { return slices.Contains(r.Hosts, host) }
		}
	}
	for _, h := range v.Hosts {
		if !good(h) {
			hosts = append(hosts, h)
		}
	}
	return hosts
}

// TokenPath is the path of TokenURL: at another issuer the endpoint has the same one.
func (a *Auth) TokenPath() string {
	u, err := url.Parse(a.TokenURL)
	if err != nil {
		return "" // no row has such an address: a test reads them all
	}
	return u.Path
}

// TokenURLAt returns where tokens are renewed at another issuer. Access tokens are minted at the host api.
// of its domain, as GitHub does. On loopback that is the issuer itself: an address has no subdomains.
func (a *Auth) TokenURLAt(issuer string) string {
	issuer = strings.TrimRight(issuer, "/")
	u, err := url.Parse(issuer)
	if a.Mints && err == nil && !isLoopback(u.Hostname()) {
		u.Host = apiLabel + u.Host
		issuer = u.String()
	}
	return issuer + a.TokenPath()
}

// IssuerOf returns the issuer of the logins whose tokens are renewed at an address: the reverse of
// TokenURLAt.
func (a *Auth) IssuerOf(tokenURL string) string {
	u, err := url.Parse(tokenURL)
	if err != nil {
		return tokenURL
	}
	if a.Mints {
		u.Host = strings.TrimPrefix(u.Host, apiLabel)
	}
	return u.Scheme + "://" + u.Host
}

const apiLabel = "api."

// isLoopback reports whether a host is this host.
func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback() || strings.EqualFold(host, "localhost")
}

// LoginTokenPath is the path at the issuer where the code of a login is exchanged for tokens.
func (a *Auth) LoginTokenPath() string { return cmp.Or(a.Device.Token, a.TokenPath()) }

// Dialect names what an authorization server does in its own way. The root's refresh_builtin.go
// implements how tokens are renewed there, package login how a person logs in.
type Dialect string

// The dialects.
const (
	Anthropic Dialect = "anthropic"
	Codex     Dialect = "codex"
	Copilot   Dialect = "copilot"
	Kimi      Dialect = "kimi"
	MiniMax   Dialect = "minimax"
	Nous      Dialect = "nous"
	// OpenRouter has a KeyLogin.
	OpenRouter Dialect = "openrouter"
	Qwen       Dialect = "qwen"
	XAI        Dialect = "xai"
)

// Flow is a way to log in.
type Flow struct {
	Name   string
	Scopes string // instead of Auth.Scopes
}

// Names of flows.
const (
	FlowDevice  = "device"
	FlowBrowser = "browser"
	FlowPaste   = "paste"
)

// Device is the device flow of an authorization server (RFC 8628, or what the dialect makes of it).
type Device struct {
	Code      string        // path where a code is asked for
	Token     string        // path where it is exchanged; empty: that of TokenURL
	Every     time.Duration // between polls when the answer names no interval; 0: RFC 8628's
	PKCE      bool          // RFC 7636 on top
	RequestID bool          // requests carry an id
}

// All yields the rows, sorted by name. Their slices must not be changed.
func All() iter.Seq[Vendor] { return slices.Values(table()) }

// Of returns the row of that name or alias. For any other name it is empty, and so is its Name. Its
// slices must not be changed.
func Of(name string) Vendor {
	if i, ok := index()[clean(name)]; ok {
		return table()[i]
	}
	return Vendor{}
}

// Canonical returns the one name of a provider: trimmed, in lower case, aliases resolved. A name
// that no row has is returned otherwise as it is. "custom:<name>", as some configuration files have
// it, is <name>.
func Canonical(name string) string {
	name = clean(name)
	if i, ok := index()[name]; ok {
		return table()[i].Name
	}
	return name
}

// clean returns a name as it is compared.
func clean(name string) string {
	name = strings.ToLower(strings.TrimSpace(name))
	if name == "custom:" {
		return "custom"
	}
	return strings.TrimPrefix(name, "custom:")
}

// index returns the place of each name and alias in the table.
//
//nolint:gochecknoglobals // made once, of a table
var index = sync.OnceValue(func() map[string]int { return indexed(table()) })

func indexed(rows []Vendor) map[string]int {
	places := make(map[string]int)
	for i, v := range rows {
		places[v.Name] = i
		for _, alias := range v.Aliases {
			places[alias] = i
		}
	}
	return places
}
