package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Two providers on one port: each is below its name, and below the one that the user has typed.
// What is printed is what a client sets.
func TestProxyServesSeveralProviders(t *testing.T) {
	r := newRig(t)
	r.Expire(r.access)
	p := r.startBelow(t)
	assert.Contains(t, p.output(), "xai-oauth (grok), groq by way of "+p.url+"\n")
	require.Eventually(t, func() bool { return strings.Contains(p.output(), "status page") }, patience, time.Millisecond)
	assert.Contains(t, p.output(), "  xai-oauth           "+p.url+"/xai-oauth/v1\n")
	assert.Contains(t, p.output(), "  groq                OPENAI_BASE_URL="+p.url+"/groq/openai/v1\n")
	for _, path := range []string{"/xai-oauth/v1/chat/completions", "/grok/v1/chat/completions"} {
		resp, body := p.do(t, http.MethodPost, path, chat)
		assert.Equal(t, http.StatusOK, resp.StatusCode, body)
	}
	assert.Equal(t, 1, r.Exchanges())
	resp, body := p.do(t, http.MethodPost, "/v1/chat/completions", chat)
	assert.Equal(t, http.StatusNotFound, resp.StatusCode)
	assert.Contains(t, body, "/xai-oauth/ /groq/")
	for _, path := range []string{"/", "/healthz", "/metrics", "/-/status", "/-/status.css"} {
		resp, _ := p.do(t, http.MethodGet, path, "")
		assert.Equal(t, http.StatusOK, resp.StatusCode, path)
	}
	_, metrics := p.do(t, http.MethodGet, "/metrics", "")
	assert.Contains(t, metrics, `reauth_refreshes_total{provider="xai-oauth",result="exchanged"} 1`)
	assert.Contains(t, metrics, `reauth_refreshes_total{provider="groq",result="exchanged"} 0`)
}

// The status is there as JSON too, of all providers, without a secret.
func TestProxyTellsItsStatusAsJSON(t *testing.T) {
	r := newRig(t)
	p := r.startBelow(t)
	resp, body := p.do(t, http.MethodGet, "/-/status.json", "")
	assert.Equal(t, "application/json", resp.Header.Get("Content-Type"))
	r.noSecrets(t, body)
	var got struct {
		Stopping  bool `json:"stopping"`
		Providers []struct {
			Provider string `json:"provider"`
			Upstream string `json:"upstream"`
			BaseURLs []struct {
				URL string `json:"url"`
			} `json:"base_urls"`
			Credentials []struct {
				ID    string `json:"id"`
				State string `json:"state"`
			} `json:"credentials"`
		} `json:"providers"`
	}
	require.NoError(t, json.Unmarshal([]byte(body), &got), body)
	require.Len(t, got.Providers, 2)
	first := got.Providers[0]
	assert.Equal(t, "xai-oauth", first.Provider)
	assert.Equal(t, r.url, first.Upstream)
	assert.Equal(t, p.url+"/xai-oauth/v1", first.BaseURLs[0].URL)
	require.Len(t, first.Credentials, 1)
	assert.Equal(t, r.id, first.Credentials[0].ID)
	assert.Equal(t, "good", first.Credentials[0].State)
	assert.False(t, got.Stopping)
}

// --verbose tells the story of each request as probe does, without what may be secret.
func TestProxyTellsTheStoryOfARequest(t *testing.T) {
	r := newRig(t)
	r.Expire(r.access)
	p := r.startBelow(t, "--verbose", "--log-level", "error")
	resp, _ := p.do(t, http.MethodPost, "/grok/v1/chat/completions?key=client-secret", chat)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	_, _ = p.do(t, http.MethodGet, "/grok/v1/models%1b[31m", "")
	require.Eventually(t, func() bool { return strings.Count(p.output(), "the client got") == 2 }, patience, time.Millisecond)
	_, said, found := strings.Cut(p.output(), "POST ")
	require.True(t, found, p.output())
	newShell(t).golden("proxy-verbose", "POST "+said)
	code, refused := r.fails(t, "xai-oauth", "--verbose", "--log-json")
	assert.Equal(t, exitUsage, code)
	assert.Contains(t, refused, "--log-level debug")
}
