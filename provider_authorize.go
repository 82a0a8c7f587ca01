package reauth

import (
	"net/http"
	"strings"

	"github.com/reauth-go/reauth/internal/jwt"
	"github.com/reauth-go/reauth/internal/vendors"
)

// isCredentialHeader reports whether a header carries a key, or names an account, with one provider or
// another. An SDK puts a placeholder there, or what the user has, and neither may travel beside the
// pool's credential. The name is compared as HTTP does, without case: a map may hold a name that is not in
// canonical form.
func isCredentialHeader(name string) bool {
	switch len(name) { // no two of them have one length, so most headers are told apart by it
	case len("Api-Key"):
		return strings.EqualFold(name, "Api-Key")
	case len("X-Api-Key"):
		return strings.EqualFold(name, "X-Api-Key")
	case len("Authorization"):
		return strings.EqualFold(name, "Authorization")
	case len("X-Goog-Api-Key"):
		return strings.EqualFold(name, "X-Goog-Api-Key")
	case len(fedRAMPHeader):
		return strings.EqualFold(name, fedRAMPHeader)
	case len("Chatgpt-Account-Id"):
		return strings.EqualFold(name, "Chatgpt-Account-Id")
	}
	return false
}

// removeCredentials deletes every header that carries a key, under any spelling.
func removeCredentials(h http.Header) {
	for name := range h {
		if isCredentialHeader(name) {
			delete(h, name)
		}
	}
}

// authorizeBearer is what a nil Provider.Authorize does (RFC 6750 §2.1).
func authorizeBearer(h http.Header, c Credential) {
	removeCredentials(h)
	h["Authorization"] = []string{"Bearer " + c.AccessToken}
}

// authorizeWith puts a key into a header of the provider's choice, alone.
func authorizeWith(h http.Header, name, value string) {
	removeCredentials(h)
	h[name] = []string{value}
}

// anthropicOAuthBeta is the beta that Anthropic's API wants beside an OAuth token.
const anthropicOAuthBeta = "oauth-2025-04-20"

// authorizeAnthropic sends an API key as x-api-key and an OAuth token as Bearer. An OAuth token
// needs a beta, which joins the caller's own: without it Anthropic answers "OAuth authentication is
// currently not supported".
func authorizeAnthropic(h http.Header, c Credential) {
	if !isAnthropicOAuth(c) {
		authorizeWith(h, "X-Api-Key", c.AccessToken)
		return
	}
	authorizeBearer(h, c)
	var betas []string
	for name, values := range h {
		if strings.EqualFold(name, "Anthropic-Beta") {
			betas = append(betas, values...)
			delete(h, name)
		}
	}
	h["Anthropic-Beta"] = betas
	for _, b := range betas {
		for name := range strings.SplitSeq(b, ",") {
			if strings.TrimSpace(name) == anthropicOAuthBeta {
				return
			}
		}
	}
	// One line instead of a second one: not every proxy joins repeated headers.
	h["Anthropic-Beta"] = []string{strings.Join(append(betas[:len(betas):len(betas)], anthropicOAuthBeta), ",")}
}

// isAnthropicOAuth reports whether the credential is an OAuth token. Anthropic's prefixes tell;
// without one, a refresh token does.
func isAnthropicOAuth(c Credential) bool {
	t := c.AccessToken
	switch {
	case strings.HasPrefix(t, "sk-ant-api"), strings.HasPrefix(t, "sk-ant-admin"):
		return false
	case strings.HasPrefix(t, "sk-ant-"), jwt.Is(t), strings.HasPrefix(t, "cc-"):
		return true
	}
	return c.RefreshToken != ""
}

// authorizeAzure sends an Entra ID token, which is a JWT, as Bearer, and a resource's key as api-key. On
// the path /anthropic Azure takes the key as x-api-key (foundry/foundry.go of anthropic-sdk-go): where a
// client has put its placeholder there, and none into api-key, the key goes there.
func authorizeAzure(h http.Header, c Credential) {
	switch {
	case jwt.Is(c.AccessToken) || c.RefreshToken != "":
		authorizeBearer(h, c)
	case isAsked(h, "X-Api-Key") && !isAsked(h, "Api-Key"):
		authorizeWith(h, "X-Api-Key", c.AccessToken)
	default:
		authorizeWith(h, "Api-Key", c.AccessToken)
	}
}

// isAsked reports whether a client has put something into a header, under any spelling.
func isAsked(h http.Header, name string) bool {
	for placed, values := range h {
		if strings.EqualFold(placed, name) && strings.Join(values, "") != "" {
			return true
		}
	}
	return false
}

// authorizeGoogle sends an API key as x-goog-api-key, which Google takes at every endpoint, and an
// OAuth token as Bearer. Google refuses a request with both.
func authorizeGoogle(h http.Header, c Credential) {
	if t := c.AccessToken; strings.HasPrefix(t, "ya29.") || jwt.Is(t) || c.RefreshToken != "" {
		authorizeBearer(h, c)
		return
	}
	authorizeWith(h, "X-Goog-Api-Key", c.AccessToken)
}

// fedRAMPHeader routes a request to ChatGPT's FedRAMP environment (openai/codex#17151).
const fedRAMPHeader = "X-Openai-Fedramp"

// authorizeCodex names the account beside the token: without it the edge of chatgpt.com answers
// with a page. An account of the FedRAMP environment is told as such.
func authorizeCodex(h http.Header, c Credential) {
	authorizeBearer(h, c)
	if c.AccountID != "" {
		h["Chatgpt-Account-Id"] = []string{c.AccountID}
	}
	if c.Metadata[vendors.FedRAMPNote] == "true" {
		h[fedRAMPHeader] = []string{"true"}
	}
}

// authorizeAsAsked is for gateways that speak several dialects on one host: the key goes into the
// header where the SDK put its placeholder.
func authorizeAsAsked(h http.Header, c Credential) {
	for _, name := range []string{"X-Api-Key", "X-Goog-Api-Key"} {
		if isAsked(h, name) {
			authorizeWith(h, name, c.AccessToken)
			return
		}
	}
	authorizeBearer(h, c)
}
