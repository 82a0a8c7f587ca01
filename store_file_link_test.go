//go:build unix

package reauth_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// link makes a symbolic link, in the place of one that is there, at once as ln -sfn does.
func link(t testing.TB, target, path string) {
	t.Helper()
	require.NoError(t, os.Symlink(target, path+".new"))
	require.NoError(t, os.Rename(path+".new", path))
}

// The file may be a symbolic link. It is followed at each look.
func TestFileStoreFollowsALink(t *testing.T) {
	dir := t.TempDir()
	name, target := filepath.Join(dir, "link.json"), filepath.Join(dir, "dotfiles", "auth.json")
	link(t, filepath.Join("dotfiles", "auth.json"), name)
	s, direct := reauth.NewFileStore(name), reauth.NewFileStore(target)
	put(t, s, login("a", "1"))
	info, err := os.Lstat(name)
	require.NoError(t, err)
	assert.NotZero(t, info.Mode()&os.ModeSymlink, "the link stays")
	assert.FileExists(t, target)
	_, err = s.Update(t.Context(), "xai", "a", func(h reauth.Holding) (reauth.Entry, error) {
		require.Error(t, tries(direct, "a"), "a process that uses another path to the file uses the same locks")
		require.Error(t, tries(reauth.NewFileStore(name), "a"))
		require.NoError(t, free(direct, "b"))
		h.Entry.Generation++
		return h.Entry, nil
	})
	require.NoError(t, err)
	_, err = direct.Update(t.Context(), "xai", "a", func(h reauth.Holding) (reauth.Entry, error) {
		require.Error(t, tries(s, "a"))
		h.Entry.Generation++
		return h.Entry, nil
	})
	require.NoError(t, err)

	other := filepath.Join(dir, "elsewhere.json")
	put(t, reauth.NewFileStore(other), login("b", "1"))
	before, err := s.Load(t.Context(), "")
	require.NoError(t, err)
	link(t, "elsewhere.json", name)
	snap, err := s.Load(t.Context(), before.Version)
	require.NoError(t, err)
	assert.False(t, snap.Delta)
	assert.NotEqual(t, before.Identity, snap.Identity, "another store")
	require.Len(t, snap.Entries, 1)
	put(t, s, login("c", "1"))
	assert.Len(t, load(t, reauth.NewFileStore(other)), 2)
	assert.Len(t, load(t, direct), 1)
}

// A folder that is a link, as /tmp is on macOS, is one name and not two.
func TestFileStoreInALinkedFolder(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "private"), 0o700))
	link(t, "private", filepath.Join(dir, "tmp"))
	a := reauth.NewFileStore(filepath.Join(dir, "tmp", "auth.json"))
	b := reauth.NewFileStore(filepath.Join(dir, "private", "auth.json"))
	put(t, a, login("a", "1"))
	for _, pair := range [][2]*reauth.FileStore{{a, b}, {b, a}} {
		_, err := pair[0].Update(t.Context(), "xai", "a", func(h reauth.Holding) (reauth.Entry, error) {
			require.Error(t, tries(pair[1], "a"))
			h.Entry.Generation++
			return h.Entry, nil
		})
		require.NoError(t, err)
	}
	assert.ElementsMatch(t, []string{"auth.json", "auth.json.lock", "auth.json.locks"},
		namesIn(t, filepath.Join(dir, "private")))
}

// linkedCopy returns the name of a link to the first of two files, of which the second is a copy.
func linkedCopy(t testing.TB) (name, first, second string) {
	t.Helper()
	dir := t.TempDir()
	name = filepath.Join(dir, "link.json")
	first, second = filepath.Join(dir, "1", "auth.json"), filepath.Join(dir, "2", "auth.json")
	put(t, reauth.NewFileStore(first), login("a", "1"))
	write(t, second, readString(t, first))
	link(t, first, name)
	return name, first, second
}

// Somebody swaps the link while others wait for the claim. Whoever gets it has that of the file to
// which the link leads by then, and one of those that use the link is inside at a time.
func TestFileStoreWhoseLinkIsSwappedUnderWaiters(t *testing.T) {
	name, first, second := linkedCopy(t)
	s := reauth.NewFileStore(name)
	got := make(chan reauth.Holding)
	_, err := s.Update(t.Context(), "xai", "a", func(h reauth.Holding) (reauth.Entry, error) {
		go func() {
			_, err := reauth.NewFileStore(name).Update(context.Background(), "xai", "a",
				func(h reauth.Holding) (reauth.Entry, error) {
					assert.Error(t, tries(reauth.NewFileStore(second), "a"), "it holds the new file's lock")
					assert.NoError(t, free(reauth.NewFileStore(first), "a"), "and not the old one's")
					got <- h
					h.Entry.Generation++
					return h.Entry, nil
				})
			assert.NoError(t, err)
			close(got)
		}()
		require.Error(t, tries(reauth.NewFileStore(name), "a")) // time for the other one to wait
		link(t, second, name)
		require.Error(t, tries(reauth.NewFileStore(name), "a"), "the name as given excludes them")
		h.Entry.Credential = login("a", "2")
		h.Entry.Generation++
		return h.Entry, nil
	})
	require.NoError(t, err)
	h := <-got
	assert.Equal(t, "at-2", h.Entry.Credential.AccessToken, "the result went where the link leads")
	<-got
	assert.Equal(t, "at-1", load(t, reauth.NewFileStore(first))[0].Credential.AccessToken)
}

// A link is swapped to an older copy of the file.
func TestFileStoreKnowsThatALinkLeadsToAnOlderCopy(t *testing.T) {
	name, _, second := linkedCopy(t)
	s := reauth.NewFileStore(name)
	_, err := exchange(s, "a", "2", func() {})
	require.NoError(t, err)
	link(t, second, name)
	h := holding(t, s, "a")
	require.NotNil(t, h.Behind, "the name as given knows")
	assert.EqualValues(t, 2, h.Behind.Generation)
}

// A link is swapped while the result of an exchange waits to be stored. The result goes to where the
// link leads, and the claim is that of the new file.
func TestFileStoreKeepsAClaimOverASwap(t *testing.T) {
	name, first, second := linkedCopy(t)
	s := reauth.NewFileStore(name)
	_, err := exchange(s, "a", "2", func() { block(t, first) })
	require.ErrorIs(t, err, reauth.ErrNotStored)
	link(t, second, name)
	_, err = s.Update(t.Context(), "xai", "a", func(h reauth.Holding) (reauth.Entry, error) {
		assert.Equal(t, "at-2", h.Entry.Credential.AccessToken)
		require.Error(t, tries(reauth.NewFileStore(second), "a"))
		h.Entry.Generation++
		return h.Entry, nil
	})
	require.NoError(t, err)
	assert.Equal(t, "at-2", load(t, reauth.NewFileStore(second))[0].Credential.AccessToken)
}

// Kubernetes swaps a mounted secret by its link ..data.
func TestFileStoreInAMountedSecret(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "auth.json")
	version := func(n, key string) {
		write(t, filepath.Join(dir, "..2026_"+n, "auth.json"),
			`{"version":1,"credentials":[{"provider":"xai","id":"a","access_token":"`+key+`"}]}`)
		link(t, "..2026_"+n, filepath.Join(dir, "..data"))
	}
	version("1", "key-1")
	link(t, filepath.Join("..data", "auth.json"), path)
	s := reauth.NewFileStore(path)
	snap, err := s.Load(t.Context(), "")
	require.NoError(t, err)
	assert.Equal(t, "key-1", snap.Entries[0].Credential.AccessToken)
	version("2", "key-2")
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "..2026_1")))
	snap, err = s.Load(t.Context(), snap.Version)
	require.NoError(t, err)
	assert.True(t, snap.Delta)
	require.Len(t, snap.Entries, 1)
	assert.Equal(t, "key-2", snap.Entries[0].Credential.AccessToken)

	require.NoError(t, os.Rename(filepath.Join(dir, "..data"), filepath.Join(dir, "away")))
	_, err = s.Load(t.Context(), snap.Version)
	require.ErrorContains(t, err, "the file was there and is gone")
	version("3", "key-3")
	snap, err = s.Load(t.Context(), snap.Version)
	require.NoError(t, err)
	assert.Equal(t, "key-3", snap.Entries[0].Credential.AccessToken)
}
