package reauth_test

import (
	"net/http"
	"net/url"

	"github.com/reauth-go/reauth"
)

// anthropicFederation is the configuration of Anthropic's workload identity federation. The ids are
// those of the federation rule, the organization and the service account:
// https://platform.claude.com/docs/en/manage-claude/wif-reference. Where the rule is for several
// workspaces, Form also has "workspace_id".
func anthropicFederation(
	subject reauth.Refresher, rule, organization, serviceAccount string,
) reauth.TokenExchangeConfig {
	return reauth.TokenExchangeConfig{
		TokenURL:  "https://api.anthropic.com/v1/oauth/token",
		Subject:   subject, // for the audience https://api.anthropic.com, or the one of the rule
		Assertion: true,
		JSON:      true,
		Header:    http.Header{"Anthropic-Beta": {"oauth-2025-04-20,oidc-federation-2026-04-01"}},
		Form: url.Values{
			"federation_rule_id": {rule},
			"organization_id":    {organization},
			"service_account_id": {serviceAccount},
		},
	}
}

// A job in a CI system uses Anthropic's API without a key: a command prints the job's identity token,
// which Anthropic exchanges for one of a service account.
func ExampleTokenExchangeSource_anthropic() {
	subject := reauth.CommandSource("print-identity-token", "--audience", "https://api.anthropic.com")
	source := reauth.TokenExchangeSource(anthropicFederation(subject,
		"fdrl_EXAMPLE", "00000000-0000-0000-0000-000000000000", "svac_EXAMPLE"))
	_ = source
}
