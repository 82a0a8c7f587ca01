package reauthtest

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// These are the grant types of RFC 8628 §3.4 and of MiniMax.
const (
	deviceGrant   = "urn:ietf:params:oauth:grant-type:device_code"
	userCodeGrant = "urn:ietf:params:oauth:grant-type:user_code"
)

// serveUserCode begins a login on a device without a browser: RFC 8628 §3.1 and its variants.
func (p *Provider) serveUserCode(w http.ResponseWriter, r *http.Request, how way, params map[string]string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	pkce := how == qwen || how == miniMax
	switch {
	case r.Method != http.MethodPost:
		oauthError(http.StatusMethodNotAllowed, "invalid_request", "use POST").write(w)
		return
	case params["client_id"] == "":
		oauthError(400, "invalid_client", "client_id is missing").write(w)
		return
	case how == kimi && params["device"] == "":
		oauthError(400, "invalid_request", "X-Msh-Device-Id is missing").write(w)
		return
	case pkce && (params["code_challenge"] == "" || params["code_challenge_method"] != "S256"):
		oauthError(400, "invalid_request", "code_challenge with the method S256 is required").write(w)
		return
	}
	a := p.newAsk(how, params)
	a.userCode, a.deviceCode = newUserCode(), "dc-"+rand.Text()
	answer := p.userCodeAnswer(a, origin(r))
	if how == github {
		answer = asGitHub(answer, r)
	}
	answer.write(w)
}

// userCodeAnswer tells the program what to show to a person, and how to ask for the outcome.
func (p *Provider) userCodeAnswer(a *ask, at string) *Answer {
	seconds, query := int(a.every.Seconds()), "?user_code="+url.QueryEscape(a.userCode)
	m := map[string]any{"user_code": a.userCode}
	switch a.way {
	case codexDevice: // no expires_in, no address, and the interval is a string
		m["device_auth_id"], m["interval"] = a.deviceCode, strconv.Itoa(seconds)
	case miniMax: // expired_in is an instant, and the interval is in milliseconds
		m["verification_uri"] = at + "/oauth-authorize" + query
		m["expired_in"], m["interval"], m["state"] = a.ends.Add(p.Skew).UnixMilli(), a.every.Milliseconds(), a.state
	case qwen: // no interval in the answer
		a.every = min(a.every, 2*time.Second)
		m["device_code"], m["expires_in"] = a.deviceCode, int(p.codeLifetime().Seconds())
		m["verification_uri"], m["verification_uri_complete"] = at+"/authorize", at+"/authorize"+query
	case github:
		m["device_code"], m["expires_in"], m["interval"] = a.deviceCode, int(p.codeLifetime().Seconds()), seconds
		m["verification_uri"] = at + "/login/device"
	default:
		m["device_code"], m["expires_in"], m["interval"] = a.deviceCode, int(p.codeLifetime().Seconds()), seconds
		m["verification_uri"], m["verification_uri_complete"] = at+"/device", at+"/device"+query
	}
	return writeJSON(http.StatusOK, m)
}

// poll answers a program that asks whether there is consent. p.mu is held.
func (p *Provider) poll(how way, given map[string]string) *Answer {
	p.polls++
	a := p.findAsk(how, given)
	if a == nil || a.client != given["client_id"] && how != codexDevice {
		return pollAnswer(how, "invalid_grant", "the code is unknown")
	}
	now := time.Now()
	early := now.Sub(a.polled) < a.every
	a.polled = now
	if early {
		p.hasty++
	}
	switch {
	case a.login != nil || a.code != "":
		return pollAnswer(how, "invalid_grant", "the code has been used")
	case !now.Before(a.ends):
		return pollAnswer(how, "expired_token", "")
	case a.challenge != "" && a.verifier == "" && challengeOf(given["code_verifier"]) != a.challenge:
		return pollAnswer(how, "invalid_grant", "the code_verifier does not match")
	case early && how != codexDevice && how != miniMax: // these two have no slow_down
		a.every += 5 * time.Second
		answer := pollAnswer(how, "slow_down", "")
		if how == github {
			answer = writeJSON(400, map[string]any{"error": "slow_down", "interval": int(a.every.Seconds())})
		}
		return answer
	}
	switch p.stand(a) {
	case denied:
		return pollAnswer(how, "access_denied", "")
	case approved:
		return p.grantAsk(a)
	case undecided:
	}
	return pollAnswer(how, "authorization_pending", "")
}

// findAsk returns the ask that a poll is about, or nil. p.mu is held.
func (p *Provider) findAsk(how way, given map[string]string) *ask {
	for _, a := range p.asks {
		if a.way != how || a.userCode == "" {
			continue
		}
		switch how {
		case miniMax:
			if a.userCode == given["user_code"] {
				return a
			}
		case codexDevice:
			if a.deviceCode == given["device_auth_id"] && a.userCode == given["user_code"] {
				return a
			}
		default:
			if a.deviceCode == given["device_code"] {
				return a
			}
		}
	}
	return nil
}

// pollAnswer refuses a poll, or tells the program to wait, in the words of the provider.
func pollAnswer(how way, code, description string) *Answer {
	switch {
	case how == miniMax && code == "authorization_pending":
		return writeJSON(200, map[string]any{"status": "pending"})
	case how == miniMax && code == "access_denied":
		return writeJSON(200, map[string]any{"status": "error"})
	case how == miniMax:
		return writeJSON(400, map[string]any{
			"base_resp": map[string]any{"status_code": 1004, "status_msg": strings.TrimSpace(code + " " + description)},
		})
	case how == codexDevice && code == "authorization_pending":
		return writeJSON(403, map[string]any{
			"error": map[string]any{
				"code":    "deviceauth_authorization_unknown",
				"message": "Device authorization is unknown. Please try again.",
			},
		})
	case how == codexDevice:
		return writeJSON(400, map[string]any{"error": map[string]any{"code": code, "message": description}})
	case how == qwen && code == "slow_down":
		return oauthError(429, code, description)
	case how == qwen && code == "expired_token":
		return oauthError(401, code, "the device code has expired")
	}
	return oauthError(400, code, description)
}

// grantAsk gives the program what a person has consented to. p.mu is held.
func (p *Provider) grantAsk(a *ask) *Answer {
	switch a.way {
	case codexDevice: // a code, and a verifier that the server makes
		a.code, a.verifier = "ac-"+rand.Text(), "ver-"+rand.Text()+rand.Text()
		a.challenge = challengeOf(a.verifier)
		a.redirect = "/deviceauth/callback"
		return writeJSON(200, map[string]any{
			"authorization_code": a.code,
			"code_verifier":      a.verifier,
			"code_challenge":     a.challenge,
		})
	case github:
		a.login = &login{way: github}
		p.logins = append(p.logins, a.login)
		p.issueGitHub(a.login)
		return p.gitHubAnswer(a.login, "read:user")
	default:
		return p.grantLogin(a)
	}
}

// gitHubAnswer gives the program GitHub's token, and the one that renews it if it expires.
func (p *Provider) gitHubAnswer(l *login, scope string) *Answer {
	m := map[string]any{"access_token": l.current, "token_type": "bearer", "scope": scope}
	if l.renewal != "" {
		const halfAYear = 15897600 // seconds
		m["refresh_token"], m["refresh_token_expires_in"] = l.renewal, halfAYear
		m["expires_in"] = int(time.Until(l.ends).Seconds())
	}
	return writeJSON(200, m)
}

// renewGitHub answers the refresh grant at GitHub (docs.github.com, "Refreshing user access tokens"): both
// tokens are replaced. p.mu is held.
func (p *Provider) renewGitHub(given map[string]string) *Answer {
	used := given["refresh_token"]
	l := p.refresh[used]
	const refused = "The refresh token passed is incorrect or expired."
	switch {
	case given["client_id"] == "":
		return oauthError(400, "incorrect_client_credentials", "The client_id passed is incorrect.")
	case l == nil, l.dead, l.renewal == "":
		return oauthError(400, "bad_refresh_token", refused)
	case l.renewal != used:
		p.reused++
		p.kill(l)
		return oauthError(400, "bad_refresh_token", refused)
	}
	p.granted++
	p.issueGitHub(l)
	return p.gitHubAnswer(l, "")
}

// asGitHub gives errors the status 200. It answers with a form unless the program asks for JSON.
func asGitHub(a *Answer, r *http.Request) *Answer {
	if a.Status == 400 {
		a.Status = 200
	}
	if !strings.Contains(r.Header.Get("Accept"), "json") {
		return a.asForm()
	}
	return a
}

// serveMint gives a token of Copilot for a GitHub token, which it does not spend.
func (p *Provider) serveMint(w http.ResponseWriter, r *http.Request) {
	fault := p.nextFault()
	sleep(r, read(p, &p.TokenLatency))
	if fault.Answer != nil {
		fault.Answer.write(w)
		return
	}
	if fault.Cut {
		panic(http.ErrAbortHandler)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.gitHubLogin(r)
	if l == nil {
		writeJSON(401, map[string]any{"message": "Bad credentials"}).write(w)
		return
	}
	p.granted++
	ends := time.Now().Add(p.lifetime())
	access := "tid=" + rand.Text() + ";exp=" + strconv.FormatInt(ends.Add(p.Skew).Unix(), 10) + ";sku=fake"
	p.access[access] = &token{of: l, useful: !p.RefuseNew, from: time.Now().Add(p.PublishDelay), ends: ends}
	writeJSON(200, map[string]any{
		"token": access, "expires_at": ends.Add(p.Skew).Unix(),
		"refresh_in": int(p.lifetime().Seconds() * 0.8), "chat_enabled": true,
		"endpoints": map[string]any{"api": origin(r)},
	}).write(w)
}

// serveUser tells to whom a GitHub token belongs.
func (p *Provider) serveUser(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gitHubLogin(r) == nil {
		writeJSON(401, map[string]any{"message": "Bad credentials"}).write(w)
		return
	}
	writeJSON(200, map[string]any{"login": "octocat", "id": 583231, "type": "User"}).write(w)
}

// gitHubLogin returns the login of a request to GitHub; nil: its token is not good. p.mu is held.
func (p *Provider) gitHubLogin(r *http.Request) *login {
	sent := gitHubToken(r)
	l := p.refresh[sent]
	if l == nil || l.dead || l.way != github || l.current != sent || !l.ends.IsZero() && !time.Now().Before(l.ends) {
		return nil
	}
	return l
}

// gitHubToken returns the token of a request to GitHub, which takes both schemes.
func gitHubToken(r *http.Request) string {
	scheme, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "token") && !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return value
}
