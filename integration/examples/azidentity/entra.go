package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/reauth-go/reauth"
)

const (
	authority = "https://login.example.com/"
	api       = "https://name.openai.azure.com/openai/v1"
)

// entra stands in for Entra ID and for an API that knows continuous access evaluation. It is reached
// without a network: it is the transport of both.
type entra struct {
	mu      sync.Mutex
	tokens  map[string]string // the claims with which each token was asked for
	revoked map[string]bool
	wants   string // claims that the API demands of a token; empty: none
	asked   int    // token requests
	secret  string // of the service principal
	// hold, unless it is nil, is called with each token request before it is answered.
	hold func(claims string)
}

func newEntra() *entra {
	return &entra{tokens: make(map[string]string), revoked: make(map[string]bool), secret: "cs-EXAMPLE"}
}

// Do implements policy.Transporter.
func (e *entra) Do(req *http.Request) (*http.Response, error) { return e.RoundTrip(req) }

// RoundTrip implements http.RoundTripper.
func (e *entra) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		defer req.Body.Close()
	}
	w := httptest.NewRecorder()
	switch path := req.URL.Path; {
	case strings.HasSuffix(path, "/.well-known/openid-configuration"):
		tenant := authority + strings.Split(path, "/")[1]
		writeJSON(w, http.StatusOK, map[string]any{
			"issuer": tenant + "/v2.0", "token_endpoint": tenant + "/oauth2/v2.0/token",
			"authorization_endpoint": tenant + "/oauth2/v2.0/authorize",
		})
	case strings.HasSuffix(path, "/oauth2/v2.0/token"):
		if err := e.token(w, req); err != nil {
			return nil, err
		}
	default:
		e.serve(w, req)
	}
	resp := w.Result()
	resp.Request = req
	return resp, nil
}

// token gives a token to a service principal (RFC 6749 §4.4, with the parameter claims).
func (e *entra) token(w http.ResponseWriter, req *http.Request) error {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return err
	}
	if e.hold != nil {
		e.hold(form.Get("claims"))
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asked++
	if form.Get("client_secret") != e.secret {
		writeJSON(w, http.StatusUnauthorized, map[string]any{
			"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided.",
		})
		return nil
	}
	token := newJWT()
	e.tokens[token] = form.Get("claims")
	writeJSON(w, http.StatusOK, map[string]any{"token_type": "Bearer", "expires_in": 86399, "access_token": token})
	return nil
}

// newJWT makes an access token as Entra ID's are. Its signature is not valid.
func newJWT() string {
	enc := base64.RawURLEncoding.EncodeToString
	claims := `{"jti":"` + rand.Text() + `"}`
	return enc([]byte(`{"alg":"RS256"}`)) + "." + enc([]byte(claims)) + "." + enc([]byte(rand.Text()))
}

// serve is the API.
func (e *entra) serve(w http.ResponseWriter, req *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	token := strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer ")
	claims, known := e.tokens[token]
	switch {
	case !known, e.revoked[token]:
		w.Header().Set("Www-Authenticate", `Bearer error="invalid_token"`)
		writeJSON(w, http.StatusUnauthorized, map[string]any{"error": map[string]any{"code": "401"}})
	case e.wants != "" && !strings.Contains(claims, e.wants):
		demand := fmt.Sprintf(`{"access_token":{"nbf":{"essential":true,"value":%q}}}`, e.wants)
		w.Header().Set("Www-Authenticate", fmt.Sprintf(
			`Bearer realm="", authorization_uri="%scommon/oauth2/authorize", error="insufficient_claims", claims=%q`,
			authority, base64.StdEncoding.EncodeToString([]byte(demand))))
		writeJSON(w, http.StatusUnauthorized, map[string]any{"error": map[string]any{"code": "401"}})
	default:
		writeJSON(w, http.StatusOK, map[string]any{"data": []any{}})
	}
}

// demand makes the API want a token that was asked for with these claims.
func (e *entra) demand(claims string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.wants = claims
}

// credential makes a service principal of a tenant there.
func (e *entra) credential() (azcore.TokenCredential, error) {
	options := &azidentity.ClientSecretCredentialOptions{
		ClientOptions: azcore.ClientOptions{
			Cloud:     cloud.Configuration{ActiveDirectoryAuthorityHost: authority},
			Transport: e,
		},
		DisableInstanceDiscovery: true, // else it would ask Microsoft whether it knows the authority
	}
	return azidentity.NewClientSecretCredential("tenant", "agent", "cs-EXAMPLE", options)
}

// pool returns a pool whose tokens come from there.
func (e *entra) pool(ctx context.Context) (*reauth.Pool, error) {
	pool := reauth.NewPool()
	c := reauth.Credential{Provider: "azure-foundry", ID: "entra", Hosts: []string{"name.openai.azure.com"}}
	_, err := pool.AddSource(ctx, c, entraSource(e.credential, "https://ai.azure.com/.default"))
	return pool, err
}

// show plays a token's life: it is got, asked for claims, and replaced by one with the claims.
func show(ctx context.Context, out io.Writer) error {
	e := newEntra()
	pool, err := e.pool(ctx)
	if err != nil {
		return err
	}
	defer pool.Close()
	tell(out, pool)
	client := clientOf(e, pool)
	fmt.Fprintln(out, "the first request gets a token:")
	if err := get(ctx, out, client, api+"/models"); err != nil {
		return err
	}
	fmt.Fprintln(out, "the user's password was changed; the API wants a newer token:")
	e.demand("1764194400")
	return get(ctx, out, client, api+"/models")
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // into memory
}
