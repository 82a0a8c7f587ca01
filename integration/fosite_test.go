package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/compose"
	"github.com/ory/fosite/storage"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/fleettest"
)

// fositeServer is a real OAuth server with rotation and reuse detection, and an API that asks it
// about tokens.
type fositeServer struct {
	*httptest.Server
	oauth   fosite.OAuth2Provider
	memory  *storage.MemoryStore
	mu      sync.Mutex             // one request at a time: the storage writes to values that it has handed out
	login   atomic.Pointer[string] // the ID of the one login, which all of its tokens have
	rotated atomic.Int64
	reused  atomic.Int64
	refused atomic.Int64 // by the token endpoint
}

func newFosite(t testing.TB) *fositeServer {
	config := &fosite.Config{GlobalSecret: []byte("EXAMPLE-EXAMPLE-EXAMPLE-EXAMPLE-"), AccessTokenLifespan: time.Hour}
	memory := storage.NewMemoryStore()
	memory.Clients["cli"] = &fosite.DefaultClient{
		ID: "cli", Public: true, GrantTypes: []string{"password", "refresh_token"},
		Scopes: []string{"offline"},
	}
	memory.Users["me"] = storage.MemoryUserRelation{Username: "me", Password: "EXAMPLE"}
	strategy := &compose.CommonStrategy{CoreStrategy: compose.NewOAuth2HMACStrategy(config)}
	s := &fositeServer{memory: memory, oauth: compose.Compose(config, memory, strategy,
		//lint:ignore SA1019 the shortest way to a first pair; the test is about the refresh
		compose.OAuth2ResourceOwnerPasswordCredentialsFactory, //nolint:staticcheck // see above
		compose.OAuth2RefreshTokenGrantFactory, compose.OAuth2TokenIntrospectionFactory)}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", s.token)
	mux.HandleFunc("/v1/", s.api)
	s.Server = httptest.NewTLSServer(mux)
	t.Cleanup(s.Close)
	return s
}

func (s *fositeServer) token(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx := r.Context()
	request, err := s.oauth.NewAccessRequest(ctx, r, new(fosite.DefaultSession))
	if err == nil && request.GetGrantTypes().ExactOne("password") {
		request.GrantScope("offline")
		login := request.GetID()
		s.login.Store(&login)
	}
	var answer fosite.AccessResponder
	if err == nil {
		answer, err = s.oauth.NewAccessResponse(ctx, request)
	}
	if err != nil {
		s.refused.Add(1)
		if errors.Is(err, fosite.ErrInactiveToken) {
			s.reused.Add(1)
		}
		s.oauth.WriteAccessError(ctx, w, request, err)
		return
	}
	if request.GetGrantTypes().ExactOne("refresh_token") {
		s.rotated.Add(1)
	}
	s.oauth.WriteAccessResponse(ctx, w, request, answer)
}

func (s *fositeServer) api(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	_, _, err := s.oauth.IntrospectToken(r.Context(), fosite.AccessTokenFromRequest(r), fosite.AccessToken,
		new(fosite.DefaultSession))
	s.mu.Unlock()
	if err != nil {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"error":{"code":"token_expired","message":"the access token is not active"}}`)
		return
	}
	_, _ = io.Copy(w, r.Body)
}

// expire revokes the access tokens of the login.
func (s *fositeServer) expire(t testing.TB) {
	require.NoError(t, s.memory.RevokeAccessToken(context.Background(), *s.login.Load()))
}

// grant sends a request to the token endpoint, as a client does.
func (s *fositeServer) grant(t testing.TB, form url.Values) (status int, access, refresh string) {
	form.Set("client_id", "cli")
	req, err := http.NewRequestWithContext(bounded(t), http.MethodPost, s.URL+"/token",
		strings.NewReader(form.Encode()))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := s.Client().Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	var pair struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&pair))
	return resp.StatusCode, pair.Access, pair.Refresh
}

// pool returns a pool and a client over the store, as each process has them.
func (s *fositeServer) pool(t testing.TB, store reauth.Store) (*reauth.Pool, *http.Client) {
	p, err := reauth.OpenPool(bounded(t), store)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, p.Close()) })
	u, err := url.Parse(s.URL)
	require.NoError(t, err)
	require.NoError(t, p.Register(reauth.Provider{
		Name: "fosite", Hosts: []string{u.Host},
		Refresher: reauth.OAuth2Refresher(reauth.OAuth2Config{
			TokenURL: s.URL + "/token", ClientID: "cli", HTTPClient: s.Client(),
		}),
	}))
	return p, &http.Client{Transport: reauth.NewRecoveringTransport(s.Client().Transport, p)}
}

// echo sends a body to the API and expects it back.
func (s *fositeServer) echo(t testing.TB, client *http.Client, body string) {
	req, err := http.NewRequestWithContext(bounded(t), http.MethodPost, s.URL+"/v1/echo", strings.NewReader(body))
	if !assert.NoError(t, err) {
		return
	}
	resp, err := client.Do(req)
	if !assert.NoError(t, err) {
		return
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	assert.NoError(t, err)
	assert.Equal(t, 200, resp.StatusCode)
	assert.Equal(t, body, string(got))
}

// In each round the token expires, and twenty requests of two pools meet that at once. Each round
// costs one exchange, and the login lives on. There are a hundred rounds with -fleet=full.
func TestRotationsAtFosite(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d database) {
		s := newFosite(t)
		status, access, first := s.grant(t, url.Values{
			"grant_type": {"password"},
			"username":   {"me"},
			"password":   {"EXAMPLE"},
			"scope":      {"offline"},
		})
		require.Equal(t, 200, status)
		require.NotEmpty(t, first)
		store := d.store(t)
		_, err := store.Update(bounded(t), "fosite", id, func(h reauth.Holding) (reauth.Entry, error) {
			login := reauth.Credential{Provider: "fosite", ID: id, AccessToken: access, RefreshToken: first}
			return reauth.Entry{Credential: login, Login: h.Now, Generation: 1}, nil
		})
		require.NoError(t, err)
		_, a := s.pool(t, store)
		_, b := s.pool(t, d.store(t))
		clients := []*http.Client{a, b}
		rounds := fleettest.Sized(10, 40, 100)
		for round := range rounds {
			s.expire(t)
			var all sync.WaitGroup
			for i := range 20 {
				all.Go(func() { s.echo(t, clients[i%2], fmt.Sprintf("round %d, %d", round, i)) })
			}
			all.Wait()
			require.EqualValues(t, round+1, s.rotated.Load())
		}
		assert.Zero(t, s.reused.Load())
		assert.Zero(t, s.refused.Load())

		last := record(t, store).Credential.RefreshToken
		status, _, next := s.grant(t, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {last}})
		require.Equal(t, 200, status, "the login is alive, and the store has its newest token")
		status, _, _ = s.grant(t, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {first}})
		require.NotEqual(t, 200, status)
		require.EqualValues(t, 1, s.reused.Load(), "the server notices a reuse")
		status, _, _ = s.grant(t, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {next}})
		require.NotEqual(t, 200, status, "the reuse ends the login")
	})
}
