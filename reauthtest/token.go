package reauthtest

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Fault is what goes wrong with one request to the token endpoint.
type Fault struct {
	// Lose makes the exchange happen, but cuts the connection before the answer.
	Lose bool
	// Cut cuts the connection before anything happens.
	Cut bool
	// Answer, if not nil, is the answer of the token endpoint, which does nothing else.
	Answer *Answer
}

// TooManyRequests is the fault of a token endpoint that answers 429. It asks the client to wait for
// after, in whole seconds.
func TooManyRequests(after time.Duration) Fault {
	h := make(http.Header)
	if after > 0 {
		h.Set("Retry-After", strconv.Itoa(int(after.Seconds())))
	}
	return Fault{Answer: &Answer{Status: 429, Header: h, Body: `{"error":"rate_limited"}`}}
}

// Unavailable is the fault of a token endpoint that answers 503.
func Unavailable() Fault {
	return Fault{Answer: &Answer{Status: 503, Body: `{"error":"temporarily_unavailable"}`}}
}

// Page is the fault of an edge server that answers with a page of HTML in place of the token
// endpoint.
func Page(status int) Fault {
	return Fault{
		Answer: &Answer{
			Status: status, Header: http.Header{"Content-Type": {"text/html"}},
			Body: "<html><title>Just a moment...</title></html>",
		},
	}
}

// Fail makes the next requests to the token endpoint go wrong, with one fault each.
func (p *Provider) Fail(faults ...Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = append(p.faults, faults...)
}

// serveToken is a token endpoint. It serves the grants that begin a login, and the refresh grant of
// RFC 6749 §6. It rotates refresh tokens, and ends a login whose refresh token is used twice, as
// RFC 9700 §4.14.2 recommends.
func (p *Provider) serveToken(w http.ResponseWriter, r *http.Request, how way) {
	given := readGrant(r)
	fault := p.nextFault()
	sleep(r, read(p, &p.TokenLatency))
	switch {
	case fault.Cut:
		panic(http.ErrAbortHandler)
	case fault.Answer != nil:
		fault.Answer.write(w)
		return
	}
	if how == anthropicCode && given["grant_type"] == "authorization_code" &&
		r.Header.Get("Content-Type") != "application/json" {
		writeJSON(400, map[string]any{
			"type":  "error",
			"error": map[string]any{"type": "invalid_request_error", "message": "Invalid JSON"},
		}).write(w)
		return
	}
	answer := p.grant(how, given)
	if fault.Lose {
		panic(http.ErrAbortHandler)
	}
	if how == github {
		answer = asGitHub(answer, r)
	}
	answer.write(w)
}

// nextFault counts a request to the token endpoint and returns its fault.
func (p *Provider) nextFault() (f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	if len(p.faults) > 0 {
		f, p.faults = p.faults[0], p.faults[1:]
	}
	return f
}

// readGrant returns the parameters of a token request, which is a form or JSON. The refresh token, the
// client, Anthropic's betas and Kimi's name for the device may be in a header.
func readGrant(r *http.Request) map[string]string {
	params := make(map[string]string)
	if r.Header.Get("Content-Type") == "application/json" {
		_ = json.NewDecoder(r.Body).Decode(&params) // a malformed body has no parameters
	} else if r.ParseForm() == nil {
		for k := range r.PostForm {
			params[k] = r.PostForm.Get(k)
		}
	}
	if t := r.Header.Get("X-Nous-Refresh-Token"); t != "" {
		params["refresh_token"] = t
	}
	params["device"] = r.Header.Get("X-Msh-Device-Id")
	if id, secret, ok := basicAuth(r); ok {
		params["client_id"], params["client_secret"] = id, secret
	}
	params[betaHeader] = r.Header.Get(betaHeader)
	return params
}

// grant answers a token request by its grant type.
func (p *Provider) grant(how way, given map[string]string) *Answer {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch kind := given["grant_type"]; {
	case how == codexDevice, kind == deviceGrant:
		return p.poll(how, given)
	case kind == userCodeGrant:
		return p.poll(miniMax, given)
	case kind == "authorization_code":
		return p.redeem(how, given)
	case how == github && kind == "refresh_token":
		return p.renewGitHub(given)
	case kind == clientGrant:
		return p.grantClient(given)
	case kind == exchangeGrant, kind == assertionGrant:
		return p.grantWorkload(how, given)
	}
	return p.exchange(how, given)
}

// exchange answers the refresh grant, which spends a refresh token. p.mu is held.
func (p *Provider) exchange(how way, given map[string]string) *Answer {
	used := given["refresh_token"]
	l := p.refresh[used]
	switch {
	case given["grant_type"] != "refresh_token":
		return &Answer{Status: 400, Body: `{"error":"unsupported_grant_type"}`}
	case how == kimi && given["device"] == "":
		return oauthError(400, "invalid_request", "X-Msh-Device-Id is missing")
	case l == nil, l.dead, how == kimi && l.device != "" && l.device != given["device"]:
		return deadGrant(how, "Refresh token not found or invalid")
	case l.current != used:
		p.reused++
		p.kill(l)
		return deadGrant(how, "Refresh token reuse detected")
	}
	l.device = given["device"]
	p.granted++
	access, refresh := p.issue(l, !p.RefuseNew)
	if p.Reusable {
		delete(p.refresh, refresh)
		l.current, refresh = used, ""
	}
	p.access[access].from = time.Now().Add(p.PublishDelay)
	return writeJSON(200, p.grantMembers(l, access, refresh))
}

// deadGrant refuses a refresh token that cannot be exchanged, in the words of the provider.
func deadGrant(how way, description string) *Answer {
	if how == kimi {
		return oauthError(401, "unauthorized", "")
	}
	return oauthError(400, "invalid_grant", description)
}

func (p *Provider) lifetime() time.Duration {
	if p.Lifetime == 0 {
		return time.Hour
	}
	return p.Lifetime
}

// grantMembers returns the members of an answer with tokens, as in RFC 6749 §5.1 or at MiniMax.
func (p *Provider) grantMembers(l *login, access, refresh string) map[string]any {
	m := map[string]any{"access_token": access, "token_type": "Bearer"}
	if refresh != "" {
		m["refresh_token"] = refresh
	}
	if l.base != "" {
		m["inference_base_url"] = l.base
	}
	switch {
	case l.way == miniMax: // expired_in is an instant, in milliseconds
		m["status"], m["expired_in"] = "success", time.Now().Add(p.Skew).Add(p.lifetime()).UnixMilli()
	case !p.OmitExpiry:
		m["expires_in"] = int(p.lifetime().Seconds())
	}
	return m
}

// newAccess makes an access token: opaque, or a JWT whose signature is not valid.
func (p *Provider) newAccess() string {
	if !p.JWT {
		return "at-" + rand.Text()
	}
	now := time.Now().Add(p.Skew)
	claims := fmt.Sprintf(`{"sub":"user-1","iat":%d,"exp":%d,"jti":%q}`,
		now.Unix(), now.Add(p.lifetime()).Unix(), rand.Text())
	enc := base64.RawURLEncoding.EncodeToString
	return enc([]byte(`{"alg":"none"}`)) + "." + enc([]byte(claims)) + "." + enc([]byte("EXAMPLE"))
}
