package stress_test

import (
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/reauth-go/reauth/internal/testrig"
)

// This file checks what a choreography leaves behind.

// recover lets every back-off end and expires all tokens. Then it sends with each credential: every
// login must still serve.
func (s *stress) recover() {
	time.Sleep(15 * time.Minute)
	synctest.Wait()
	s.faults = nil
	for _, f := range s.stored() {
		s.wanted[f.id]++
		s.fake.Expire(f.access...)
	}
	for i := range 2 * len(s.rigs) { // twice: the first request makes a pool look at its store
		s.ask(ask{pool: i % len(s.rigs)})
		time.Sleep(3 * time.Second)
	}
	for _, f := range s.stored() {
		for i := range s.rigs {
			if !f.ended && !s.closed[i] {
				s.ask(ask{pool: i, pinned: f.id, sure: true})
			}
		}
	}
	time.Sleep(3 * time.Second)
	synctest.Wait()
}

// stored returns the logins in the store, by access token.
func (s *stress) stored() map[string]*family {
	list := make(map[string]*family)
	for _, e := range s.store.changes("").Entries {
		if e.Removed {
			assert.Empty(s.t, e.Credential.AccessToken+e.Credential.RefreshToken, "tokens of what was removed")
			continue
		}
		if f := s.family(e.Credential.RefreshToken); f != nil {
			list[e.Credential.AccessToken] = f
			current := f.ended || s.fake.Current(e.Credential.RefreshToken)
			assert.True(s.t, current, "the store holds an old pair of %s", f.id)
		}
	}
	return list
}

// checkLogins checks that no login is lost, that there was no needless exchange, and that no pool
// is behind the store.
func (s *stress) checkLogins() {
	for _, f := range s.families {
		assert.True(s.t, f.ended || s.fake.Alive(f.refresh), "a refresh token of %s was used twice", f.id)
		assert.LessOrEqual(s.t, s.granted[f.id], s.wanted[f.id], "exchanges of %s", f.id)
	}
	for access, f := range s.stored() {
		for i, r := range s.rigs {
			if !f.ended && !s.closed[i] {
				assert.Equal(s.t, fingerprint(access), testrig.StatusOf(s.t, r.pool, provider, f.id).Fingerprint,
					"pool %d is behind the store", i)
			}
		}
	}
}
