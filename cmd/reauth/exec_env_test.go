package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/internal/vendors"
)

// servedTo returns providers behind proxies on the ports 1, 2, and so on.
func servedTo(names ...string) (list []*served) {
	for i, name := range names {
		row := vendors.Of(name)
		list = append(list, &served{row: row, api: row.API, origin: "http://127.0.0.1:" + string(rune('1'+i))})
	}
	return list
}

func TestEnvironmentOfAProgram(t *testing.T) {
	const openAI = "OPENAI_API_BASE=%1/v1 OPENAI_API_KEY=T OPENAI_BASE_URL=%1/v1"
	for _, c := range []struct{ name, providers, base, templates, want string }{
		{"openai", "openai-api", "", "", openAI},
		{"anthropic", "anthropic", "ANTHROPIC_API_KEY=own", "", "ANTHROPIC_AUTH_TOKEN=T ANTHROPIC_BASE_URL=%1"},
		{"xai", "xai-oauth", "", "", openAI + " XAI_API_KEY=T XAI_BASE_URL=%1/v1"},
		{
			"gemini", "gemini", "GOOGLE_API_KEY=own HOME=/", "", "GEMINI_API_KEY=T GOOGLE_GEMINI_BASE_URL=%1 HOME=/ " +
				"OPENAI_API_BASE=%1/v1beta/openai OPENAI_API_KEY=T OPENAI_BASE_URL=%1/v1beta/openai",
		},
		{
			"openrouter speaks both", "openrouter", "", "", "ANTHROPIC_AUTH_TOKEN=T ANTHROPIC_BASE_URL=%1/api " +
				"OPENAI_API_BASE=%1/api/v1 OPENAI_API_KEY=T OPENAI_BASE_URL=%1/api/v1 " +
				"OPENROUTER_API_KEY=T OPENROUTER_BASE_URL=%1/api/v1",
		},
		{
			"each has its own kind", "openrouter anthropic xai-oauth", "", "", "ANTHROPIC_AUTH_TOKEN=T ANTHROPIC_BASE_URL=%2 " +
				"OPENAI_API_BASE=%1/api/v1 OPENAI_API_KEY=T OPENAI_BASE_URL=%1/api/v1 " +
				"OPENROUTER_API_KEY=T OPENROUTER_BASE_URL=%1/api/v1 XAI_API_KEY=T XAI_BASE_URL=%3/v1",
		},
		{
			"templates", "anthropic openai-api", "A=own B=own",
			"A={token}|ANTHROPIC_AUTH_TOKEN=|C={url:openai}{origin}|D={\"k\":{url}}|B=", "A=T ANTHROPIC_BASE_URL=%1 " +
				"C=%2/v1%1 D={\"k\":%1} OPENAI_API_BASE=%2/v1 OPENAI_API_KEY=T OPENAI_BASE_URL=%2/v1",
		},
		{
			"a forward proxy", "anthropic", "HTTP_PROXY=http://proxy no_proxy=corp", "",
			"ANTHROPIC_AUTH_TOKEN=T ANTHROPIC_BASE_URL=%1 HTTP_PROXY=http://proxy NO_PROXY=127.0.0.1 no_proxy=corp,127.0.0.1",
		},
	} {
		var templates []string
		if c.templates != "" {
			templates = strings.Split(c.templates, "|")
		}
		got, err := environment(strings.Fields(c.base), "T", servedTo(strings.Fields(c.providers)...), templates)
		require.NoError(t, err, c.name)
		origins := strings.NewReplacer("%1", "http://127.0.0.1:1", "%2", "http://127.0.0.1:2", "%3", "http://127.0.0.1:3")
		assert.Equal(t, strings.Fields(origins.Replace(c.want)), got, c.name)
	}
	for _, wrong := range []string{"A", "=b", "A B=c", "A={url:groq}"} {
		_, err := environment(nil, "T", servedTo("anthropic"), []string{wrong})
		require.Error(t, err, wrong)
	}
}

// Every provider with a base URL that is everybody's leads some kind of client to it.
func TestEveryProviderLeads(t *testing.T) {
	for row := range vendors.All() {
		if row.API.BaseURL() == "" {
			continue
		}
		l := servedTo(row.Name)[0]
		assert.True(t, strings.HasPrefix(l.url(), l.origin), row.Name)
		named := row.Spoken("https://gateway.example", "/v9")
		assert.Equal(t, "/v9", named.Path(), row.Name)
		if row.API.OpenAI+row.API.Claude != "" || len(row.Client.Key) > 0 {
			assert.NotEmpty(t, lead("T", []*served{l}), row.Name)
		}
	}
}
