package proxy

import (
	"encoding/json"
	"net/http"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/cmd/reauth/internal/statusjson"
	"github.com/reauth-go/reauth/reauthtest"
)

// The page calls no credential good whose token has expired with nothing to renew it, and says of
// every expired one what becomes of it. It puts the former where it wants attention.
func TestPageOfExpiredTokens(t *testing.T) {
	past := time.Now().Add(-2 * time.Hour)
	p := newProxyOf(t, Config{Base: &echo{}}, "xai-oauth")
	for _, c := range []reauth.Credential{
		{ID: "a-login", AccessToken: "at-1", RefreshToken: "rt-1", Expiry: past},
		{ID: "b-token", AccessToken: "at-2", Expiry: past},
		{ID: "c-fresh", AccessToken: "at-3", Expiry: time.Now().Add(time.Hour)},
	} {
		c.Provider = "xai-oauth"
		_, err := p.pool.Add(t.Context(), c)
		require.NoError(t, err)
	}
	page := serve(p, http.MethodGet, "/-/status").Body.String()
	rows := map[string][2]string{}
	var order []string
	for _, m := range regexp.MustCompile(`(?s)<tr data-id="([^"]+)".*?<span class="state [a-z]+">([a-z ]+)</span>.*?`+
		`data-label="Token expires">(.*?)</td>`).FindAllStringSubmatch(page, -1) {
		rows[m[1]] = [2]string{m[2], regexp.MustCompile(`<[^>]*>`).ReplaceAllString(m[3], "")}
		order = append(order, m[1])
	}
	assert.Equal(t, map[string][2]string{
		"a-login": {"good", "2 h ago renewed on use"},
		"b-token": {"expired", "2 h ago nothing renews it"},
		"c-fresh": {"good", rows["c-fresh"][1]},
	}, rows)
	assert.Regexp(t, `^in \d+ min$`, rows["c-fresh"][1])
	assert.Equal(t, []string{"b-token", "a-login", "c-fresh"}, order)
}

// The page and the JSON name the source of a token as the command does, and not as Go does.
func TestStatusNamesTheSource(t *testing.T) {
	p := newProxyOf(t, Config{
		Base:   &echo{},
		Source: func(reauth.CredentialStatus) *statusjson.Source { return &statusjson.Source{Kind: "command", Of: "gh"} },
	}, "xai-oauth")
	_, err := p.pool.AddSource(t.Context(), reauth.Credential{Provider: "xai-oauth"}, reauth.CommandSource("gh", "token"))
	require.NoError(t, err)
	assert.Contains(t, serve(p, http.MethodGet, "/-/status").Body.String(), "from command gh<")
	var doc struct {
		Providers []struct{ Credentials []statusjson.Credential }
	}
	require.NoError(t, json.Unmarshal(serve(p, http.MethodGet, "/-/status.json").Body.Bytes(), &doc))
	require.Len(t, doc.Providers[0].Credentials, 1)
	assert.Equal(t, &statusjson.Source{Kind: "command", Of: "gh"}, doc.Providers[0].Credentials[0].Source)
	assert.True(t, doc.Providers[0].Credentials[0].Refreshable)
}

// The page, the JSON and the metrics name the model of a limit, where each model has its own.
func TestStatusNamesTheModelOfALimit(t *testing.T) {
	fake := reauthtest.New(reauthtest.XAI)
	access, refresh := fake.Login()
	p := newProxy(t, "xai-oauth", reauth.Credential{ID: "me", AccessToken: access, RefreshToken: refresh}, limited{fake.Transport()})
	pr, _ := reauth.LookupProvider("xai-oauth")
	pr.ReadLimits = true
	require.NoError(t, p.pool.Register(pr))
	for _, body := range []string{`{"model":"grok-4"}`, `{"model":"<b>"}`, `{}`} {
		require.Equal(t, http.StatusOK, completion(p, body).Code)
	}
	page := serve(p, http.MethodGet, "/-/status").Body.String()
	for _, words := range []string{">tokens of grok-4: 25", ">tokens of &lt;b&gt;: 25", ">tokens: 25"} {
		assert.Contains(t, page, words)
	}
	var doc struct {
		Providers []struct {
			Credentials []struct{ Limits []statusjson.Limit }
		}
	}
	require.NoError(t, json.Unmarshal(serve(p, http.MethodGet, "/-/status.json").Body.Bytes(), &doc))
	var models []string
	for _, l := range doc.Providers[0].Credentials[0].Limits {
		models = append(models, l.Model)
	}
	assert.Equal(t, []string{"", "<b>", "grok-4"}, models)
}
