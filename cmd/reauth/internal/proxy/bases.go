package proxy

import "github.com/reauth-go/reauth/internal/vendors"

// BaseURL is what a program sets as its base URL to reach the provider through the proxy.
type BaseURL struct {
	For string `json:"for,omitempty"` // which clients: "OpenAI", "Anthropic", or "" for any
	URL string `json:"url"`
}

// BaseURLs returns the base URLs of an API behind a proxy at the address given, such as
// "http://127.0.0.1:8787". The proxy serves the API's origin path for path.
func BaseURLs(api vendors.API, at string) []BaseURL {
	proxied := vendors.API{Origin: at}
	var urls []BaseURL
	for _, k := range []struct{ dialect, path string }{
		{"OpenAI", api.OpenAI}, {"Anthropic", api.Claude}, {"", api.Native},
	} {
		if k.path != "" {
			urls = append(urls, BaseURL{k.dialect, proxied.At(k.path)})
		}
	}
	return urls
}

// ClientVariable is the environment variable from which the official SDKs of the dialect take their
// base URL, or "".
func (b BaseURL) ClientVariable() string {
	switch b.For {
	case "OpenAI":
		return vendors.OpenAIClient.BaseURL[0]
	case "Anthropic":
		return vendors.ClaudeClient.BaseURL[0]
	}
	return ""
}
