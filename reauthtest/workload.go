package reauthtest

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// This file has the grants for programs, which need no refresh token and give none. Each is at the
// path where a real provider has it:
//
//	TokenPath            client credentials (RFC 6749 §4.4), token exchange (RFC 8693), and an
//	                     assertion as a grant (RFC 7523 §2.1)
//	/oauth/token         token exchange as at OpenAI: JSON
//	                     (https://developers.openai.com/api/reference/workload-identity-federation)
//	/v1/oauth/token      an assertion as at Anthropic: JSON, with two betas
//	                     (https://platform.claude.com/docs/en/manage-claude/wif-reference)
//	/api/v1/oauth/token  token exchange as at OpenRouter: a form
//	                     (https://openrouter.ai/docs/guides/overview/auth/workload-identity-federation)

// The grant types, and the header of Anthropic's betas.
const (
	clientGrant    = "client_credentials"
	exchangeGrant  = "urn:ietf:params:oauth:grant-type:token-exchange"
	assertionGrant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	jwtType        = "urn:ietf:params:oauth:token-type:jwt"
	idTokenType    = "urn:ietf:params:oauth:token-type:id_token"
	betaHeader     = "Anthropic-Beta"
)

// AddClient makes TokenPath give access tokens to a client that names this secret.
func (p *Provider) AddClient(id, secret string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clients[id] = secret
}

// Trust is what an administrator sets up at a provider, so that it takes the tokens of somebody else.
type Trust struct {
	Issuer, Audience string // of the subject token
	// Params are what the request must say beside the subject token, such as federation_rule_id.
	// Where the audience or the resource is another one, the refusal is "invalid_target".
	Params map[string]string
	Once   bool // each subject token is taken once only, as with a protection against replays
}

// Trust makes the token endpoints exchange the subject tokens of an issuer.
func (p *Provider) Trust(t Trust) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trusts = append(p.trusts, t)
}

// SubjectToken returns a token as a platform gives it to a workload: a JWT of that issuer, for that
// audience, with that lifetime, which may be negative. Its signature is not valid; the provider knows
// the tokens that this method has made, and takes no other.
func (p *Provider) SubjectToken(issuer, audience string, lifetime time.Duration) string {
	now := time.Now()
	header, _ := json.Marshal(map[string]any{"alg": "RS256", "kid": "example", "typ": "JWT"})
	claims, _ := json.Marshal(map[string]any{
		"iss": issuer, "aud": []string{audience}, "sub": "system:serviceaccount:example:agent",
		"iat": now.Unix(), "exp": now.Add(lifetime).Unix(), "jti": rand.Text(),
	}) // texts and numbers always encode
	enc := base64.RawURLEncoding.EncodeToString
	subject := enc(header) + "." + enc(claims) + "." + enc([]byte(rand.Text()))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.subjects[subject] = 0
	return subject
}

// basicAuth returns the client of a request by HTTP Basic, whose parts are encoded as in a form (RFC
// 6749 §2.3.1).
func basicAuth(r *http.Request) (id, secret string, ok bool) {
	id, secret, ok = r.BasicAuth()
	if !ok {
		return "", "", false
	}
	id, idErr := url.QueryUnescape(id)
	secret, secretErr := url.QueryUnescape(secret)
	return id, secret, idErr == nil && secretErr == nil
}

// grantClient answers the client credentials grant. p.mu is held.
func (p *Provider) grantClient(given map[string]string) *Answer {
	secret, known := p.clients[given["client_id"]]
	if !known || secret != given["client_secret"] {
		return oauthError(401, "invalid_client", "the client is unknown, or its secret is another one")
	}
	return p.grantToken(standard, given, p.lifetime())
}

// grantWorkload answers the exchange of a subject token. p.mu is held.
func (p *Provider) grantWorkload(how way, given map[string]string) *Answer {
	if bad := malformed(how, given); bad != nil {
		return bad
	}
	subject := given["subject_token"] + given["assertion"] // a request has one of them
	claims, why := p.checkSubject(subject)
	if why != "" {
		return refuseSubject(how, given, why)
	}
	t := p.trustOf(claims)
	switch {
	case t == nil:
		why = fmt.Sprintf("no trust of the issuer %q for the audience %q", claims.Issuer, claims.Audience)
		return refuseSubject(how, given, why)
	case t.Once && p.subjects[subject] > 0:
		return refuseSubject(how, given, "the token has been used")
	}
	for name, want := range t.Params {
		switch {
		case given[name] == want:
		case name == "audience", name == "resource":
			return oauthError(400, "invalid_target", "there is no "+name+" "+given[name])
		default:
			return refuseTrust(how, name)
		}
	}
	p.subjects[subject]++
	left := time.Until(time.Unix(claims.Expires, 0)) // a token never lives longer than its subject
	return p.grantToken(how, given, min(p.lifetime(), left.Truncate(time.Second)))
}

// subjectClaims are those of a subject token that are checked.
type subjectClaims struct {
	Issuer   string   `json:"iss"`
	Audience []string `json:"aud"`
	Expires  int64    `json:"exp"`
}

// checkSubject reads a subject token, or says why it is not taken. p.mu is held.
func (p *Provider) checkSubject(subject string) (claims subjectClaims, why string) {
	if _, known := p.subjects[subject]; !known {
		return claims, "the token is no JWT of a known issuer"
	}
	payload, _ := base64.RawURLEncoding.DecodeString(strings.Split(subject, ".")[1]) // SubjectToken has made it
	_ = json.Unmarshal(payload, &claims)
	if !time.Now().Before(time.Unix(claims.Expires, 0)) {
		return claims, "the token has expired"
	}
	return claims, ""
}

// trustOf returns the trust that a subject token's issuer and audience have, or nil. p.mu is held.
func (p *Provider) trustOf(claims subjectClaims) *Trust {
	for i, t := range p.trusts {
		if t.Issuer == claims.Issuer && len(claims.Audience) == 1 && t.Audience == claims.Audience[0] {
			return &p.trusts[i]
		}
	}
	return nil
}

// malformed refuses a request that is not as the provider's documentation wants it. nil: it is.
func malformed(how way, given map[string]string) *Answer {
	grantType, want := exchangeGrant, []string{"subject_token", "subject_token_type"}
	switch how {
	case openAICode:
		want = append(want, "identity_provider_id", "service_account_id")
	case openRouter:
		want = append(want, "federation_policy_id")
	case anthropicCode:
		grantType, want = assertionGrant, []string{"assertion", "federation_rule_id", "organization_id"}
	default:
		if given["grant_type"] == assertionGrant {
			grantType, want = assertionGrant, []string{"assertion"}
		}
	}
	if given["grant_type"] != grantType {
		return refuse(how, 400, "unsupported_grant_type", "the grant type is not supported here")
	}
	for _, name := range want {
		if given[name] == "" {
			return refuse(how, 400, "invalid_request", name+" is missing")
		}
	}
	if t := given["subject_token_type"]; grantType == exchangeGrant && t != jwtType && t != idTokenType {
		return refuse(how, 400, "invalid_request", "subject_token_type is not supported")
	}
	if how == anthropicCode {
		return malformedForAnthropic(given)
	}
	return nil
}

// malformedForAnthropic refuses a request without the betas, or with an id of another kind.
func malformedForAnthropic(given map[string]string) *Answer {
	for _, beta := range []string{"oauth-2025-04-20", "oidc-federation-2026-04-01"} {
		if !strings.Contains(given[betaHeader], beta) {
			return refuse(anthropicCode, 400, "invalid_request", "the grant type needs the beta "+beta)
		}
	}
	for name, prefix := range map[string]string{
		"federation_rule_id": "fdrl_", "service_account_id": "svac_", "workspace_id": "wrkspc_",
	} {
		if id := given[name]; id != "" && id != "default" && !strings.HasPrefix(id, prefix) {
			return refuse(anthropicCode, 400, "invalid_request", name+" is not a well-formed "+prefix+" tagged ID")
		}
	}
	return nil
}

// refuseSubject refuses a subject token.
func refuseSubject(how way, given map[string]string, why string) *Answer {
	switch {
	case how == openAICode:
		return refuse(how, 401, "invalid_subject_token", "Invalid subject token: "+why)
	case how == anthropicCode: // it says no more: the reason is in the Console
		return refuse(how, 400, "invalid_grant", "the assertion was not accepted")
	case given["grant_type"] == assertionGrant: // RFC 7523 §3.1
		return refuse(how, 400, "invalid_grant", why)
	}
	return refuse(how, 400, "invalid_request", "subject_token: "+why) // RFC 8693 §2.2.2
}

// refuseTrust refuses a request that names another party than the trust does.
func refuseTrust(how way, name string) *Answer {
	if how == anthropicCode {
		return refuse(how, 400, "invalid_grant", "the assertion was not accepted")
	}
	return refuse(how, 400, "invalid_grant", "no mapping for that "+name)
}

// refuse is a refusal in the form that the provider gives it.
func refuse(how way, status int, code, description string) *Answer {
	switch {
	case how == openAICode:
		return writeJSON(status, map[string]any{"error": map[string]any{
			"message": description, "type": "invalid_request_error", "param": nil, "code": code,
		}})
	case how == anthropicCode && code == "invalid_request":
		return writeJSON(status, map[string]any{
			"type": "error", "error": map[string]any{"type": "invalid_request_error", "message": description},
		})
	}
	return oauthError(status, code, description)
}

// grantToken gives an access token without a refresh token. p.mu is held.
func (p *Provider) grantToken(how way, given map[string]string, lifetime time.Duration) *Answer {
	p.granted++
	access, now := p.newAccess(), time.Now()
	if how == anthropicCode {
		access = "sk-ant-oat01-" + rand.Text()
	}
	p.access[access] = &token{of: new(login), useful: !p.RefuseNew, from: now.Add(p.PublishDelay), ends: now.Add(lifetime)}
	m := map[string]any{"access_token": access, "token_type": "Bearer"}
	if !p.OmitExpiry {
		m["expires_in"] = int(lifetime.Seconds())
	}
	if given["grant_type"] == exchangeGrant {
		m["issued_token_type"] = "urn:ietf:params:oauth:token-type:access_token"
	}
	switch how {
	case openAICode:
		m["expires_at"], m["scope"] = now.Add(p.Skew).Add(lifetime).Unix(), "api.model.read api.model.request"
	case anthropicCode:
		m["scope"] = "user:inference"
	default:
		if given["scope"] != "" {
			m["scope"] = given["scope"]
		}
	}
	return writeJSON(200, m)
}
