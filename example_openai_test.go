package reauth_test

import (
	"net/url"

	"github.com/reauth-go/reauth"
)

// openAIFederation is the configuration of OpenAI's workload identity federation. The two ids are
// those of the identity provider and the service account that an administrator has set up at OpenAI:
// https://developers.openai.com/api/reference/workload-identity-federation
func openAIFederation(subject reauth.Refresher, identityProvider, serviceAccount string) reauth.TokenExchangeConfig {
	return reauth.TokenExchangeConfig{
		TokenURL: "https://auth.openai.com/oauth/token",
		Subject:  subject, // for the audience https://api.openai.com/v1, or the one that was set up
		JSON:     true,
		Form: url.Values{
			"identity_provider_id": {identityProvider},
			"service_account_id":   {serviceAccount},
		},
	}
}

// A pod uses OpenAI's API without a key: Kubernetes writes it a token, which OpenAI exchanges for one
// of a service account.
func ExampleTokenExchangeSource_openAI() {
	subject := reauth.FileSource("/var/run/secrets/openai.com/serviceaccount/token")
	source := reauth.TokenExchangeSource(openAIFederation(subject, "idp-EXAMPLE", "sa-EXAMPLE"))
	_ = source
}
