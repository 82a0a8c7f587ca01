package main

import (
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// ofTheOrigin are headers of an answer that a browser keeps for the host it has asked.
func ofTheOrigin() map[string]string {
	return map[string]string{
		"Set-Cookie":                "a=b",
		"Set-Cookie2":               "a=b",
		"Strict-Transport-Security": "max-age=31536000; includeSubDomains",
		"Alt-Svc":                   `h3=":443"`,
		"Clear-Site-Data":           `"*"`,
		"Public-Key-Pins":           `pin-sha256="x"; max-age=60`,
		"Report-To":                 `{"group":"x"}`,
		"Reporting-Endpoints":       `x="https://evil.example"`,
		"Nel":                       `{"report_to":"x"}`,
	}
}

// What a browser would keep for the proxy's host comes down neither with the answer nor with the
// informational answers before it.
func TestProxyKeepsNothingForItsOrigin(t *testing.T) {
	r := newRig(t)
	r.on("/v1/early", func(w http.ResponseWriter, _ *http.Request) {
		for name, value := range ofTheOrigin() {
			w.Header().Set(name, value)
		}
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusOK)
	})
	p := r.start(t)
	var hints []http.Header
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(_ int, h textproto.MIMEHeader) error {
			hints = append(hints, http.Header(h))
			return nil
		},
	})
	resp := p.open(t, ctx, http.MethodGet, "/v1/early", "")
	require.NoError(t, resp.Body.Close())
	require.Len(t, hints, 1)
	for _, h := range append(hints, resp.Header) {
		assert.Equal(t, "</style.css>; rel=preload", h.Get("Link"))
		for name := range ofTheOrigin() {
			assert.Empty(t, h.Values(name), name)
		}
	}
}

// A page of the provider's that a browser opens by way of the proxy is not of the proxy's origin:
// it can neither read the status page nor spend the account.
func TestProxySandboxesWhatABrowserRenders(t *testing.T) {
	r := newRig(t)
	r.on("/v1/page", func(w http.ResponseWriter, req *http.Request) {
		w.Header()["Content-Type"] = req.URL.Query()["type"]
		w.Header().Set("Content-Security-Policy", "default-src 'none'")
		_, _ = w.Write([]byte("<script>1</script>"))
	})
	p := r.start(t)
	for query, sandboxed := range map[string]bool{
		"type=text/html%3B+charset=utf-8":              true,
		"type=application/xhtml%2Bxml":                 true,
		"type=image/svg%2Bxml":                         true,
		"type=text/xml":                                true,
		"type=application/pdf":                         true,
		"type=text/plain":                              true,
		"type=nonsense":                                true,
		"":                                             true,
		"type=application/json&type=text/html":         true,
		"type=application/json%3B+charset=utf-8":       false,
		"type=application/json":                        false,
		"type=Text/Event-Stream":                       false,
		"type=application/problem%2Bjson%3B+a=%22b%22": false,
	} {
		resp, _ := p.do(t, http.MethodGet, "/v1/page?"+query, "")
		policies := strings.Join(resp.Header.Values("Content-Security-Policy"), ", ")
		assert.Contains(t, policies, "default-src 'none'", query)
		assert.Equal(t, sandboxed, strings.Contains(policies, "sandbox"), query)
	}
}
