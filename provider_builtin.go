package reauth

import (
	"net/http"
	"slices"
	"sync"

	"github.com/reauth-go/reauth/internal/vendors"
)

// LookupProvider returns the built-in provider of that name or alias. To extend one, change the
// copy and Register it.
func LookupProvider(name string) (Provider, bool) {
	row := vendors.Of(name)
	if row.Name == "" {
		return Provider{}, false
	}
	return builtinProvider(row), true
}

// ProviderNames returns the names of the built-in providers, sorted. Aliases are not among them.
func ProviderNames() []string {
	var names []string
	for row := range vendors.All() {
		names = append(names, row.Name)
	}
	slices.Sort(names)
	return names
}

// authorizers implement the ways that rows name to put a credential on a request. nil is the
// Provider's default.
var authorizers = sync.OnceValue(func() map[vendors.Header]func(http.Header, Credential) {
	return map[vendors.Header]func(http.Header, Credential){
		vendors.HeaderBearer:    nil,
		vendors.HeaderAnthropic: authorizeAnthropic,
		vendors.HeaderAzure:     authorizeAzure,
		vendors.HeaderGoogle:    authorizeGoogle,
		vendors.HeaderCodex:     authorizeCodex,
		vendors.HeaderAsAsked:   authorizeAsAsked,
	}
})

// builtinProvider makes a Provider of a row of the built-in table.
func builtinProvider(row vendors.Vendor) Provider {
	name := row.Name // the function below keeps the name alone
	p := Provider{
		Name: name, Hosts: slices.Clone(row.Hosts), BaseURL: row.API.BaseURL(), Authorize: authorizers()[row.Header],
		Classify:   func(resp *http.Response, body []byte) (Verdict, bool) { return classify(name, resp, body), true },
		BoundPaths: slices.Clone(row.Objects),
	}
	if row.Hides != "" {
		p.MayRefuse = mayHide
	}
	if row.Auth != nil {
		p.Refresher = builtinRefresher(row, OAuth2Config{})
	}
	return p
}

// modelPathsOf returns the segments of the provider's paths behind which the model is named.
func modelPathsOf(provider string) []string { return vendors.Of(provider).ModelPaths }

// needsOwnHost reports whether a key of the provider is good at one resource only, so that a
// credential must name its host.
func needsOwnHost(provider string) bool { return vendors.Of(provider).OwnHost }

// isKey reports whether a refresh token of the provider cannot be exchanged because its API takes
// it as it is.
func isKey(provider, refreshToken string) bool { return vendors.Of(provider).IsKey(refreshToken) }
