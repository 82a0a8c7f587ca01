package main

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// browse opens a page in a browser without a screen, with or without JavaScript, and returns the
// document: with JavaScript as it is after some seconds, else as it is when it is loaded.
func browse(t *testing.T, url string, scripts bool) string {
	t.Helper()
	chromium := tool(t, "chromium")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	profile, err := os.MkdirTemp("", "reauth-browser-")
	require.NoError(t, err)
	defer func() { // its processes may write for a moment after it has ended
		require.Eventually(t, func() bool { return os.RemoveAll(profile) == nil }, 30*time.Second, 50*time.Millisecond)
	}()
	args := []string{
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--user-data-dir=" + profile, "--dump-dom",
	}
	if scripts {
		args = append(args, "--virtual-time-budget=7000")
	} else { // as a user does it in the settings; with Blink's own switch the document cannot be dumped
		require.NoError(t, os.Mkdir(filepath.Join(profile, "Default"), 0o700))
		off := `{"profile":{"default_content_setting_values":{"javascript":2}}}`
		require.NoError(t, os.WriteFile(filepath.Join(profile, "Default", "Preferences"), []byte(off), 0o600))
	}
	cmd := exec.CommandContext(ctx, chromium, append(args, url)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TZ=UTC")
	dom, err := cmd.Output()
	require.NoError(t, err)
	require.NotEmpty(t, dom, "the browser showed nothing")
	return string(dom)
}

// The page shows how the credentials stand and what was decided, in a browser, with and without
// JavaScript.
func TestProxyShowsItsState(t *testing.T) {
	r := newRig(t)
	r.Expire(r.access)
	second := r.add(t, reauth.Credential{AccessToken: "client-secret-key", ID: "work", AccountID: "<b>somebody</b>", Priority: 1})
	p := r.start(t)
	r.AddKey("client-secret-key")
	resp, _ := p.do(t, http.MethodPost, "/v1/chat/completions", chat) // a refresh
	require.Equal(t, http.StatusOK, resp.StatusCode)
	r.Exhaust(time.Now().Add(3*time.Hour), r.stored(t).AccessToken)
	resp, _ = p.do(t, http.MethodPost, "/v1/chat/completions", chat) // a switch
	require.Equal(t, http.StatusOK, resp.StatusCode)

	resp, _ = p.do(t, http.MethodGet, "/", "")
	assert.Contains(t, resp.Header.Get("Content-Security-Policy"), "default-src 'none'")
	for _, c := range []struct {
		what string
		live bool
	}{{"with JavaScript", true}, {"without JavaScript", false}} {
		dom := browse(t, p.url+"/", c.live)
		r.noSecrets(t, dom)
		assert.Equal(t, c.live, strings.Contains(dom, `data-live="yes"`), "%s: it has updated itself: %s", c.what, dom)
		assert.Equal(t, c.live, strings.Contains(dom, "Updated "), c.what)
		assert.Equal(t, c.live, regexp.MustCompile(`<button id="pause" type="button">`).MatchString(dom), "%s: the updates can be paused", c.what)
		assert.Equal(t, !c.live, regexp.MustCompile(`<a id="reload" href="/">`).MatchString(dom), "%s: there is a link", c.what)
		assert.Regexp(t, `<tr data-id="`+regexp.QuoteMeta(r.id)+`" data-state="aside">`, dom, c.what)
		assert.Regexp(t, `<tr data-id="`+regexp.QuoteMeta(second)+`" data-state="good">`, dom, c.what)
		assert.Contains(t, dom, "&lt;b&gt;somebody&lt;/b&gt;", c.what)
		for _, event := range []string{"judged", "refreshed", "put-aside", "switched"} {
			assert.Contains(t, dom, `<tr data-type="`+event+`">`, c.what)
		}
		assert.Contains(t, dom, "<dt>Requests</dt><dd>2</dd>", c.what)
		assert.Contains(t, dom, "<dt>Refreshes</dt><dd>1</dd>", c.what)
		assert.Contains(t, dom, "<dt>Switches</dt><dd>1</dd>", c.what)
		assert.Contains(t, dom, "<code>"+p.url+"/v1</code>", c.what)
	}
}

// A web page of somebody else's, open in the user's browser, gets nothing out of the proxy, and
// nothing goes up.
func TestProxyGivesWebPagesNothing(t *testing.T) {
	r := newRig(t)
	p := r.start(t)
	page := newRig(t)
	page.on("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(`<!doctype html><title>-</title><img src="` + p.url + `/v1/models"><p id="told">waiting</p><script>
			const ask = (options) => fetch("` + p.url + `/v1/chat/completions", options).then((r) => "status " + r.status + " " + r.type, (e) => "refused");
			Promise.all([
				ask({ method: "POST", mode: "no-cors", body: "{}" }),
				ask({ method: "POST", headers: { "content-type": "application/json" }, body: "{}" }),
				ask({}),
			]).then((all) => { document.getElementById("told").textContent = "told: " + all.join(", "); });
		</script>`))
	})
	dom := browse(t, page.url+"/", true)
	assert.Contains(t, dom, "told: status 0 opaque, refused, refused", "what the page can see")
	assert.Empty(t, r.Requests(), "what went up")
	_, metrics := p.do(t, http.MethodGet, "/metrics", "")
	assert.Regexp(t, `reauth_proxy_denied_total\{provider="xai-oauth",reason="(origin_not_allowed|cross_site_request)"\} [1-9]`, metrics)
}
