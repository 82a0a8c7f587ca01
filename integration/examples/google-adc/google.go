package main

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
)

// google stands in for Google's token endpoint, which gives a token to a service account that signs a
// JWT with its key (RFC 7523): https://developers.google.com/identity/protocols/oauth2/service-account
type google struct {
	server  *httptest.Server
	key     *rsa.PrivateKey
	keyFile string             // of the service account, as the Cloud Console gives it
	issued  func(token string) // called with each new token
}

const account = "agent@example.iam.gserviceaccount.com"

// newGoogle starts the token endpoint, and writes the key of a service account.
func newGoogle() (*google, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	g := &google{key: key}
	g.server = httptest.NewServer(g)
	content, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "example", "private_key_id": "key-1", "client_email": account,
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		"token_uri":   g.server.URL + "/token",
	})
	if err != nil {
		return nil, err
	}
	f, err := os.CreateTemp("", "google-adc-*.json")
	if err != nil {
		return nil, err
	}
	g.keyFile = f.Name()
	if _, err := f.Write(content); err != nil {
		return nil, err
	}
	return g, f.Close()
}

func (g *google) close() error {
	g.server.Close()
	return os.Remove(g.keyFile)
}

// ServeHTTP is the token endpoint.
func (g *google) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	const grantType = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	if r.FormValue("grant_type") != grantType || !g.signed(r.FormValue("assertion")) {
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]string{
			"error": "invalid_grant", "error_description": "Invalid JWT Signature.",
		}) // a client that has left needs no answer
		return
	}
	token := "ya29." + rand.Text()
	g.issued(token)
	_ = json.NewEncoder(w).Encode(map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": 3599})
}

// signed reports whether the service account has signed the assertion, for this endpoint.
func (g *google) signed(assertion string) bool {
	parts := strings.Split(assertion, ".")
	if len(parts) != 3 {
		return false
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return false
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if rsa.VerifyPKCS1v15(&g.key.PublicKey, crypto.SHA256, sum[:], signature) != nil {
		return false
	}
	var claims struct{ Iss, Aud, Scope string }
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	return err == nil && json.Unmarshal(payload, &claims) == nil &&
		claims.Iss == account && claims.Aud == g.server.URL+"/token" && claims.Scope == cloudPlatform
}
