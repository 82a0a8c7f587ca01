package reauth

import (
	"context"
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
