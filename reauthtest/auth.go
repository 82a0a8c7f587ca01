package reauthtest

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// This file is the authorization server of a Provider. It has the login flows of real providers,
// each at its real path, so that one server serves the programs of all of them:
//
//	/.well-known/openid-configuration               the metadata of the server
//	/oauth2/device/code, /oauth2/token              RFC 8628 as at xAI; also MiniMax's user codes
//	/api/oauth/device/code, /api/oauth/token        RFC 8628 as at Nous: refresh token in a header
//	/api/oauth/device_authorization, …/token        RFC 8628 as at Kimi: the device in X-Msh-Device-Id
//	/api/v1/oauth2/device/code, …/token             RFC 8628, PKCE as at Qwen: 429 for slow_down
//	/login/device/code, /login/oauth/access_token   RFC 8628 as at GitHub: errors have status 200; its
//	                                                tokens may expire, and are renewed there
//	/copilot_internal/v2/token, /user               what a GitHub token is good for
//	/api/accounts/deviceauth/usercode, …/token      Codex's device protocol: 403 while pending
//	/api/accounts/v1/user-auth-credential/whoami    the account of a personal access token of Codex
//	/oauth/authorize, /oauth/token                  authorization code with PKCE, as at OpenAI
//	/oauth/authorize, /v1/oauth/token               the same as at Anthropic: JSON, with the state
//	/auth, /api/v1/auth/keys                        OpenRouter's, whose code is exchanged for an API key
//	/oauth2/token, /oauth/token, /v1/oauth/token, /api/v1/oauth/token
//	                                                grants without a refresh token: see workload.go
//
// A login that is made there belongs to the Provider: its tokens work at the Provider's API and
// token endpoints.

// way is the flow by which a login came about. It decides the form of the token endpoint's answers.
type way uint8

const (
	standard way = iota // RFC 8628 and RFC 6749
	github
	qwen
	kimi
	miniMax
	codexDevice
	openAICode
	anthropicCode
	openRouter
)

// consent is the decision of a person about a login.
type consent uint8

const (
	undecided consent = iota
	approved
	denied
)

// ask is a request for a login. It waits for the consent of a person.
type ask struct {
	way        way
	userCode   string
	deviceCode string
	client     string
	device     string // Kimi's name for the program's device
	challenge  string // RFC 7636; empty if the program sends none
	verifier   string // of the challenge, if the server has made both
	redirect   string
	state      string
	code       string // the authorization code, once approved
	born, ends time.Time
	every      time.Duration // a program that polls sooner has to slow down
	polled     time.Time
	decision   consent
	login      *login // the login it led to, after which the ask is spent
}

// Approve consents to the login that shows userCode, as a person would on the page that the login
// names.
func (p *Provider) Approve(userCode string) error { return p.decide(userCode, approved) }

// Deny refuses the login that shows userCode.
func (p *Provider) Deny(userCode string) error { return p.decide(userCode, denied) }

// UserCodes returns the codes of the logins that wait for consent, the oldest first.
func (p *Provider) UserCodes() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var codes []string
	for _, a := range p.asks {
		if a.userCode != "" && p.stand(a) == undecided && time.Now().Before(a.ends) {
			codes = append(codes, a.userCode)
		}
	}
	return codes
}

// Polls returns how often programs asked whether there is consent, and how many of these requests
// came sooner than allowed.
func (p *Provider) Polls() (all, hasty int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.polls, p.hasty
}

// decide records the decision about the login that shows userCode.
func (p *Provider) decide(userCode string, d consent) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	userCode = strings.ToUpper(strings.TrimSpace(userCode))
	for _, a := range p.asks {
		if a.userCode == userCode && userCode != "" && a.decision == undecided && time.Now().Before(a.ends) {
			a.decision = d
			return nil
		}
	}
	return fmt.Errorf("reauthtest: no login waits for the code %q: it is unknown, has expired, or was decided before",
		userCode)
}

// stand returns the decision about a. ApproveAfter counts as an approval when its time has passed.
// p.mu is held.
func (p *Provider) stand(a *ask) consent {
	if a.decision == undecided && p.ApproveAfter > 0 && time.Since(a.born) >= p.ApproveAfter {
		a.decision = approved
	}
	return a.decision
}

// newAsk begins a login. p.mu is held.
func (p *Provider) newAsk(w way, params map[string]string) *ask {
	now := time.Now()
	a := &ask{
		way: w, client: params["client_id"], device: params["device"], challenge: params["code_challenge"],
		state: params["state"], redirect: params["redirect_uri"], born: now, polled: now,
	}
	a.ends, a.every = now.Add(p.codeLifetime()), p.interval()
	p.asks = append(p.asks, a)
	return a
}

func (p *Provider) codeLifetime() time.Duration {
	if p.CodeLifetime == 0 {
		return 15 * time.Minute
	}
	return p.CodeLifetime
}

func (p *Provider) interval() time.Duration {
	if p.Interval == 0 {
		return 5 * time.Second
	}
	return p.Interval
}

// serveAuth answers a request to the authorization server. It returns false if the path belongs to
// the API.
func (p *Provider) serveAuth(w http.ResponseWriter, r *http.Request) bool {
	switch path := r.URL.Path; path {
	case "/.well-known/openid-configuration":
		p.serveMetadata(w, r)
	case "/oauth2/device/code":
		params := readGrant(r)
		if params["response_type"] == "code" {
			p.serveUserCode(w, r, miniMax, params)
		} else {
			p.serveUserCode(w, r, standard, params)
		}
	case "/api/oauth/device/code":
		p.serveUserCode(w, r, standard, readGrant(r))
	case "/api/oauth/device_authorization":
		p.serveUserCode(w, r, kimi, readGrant(r))
	case "/api/v1/oauth2/device/code":
		p.serveUserCode(w, r, qwen, readGrant(r))
	case "/login/device/code":
		p.serveUserCode(w, r, github, readGrant(r))
	case "/api/accounts/deviceauth/usercode":
		p.serveUserCode(w, r, codexDevice, readGrant(r))
	case "/device", "/login/device", "/codex/device", "/authorize", "/oauth-authorize":
		p.serveDevicePage(w, r)
	case "/api/accounts/v1/user-auth-credential/whoami":
		p.serveWhoAmI(w, r)
	case "/oauth/authorize":
		p.serveAuthorize(w, r)
	case "/auth":
		p.serveKeyAuthorize(w, r)
	case "/api/v1/auth/keys":
		p.serveKey(w, r)
	case "/oauth/authorize/decision":
		p.serveDecision(w, r)
	case "/oauth/code/callback":
		serveCodePage(w, r)
	case TokenPath:
		p.serveToken(w, r, standard)
	case "/api/oauth/token": // both have this path
		if r.Header.Get("X-Msh-Platform") != "" {
			p.serveToken(w, r, kimi)
		} else {
			p.serveToken(w, r, standard)
		}
	case "/api/v1/oauth2/token":
		p.serveToken(w, r, qwen)
	case "/api/v1/oauth/token":
		p.serveToken(w, r, openRouter)
	case "/login/oauth/access_token":
		p.serveToken(w, r, github)
	case "/api/accounts/deviceauth/token":
		p.serveToken(w, r, codexDevice)
	case "/oauth/token":
		p.serveToken(w, r, openAICode)
	case "/v1/oauth/token":
		p.serveToken(w, r, anthropicCode)
	case "/copilot_internal/v2/token":
		p.serveMint(w, r)
	case "/user":
		p.serveUser(w, r)
	default:
		return false
	}
	return true
}

// origin returns the scheme and the host under which the client reached the server.
func origin(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil || r.URL.Scheme == "https" { // in memory, r.URL is the URL of the client
		scheme = "https"
	}
	return scheme + "://" + r.Host
}

// serveMetadata answers as OpenID Connect Discovery 1.0 §4 says.
func (p *Provider) serveMetadata(w http.ResponseWriter, r *http.Request) {
	at := origin(r)
	writeJSON(http.StatusOK, map[string]any{
		"issuer": at, "authorization_endpoint": at + "/oauth/authorize",
		"device_authorization_endpoint": at + "/oauth2/device/code",
		"token_endpoint":                at + TokenPath, "code_challenge_methods_supported": []string{"S256"},
		"grant_types_supported": []string{"authorization_code", "refresh_token", deviceGrant},
	}).write(w)
}

// writeJSON returns an answer whose body is m.
func writeJSON(status int, m map[string]any) *Answer {
	b, _ := json.Marshal(m) // strings, numbers and lists of them always encode
	return &Answer{Status: status, Body: string(b)}
}

// oauthError returns the error answer of RFC 6749 §5.2.
func oauthError(status int, code, description string) *Answer {
	m := map[string]any{"error": code}
	if description != "" {
		m["error_description"] = description
	}
	return writeJSON(status, m)
}

// newUserCode makes a code that a person reads off one screen and types into another. It has no
// letters that look alike (RFC 8628 §6.1).
func newUserCode() string {
	const letters = "BCDFGHJKLMNPQRSTVWXZ"
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	for i := range b {
		b[i] = letters[int(b[i])%len(letters)]
	}
	return string(b[:4]) + "-" + string(b[4:])
}

// challengeOf returns the S256 challenge of a verifier (RFC 7636 §4.2).
func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
