package reauthtest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// serveAPI answers a request to the API: with the refusal that its token deserves, or as a model
// would.
func (p *Provider) serveAPI(w http.ResponseWriter, r *http.Request) {
	sent := p.sentToken(r)
	body := &countingReader{r: r.Body}
	var content []byte
	if !read(p, &p.RefuseEarly) || p.judge(r, sent) == nil {
		content, _ = io.ReadAll(io.LimitReader(body, 1<<20)) // countingReader counts the rest
		_, _ = io.Copy(io.Discard, body)                     // an aborted upload shows in the count
	}
	sleep(r, read(p, &p.APILatency))
	answer := p.judge(r, sent)
	refused := answer != nil
	if !refused {
		answer = &Answer{Status: http.StatusOK}
		if isUpgrade(r) {
			answer.Status = http.StatusSwitchingProtocols
		}
	}
	p.mu.Lock()
	p.requests = append(p.requests, Request{
		Method: r.Method, Path: r.URL.Path, Token: sent, Status: answer.Status, Bytes: body.n, Header: r.Header.Clone(),
	})
	p.mu.Unlock()
	if refused {
		answer.write(w)
		return
	}
	p.succeed(w, r, content, body.n)
}

// sleep waits for d, or until the client leaves.
func sleep(r *http.Request, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
	}
}

// countingReader counts the bytes that it has read.
type countingReader struct {
	r io.Reader
	n int64
}

func (c *countingReader) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}

// asForm returns the answer as a form. GitHub answers so unless the program asks for JSON.
func (a *Answer) asForm() *Answer {
	var members map[string]any
	_ = json.Unmarshal([]byte(a.Body), &members) // without an object there are no members
	form := make(url.Values)
	for k, v := range members {
		form.Set(k, fmt.Sprint(v))
	}
	return &Answer{
		Status: a.Status,
		Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded; charset=utf-8"}},
		Body:   form.Encode(),
	}
}

// write sends the answer to the client.
func (a *Answer) write(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	for name, values := range a.Header {
		h[http.CanonicalHeaderKey(name)] = values
	}
	w.WriteHeader(a.Status)
	_, _ = io.WriteString(w, a.Body) // a client that has left needs no answer
}

// judge returns the refusal that the token of a request deserves now, or nil.
func (p *Provider) judge(r *http.Request, sent string) *Answer {
	if refuse := read(p, &p.Refuse); refuse != nil {
		if a := refuse(r, sent); a != nil {
			return a
		}
	}
	if a := p.bothGiven(r); a != nil {
		return a
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.access[sent]
	now := time.Now()
	switch {
	case t == nil, t.of != nil && t.of.dead, !t.useful, now.Before(t.from), t.state == expired,
		p.Punctual && !t.ends.IsZero() && now.After(t.ends):
		return p.rejection(r, t == nil || t.of != nil)
	case t.account != "" && !t.isNamedBy(r):
		return Page(403).Answer
	case t.of != nil && !isAt(r, t.of.base):
		return writeJSON(400, map[string]any{
			"status": 400, "message": "Anonymous accounts must use " + t.of.base + " for inference.",
		})
	case t.state == exhausted && (t.until.IsZero() || now.Before(t.until)):
		return p.exhaustion(t.until, now)
	case t.state == forbidden:
		return p.denial()
	case t.state == blocked:
		return p.farewell()
	case p.Dialect == Anthropic && t.of != nil && !strings.Contains(r.Header.Get("Anthropic-Beta"), "oauth-2025-04-20"):
		return &Answer{
			Status: 401,
			Body: `{"type":"error","error":{"type":"authentication_error","message":"OAuth authentication is ` +
				`currently not supported."}}`,
		}
	}
	return nil
}

// isNamedBy reports whether a request tells what the edge of ChatGPT wants to know of a token.
func (t *token) isNamedBy(r *http.Request) bool {
	return r.Header.Get("Chatgpt-Account-Id") == t.account && (r.Header.Get("X-Openai-Fedramp") == "true") == t.fedRAMP
}

// isAt reports whether a request is at the host of base; an empty base is anywhere.
func isAt(r *http.Request, base string) bool {
	u, err := url.Parse(base)
	return base == "" || err == nil && u.Host == r.Host
}

// rejection returns the dialect's refusal of an expired or unknown token, or of a key.
func (p *Provider) rejection(r *http.Request, oauth bool) *Answer {
	switch {
	case p.Dialect == Gemini:
		return rejectedByGoogle(r)
	case p.Dialect == Anthropic && oauth:
		return &Answer{
			Status: 401,
			Body: `{"type":"error","error":{"type":"authentication_error","message":"OAuth token has expired. Please ` +
				`obtain a new token or refresh your existing token."},"request_id":"req_011CExample"}`,
		}
	case p.Dialect == Anthropic:
		return &Answer{
			Status: 401,
			Body: `{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"},` +
				`"request_id":"req_011CExample"}`,
		}
	case p.Dialect == OpenAI && oauth:
		return &Answer{
			Status: 401,
			Body: `{"error":{"message":"Your authentication token has expired. Please try signing in again.",` +
				`"type":"invalid_request_error","param":null,"code":"token_expired"}}`,
		}
	case p.Dialect == OpenAI:
		return &Answer{
			Status: 401,
			Body: `{"error":{"message":"Incorrect API key provided: sk-EXAMPLE. You can find your API key at ` +
				`https://platform.openai.com/account/api-keys.","type":"invalid_request_error","param":null,` +
				`"code":"invalid_api_key"}}`,
		}
	case !oauth:
		return &Answer{
			Status: 400,
			Body: `{"code":"invalid-argument","error":"Incorrect API key provided. You can obtain an API key from ` +
				`https://console.x.ai."}`,
		}
	}
	return &Answer{
		Status: 403,
		Body:   `{"code":"unauthenticated:bad-credentials","error":"The OAuth2 access token could not be validated."}`,
	}
}

// exhaustion returns the dialect's refusal of a token whose quota is used up.
func (p *Provider) exhaustion(until, now time.Time) *Answer {
	if p.Dialect == Gemini {
		return exhaustedAtGoogle(until, now)
	}
	a := &Answer{Status: 429, Header: make(http.Header)}
	if !until.IsZero() {
		a.Header.Set("Retry-After", strconv.Itoa(int(until.Sub(now).Seconds()+0.999)))
	}
	switch p.Dialect {
	case Anthropic:
		if !until.IsZero() {
			a.Header.Set("Anthropic-Ratelimit-Unified-Reset", strconv.FormatInt(until.Unix(), 10))
		}
		a.Body = `{"type":"error","error":{"type":"rate_limit_error","message":"This request would exceed your ` +
			`account's rate limit. Please try again later."}}`
	case OpenAI:
		a.Body = `{"error":{"message":"You exceeded your current quota, please check your plan and billing details.",` +
			`"type":"insufficient_quota","param":null,"code":"insufficient_quota"}}`
	case XAI:
		a.Status = 403
		a.Body = `{"code":"personal-team-blocked:spending-limit","error":"You have run out of credits or need a Grok ` +
			`subscription. Add credits at https://grok.com/?_s=usage or upgrade at https://grok.com/supergrok."}`
	case Gemini: // above
	}
	return a
}

// denial returns the dialect's refusal of a token that is good but lacks an entitlement.
func (p *Provider) denial() *Answer {
	switch p.Dialect {
	case Anthropic:
		return &Answer{
			Status: 403,
			Body: `{"type":"error","error":{"type":"permission_error","message":"OAuth token does not meet scope ` +
				`requirement user:inference"}}`,
		}
	case OpenAI:
		return &Answer{
			Status: 403,
			Body: `{"error":{"message":"Project does not have access to model gpt-example",` +
				`"type":"invalid_request_error","param":null,"code":"model_not_found"}}`,
		}
	case Gemini:
		return deniedByGoogle()
	case XAI:
	}
	return &Answer{
		Status: 403,
		Body: `{"code":"permission-denied","error":"Access to the chat endpoint is denied. ` +
			`Please ensure you're using the correct credentials."}`,
	}
}

// farewell returns the dialect's refusal of an account that is gone for good.
func (p *Provider) farewell() *Answer {
	switch p.Dialect {
	case Anthropic:
		return &Answer{
			Status: 400,
			Body: `{"type":"error","error":{"type":"invalid_request_error","message":"This organization has been ` +
				`disabled."}}`,
		}
	case OpenAI:
		return &Answer{
			Status: 401,
			Body: `{"error":{"message":"The OpenAI account associated with this API key has been deactivated.",` +
				`"type":"invalid_request_error","param":null,"code":"account_deactivated"}}`,
		}
	case Gemini:
		return farewellOfGoogle()
	case XAI:
	}
	return &Answer{Status: 403, Body: `{"code":"unauthorized:blocked-user"}`}
}

// words are what the fake model says, one per event of a stream.
var words = []string{"Hello", " from", " the", " fake", " provider", "."}

// reply sends JSON with the status 200.
func reply(w http.ResponseWriter, format string, args ...any) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(w, format, args...) // a client that has left needs no answer
}
