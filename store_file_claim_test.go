package reauth_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// exchange is an Update that spends the refresh token and comes back with another pair. before is
// called between the two.
func exchange(s reauth.Store, id, token string, before func()) (reauth.Entry, error) {
	return s.Update(context.Background(), "xai-oauth", id, func(h reauth.Holding) (reauth.Entry, error) {
		of := reauth.Digest(h.Entry.Credential.RefreshToken)
		if err := h.Spend(context.Background(), reauth.Spending{Of: of, Since: h.Now, Holder: "test"}); err != nil {
			return reauth.Entry{}, err
		}
		before()
		e := h.Entry
		if h.Behind != nil {
			e.Generation = max(e.Generation, h.Behind.Generation)
		}
		e.Generation++
		e.Credential.AccessToken, e.Credential.RefreshToken = "at-"+token, "rt-"+token
		e.Spent = append(e.Spent, of)
		return e, nil
	})
}

// tries takes the claim of a credential, and returns what stood in the way for a moment.
func tries(s reauth.Store, id string) error { return takes(s, id, 50*time.Millisecond) }

// free takes the claim of a credential that nobody has, however busy the machine is.
func free(s reauth.Store, id string) error { return takes(s, id, time.Minute) }

// takes takes the claim of a credential within d, and returns what stood in the way.
func takes(s reauth.Store, id string, d time.Duration) error {
	ctx, stop := context.WithTimeout(context.Background(), d)
	defer stop()
	wanted := errors.New("got it")
	_, err := s.Update(ctx, "xai-oauth", id, func(reauth.Holding) (reauth.Entry, error) {
		return reauth.Entry{}, wanted
	})
	if errors.Is(err, wanted) {
		return nil
	}
	return err
}

// waits checks that somebody has the claim of a credential. On a busy machine the time may be over
// before the lock is tried, so it gets more.
func waits(t testing.TB, s reauth.Store, id string) {
	t.Helper()
	for d := 50 * time.Millisecond; ; d *= 2 {
		err := takes(s, id, d)
		require.Error(t, err)
		if d > time.Minute || strings.Contains(err.Error(), "waiting for the lock") {
			require.ErrorContains(t, err, "waiting for the lock")
			return
		}
	}
}

// block puts a folder where the file is, so that nothing can be stored, and returns what undoes it.
func block(t testing.TB, path string) (undo func()) {
	t.Helper()
	require.NoError(t, os.Rename(path, path+".away"))
	require.NoError(t, os.Mkdir(path, 0o700))
	return func() {
		require.NoError(t, os.Remove(path))
		require.NoError(t, os.Rename(path+".away", path))
	}
}

func TestFileStoreNotesWhatIsSpent(t *testing.T) {
	path := newFile(t)
	s, other := reauth.NewFileStore(path), reauth.NewFileStore(path)
	put(t, s, login("a", "1"))
	before := readString(t, path)
	died := errors.New("the process dies")
	sp := reauth.Spending{Of: reauth.Digest("rt-1"), Since: time.Now().UTC().Round(0), Holder: "host 7"}
	var late func(context.Context, reauth.Spending) error
	_, err := s.Update(t.Context(), "xai-oauth", "a", func(h reauth.Holding) (reauth.Entry, error) {
		late = h.Spend
		require.NoError(t, h.Spend(t.Context(), sp))
		return reauth.Entry{}, died
	})
	require.Equal(t, died, err)
	assert.Equal(t, before, readString(t, path), "it costs no rewrite of the file")
	assert.Equal(t, sp, holding(t, other, "a").Entry.Spending)
	require.Error(t, late(t.Context(), sp), "the claim is over")

	_, err = s.Update(t.Context(), "xai-oauth", "a", func(h reauth.Holding) (reauth.Entry, error) {
		require.NoError(t, h.Spend(t.Context(), reauth.Spending{}))
		return reauth.Entry{}, died
	})
	require.Equal(t, died, err)
	assert.Zero(t, holding(t, other, "a").Entry.Spending)

	_, err = exchange(s, "a", "2", func() {})
	require.NoError(t, err)
	h := holding(t, other, "a")
	assert.Zero(t, h.Entry.Spending, "it ends with the result")
	assert.Nil(t, h.Behind)
}

// A note that is torn, or of another store, is as good as none.
func TestFileStoreWithATornNote(t *testing.T) {
	path := newFile(t)
	s := reauth.NewFileStore(path)
	put(t, s, login("a", "1"))
	notes, err := filepath.Glob(filepath.Join(path+".locks", "*.note"))
	require.NoError(t, err)
	require.Len(t, notes, 1)
	good := strings.TrimSpace(readString(t, notes[0]))
	ahead := strings.Replace(good, `"generation":1`, `"generation":9`, 1)
	for content, behind := range map[string]bool{
		ahead: true, ahead[:len(ahead)-1]: false, "": false, "\x00\x00": false, "[]": false, `{"generation":"9"}`: false,
		strings.Replace(ahead, `"identity":"`, `"identity":"other`, 1): false, good: false,
	} {
		require.NoError(t, os.WriteFile(notes[0], []byte(content), 0o600))
		h := holding(t, s, "a")
		assert.Equal(t, behind, h.Behind != nil, content)
		assert.True(t, h.Found)
	}
	require.NoError(t, os.Remove(notes[0]))
	write(t, filepath.Join(notes[0], "file"), "")
	assert.Nil(t, holding(t, s, "a").Behind)
	put(t, s, login("a", "2"))
	_, err = exchange(s, "a", "3", func() {})
	require.Error(t, err, "without a note there is no exchange")
	assert.Equal(t, "at-2", load(t, s)[0].Credential.AccessToken)
}

// After a Spend the claim stays with the store until the result is stored.
func TestFileStoreKeepsTheClaimOfAnUnsavedResult(t *testing.T) {
	path := newFile(t)
	s, other := reauth.NewFileStore(path), reauth.NewFileStore(path)
	put(t, s, login("a", "1"))
	undo := func() {}
	got, err := exchange(s, "a", "2", func() { undo = block(t, path) })
	require.ErrorIs(t, err, reauth.ErrNotStored)
	assert.Equal(t, "rt-2", got.Credential.RefreshToken)
	require.Error(t, free(s, "a"), "still nothing can be stored")
	undo()
	waits(t, other, "a")
	waits(t, reauth.NewFileStore(path), "a")
	assert.Equal(t, "rt-1", load(t, other)[0].Credential.RefreshToken)

	h := holding(t, s, "a") // stores the result first
	assert.Equal(t, "rt-2", h.Entry.Credential.RefreshToken)
	assert.Equal(t, "rt-2", load(t, other)[0].Credential.RefreshToken)
	require.NoError(t, free(other, "a"), "the claim has ended")
	assert.Nil(t, holding(t, other, "a").Behind)
}

// Two goroutines of the store take turns with the claim that it keeps.
func TestFileStoreSharesAKeptClaim(t *testing.T) {
	path := newFile(t)
	s := reauth.NewFileStore(path)
	put(t, s, login("a", "1"))
	undo := func() {}
	_, err := exchange(s, "a", "2", func() { undo = block(t, path) })
	require.ErrorIs(t, err, reauth.ErrNotStored)
	undo()
	var mu sync.Mutex
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			_, err := s.Update(context.Background(), "xai-oauth", "a", func(h reauth.Holding) (reauth.Entry, error) {
				assert.True(t, mu.TryLock(), "one at a time")
				defer mu.Unlock()
				h.Entry.Generation++
				runtime.Gosched()
				return h.Entry, nil
			})
			assert.NoError(t, err)
		})
	}
	all.Wait()
	e := load(t, s)[0]
	assert.Equal(t, "rt-2", e.Credential.RefreshToken)
	assert.EqualValues(t, 2+8, e.Generation)
	require.NoError(t, free(reauth.NewFileStore(path), "a"))
}

// A newer record in the file makes an end of a claim that was kept: a person has logged in anew.
func TestFileStoreGivesAKeptClaimUpToANewerRecord(t *testing.T) {
	path := newFile(t)
	s, other := reauth.NewFileStore(path), reauth.NewFileStore(path)
	put(t, s, login("a", "1"))
	undo := func() {}
	_, err := exchange(s, "a", "2", func() { undo = block(t, path) })
	require.ErrorIs(t, err, reauth.ErrNotStored)
	undo()
	newer := strings.Replace(readString(t, path), `"rt-1"`, `"rt-new", "login": "2030-01-01T00:00:00Z"`, 1)
	write(t, path, newer)
	h := holding(t, s, "a")
	assert.Equal(t, "rt-new", h.Entry.Credential.RefreshToken)
	require.NoError(t, free(other, "a"))
	assert.Equal(t, newer, readString(t, path))
}

// A result that can never be stored holds the claim, and does not stand in the way of a better one.
func TestFileStoreWithAResultThatCannotBeStored(t *testing.T) {
	path := newFile(t)
	s, other := reauth.NewFileStore(path), reauth.NewFileStore(path)
	put(t, s, login("a", "1"))
	_, err := exchange(s, "a", strings.Repeat("x", 70<<10), func() {})
	require.ErrorIs(t, err, reauth.ErrNotStored)
	waits(t, other, "a")
	require.NoError(t, free(s, "a"), "the same store goes on with the claim")
	waits(t, other, "a")
	put(t, s, login("a", "3"))
	require.NoError(t, free(other, "a"))
	assert.Equal(t, "rt-3", load(t, other)[0].Credential.RefreshToken)
}

// Without a Spend nothing is lost, and the claim ends.
func TestFileStoreReleasesTheClaimWhenNothingWasSpent(t *testing.T) {
	path := newFile(t)
	s := reauth.NewFileStore(path)
	put(t, s, login("a", "1"))
	undo := func() {}
	_, err := s.Update(t.Context(), "xai-oauth", "a", func(h reauth.Holding) (reauth.Entry, error) {
		undo = block(t, path)
		h.Entry.Generation++
		return h.Entry, nil
	})
	require.ErrorIs(t, err, reauth.ErrNotStored)
	undo()
	require.NoError(t, free(reauth.NewFileStore(path), "a"))
}

// What stands in the file when the result comes decides.
func TestFileStoreStoresNothingOverANewerRecord(t *testing.T) {
	path := newFile(t)
	for name, c := range map[string]struct {
		edit   func(string) string
		stored bool
	}{
		"as it was":        {func(s string) string { return s }, true},
		"a new login":      {replaced(`"rt-1"`, `"rt-new", "login": "2030-01-01T00:00:00Z"`), false},
		"the pair it left": {replaced(`"id": "a"`, `"id": "a", "login": "2030-01-01T00:00:00Z"`), true},
		"removed":          {replaced(`"access_token": "at-1"`, `"removed": true, "login": "2030-01-01T00:00:00Z"`), false},
		"newer tokens":     {replaced(`"rt-1"`, `"rt-9", "generation": 9`), false},
		"row taken out":    {func(s string) string { return s[:strings.Index(s, "[")] + "[]}" }, true},
		"another store":    {replaced(`"identity": "`, `"identity": "other`), false},
		"without identity": {replaced(`"identity": "`, `"was": "`), true},
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, os.RemoveAll(filepath.Dir(path)))
			s := reauth.NewFileStore(path)
			put(t, s, login("a", "1"))
			edited := ""
			_, err := exchange(s, "a", "2", func() {
				edited = c.edit(readString(t, path))
				write(t, path, edited)
			})
			if c.stored {
				require.NoError(t, err)
				assert.Equal(t, "rt-2", load(t, s)[0].Credential.RefreshToken)
			} else {
				require.ErrorIs(t, err, reauth.ErrNotStored)
				require.ErrorContains(t, err, "overtaken")
				assert.Equal(t, edited, readString(t, path))
			}
			require.NoError(t, free(reauth.NewFileStore(path), "a"), "the claim has ended")
		})
	}
}

func replaced(old, new string) func(string) string {
	return func(s string) string { return strings.Replace(s, old, new, 1) }
}

// Marks that are written while an exchange is under way stay, but for those of the old token.
func TestFileStoreKeepsMarksOverAnExchange(t *testing.T) {
	path := newFile(t)
	s, other := reauth.NewFileStore(path), reauth.NewFileStore(path)
	put(t, s, login("a", "1"))
	at := time.Now().UTC().Round(0)
	mark := func(key, of string) {
		m := reauth.Mark{Until: at.Add(time.Hour), At: at, Reason: key, Of: of}
		require.NoError(t, other.Mark(t.Context(), "xai", "a", key, m, time.Time{}))
	}
	e, err := exchange(s, "a", "2", func() {
		mark("token", reauth.Digest("at-1"))
		mark("login", "0") // the login of a record without Login
		mark("model:m", "0")
		mark("model:void", "somebody else")
		require.ErrorIs(t, other.Mark(t.Context(), "xai", "a", "login", reauth.Mark{At: at, Of: "0"}, time.Time{}),
			reauth.ErrMarked)
	})
	require.NoError(t, err)
	assert.Len(t, e.Marks, 2)
	assert.Equal(t, e, load(t, other)[0])
	assert.Contains(t, e.Marks, "login")
	assert.Contains(t, e.Marks, "model:m")
	require.NoError(t, other.Mark(t.Context(), "xai", "nobody", "login", reauth.Mark{At: at, Of: "0"}, time.Time{}))
	assert.Len(t, load(t, s), 1, "a mark of one that is not there is dropped")
	require.Error(t, other.Mark(t.Context(), "xai", "a", "other", reauth.Mark{At: at, Of: "0"}, time.Time{}))
}

func TestFileStoreBoundsMarks(t *testing.T) {
	path := newFile(t)
	s := reauth.NewFileStore(path)
	put(t, s, login("a", "1"))
	at := time.Now()
	mark := func(key string, until time.Time) {
		require.NoError(t, s.Mark(t.Context(), "xai", "a", key, reauth.Mark{Until: until, At: at, Of: "0"}, time.Time{}))
	}
	mark("login", at)
	for i := range 64 {
		mark("model:"+strings.Repeat("m", i+1), at.Add(time.Duration(i)*time.Minute))
	}
	marks := load(t, s)[0].Marks
	assert.Len(t, marks, 64)
	assert.Contains(t, marks, "login")
	assert.NotContains(t, marks, "model:m", "the one that ends first")
}

// An older copy of the file is put in place. The store knows that it once had newer tokens.
func TestFileStoreKnowsThatItIsBehind(t *testing.T) {
	path := newFile(t)
	s := reauth.NewFileStore(path)
	put(t, s, login("other", "1"))
	empty := readString(t, path)
	put(t, s, login("a", "1"))
	first := readString(t, path)
	for _, token := range []string{"2", "3", "4"} {
		_, err := exchange(s, "a", token, func() {})
		require.NoError(t, err)
		assert.Nil(t, holding(t, s, "a").Behind)
	}
	last := readString(t, path)

	write(t, path, first)
	other := reauth.NewFileStore(path)
	h := holding(t, other, "a")
	require.NotNil(t, h.Behind)
	assert.True(t, h.Found)
	assert.EqualValues(t, 1, h.Entry.Generation)
	assert.EqualValues(t, 4, h.Behind.Generation)
	assert.Nil(t, holding(t, other, "other").Behind, "the others are as they were")

	write(t, path, empty)
	h = holding(t, other, "a")
	require.NotNil(t, h.Behind, "from before it was added")
	assert.False(t, h.Found)

	write(t, path, last)
	assert.Nil(t, holding(t, other, "a").Behind, "the newest is there again")

	write(t, path, strings.Replace(last, `"at-4"`, `"by hand"`, 1))
	assert.Nil(t, holding(t, other, "a").Behind, "a person's edit is not behind")

	write(t, path, first)
	_, err := s.Update(t.Context(), "xai-oauth", "a", func(h reauth.Holding) (reauth.Entry, error) {
		h.Entry.Generation = 2 // a process that has not seen the newest writes forward
		h.Entry.Credential = login("a", "2")
		return h.Entry, nil
	})
	require.NoError(t, err)
	h = holding(t, other, "a")
	require.NotNil(t, h.Behind, "still behind the newest")
	assert.EqualValues(t, 4, h.Behind.Generation)

	_, err = exchange(other, "a", "5", func() {})
	require.NoError(t, err)
	assert.Nil(t, holding(t, s, "a").Behind, "it went on past the newest")

	remove(t, s, "a")
	write(t, path, last)
	h = holding(t, other, "a")
	require.NotNil(t, h.Behind)
	assert.True(t, h.Behind.Removed)
	assert.False(t, h.Behind.Login.IsZero())
}

// A version 1 file that is put back is the same store.
func TestFileStoreIsBehindWithAnUpgradedFilePutBack(t *testing.T) {
	path := newFile(t)
	old := `{"version":1,"credentials":[{"provider":"xai-oauth","id":"a","access_token":"at-1","refresh_token":"rt-1"}]}`
	write(t, path, old)
	s := reauth.NewFileStore(path)
	assert.Nil(t, holding(t, s, "a").Behind)
	_, err := exchange(s, "a", "2", func() {})
	require.NoError(t, err)
	identity := holding(t, s, "a").Identity
	require.NotEmpty(t, identity)
	write(t, path, old)
	other := reauth.NewFileStore(path)
	h := holding(t, other, "a")
	assert.Empty(t, h.Identity)
	require.NotNil(t, h.Behind)
	assert.EqualValues(t, 1, h.Behind.Generation)
	put(t, other, login("b", "1"))
	assert.Equal(t, identity, holding(t, other, "a").Identity)
}

// The file is gone. That is no empty store: nothing is removed, and only adding a credential makes
// it anew.
func TestFileStoreWhoseFileIsGone(t *testing.T) {
	for name, gone := range map[string]func(t *testing.T, path string) (back func()){
		"the file": func(t *testing.T, path string) func() {
			require.NoError(t, os.Rename(path, path+".away"))
			return func() { require.NoError(t, os.Rename(path+".away", path)) }
		},
		"its folder": func(t *testing.T, path string) func() {
			dir := filepath.Dir(path)
			require.NoError(t, os.Rename(dir, dir+".away"))
			return func() {
				require.NoDirExists(t, dir, "nothing is made in the way of bringing it back")
				require.NoError(t, os.Rename(dir+".away", dir))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := newFile(t)
			s := reauth.NewFileStore(path)
			put(t, s, login("a", "1"))
			seen, err := s.Load(t.Context(), "")
			require.NoError(t, err)
			back := gone(t, path)
			stores := []*reauth.FileStore{s}
			if name == "the file" {
				stores = append(stores, reauth.NewFileStore(path)) // the folder of locks knows
			}
			for _, s := range stores {
				_, err = s.Load(t.Context(), seen.Version)
				require.ErrorContains(t, err, "the file was there and is gone")
				require.ErrorContains(t, err, "Put it back")
				err = s.Mark(t.Context(), "xai", "a", "login", reauth.Mark{At: time.Now(), Of: "0"}, time.Time{})
				require.ErrorContains(t, err, "the file was there and is gone")
				h := holding(t, s, "a")
				require.Error(t, h.Missing)
				assert.False(t, h.Found)
				_, err = exchange(s, "a", "2", func() { t.Error("an exchange") })
				require.ErrorContains(t, err, "the file was there and is gone")
				assert.NotErrorIs(t, err, reauth.ErrNotStored)
			}
			back()
			again, err := s.Load(t.Context(), seen.Version)
			require.NoError(t, err)
			assert.Equal(t, seen.Identity, again.Identity)
			assert.Empty(t, again.Entries)
			assert.True(t, again.Delta)
			_, err = exchange(s, "a", "2", func() {})
			require.NoError(t, err, "it simply is the store again")

			gone(t, path)
			put(t, s, login("b", "1"))
			anew, err := s.Load(t.Context(), again.Version)
			require.NoError(t, err)
			assert.False(t, anew.Delta)
			require.Len(t, anew.Entries, 1, "without what was in the old one")
			assert.NotEqual(t, seen.Identity, anew.Identity)
			assert.Len(t, load(t, reauth.NewFileStore(path)), 1)
		})
	}
}

// The file goes away during an exchange. The claim is kept for its store. Adding the credential makes
// a new store all the same.
func TestFileStoreWhoseFileGoesDuringAnExchange(t *testing.T) {
	path := newFile(t)
	for name, c := range map[string]func(t *testing.T, s reauth.Store){
		"and comes back": func(t *testing.T, s reauth.Store) {
			require.NoError(t, os.Rename(path+".away", path))
			assert.Equal(t, "rt-2", holding(t, s, "a").Entry.Credential.RefreshToken)
		},
		"and is made anew": func(t *testing.T, s reauth.Store) {
			require.Error(t, holding(t, s, "a").Missing)
			put(t, s, login("a", "3"))
			assert.Equal(t, "rt-3", holding(t, s, "a").Entry.Credential.RefreshToken)
		},
		"and somebody else makes it anew": func(t *testing.T, s reauth.Store) {
			put(t, reauth.NewFileStore(path), login("b", "3"))
			assert.False(t, holding(t, s, "a").Found, "another store")
		},
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, os.RemoveAll(filepath.Dir(path)))
			s := reauth.NewFileStore(path)
			put(t, s, login("a", "1"))
			_, err := exchange(s, "a", "2", func() { require.NoError(t, os.Rename(path, path+".away")) })
			require.ErrorIs(t, err, reauth.ErrNotStored)
			waits(t, reauth.NewFileStore(path), "a")
			c(t, s)
			require.NoError(t, free(reauth.NewFileStore(path), "a"), "the claim has ended")
		})
	}
}

// No file at the first start is an empty store, also for two processes that start at once.
func TestFileStoreFirstStart(t *testing.T) {
	path := newFile(t)
	a, b := reauth.NewFileStore(path), reauth.NewFileStore(path)
	require.NoError(t, a.Mark(t.Context(), "xai", "a", "login", reauth.Mark{At: time.Now(), Of: "0"}, time.Time{}))
	assert.NoDirExists(t, filepath.Dir(path), "reading and marking make nothing")
	_, err := a.Update(t.Context(), "xai", "a", func(h reauth.Holding) (reauth.Entry, error) {
		require.NoError(t, h.Missing)
		assert.False(t, h.Found)
		put(t, b, login("b", "1"))
		return reauth.Entry{Credential: login("a", "1")}, nil
	})
	require.NoError(t, err)
	assert.Len(t, load(t, a), 2)
}

// A person deletes the folder of locks under a claim. Another process could take the claim, so
// nothing is spent any more.
func TestFileStoreWhoseLocksAreRemoved(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // an open file cannot be removed there
	}
	path := newFile(t)
	s := reauth.NewFileStore(path)
	put(t, s, login("a", "1"))
	_, err := s.Update(t.Context(), "xai-oauth", "a", func(h reauth.Holding) (reauth.Entry, error) {
		require.NoError(t, os.RemoveAll(path+".locks"))
		err := h.Spend(t.Context(), reauth.Spending{Of: "x"})
		require.ErrorContains(t, err, "the claim is lost")
		return reauth.Entry{}, err
	})
	require.Error(t, err)
	_, err = exchange(s, "a", "2", func() {})
	require.NoError(t, err)
}

// The locks and notes of removed credentials go at the first Load, when nobody holds them.
func TestFileStoreSweepsLocksOfRemovedCredentials(t *testing.T) {
	path := newFile(t)
	s := reauth.NewFileStore(path)
	for _, id := range []string{"stays", "removed", "held", "gone"} {
		put(t, s, login(id, "1"))
	}
	locks := func() int { return len(namesIn(t, path+".locks")) - 1 } // without that of the identity
	require.Equal(t, 8, locks())
	remove(t, s, "removed")
	_, err := s.Update(t.Context(), "xai-oauth", "held", func(h reauth.Holding) (reauth.Entry, error) {
		doc := readString(t, path)
		from := strings.Index(doc, `"id": "gone"`)
		require.Positive(t, from)
		write(t, path, replaced(`"id": "gone"`, `"id": "GONE"`)(replaced(`"id": "held"`, `"id": "HELD"`)(doc)))
		load(t, reauth.NewFileStore(path))
		assert.Equal(t, 4, locks(), "those that stay, and those that are held")
		h.Entry.Generation++
		return h.Entry, nil
	})
	require.NoError(t, err)
	load(t, reauth.NewFileStore(path))
	assert.Equal(t, 4, locks(), "it was added anew while its lock was held")

	broken := strings.Replace(readString(t, path), `"credentials": [`, `"credentials": [7,`, 1)
	write(t, path, broken)
	put(t, s, login("x", "1"))
	remove(t, s, "x")
	load(t, reauth.NewFileStore(path))
	assert.Equal(t, 6, locks(), "a record that does not tell whose it is may be anybody's")
}

// Stores claim, add and remove while others sweep. Nobody is inside with another.
func TestFileStoreSweepsUnderWaiters(t *testing.T) {
	path := newFile(t)
	put(t, reauth.NewFileStore(path), login("stays", "1"))
	var mu sync.Mutex
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			s := reauth.NewFileStore(path)
			for i := range 10 {
				_, err := s.Update(context.Background(), "xai-oauth", "a", func(h reauth.Holding) (reauth.Entry, error) {
					assert.True(t, mu.TryLock(), "one at a time")
					defer mu.Unlock()
					runtime.Gosched()
					return reauth.Entry{Removed: i%2 == 0, Login: h.Now, Generation: 1}, nil
				})
				assert.NoError(t, err)
				_, err = reauth.NewFileStore(path).Load(context.Background(), "")
				assert.NoError(t, err)
			}
		})
	}
	all.Wait()
}

// Stores open a place and look while another one makes its file. None of them takes the file for
// one that was there and is gone.
func TestFileStoreWhoseFileIsJustMade(t *testing.T) {
	for range 50 {
		path := newFile(t)
		made := make(chan struct{})
		go func() {
			defer close(made)
			put(t, reauth.NewFileStore(path), login("a", "1"))
		}()
		for making := true; making; {
			select {
			case <-made:
				making = false
			default:
			}
			_, err := reauth.NewFileStore(path).Load(t.Context(), "")
			require.NoError(t, err)
		}
	}
}
