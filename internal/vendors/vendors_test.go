package vendors

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A name or an alias stands in one place only, so none leads to another alias.
func TestNamesAreUnique(t *testing.T) {
	owner := make(map[string]string)
	var sorted []string
	for v := range All() {
		sorted = append(sorted, v.Name)
		for _, name := range append([]string{v.Name}, v.Aliases...) {
			assert.Equal(t, clean(name), name, "it is never found")
			assert.Empty(t, owner[name], "%s is a name of %s too", name, v.Name)
			owner[name] = v.Name
		}
	}
	assert.True(t, slices.IsSorted(sorted), "%q", sorted)
	for name, want := range owner {
		assert.Equal(t, want, Canonical(name))
		assert.Equal(t, want, Of(name).Name)
		assert.Equal(t, want, Of(" custom:"+strings.ToUpper(name)).Name)
	}
}

func TestNamesOfNobody(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "own": "own", " Own ": "own", "custom:own": "own", "custom:": "custom",
	} {
		assert.Equal(t, want, Canonical(in), in)
		assert.Empty(t, Of(in), in)
	}
}

// Every row says where the API is and how to probe it, or which provider to use instead.
func TestEveryRowHasAnAPIAndAProbe(t *testing.T) {
	for v := range All() {
		if v.Instead != "" {
			assert.Empty(t, v.Hosts, v.Name)
			assert.NotEmpty(t, Of(v.Instead).Hosts, v.Name)
			continue
		}
		assert.NotEmpty(t, v.Hosts, v.Name)
		assert.Contains(t, []string{http.MethodGet, http.MethodPost}, v.Probe.Method, v.Name)
		for _, path := range []string{v.API.OpenAI, v.API.Claude, v.API.Native, v.Probe.Root, v.Probe.Path} {
			assert.True(t, path == "" || strings.HasPrefix(path, "/"), "%s: %q", v.Name, path)
		}
		if v.API.Origin == "" {
			assert.Empty(t, v.ProbeBase(), v.Name)
			assert.NotEmpty(t, v.Own.What, v.Name)
			checkURL(t, v.Own.Example)
			continue
		}
		assert.Empty(t, v.Own, v.Name)
		checkURL(t, v.ProbeBase())
		assert.True(t, strings.HasPrefix(v.ProbeBase()+"/", v.API.Origin+"/"), "%s: %s", v.Name, v.ProbeBase())
	}
}

// Where requests are refused in a 200, it is by a member that is known.
func TestHidesIsAKnownMember(t *testing.T) {
	for v := range All() {
		assert.Contains(t, []Hides{"", HidesInBaseResp, HidesInSuccess, HidesInCode}, v.Hides, v.Name)
	}
}

// Every authorization server has what a login and a renewal need.
func TestEveryLoginIsComplete(t *testing.T) {
	for v := range All() {
		a := v.Login()
		if a == nil {
			continue
		}
		assert.True(t, v.Auth == nil || v.KeyLogin == nil, "%s: a login is renewed, or gives a key", v.Name)
		assert.NotEmpty(t, a.Dialect, v.Name)
		assert.Equal(t, v.Auth == nil, a.ClientID == "", "%s: a login that gives a key has no client", v.Name)
		checkURL(t, a.Issuer)
		checkURL(t, a.TokenURL)
		assert.True(t, strings.HasSuffix(a.TokenURL, a.TokenPath()) && len(a.TokenPath()) > 1, v.Name)
		assert.NotEmpty(t, a.Flows, v.Name)
		assert.Equal(t, v.Name == "qwen-oauth", a.Ended != "", v.Name)
		for _, f := range a.Flows {
			assert.Contains(t, []string{FlowDevice, FlowBrowser, FlowPaste}, f.Name, v.Name)
			assert.Equal(t, a.Dialect == Kimi || v.Auth == nil, f.Scopes+a.Scopes == "", "%s: %s", v.Name, f.Name)
			if f.Name == FlowDevice && a.Dialect != Codex { // whose device flow is its own
				assert.NotEmpty(t, a.Device.Code, v.Name)
			}
		}
		for i, r := range a.Regions {
			checkURL(t, r.Issuer)
			assert.Equal(t, i == 0, r.Issuer == a.Issuer, "%s: the first region is the issuer's", v.Name)
			found, _ := a.RegionOf(r.Issuer + "/")
			assert.Equal(t, r, found, v.Name)
			assert.NotEmpty(t, r.Hosts, v.Name)
			assert.Subset(t, v.Hosts, r.Hosts, v.Name)
		}
		_, known := a.RegionOf(a.Issuer + ".evil.example")
		assert.False(t, known, v.Name)
		if a.BaseNote != "" || len(a.Regions) > 0 {
			for _, h := range v.Hosts {
				assert.NotContains(t, h, "*", "%s: a host that is compared by name", v.Name)
				assert.True(t, v.HasAPIAt(originOf(h)+"/v1"), v.Name)
			}
		}
		if a.Domain != "" {
			assert.True(t, strings.HasSuffix(a.Issuer, "."+a.Domain), "%s: %s is not of %s", v.Name, a.Issuer, a.Domain)
			assert.True(t, strings.HasPrefix(a.TokenURL, a.Issuer+"/"), v.Name)
		}
	}
}

// A login's metadata tells which hosts refuse its tokens.
func TestHostsThatRefuseALogin(t *testing.T) {
	const mainland, global = "api.kimi.com/coding", "api.kimi.ai/coding"
	const paid, free = "inference-api.nousresearch.com", "welcome-api.nousresearch.com"
	for _, c := range []struct {
		provider, note, value string
		login                 bool
		want                  []string
	}{
		{"kimi-coding", "", "", false, nil}, // a key
		{"kimi-coding", "", "", true, []string{global}},
		{"kimi-coding", IssuerNote, "https://auth.kimi.com", true, []string{global}},
		{"kimi-coding", IssuerNote, "https://auth.kimi.ai", true, []string{mainland}},
		{"kimi-coding", IssuerNote, "HTTPS://Auth.Kimi.AI.:443/", false, []string{mainland}}, // followed
		{"kimi-coding", IssuerNote, "https://auth.corp.example", true, nil},
		{"kimi-coding", IssuerNote, "https://auth.kimi.ai:8443", true, nil},
		{"kimi-coding", IssuerNote, "http://auth.kimi.ai", true, nil},
		{"kimi-coding", IssuerNote, "https://me@auth.kimi.ai", true, nil},
		{"nous", "base_url", "", true, nil},
		{"nous", "base_url", "https://" + paid + "/v1", true, []string{free}},
		{"nous", "base_url", "https://" + free + "/v1", true, []string{paid}},
		{"nous", "base_url", "https://" + free + ".stranger.example/v1", true, nil},
		{"nous", "base_url", "%", true, nil},
		{"groq", "base_url", "https://" + free + "/v1", true, nil},
		{"xai-oauth", "base_url", "https://api.x.ai", true, nil},
	} {
		got := Of(c.provider).RefusedBy(map[string]string{c.note: c.value}, c.login)
		assert.Equal(t, c.want, got, "%s: %s", c.provider, c.value)
	}
	assert.Nil(t, Of("nobody").RefusedBy(nil, true))
}

func TestKeysAreToldByTheirPrefix(t *testing.T) {
	assert.True(t, Of("copilot").IsKey("gho_EXAMPLE"))
	assert.False(t, Of("copilot").IsKey("ghu_EXAMPLE"))
	assert.False(t, Of("groq").IsKey("gho_EXAMPLE"))
	assert.False(t, Of("groq").IsKey(""))
}

// checkURL makes sure that an address of a row is absolute, over https (or on this host), and ends
// without a slash.
func checkURL(t *testing.T, address string) {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	assert.NotEmpty(t, u.Host, address)
	assert.True(t, u.Scheme == "https" || u.Hostname() == "127.0.0.1", address)
	assert.False(t, strings.HasSuffix(address, "/"), address)
}

// A variable of a client belongs to one kind of client: else a program would be led to two providers.
func TestVariablesOfClientsAreUnique(t *testing.T) {
	owners := make(map[string]string)
	check := func(owner string, c Client) {
		if (len(c.BaseURL) == 0) != (len(c.Key) == 0) {
			t.Errorf("%s: a client has a base URL and a key, or neither", owner)
		}
		for _, name := range c.Names() {
			if other, taken := owners[name]; taken {
				t.Errorf("%s is a variable of %s and of %s", name, other, owner)
			}
			owners[name] = owner
		}
	}
	check("OpenAI's API", OpenAIClient)
	check("Anthropic's API", ClaudeClient)
	for row := range All() {
		check(row.Name, row.Client)
	}
	if len(owners) < 10 {
		t.Errorf("only %d variables are known", len(owners))
	}
}
