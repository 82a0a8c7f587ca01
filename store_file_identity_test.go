package reauth_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

func TestFileStoreNewIdentity(t *testing.T) {
	path := newFile(t)
	s, other := reauth.NewFileStore(path), reauth.NewFileStore(path)
	put(t, s, login("a", "1"))
	put(t, s, login("b", "1"))
	require.NoError(t, s.Mark(t.Context(), "xai", "a", "token", reauth.Mark{
		Until: time.Now().Add(time.Hour), At: time.Now(), Of: reauth.Digest("at-1"),
	}, time.Time{}))
	write(t, path, replaced(`"credentials": [`, `"note": {"by": "hand"}, "credentials": [`)(readString(t, path)))
	before, err := s.Load(t.Context(), "")
	require.NoError(t, err)
	ofOther, err := other.Load(t.Context(), "")
	require.NoError(t, err)

	identity, err := s.NewIdentity(t.Context())
	require.NoError(t, err)
	assert.NotEqual(t, before.Identity, identity)
	assert.NotContains(t, readString(t, path), before.Identity)
	assert.Contains(t, readString(t, path), `"note": {"by": "hand"}`)
	assert.Equal(t, identity, strings.TrimSpace(readString(t, filepath.Join(path+".locks", "identity"))))
	for _, seen := range []struct {
		by      *reauth.FileStore
		version string
	}{{s, before.Version}, {other, ofOther.Version}} {
		snap, err := seen.by.Load(t.Context(), seen.version)
		require.NoError(t, err)
		assert.False(t, snap.Delta, "everything is read")
		assert.Equal(t, identity, snap.Identity)
		assert.Equal(t, before.Entries, snap.Entries)
	}
	assert.Equal(t, identity, holding(t, other, "a").Identity)
	put(t, other, login("c", "1"))
	assert.Len(t, load(t, s), 3)
	again, err := s.NewIdentity(t.Context())
	require.NoError(t, err)
	assert.NotEqual(t, identity, again)
}

// A pool over a store that is replaced by a copy with another identity does not write there what only
// the original has.
func TestPoolTakesACopyWithANewIdentityForAnotherStore(t *testing.T) {
	path := newFile(t)
	r := rigOn(t, reauth.NewFileStore(path))
	r.login(t, "me")
	clone := filepath.Join(t.TempDir(), "auth.json")
	write(t, clone, readString(t, path))
	_, err := reauth.NewFileStore(clone).NewIdentity(t.Context())
	require.NoError(t, err)
	r.add(t, reauth.Credential{ID: "later", AccessToken: "at-later"})
	require.NoError(t, r.pool.Reset(t.Context(), "xai", "me")) // nothing writes in the background any more
	require.NoError(t, os.Rename(clone, path))
	told := func() bool {
		_, _ = r.mustPost(t)
		for _, e := range r.events.all(reauth.StoreFailed) {
			if e.Reason == "other-store" {
				return true
			}
		}
		return false
	}
	require.Eventually(t, told, 20*time.Second, 50*time.Millisecond)
	assert.Len(t, r.pool.Status(), 2, "it serves from memory")
	assert.NotContains(t, readString(t, path), "at-later")
}

func TestFileStoreNewIdentityNeedsAFile(t *testing.T) {
	path := newFile(t)
	s := reauth.NewFileStore(path)
	_, err := s.NewIdentity(t.Context())
	require.ErrorContains(t, err, "there is no file")
	assert.NoDirExists(t, filepath.Dir(path), "nothing is made")

	put(t, s, login("a", "1"))
	require.NoError(t, os.Rename(path, path+".away"))
	for _, s := range []*reauth.FileStore{s, reauth.NewFileStore(path)} {
		_, err = s.NewIdentity(t.Context())
		require.ErrorContains(t, err, "was there and is gone")
	}
	require.NoError(t, os.RemoveAll(filepath.Dir(path)))
	_, err = s.NewIdentity(t.Context())
	require.ErrorContains(t, err, "was there and is gone")
	assert.NoDirExists(t, filepath.Dir(path))

	for _, content := range []string{`{"tokens":{}}`, `{"format":"reauth","version":99,"credentials":[]}`, ``} {
		write(t, path, content)
		_, err := reauth.NewFileStore(path).NewIdentity(t.Context())
		require.ErrorContains(t, err, path)
		assert.Equal(t, content, readString(t, path))
	}
}

func TestFileStoreNewIdentityUpgradesVersion1(t *testing.T) {
	for content, want := range map[string][]reauth.Entry{
		golden():                             withoutSpending(goldenV2()),
		`{"version": 1, "credentials": [ ]}`: nil,
	} {
		path := newFile(t)
		write(t, path, content)
		s := reauth.NewFileStore(path)
		require.Len(t, load(t, s), len(want))
		identity, err := s.NewIdentity(t.Context())
		require.NoError(t, err)
		snap, err := s.Load(t.Context(), "")
		require.NoError(t, err)
		assert.Equal(t, identity, snap.Identity)
		assert.Equal(t, want, snap.Entries)
		assert.Contains(t, readString(t, path), `"version": 2`)
		put(t, s, login("new", "1"))
		assert.Len(t, load(t, reauth.NewFileStore(path)), len(want)+1)
	}
}

// withoutSpending returns records as Load returns them after an upgrade.
func withoutSpending(list []reauth.Entry) []reauth.Entry {
	for i := range list {
		list[i].Spending = reauth.Spending{}
	}
	return list
}

// A result that could not be stored, and one that comes afterwards, are for the store before.
func TestFileStoreNewIdentityDropsResults(t *testing.T) {
	path := newFile(t)
	s, other := reauth.NewFileStore(path), reauth.NewFileStore(path)
	put(t, s, login("a", "1"))
	var undo func()
	_, err := exchange(s, "a", "2", func() { undo = block(t, path) })
	require.ErrorIs(t, err, reauth.ErrNotStored)
	undo()
	_, err = other.NewIdentity(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "at-1", holding(t, s, "a").Entry.Credential.AccessToken)
	require.NoError(t, free(other, "a"), "the claim has ended")

	_, err = exchange(s, "a", "3", func() {
		_, err := other.NewIdentity(t.Context())
		assert.NoError(t, err)
	})
	require.ErrorIs(t, err, reauth.ErrNotStored)
	require.ErrorContains(t, err, "another store is in its place")
	assert.NotContains(t, readString(t, path), "at-3")
	require.NoError(t, free(other, "a"))
}
