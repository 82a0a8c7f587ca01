package reauth

import (
	"context"
	"net/http"
	"strings"
	"testing"
)

// NewMemStore is the store behind NewPool, for tests in which several pools share one.
func NewMemStore() *memStore { return newMemStore() }

// Put writes an entry as another process would.
func (s *memStore) Put(t testing.TB, c Credential, st Standing) {
	t.Helper()
	_, err := s.Update(context.Background(), c.Provider, c.ID, func(Credential, bool) (Credential, error) { return c, nil })
	if err != nil {
		t.Fatal(err)
	}
	if st.Of == "" {
		st.Of = digest(c.AccessToken)
	}
	if err := s.Mark(context.Background(), c.Provider, c.ID, st); err != nil {
		t.Fatal(err)
	}
}

// Digest is how a standing names a token.
func Digest(token string) string { return digest(token) }

// Judge is Classify without its memory of the last refusal.
func Judge(provider string, resp *http.Response, body []byte) Verdict {
	return judge(canonicalName(provider), resp, body[:min(len(body), maxPeek)])
}

// Consulted are the headers that tell remembered refusals apart.
func Consulted() []string { return consulted[:] }

// RuleHeaders are the headers that rules name.
func RuleHeaders() (names []string) {
	for _, stage := range ruleTable {
		for _, r := range stage {
			if name, _, _ := strings.Cut(r.header, ": "); name != "" {
				names = append(names, http.CanonicalHeaderKey(name))
			}
		}
	}
	return names
}
