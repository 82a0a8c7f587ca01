package integration

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

func TestNewIdentity(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d database) {
		s, other := d.store(t), d.store(t)
		save(t, s, named("a", 1))
		save(t, s, named("b", 1))
		require.NoError(t, s.Mark(bounded(t), provider, "a", "token", markOf(digest("access a1"), noon), time.Time{}))
		before := look(t, other, "")
		versions := []string{before.Version, look(t, other, before.Version).Version}

		identity, err := s.NewIdentity(bounded(t))
		require.NoError(t, err)
		assert.NotEqual(t, before.Identity, identity)
		var now reauth.Snapshot
		for _, version := range versions {
			now = look(t, other, version)
			assert.False(t, now.Delta, "everything is read")
			assert.NotEqual(t, version, now.Version)
			assert.Equal(t, identity, now.Identity)
			assert.Equal(t, before.Entries, now.Entries)
		}
		same := look(t, other, now.Version)
		assert.True(t, same.Delta)
		assert.Empty(t, same.Entries)

		save(t, other, named("c", 1))
		for _, version := range append(versions, now.Version) {
			assert.Equal(t, []string{"a", "b", "c"}, ids(look(t, s, version)))
		}
		v := look(t, s, "").Version
		save(t, other, named("b", 2))
		snap := look(t, s, v)
		assert.True(t, snap.Delta)
		assert.Equal(t, []string{"b"}, ids(snap))
		again, err := other.NewIdentity(bounded(t))
		require.NoError(t, err)
		assert.NotEqual(t, identity, again)
	})
}

// A result that could not be stored, and one that comes afterwards, are for the store before.
func TestNewIdentityDropsResults(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d database) {
		s, other, _ := short(t, d)
		allow := refuse(t, d)
		_, err := s.Update(bounded(t), provider, id, exchange(t, pair(2, "2")))
		require.ErrorIs(t, err, reauth.ErrNotStored)
		allow()
		_, err = other.NewIdentity(bounded(t))
		require.NoError(t, err)
		_, err = s.Update(bounded(t), provider, id, func(h reauth.Holding) (reauth.Entry, error) {
			assert.Equal(t, "access 1", h.Entry.Credential.AccessToken)
			return h.Entry, assert.AnError
		})
		require.Equal(t, assert.AnError, err)
		assert.False(t, waits(t, other, patience), "the claim has ended")

		_, err = s.Update(bounded(t), provider, id, func(h reauth.Holding) (reauth.Entry, error) {
			_, err := other.NewIdentity(bounded(t))
			return pair(3, "3"), err
		})
		require.ErrorIs(t, err, reauth.ErrNotStored)
		require.ErrorContains(t, err, "another store")
		assert.Equal(t, "access 1", record(t, other).Credential.AccessToken)
	})
}

func TestNewIdentityWithoutTables(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d database) {
		s, db := d.store(t), d.open(t)
		mustExec(t, db, `DELETE FROM reauth_meta`)
		_, err := s.NewIdentity(bounded(t))
		require.ErrorContains(t, err, "its tables were there and are gone")
		mustExec(t, db, `DROP TABLE reauth_meta`)
		_, err = s.NewIdentity(bounded(t))
		require.ErrorContains(t, err, "its tables were there and are gone")
	})
}
