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

// newFile returns the path of a store's file that is not there yet.
func newFile(t testing.TB) string { return filepath.Join(t.TempDir(), "reauth", "auth.json") }

// put writes a credential through a store.
func put(t testing.TB, s reauth.Store, c reauth.Credential) {
	t.Helper()
	_, err := s.Update(context.Background(), c.Provider, c.ID, func(reauth.Credential, bool) (reauth.Credential, error) { return c, nil })
	require.NoError(t, err)
}

func load(t testing.TB, s reauth.Store) []reauth.Entry {
	t.Helper()
	entries, _, err := s.Load(context.Background(), "")
	require.NoError(t, err)
	return entries
}

// rigOn is a rig whose pool is over a store, and is closed at the end.
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
		return // there a file has the permissions of its folder
	}
	for p, mode := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700, path + ".lock": 0o600, path + ".locks": 0o700} {
		info, err := os.Stat(p)
		require.NoError(t, err)
		assert.Equal(t, mode, info.Mode().Perm(), p)
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o666} {
		require.NoError(t, os.Chmod(path, mode))
		_, err := reauth.OpenPool(t.Context(), reauth.NewFileStore(path))
		require.ErrorContains(t, err, "others can read or write it")
		require.ErrorContains(t, err, `chmod 600 "`+path+`"`, "the way out")
	}
}

func TestFileStoreNoticesThatItsFileBecameReadable(t *testing.T) {
	if runtime.GOOS == "windows" {
		return
	}
	path := newFile(t)
	s := reauth.NewFileStore(path)
	put(t, s, reauth.Credential{Provider: "xai-oauth", ID: "a", AccessToken: "key-a"})
	old := time.Now().Add(-time.Hour)
	require.NoError(t, os.Chtimes(path, old, old)) // so that its stamp is trusted
	load(t, s)
	require.NoError(t, os.Chmod(path, 0o644))
	_, _, err := s.Load(t.Context(), "")
	require.ErrorContains(t, err, "chmod 600")
}

// What is broken is told by its place, is not quoted, and is not written over by anything.
func TestFileStoreNeverWritesOverWhatItCannotRead(t *testing.T) {
	for name, c := range map[string]struct{ content, want string }{
		"cut off":         {"{\n\t\"version\": 1,\n\t\"credentials\": [{\"provider\": \"xai\", \"id\": \"a\", \"access_token\": \"secret-tok", "the JSON breaks off at offset 92, line 3"},
		"broken":          {"{\n\"version\": 1,\n\"credentials\": [secret-token]}", "broken JSON at offset 33, line 3"},
		"wrong kind":      {`{"version":1,"credentials":[{"provider":"xai","id":"a","access_token":7}]}`, "credentials.access_token cannot be a JSON number at offset 71"},
		"empty":           {"", "the file is empty"},
		"blank":           {" \n", "the file is empty"},
		"another program": {`{"tokens":{"access_token":"secret-token"}}`, `it has no "version"; it may be another program's file`},
		"newer":           {`{"version":2,"credentials":{"secret-token":1}}`, "cannot be a JSON object"},
		"newer still":     {`{"version":2}`, "format version 2 is not known here, only 1; update the program"},
		"no provider":     {`{"version":1,"credentials":[{"id":"a","access_token":"secret-token"}]}`, `credentials[0] names no provider`},
		"no ID":           {`{"version":1,"credentials":[{"provider":"xai","access_token":"secret-token"}]}`, `credentials[0], of xai-oauth, has no ID`},
		"the same twice":  {`{"version":1,"credentials":[{"provider":"xai","id":"a"},{"provider":"xai-oauth","id":"a"}]}`, `credentials[1] has the same ID as another of xai-oauth, "a"`},
		"bad time":        {`{"version":1,"credentials":[{"provider":"xai","id":"a","expiry":"secret-token"}]}`, "a value cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "auth.json")
			require.NoError(t, os.WriteFile(path, []byte(c.content), 0o600))
			s := reauth.NewFileStore(path)
			_, _, errLoad := s.Load(t.Context(), "")
			_, errUpdate := s.Update(t.Context(), "xai-oauth", "a", func(c reauth.Credential, _ bool) (reauth.Credential, error) {
				t.Error("the function must not be called")
				return c, nil
			})
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

func TestFileStoreKeepsWhatItDoesNotKnow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "auth.json")
	require.NoError(t, os.WriteFile(path, []byte(`{"version":1,"note":"by hand","credentials":[
		{"provider":"xai","id":"a","access_token":"old","refresh_token":"gone","color":"red","standing":{"reason":"x","later":[1]}},
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
	assert.NotContains(t, a, "refresh_token", "what is empty now is not written")
	assert.Contains(t, a["standing"], "later")
	assert.NotContains(t, a["standing"], "reason")
	assert.Contains(t, string(b), "1.50", "a number stays as it was written")
	assert.Equal(t, []any{"api.openai.com"}, doc.Credentials[1]["hosts"])
}

func TestFileStoreFollowsALinkOnce(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // a link needs a privilege there
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
	assert.FileExists(t, target+".lock", "whoever comes by another path uses the same locks")
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
	left := filepath.Join(filepath.Dir(path), ".auth.json.123.tmp") // by a writer that was killed
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

// A change within the same tick of the file system's clock, to a content of the same size, must be
// seen.
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
			_, err := reauth.NewFileStore(path).Update(context.Background(), "xai-oauth", id, func(c reauth.Credential, _ bool) (reauth.Credential, error) {
				inside.Done()
				inside.Wait() // for the other one
				c.AccessToken = "key-" + id
				return c, nil
			})
			assert.NoError(t, err)
		})
	}
	done.Wait()
	assert.Len(t, load(t, reauth.NewFileStore(path)), 2, "neither has undone the other's entry")
}

// The folder was cleaned: the credentials have been removed. They are not used any more, and
// nothing brings them back.
func TestFileStoreWhoseFileIsDeleted(t *testing.T) {
	path := newFile(t)
	s := reauth.NewFileStore(path)
	r := rigOn(t, s)
	r.fake.TokenLatency = 200 * time.Millisecond
	_, refresh := r.login(t, "me")
	refreshed := make(chan struct{})
	go func() {
		defer close(refreshed)
		_ = r.pool.Refresh(context.Background(), "xai", "me") // from memory, or that it is gone
	}()
	require.Eventually(t, func() bool { return strings.Contains(readString(t, path), "spending") }, 5*time.Second, time.Millisecond)
	require.NoError(t, os.Remove(path))
	<-refreshed
	assert.False(t, r.fake.Current(refresh), "the exchange had been sent")
	assert.NoFileExists(t, path, "a refresh under way does not bring it back")
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

// Somebody breaks the file while a pool uses it: what is in memory serves, nothing is exchanged,
// and when it is mended everything goes on.
func TestFileStoreWhoseFileIsBrokenMeanwhile(t *testing.T) {
	path := newFile(t)
	r := rigOn(t, reauth.NewFileStore(path))
	old, _ := r.login(t, "me")
	require.Eventually(t, func() bool { return strings.Contains(readString(t, path), "standing") }, 5*time.Second, time.Millisecond,
		"Add marks a new login in the background; that write must not undo the test's")
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
	require.Eventually(t, func() bool { status, _ := r.mustPost(t); return status == 200 }, 20*time.Second, 100*time.Millisecond)
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
