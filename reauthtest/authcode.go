package reauthtest

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// page returns the template of all pages.
func page() *template.Template {
	return template.Must(template.New("").Parse(`<!doctype html>
<meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{{.Title}}</title>
<h1>{{.Title}}</h1>
<p>{{.Text}}</p>
{{if .Code}}<p><code id="code">{{.Code}}</code></p>{{end}}
{{if .Action}}<form method="post" action="{{.Action}}">
{{if .Ask}}<input type="hidden" name="ask" value="{{.Ask}}">{{else -}}
<p><label>Code: <input name="user_code" value="{{.UserCode}}" autofocus></label></p>{{end}}
<p><button name="decision" value="approve">Approve</button> <button name="decision" value="deny">Deny</button></p>
</form>{{end}}
`))
}

// pageData fills in the template of a page.
type pageData struct{ Title, Text, Code, Action, Ask, UserCode string }

func (d pageData) write(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = page().Execute(w, d) // a client that has left needs no page
}

// serveDevicePage serves the page on which a person types the code and decides.
func (p *Provider) serveDevicePage(w http.ResponseWriter, r *http.Request) {
	code := r.FormValue("user_code")
	if r.Method != http.MethodPost {
		pageData{
			Title: "Log in on a device", Text: "A program wants to use your account of the fake provider.",
			Action: r.URL.Path, UserCode: code,
		}.write(w, http.StatusOK)
		return
	}
	decision, title := approved, "Approved"
	if r.PostFormValue("decision") != "approve" {
		decision, title = denied, "Denied"
	}
	if err := p.decide(code, decision); err != nil {
		pageData{
			Title: "Not found", Text: "No login waits for that code.", Action: r.URL.Path,
		}.write(w, http.StatusNotFound)
		return
	}
	pageData{Title: title, Text: "You may close this page."}.write(w, http.StatusOK)
}

// serveAuthorize is the authorization endpoint (RFC 6749 §3.1). It requires PKCE and a state.
func (p *Provider) serveAuthorize(w http.ResponseWriter, r *http.Request) {
	params := make(map[string]string)
	for k := range r.URL.Query() {
		params[k] = r.URL.Query().Get(k)
	}
	redirect, err := url.Parse(params["redirect_uri"])
	if err != nil || params["response_type"] != "code" || params["client_id"] == "" || params["state"] == "" ||
		params["code_challenge"] == "" || params["code_challenge_method"] != "S256" || !mayRedirect(redirect, r) {
		pageData{
			Title: "Bad request", Text: "The program asked in a way that this server does not take.",
		}.write(w, http.StatusBadRequest)
		return
	}
	p.askOnPage(w, r, openAICode, params)
}

// askOnPage begins a login on whose page a person decides, unless ApproveAfter does.
func (p *Provider) askOnPage(w http.ResponseWriter, r *http.Request, how way, params map[string]string) {
	p.mu.Lock()
	a := p.newAsk(how, params)
	a.deviceCode = "ask-" + rand.Text()
	now := p.ApproveAfter > 0
	p.mu.Unlock()
	if now {
		p.finish(w, r, a, approved)
		return
	}
	pageData{
		Title: "Allow access?", Text: "A program wants to use your account of the fake provider.",
		Action: "/oauth/authorize/decision", Ask: a.deviceCode,
	}.write(w, http.StatusOK)
}

// mayRedirect reports whether to is on loopback, or is the page of this server that shows the code.
func mayRedirect(to *url.URL, r *http.Request) bool {
	switch to.Hostname() {
	case "localhost", "127.0.0.1", "::1":
		return to.Scheme == "http"
	}
	return to.Path == "/oauth/code/callback" && to.Host == r.Host
}

// serveDecision takes the decision of a person on the page of serveAuthorize.
func (p *Provider) serveDecision(w http.ResponseWriter, r *http.Request) {
	id, decision := r.PostFormValue("ask"), denied
	if r.PostFormValue("decision") == "approve" {
		decision = approved
	}
	p.mu.Lock()
	var found *ask
	for _, a := range p.asks {
		if a.userCode == "" && a.deviceCode == id && id != "" && a.decision == undecided && time.Now().Before(a.ends) {
			found = a
		}
	}
	p.mu.Unlock()
	if found == nil {
		pageData{Title: "Not found", Text: "This request is unknown or has expired."}.write(w, http.StatusNotFound)
		return
	}
	p.finish(w, r, found, decision)
}

// finish sends the browser back to the program with a code, or with the refusal (RFC 6749 §4.1.2).
func (p *Provider) finish(w http.ResponseWriter, r *http.Request, a *ask, d consent) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a.decision = d
	query := make(url.Values)
	if a.way != openRouter { // which knows no state
		query.Set("state", a.state)
	}
	if d == approved {
		a.code = "ac-" + rand.Text()
		query.Set("code", a.code)
	} else {
		query.Set("error", "access_denied")
		query.Set("error_description", "The user denied the request")
	}
	if a.redirect == "" { // only OpenRouter's may be
		writeKeyCode(w, a.code)
		return
	}
	to, _ := url.Parse(a.redirect) // serveAuthorize has parsed it
	to.RawQuery = query.Encode()
	http.Redirect(w, r, to.String(), http.StatusSeeOther)
}

// serveCodePage shows the code to a person, who pastes it into the program. The state follows the
// code, as on the page of Anthropic.
func serveCodePage(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("code") == "" {
		pageData{Title: "Access denied", Text: "The program was told nothing."}.write(w, http.StatusOK)
		return
	}
	pageData{
		Title: "Authentication code", Text: "Paste this into the program:",
		Code: q.Get("code") + "#" + q.Get("state"),
	}.write(w, http.StatusOK)
}

// redeem exchanges an authorization code (RFC 6749 §4.1.3). p.mu is held.
func (p *Provider) redeem(how way, given map[string]string) *Answer {
	var a *ask
	for _, c := range p.asks {
		if c.code != "" && c.code == given["code"] {
			a = c
		}
	}
	switch {
	case a == nil:
		return oauthError(400, "invalid_grant", "the code is unknown")
	case a.login != nil: // RFC 6749 §4.1.2: a code that is used twice ends the login
		p.kill(a.login)
		return oauthError(400, "invalid_grant", "the code has been used")
	case !time.Now().Before(a.ends):
		return oauthError(400, "invalid_grant", "the code has expired")
	case a.client != given["client_id"]:
		return oauthError(400, "invalid_grant", "the code is another client's")
	case !strings.HasSuffix(given["redirect_uri"], a.redirect): // Codex's redirect is only a path
		return oauthError(400, "invalid_grant", "the redirect_uri is another one")
	case challengeOf(given["code_verifier"]) != a.challenge:
		return oauthError(400, "invalid_grant", "the code_verifier does not match")
	case how == anthropicCode && given["state"] != a.state:
		return writeJSON(400, map[string]any{
			"type":  "error",
			"error": map[string]any{"type": "invalid_request_error", "message": "Invalid state"},
		})
	}
	a.way = how
	return p.grantLogin(a)
}

// grantLogin makes a login and answers with its first pair of tokens. p.mu is held.
func (p *Provider) grantLogin(a *ask) *Answer {
	a.login = &login{way: a.way, device: a.device}
	p.logins = append(p.logins, a.login)
	access, refresh := p.issue(a.login, true)
	m := p.grantMembers(a.login, access, refresh)
	switch a.way {
	case standard:
		m["id_token"] = p.idToken(nil)
	case openAICode:
		m["id_token"] = p.idToken(map[string]any{
			"https://api.openai.com/auth": map[string]any{
				"chatgpt_account_id": "account-1",
				"chatgpt_plan_type":  "plus",
			},
		})
	case anthropicCode:
		m["account"] = map[string]any{
			"uuid":          "00000000-0000-4000-8000-000000000001",
			"email_address": "user@example.com",
		}
		m["organization"] = map[string]any{"uuid": "00000000-0000-4000-8000-000000000002", "name": "Example"}
	case qwen:
		m["resource_url"] = "portal.qwen.ai"
	case github, miniMax, codexDevice, kimi, openRouter:
	}
	return writeJSON(200, m)
}

// idToken makes a JWT about the person. Its signature is not valid.
func (p *Provider) idToken(more map[string]any) string {
	now := time.Now().Add(p.Skew)
	claims := map[string]any{
		"sub":   "user-1",
		"email": "user@example.com",
		"iat":   now.Unix(),
		"exp":   now.Add(p.lifetime()).Unix(),
		"jti":   rand.Text(),
	}
	for k, v := range more {
		claims[k] = v
	}
	b, _ := json.Marshal(claims) // strings, numbers and maps of them always encode
	enc := base64.RawURLEncoding.EncodeToString
	return enc([]byte(`{"alg":"none"}`)) + "." + enc(b) + "." + enc([]byte("EXAMPLE"))
}

// serveWhoAmI tells whose a personal access token of a ChatGPT workspace is, as OpenAI's server does.
func (p *Provider) serveWhoAmI(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.access[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
	if t == nil || t.account == "" || t.state != live || r.Method != http.MethodGet {
		writeJSON(401, map[string]any{"error": map[string]any{"message": "Invalid token", "code": "token_invalid"}}).write(w)
		return
	}
	writeJSON(200, map[string]any{
		"email": "user@example.com", "chatgpt_user_id": "user-1", "chatgpt_account_id": t.account,
		"chatgpt_plan_type": "business", "chatgpt_account_is_fedramp": t.fedRAMP,
	}).write(w)
}
