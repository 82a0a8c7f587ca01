package main

import (
	"context"
	"fmt"
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

// browse opens a page in a headless browser and returns its document. With scripts the browser runs
// JavaScript for 7 s of virtual time first. Without, it has JavaScript switched off.
func browse(t *testing.T, url string, scripts bool) string {
	t.Helper()
	chromium := tool(t, "chromium")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	profile, err := os.MkdirTemp("", "reauth-browser-")
	require.NoError(t, err)
	// The processes of the browser may write for a moment after it has ended.
	defer func() {
		require.Eventually(t, func() bool { return os.RemoveAll(profile) == nil }, 30*time.Second, 50*time.Millisecond)
	}()
	args := []string{
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
		"--user-data-dir=" + profile, "--dump-dom",
	}
	if scripts {
		args = append(args, "--virtual-time-budget=7000")
	} else {
		// A user switches JavaScript off in the same setting. With Blink's own switch, --dump-dom
		// would print nothing.
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

// The page shows the state of the credentials and the last decisions, in a browser with and without
// JavaScript.
func TestProxyShowsItsState(t *testing.T) {
	r := newRig(t)
	r.Expire(r.access)
	second := r.add(t, reauth.Credential{
		AccessToken: "client-secret-key", ID: "work", AccountID: "<b>somebody</b>", Priority: 1,
	})
	p := r.start(t)
	r.AddKey("client-secret-key")
	// The first request needs a refresh, the second one a switch.
	resp, _ := p.do(t, http.MethodPost, "/v1/chat/completions", chat)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	r.Exhaust(time.Now().Add(3*time.Hour), r.stored(t).AccessToken)
	resp, _ = p.do(t, http.MethodPost, "/v1/chat/completions", chat)
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
		assert.Equal(t, c.live, regexp.MustCompile(`<button id="pause" type="button">`).MatchString(dom),
			"%s: the updates can be paused", c.what)
		assert.Equal(t, !c.live, regexp.MustCompile(`<a id="reload" href="/">`).MatchString(dom),
			"%s: there is a link", c.what)
		assert.Regexp(t, `<tr data-id="`+regexp.QuoteMeta(r.id)+`" data-state="aside"`, dom, c.what)
		assert.Regexp(t, `<tr data-id="`+regexp.QuoteMeta(second)+`" data-state="good"`, dom, c.what)
		assert.Contains(t, dom, "&lt;b&gt;somebody&lt;/b&gt;", c.what)
		for _, event := range []string{"judged", "refreshed", "put-aside", "switched"} {
			assert.Contains(t, dom, `<tr data-type="`+event+`"`, c.what)
		}
		assert.Contains(t, dom, "<dt>Requests</dt><dd>2</dd>", c.what)
		assert.Contains(t, dom, "<dt>Refreshes</dt><dd>1</dd>", c.what)
		assert.Contains(t, dom, "<dt>Switches</dt><dd>1</dd>", c.what)
		assert.Contains(t, dom, "<code>"+p.url+"/v1</code>", c.what)
	}
}

// trouble returns a proxy of two providers whose credentials stand in every way that the page
// shows: with limits, put aside for a model, put aside, and retired.
func trouble(t *testing.T) *running {
	t.Helper()
	r := newRig(t)
	for i, name := range []string{"work", "spare", "old"} {
		r.add(t, reauth.Credential{AccessToken: "client-secret-" + name, ID: name, Priority: i + 1})
		r.AddKey("client-secret-" + name)
	}
	r.on("/v1/limited", func(w http.ResponseWriter, _ *http.Request) {
		for name, value := range map[string]string{"Limit": "1000", "Remaining": "129", "Reset": "5h30m0s"} {
			w.Header().Set("X-Ratelimit-"+name+"-Tokens", value)
		}
		w.Header().Set("X-Ratelimit-Limit-Requests", "10")
		w.Header().Set("X-Ratelimit-Remaining-Requests", "10")
	})
	r.on("/v1/busy", func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("Authorization") != "Bearer "+r.access {
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = w.Write([]byte(`{"error":{"message":"Rate limit reached for model ` + "`example-large-with-a-long-name-20260701`" +
			` in organization on tokens per day (TPD): Limit 100000, Used 99999. Please try again in 26m13s.",` +
			`"type":"tokens","code":"rate_limit_exceeded"}}`))
	})
	r.add(t, reauth.Credential{
		AccessToken: "client-secret-late", RefreshToken: "client-secret-renews", ID: "late", Priority: 9,
		Expiry: time.Now().Add(-time.Hour),
	})
	p := r.startBelow(t)
	for path, body := range map[string]string{
		"/v1/limited": "", "/v1/busy": `{"model":"example-large-with-a-long-name-20260701"}`,
	} {
		resp, said := p.do(t, http.MethodPost, "/xai-oauth"+path, body, "Content-Type: application/json")
		require.Equal(t, http.StatusOK, resp.StatusCode, said)
	}
	r.Exhaust(time.Now().Add(3*time.Hour), r.access, "client-secret-work")
	r.Block("client-secret-spare")
	resp, said := p.do(t, http.MethodPost, "/xai-oauth/v1/chat/completions", chat)
	require.Equal(t, http.StatusOK, resp.StatusCode, said)
	return p
}

// The page serves people who use a keyboard, a screen reader, a narrow screen or a dark one. What
// wants attention stands first, with its reason.
func TestProxyPageIsForEverybody(t *testing.T) {
	p := trouble(t)
	b := openBrowser(t)
	b.open(p.url + "/")
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int{1280, 900, 400, 320} {
			b.screen(width, scheme)
			what := fmt.Sprintf("%s, %d px", scheme, width)
			assert.Empty(t, b.violations(), what)
			assert.LessOrEqual(t, b.eval("document.documentElement.scrollWidth"), float64(width), what)
			assert.Equal(t, true, b.eval(`[...document.querySelectorAll(".scroll")].every((e) => innerWidth > 900 || e.scrollWidth <= e.clientWidth)`),
				"%s: no table is scrolled sideways", what)
			assert.Equal(t, []any{}, b.eval(`[...document.querySelectorAll("td[data-label] > *")].filter((e) => innerWidth <= 900 && e.offsetParent &&
				e.getBoundingClientRect().left < e.parentElement.getBoundingClientRect().left + 100).map((e) => e.textContent)`),
				"%s: what a cell says is beside its label, not below", what)
			if dir := os.Getenv("REAUTH_TEST_SCREENSHOTS"); dir != "" {
				b.shoot(filepath.Join(dir, fmt.Sprintf("%s-%d.png", scheme, width)))
			}
		}
	}
	assert.Equal(t, []any{"retired", "aside", "aside", "good"},
		b.eval(`[...document.querySelectorAll("[data-state]")].slice(0, 4).map((e) => e.dataset.state)`))
	text, _ := b.eval(`document.body.innerText`).(string)
	for _, words := range []string{"tokens: 12\u00a0% left", "resets in 5 h", "requests: 100\u00a0% left", "example-large-with-a-long-name-20260701 put aside"} {
		assert.Contains(t, text, words)
	}
	p.rig.noSecrets(t, text)
	b.eval(`document.body.append(new Image()), 0`)
	assert.Contains(t, fmt.Sprint(b.violations()), "image-alt", "axe has looked")
}

// A foreign web page in the user's browser reads nothing from the proxy, and the proxy forwards
// none of its requests.
func TestProxyGivesWebPagesNothing(t *testing.T) {
	r := newRig(t)
	p := r.start(t)
	page := newRig(t)
	page.on("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(`<!doctype html><title>-</title>` +
			`<img src="` + p.url + `/v1/models"><p id="told">waiting</p><script>
			const ask = (options) => fetch("` + p.url + `/v1/chat/completions", options).` +
			`then((r) => "status " + r.status + " " + r.type, (e) => "refused");
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
	assert.Regexp(t,
		`reauth_proxy_denied_total\{provider="xai-oauth",reason="(origin_not_allowed|cross_site_request)"\} [1-9]`,
		metrics)
}
