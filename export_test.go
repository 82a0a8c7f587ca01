package reauth

import (
	"context"
	"testing"
)

// NewMemStore makes a store as NewPool uses it, for tests in which several pools share one.
func NewMemStore() *memStore { return newMemStore() }

// Put writes an entry as another process would. A mark without Of is about the tokens of c.
func (s *memStore) Put(t testing.TB, c Credential, st Standing) {
	t.Helper()
	write := func(Credential, bool) (Credential, error) { return c, nil }
	if _, err := s.Update(context.Background(), c.Provider, c.ID, write); err != nil {
		t.Fatal(err)
	}
	if st.Of == "" {
		st.Of = digest(c.AccessToken)
	}
	if err := s.Mark(context.Background(), c.Provider, c.ID, st); err != nil {
		t.Fatal(err)
	}
}

// Digest returns the digest by which a standing names a token.
func Digest(token string) string { return digest(token) }
