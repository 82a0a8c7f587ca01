package reauth_test

import (
	"context"
	"encoding/json"
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
	"github.com/reauth-go/reauth/reauthtest"
)

// newFile returns the path of a store's file that does not exist yet.
func newFile(t testing.TB) string { return filepath.Join(t.TempDir(), "reauth", "auth.json") }

// put writes a credential into a store.
func put(t testing.TB, s reauth.Store, c reauth.Credential) {
	t.Helper()
	write := func(reauth.Credential, bool) (reauth.Credential, error) { return c, nil }
	_, err := s.Update(context.Background(), c.Provider, c.ID, write)
	require.NoError(t, err)
}

// load returns all entries of a store.
func load(t testing.TB, s reauth.Store) []reauth.Entry {
	t.Helper()
	entries, _, err := s.Load(context.Background(), "")
	require.NoError(t, err)
	return entries
}

// rigOn makes a rig whose pool uses the store. The pool is closed when the test ends.
func rigOn(t testing.TB, s reauth.Store) *rig {
	t.Helper()
	pool, err := reauth.OpenPool(context.Background(), s)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, pool.Close()) })
	return newRigOn(t, reauthtest.XAI, pool)
}

func TestFileStoreIsPrivate(t *testing.T) {
	path := newFile(t)
	put(t, reauth.NewFileStore(path), reauth.Credential{Provider: "xai-oauth", ID: "a", AccessToken: "key-a"})
	if runtime.GOOS == "windows" {
		return // a file there has the permissions of its folder
	}
	for p, mode := range map[string]os.FileMode{
		path: 0o600, filepath.Dir(path): 0o700, path + ".lock": 0o600, path + ".locks": 0o700,
	} {
		info, err := os.Stat(p)
		require.NoError(t, err)
		assert.Equal(t, mode, info.Mode().Perm(), p)
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o666} {
		require.NoError(t, os.Chmod(path, mode))
		_, err := reauth.OpenPool(t.Context(), reauth.NewFileStore(path))
		require.ErrorContains(t, err, "others can read or write it")
		require.ErrorContains(t, err, `chmod 600 "`+path+`"`, "the error says what to do")
	}
}

// A change of the permissions alone changes no stamp of the content. The store notices it all the
// same.
func TestFileStoreNoticesThatItsFileBecameReadable(t *testing.T) {
	if runtime.GOOS == "windows" {
		return
	}
	path := newFile(t)
	s := reauth.NewFileStore(path)
	put(t, s, reauth.Credential{Provider: "xai-oauth", ID: "a", AccessToken: "key-a"})
	old := time.Now().Add(-time.Hour)
	require.NoError(t, os.Chtimes(path, old, old)) // the store trusts only a stamp that is old enough
	load(t, s)
	require.NoError(t, os.Chmod(path, 0o644))
	_, _, err := s.Load(t.Context(), "")
	require.ErrorContains(t, err, "chmod 600")
}

// The error names the place in the file and quotes nothing from it, since that may be a token. No
// method of the store writes over such a file.
func TestFileStoreNeverWritesOverWhatItCannotRead(t *testing.T) {
	for name, c := range map[string]struct{ content, want string }{
		"cut off": {
			content: "{\n\t\"version\": 1,\n\t\"credentials\": [" +
				`{"provider": "xai", "id": "a", "access_token": "secret-tok`,
			want: "the JSON breaks off at offset 92, line 3",
		},
		"broken": {"{\n\"version\": 1,\n\"credentials\": [secret-token]}", "broken JSON at offset 33, line 3"},
		"wrong kind": {
			content: `{"version":1,"credentials":[{"provider":"xai","id":"a","access_token":7}]}`,
			want:    "credentials.access_token cannot be a JSON number at offset 71",
		},
		"empty": {"", "the file is empty"},
		"blank": {" \n", "the file is empty"},
		"another program": {
			content: `{"tokens":{"access_token":"secret-token"}}`,
			want:    `it has no "version"; it may be another program's file`,
		},
		"newer":       {`{"version":2,"credentials":{"secret-token":1}}`, "cannot be a JSON object"},
		"newer still": {`{"version":2}`, "format version 2 is not known here, only 1; update the program"},
		"no provider": {
			content: `{"version":1,"credentials":[{"id":"a","access_token":"secret-token"}]}`,
			want:    `credentials[0] names no provider`,
		},
		"no ID": {
			content: `{"version":1,"credentials":[{"provider":"xai","access_token":"secret-token"}]}`,
			want:    `credentials[0], of xai-oauth, has no ID`,
		},
		"the same twice": {
			content: `{"version":1,"credentials":[{"provider":"xai","id":"a"},{"provider":"xai-oauth","id":"a"}]}`,
			want:    `credentials[1] has the same ID as another of xai-oauth, "a"`,
		},
		"bad time": {
			content: `{"version":1,"credentials":[{"provider":"xai","id":"a","expiry":"secret-token"}]}`,
			want:    "a value cannot be read",
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "auth.json")
			require.NoError(t, os.WriteFile(path, []byte(c.content), 0o600))
			s := reauth.NewFileStore(path)
			_, _, errLoad := s.Load(t.Context(), "")
			never := func(c reauth.Credential, _ bool) (reauth.Credential, error) {
				t.Error("Update calls the function")
				return c, nil
			}
			_, errUpdate := s.Update(t.Context(), "xai-oauth", "a", never)
			errMark := s.Mark(t.Context(), "xai-oauth", "a", reauth.Standing{At: time.Now()})
			errDelete := s.Delete(t.Context(), "xai-oauth", "a")
			for _, err := range []error{errLoad, errUpdate, errMark, errDelete} {
				require.ErrorContains(t, err, c.want)
				assert.ErrorContains(t, err, "reauth: file store "+path+": ")
				assert.NotContains(t, err.Error(), "secret-tok")
			}
			content, err := os.ReadFile(path)
			require.NoError(t, err)
			assert.Equal(t, c.content, string(content))
		})
	}
}

func TestFileStorePathsThatCannotBe(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for path, want := range map[string]string{
		"":                           "no path was given",
		dir:                          "no regular file",
		filepath.Join(file, "below"): "not a directory",
	} {
		_, err := reauth.OpenPool(t.Context(), reauth.NewFileStore(path))
		require.ErrorContains(t, err, want, path)
	}
}

// Another version of the program may have written fields that this one does not know. The store
// keeps them when it writes.
func TestFileStoreKeepsWhatItDoesNotKnow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "auth.json")
	require.NoError(t, os.WriteFile(path, []byte(`{"version":1,"note":"by hand","credentials":[
		{"provider":"xai","id":"a","access_token":"old","refresh_token":"gone","color":"red",
		 "standing":{"reason":"x","later":[1]}},
		{"provider":"openai","id":"b","access_token":"key-b","hosts":["api.openai.com"],"x":{"y":1.50}}]}`), 0o600))
	s := reauth.NewFileStore(path)
	put(t, s, reauth.Credential{Provider: "xai-oauth", ID: "a", AccessToken: "new"})
	require.NoError(t, s.Mark(t.Context(), "xai-oauth", "a", reauth.Standing{At: time.Now(), Retired: true}))
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	var doc struct {
		Note        string
		Credentials []map[string]any
	}
	require.NoError(t, json.Unmarshal(b, &doc))
	assert.Equal(t, "by hand", doc.Note)
	require.Len(t, doc.Credentials, 2)
	a := doc.Credentials[0]
	assert.Equal(t, "red", a["color"])
	assert.Equal(t, "new", a["access_token"])
	assert.NotContains(t, a, "refresh_token", "the store does not write an empty field")
	assert.Contains(t, a["standing"], "later")
	assert.NotContains(t, a["standing"], "reason")
	assert.Contains(t, string(b), "1.50", "the store keeps the digits of a number")
	assert.Equal(t, []any{"api.openai.com"}, doc.Credentials[1]["hosts"])
}

// The file may be a symbolic link. The store resolves it once: a link that changes later does not
// split the store.
func TestFileStoreFollowsALinkOnce(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // making a link needs a privilege there
	}
	dir := t.TempDir()
	link, target := filepath.Join(dir, "link.json"), filepath.Join(dir, "dotfiles", "auth.json")
	require.NoError(t, os.Symlink(filepath.Join("dotfiles", "auth.json"), link))
	s := reauth.NewFileStore(link)
	put(t, s, reauth.Credential{Provider: "xai-oauth", ID: "a", AccessToken: "key-a"})
	info, err := os.Lstat(link)
	require.NoError(t, err)
	assert.NotZero(t, info.Mode()&os.ModeSymlink, "the link stays")
	assert.FileExists(t, target)
	assert.FileExists(t, target+".lock", "a process that uses another path to the file uses the same locks")
	assert.NoFileExists(t, link+".lock")

	require.NoError(t, os.Remove(link))
	require.NoError(t, os.Symlink("elsewhere.json", link))
	put(t, s, reauth.Credential{Provider: "xai-oauth", ID: "b", AccessToken: "key-b"})
	assert.Len(t, load(t, reauth.NewFileStore(target)), 2)
	assert.NoFileExists(t, filepath.Join(dir, "elsewhere.json"))
}

func TestFileStoreLeavesNothingBehindButItsLocks(t *testing.T) {
	path := newFile(t)
	s := reauth.NewFileStore(path)
	put(t, s, reauth.Credential{Provider: "xai-oauth", ID: "a", AccessToken: "key-a"})
	left := filepath.Join(filepath.Dir(path), ".auth.json.123.tmp") // a writer was killed and left it
	require.NoError(t, os.WriteFile(left, []byte("tokens"), 0o600))
	require.NoError(t, s.Delete(t.Context(), "xai-oauth", "a"))
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	assert.ElementsMatch(t, []string{"auth.json", "auth.json.lock", "auth.json.locks"}, names)
	assert.Empty(t, load(t, s))
}

// A reader must see a change even if it happens within one tick of the file system's clock and
// keeps the size of the file.
func TestFileStoreSeesEveryChange(t *testing.T) {
	path := newFile(t)
	writer, reader := reauth.NewFileStore(path), reauth.NewFileStore(path)
	version := ""
	for i := range 200 {
		key := strings.Repeat(string(rune('a'+i%26)), 10)
		put(t, writer, reauth.Credential{Provider: "xai-oauth", ID: "a", AccessToken: key})
		entries, v, err := reader.Load(t.Context(), version)
		require.NoError(t, err)
		require.NotEqual(t, version, v)
		require.Equal(t, key, entries[0].Credential.AccessToken)
		version = v
		entries, v, err = reader.Load(t.Context(), version)
		require.NoError(t, err)
		require.Equal(t, version, v)
		require.Empty(t, entries, "unchanged")
	}
}

func TestFileStoreRefreshesDifferentCredentialsAtTheSameTime(t *testing.T) {
	path := newFile(t)
	var inside sync.WaitGroup
	inside.Add(2)
	var done sync.WaitGroup
	for _, id := range []string{"a", "b"} {
		done.Go(func() {
			renew := func(c reauth.Credential, _ bool) (reauth.Credential, error) {
				inside.Done()
				inside.Wait() // for the other one
				c.AccessToken = "key-" + id
				return c, nil
			}
			_, err := reauth.NewFileStore(path).Update(context.Background(), "xai-oauth", id, renew)
			assert.NoError(t, err)
		})
	}
	done.Wait()
	assert.Len(t, load(t, reauth.NewFileStore(path)), 2, "neither has undone the other's entry")
}

// Somebody deletes the file, and with it the credentials. The pool does not use them any more. Only
// Add makes the file anew.
func TestFileStoreWhoseFileIsDeleted(t *testing.T) {
	t.Parallel() // it waits in real time
	path := newFile(t)
	s := reauth.NewFileStore(path)
	r := rigOn(t, s)
	r.fake.TokenLatency = 200 * time.Millisecond
	_, refresh := r.login(t, "me")
	refreshed := make(chan struct{})
	go func() {
		defer close(refreshed)
		_ = r.pool.Refresh(context.Background(), "xai", "me") // whether it succeeds does not matter here
	}()
	spends := func() bool { return strings.Contains(readString(t, path), "spending") }
	require.Eventually(t, spends, 5*time.Second, time.Millisecond)
	require.NoError(t, os.Remove(path))
	<-refreshed
	assert.False(t, r.fake.Current(refresh), "the exchange was on its way when the file was deleted")
	assert.NoFileExists(t, path, "the refresh does not bring the file back")
	require.Eventually(t, func() bool {
		_, _ = r.mustPost(t)
		return len(r.pool.Status()) == 0
	}, 10*time.Second, 100*time.Millisecond)
	access, refresh := r.fake.Login()
	r.add(t, reauth.Credential{ID: "me", AccessToken: access, RefreshToken: refresh})
	assert.Len(t, load(t, s), 1, "Add makes it anew")
}

func readString(t testing.TB, path string) string {
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(b)
}

// Somebody breaks the file while a pool uses it. The tokens in memory serve on, and the pool
// exchanges none. After the file is mended the pool recovers.
func TestFileStoreWhoseFileIsBrokenMeanwhile(t *testing.T) {
	path := newFile(t)
	r := rigOn(t, reauth.NewFileStore(path))
	old, _ := r.login(t, "me")
	// Add marks a new login in the background. That write must not undo the test's.
	marked := func() bool { return strings.Contains(readString(t, path), "standing") }
	require.Eventually(t, marked, 5*time.Second, time.Millisecond)
	good := readString(t, path)
	require.NoError(t, os.WriteFile(path, []byte(good[:len(good)/2]), 0o600))
	status, _ := r.mustPost(t)
	assert.Equal(t, 200, status)
	r.fake.Expire(old)
	status, body := r.mustPost(t)
	assert.Equal(t, 403, status)
	assert.Contains(t, body, "bad-credentials")
	assert.Zero(t, r.fake.TokenRequests())
	assert.NotEmpty(t, r.events.all(reauth.StoreFailed))
	assert.Equal(t, good[:len(good)/2], readString(t, path))

	require.NoError(t, os.WriteFile(path, []byte(good), 0o600))
	require.NoError(t, r.pool.Reset(t.Context(), "xai", "me"))
	served := func() bool {
		status, _ := r.mustPost(t)
		return status == 200
	}
	require.Eventually(t, served, 20*time.Second, 100*time.Millisecond)
	assert.Equal(t, 1, r.fake.Exchanges())
}

func TestTwoPoolsOverOneFileStore(t *testing.T) {
	s := reauth.NewFileStore(newFile(t))
	a := rigOn(t, s)
	a.login(t, "me")
	b := rigOn(t, s)
	b.fake, b.transport.Base = a.fake, a.fake.Transport()
	b.refreshAt(t, a.fake)
	for range 5 {
		a.fake.Expire()
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				r := []*rig{a, b}[i%2]
				status, _ := r.mustPost(t)
				assert.Equal(t, 200, status)
			})
		}
		wg.Wait()
	}
	assert.Equal(t, 5, a.fake.Exchanges())
	assert.Zero(t, a.fake.Reuses())
}
