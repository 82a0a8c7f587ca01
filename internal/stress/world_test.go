package stress_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/internal/testrig"
	"github.com/reauth-go/reauth/reauthtest"
)

// This file is the world of TestChoreographies: the base and the token endpoint of its pools.

// family is the tokens of one login.
type family struct {
	id      string
	access  []string
	refresh string // the newest one
	ended   bool   // the answer with the last refresh token was lost, or the login was revoked
}

// sent is the base. It checks which token a request carries, and hands the request to the provider.
func (s *stress) sent(req *http.Request) (*http.Response, error) {
	a, _ := req.Context().Value(askKey{}).(ask)
	token := strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer ")
	f := s.family(token)
	switch {
	case token == stressAgent: // no credential is left
	case a.other != (token == otherKey):
		s.t.Errorf("%+v: a credential of another provider was sent", a)
	case a.pinned != "" && (f == nil || f.id != a.pinned):
		s.t.Errorf("%+v: another credential than the pinned one was sent", a)
	case f == nil && token != anchor && token != otherKey:
		s.t.Errorf("%+v: a token was sent that nobody has issued", a)
	}
	if err := s.pause(req.Context(), "request", 300*time.Millisecond); err != nil {
		_ = req.Body.Close()
		return nil, err
	}
	resp, err := s.fake.Transport().RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if err = s.pause(req.Context(), "answer", 300*time.Millisecond); err != nil {
		_ = resp.Body.Close()
		return nil, err
	}
	return resp, nil
}

// exchanged sends a token request to the provider and notes the pair that comes back.
func (s *stress) exchanged(req *http.Request) (*http.Response, error) {
	raw, err := io.ReadAll(req.Body)
	require.NoError(s.t, err)
	form, err := url.ParseQuery(string(raw))
	require.NoError(s.t, err)
	fault := s.nextFault()
	if err := s.pause(req.Context(), "exchange", 2*time.Second); err != nil {
		return nil, err
	}
	switch {
	case fault.Cut:
		return nil, io.ErrUnexpectedEOF
	case fault.Answer != nil:
		return testrig.Answer(req, fault.Answer.Status, fault.Answer.Body), nil
	}
	out := *req
	out.Body = io.NopCloser(bytes.NewReader(raw))
	resp, err := s.fake.Transport().RoundTrip(&out)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var pair struct{ Access_token, Refresh_token string }
	body, err := io.ReadAll(resp.Body)
	if err == nil && json.Unmarshal(body, &pair) == nil && resp.StatusCode == http.StatusOK {
		s.issued(s.family(form.Get("refresh_token")), pair.Access_token, pair.Refresh_token, fault.Lose)
	}
	_ = s.pause(context.Background(), "granted", 2*time.Second)
	if fault.Lose {
		return nil, io.ErrUnexpectedEOF
	}
	return testrig.Answer(req, resp.StatusCode, string(body)), err
}

func (s *stress) nextFault() (f reauthtest.Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.faults) > 0 {
		f, s.faults = s.faults[0], s.faults[1:]
	}
	return f
}

// issued notes the pair of an exchange.
func (s *stress) issued(f *family, access, refresh string, lost bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.granted[f.id]++
	f.access, f.refresh, f.ended = append(f.access, access), refresh, f.ended || lost
	s.families[access], s.families[refresh] = f, f
}

func (s *stress) family(token string) *family {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.families[token]
}
