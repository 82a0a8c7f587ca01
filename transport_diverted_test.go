package reauth_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// Over plain http a proxy goes where the Host header, or an opaque URL, says. A gateway's key does not
// go along when that is another host.
func TestNoCredentialWhereAProxyCouldBeDiverted(t *testing.T) {
	for name, c := range map[string]struct {
		url, host, opaque string
		sent              bool
	}{
		"the same host":       {url: "http://litellm.corp:4000/v1", host: "LiteLLM.corp:4000", sent: true},
		"no Host":             {url: "http://litellm.corp:4000/v1", sent: true},
		"another Host":        {url: "http://litellm.corp:4000/v1", host: "evil.example"},
		"an opaque URL":       {url: "http://litellm.corp:4000/v1", opaque: "//evil.example/v1"},
		"https, another Host": {url: "https://litellm.corp/v1", host: "gateway.corp", sent: true},
		"loopback":            {url: "http://127.0.0.1:4000/v1", host: "gateway.corp", sent: true},
	} {
		t.Run(name, func(t *testing.T) {
			pool := reauth.NewPool()
			t.Cleanup(func() { require.NoError(t, pool.Close()) })
			hosts := []string{"http://litellm.corp:4000", "litellm.corp", "127.0.0.1"}
			require.NoError(t, pool.Register(reauth.Provider{Name: "own", Hosts: hosts}))
			_, err := pool.Add(t.Context(), reauth.Credential{Provider: "own", AccessToken: "sk-corp-EXAMPLE"})
			require.NoError(t, err)
			p := newPassing(pool)
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.url, http.NoBody)
			require.NoError(t, err)
			req.Host, req.URL.Opaque = c.host, c.opaque
			resp, err := p.rt.RoundTrip(req)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.NotEmpty(t, p.got)
			assert.Equal(t, c.sent, p.got[0].Header.Get("Authorization") != "")
			told := p.events.all(reauth.PassedThrough)
			if c.sent {
				assert.Empty(t, told)
				return
			}
			require.Len(t, told, 1)
			assert.Equal(t, "unknown-host", told[0].Reason)
			assert.ErrorContains(t, told[0].Err, "leave Request.Host empty")
		})
	}
}
