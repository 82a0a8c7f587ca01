package main

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/vendors"
)

// A probe goes to a host that takes the credential: that of its region, or of its plan.
func TestProbeGoesToTheHostOfTheLogin(t *testing.T) {
	a := &app{ctx: t.Context(), store: filepath.Join(t.TempDir(), "auth.json"), stderr: t.Output()}
	pool, err := reauth.OpenPool(t.Context(), reauth.NewFileStore(a.store))
	require.NoError(t, err)
	defer pool.Close()
	const usual = "https://api.kimi.com/coding/v1/usages"
	for id, c := range map[string]struct {
		provider, note, value, refresh, want string
	}{
		"key":      {"kimi-coding", "", "", "", usual},
		"mainland": {"kimi-coding", "", "", "rt", usual},
		"global":   {"kimi-coding", vendors.IssuerNote, "https://auth.kimi.ai", "rt", "https://api.kimi.ai/coding/v1/usages"},
		"corp":     {"kimi-coding", vendors.IssuerNote, "https://auth.corp.example", "rt", usual},
		"free": {
			"nous", "base_url", "https://welcome-api.nousresearch.com/v1", "rt",
			"https://welcome-api.nousresearch.com/v1/chat/completions",
		},
		"groq": {"groq", "", "", "", "https://api.groq.com/openai/v1/models"},
	} {
		_, err := pool.Add(t.Context(), reauth.Credential{
			Provider: c.provider, ID: id, AccessToken: "at-" + id, RefreshToken: c.refresh,
			Metadata: map[string]string{c.note: c.value},
		})
		require.NoError(t, err)
		list := []reauth.CredentialStatus{{Provider: c.provider, ID: id}}
		req, err := new(probeCmd).request(t.Context(), a, vendors.Of(c.provider), list)
		require.NoError(t, err)
		assert.Equal(t, c.want, req.URL.String(), id)
	}
	named := &probeCmd{endpoints: endpoints{BaseURL: "https://gateway.example/v1"}}
	req, err := named.request(t.Context(), a, vendors.Of("kimi"), []reauth.CredentialStatus{{Provider: "kimi-coding", ID: "global"}})
	require.NoError(t, err)
	assert.Equal(t, "https://gateway.example/v1/usages", req.URL.String())
	gone := []reauth.CredentialStatus{{Provider: "kimi-coding", ID: "gone"}}
	req, err = new(probeCmd).request(t.Context(), a, vendors.Of("kimi"), gone)
	require.NoError(t, err)
	assert.Equal(t, usual, req.URL.String())
}
