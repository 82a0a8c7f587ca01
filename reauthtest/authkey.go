package reauthtest

import (
	"crypto/rand"
	"net/http"
	"net/url"
)

// This file is the login of OpenRouter, as openrouter.ai/docs/guides/overview/auth/oauth has it: a code
// with PKCE that is exchanged for an API key. There is no client and no state.

// serveKeyAuthorize is the page where a person consents. The browser is sent back to callback_url;
// without one the page shows the code.
func (p *Provider) serveKeyAuthorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	callback, err := url.Parse(q.Get("callback_url"))
	if err != nil || q.Get("callback_url") != "" && !mayRedirect(callback, r) ||
		q.Get("code_challenge") == "" || q.Get("code_challenge_method") != "S256" {
		pageData{
			Title: "Bad request", Text: "The program asked in a way that this server does not take.",
		}.write(w, http.StatusBadRequest)
		return
	}
	p.askOnPage(w, r, openRouter, map[string]string{
		"redirect_uri": q.Get("callback_url"), "code_challenge": q.Get("code_challenge"),
	})
}

// writeKeyCode shows a code to a person; empty: the person has refused.
func writeKeyCode(w http.ResponseWriter, code string) {
	if code == "" {
		pageData{Title: "Access denied", Text: "The program was told nothing."}.write(w, http.StatusOK)
		return
	}
	pageData{Title: "Authorization code", Text: "Paste this into the program:", Code: code}.write(w, http.StatusOK)
}

// serveKey exchanges a code for an API key, once.
func (p *Provider) serveKey(w http.ResponseWriter, r *http.Request) {
	given, fault := readGrant(r), p.nextFault()
	sleep(r, read(p, &p.TokenLatency))
	switch {
	case fault.Cut:
		panic(http.ErrAbortHandler)
	case fault.Answer != nil:
		fault.Answer.write(w)
		return
	}
	answer := p.redeemKey(r.Method, given)
	if fault.Lose {
		panic(http.ErrAbortHandler)
	}
	answer.write(w)
}

// redeemKey returns the answer to a request for a key.
func (p *Provider) redeemKey(method string, given map[string]string) *Answer {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case method != http.MethodPost:
		return keyError(http.StatusMethodNotAllowed, "Method Not Allowed")
	case given["code_challenge_method"] != "S256":
		return keyError(400, "Invalid code_challenge_method")
	}
	for _, a := range p.asks {
		if a.way != openRouter || a.code == "" || a.code != given["code"] || a.login != nil {
			continue
		}
		if challengeOf(given["code_verifier"]) != a.challenge {
			break
		}
		a.login = new(login) // the code is spent
		p.granted++
		key := "sk-or-v1-" + rand.Text()
		p.access[key] = &token{useful: true}
		return writeJSON(200, map[string]any{"key": key, "user_id": "user_EXAMPLE"})
	}
	return keyError(403, "Invalid code or code_verifier")
}

// keyError returns an error in the form of OpenRouter.
func keyError(status int, message string) *Answer {
	return writeJSON(status, map[string]any{"error": map[string]any{"code": status, "message": message}})
}
