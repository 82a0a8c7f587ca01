package reauth_test

import (
	"net/url"

	"github.com/reauth-go/reauth"
)

// openRouterFederation is the configuration of OpenRouter's workload identity federation, which is RFC
// 8693 as it stands. The id is that of the federation policy:
// https://openrouter.ai/docs/guides/overview/auth/workload-identity-federation
func openRouterFederation(subject reauth.Refresher, policy string) reauth.TokenExchangeConfig {
	return reauth.TokenExchangeConfig{
		TokenURL: "https://openrouter.ai/api/v1/oauth/token",
		Subject:  subject, // for the audience of the policy
		Form:     url.Values{"federation_policy_id": {policy}},
	}
}

// A workload uses OpenRouter without a key: it exchanges the token that its platform has given it.
func ExampleTokenExchangeSource_openRouter() {
	subject := reauth.FileSource("/var/run/secrets/tokens/openrouter")
	source := reauth.TokenExchangeSource(openRouterFederation(subject, "00000000-0000-0000-0000-000000000000"))
	_ = source
}
