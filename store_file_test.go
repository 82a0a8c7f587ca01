package reauth_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	"github.com/reauth-go/reauth/internal/privatefile"
	"github.com/reauth-go/reauth/internal/version1"
)

// newFile returns the path of a store's file that does not exist yet.
func newFile(t testing.TB) string { return filepath.Join(t.TempDir(), "reauth", "auth.json") }

// put writes a credential into a store.
func put(t testing.TB, s reauth.Store, c reauth.Credential) {
	t.Helper()
	update(t, s, c.Provider, c.ID, func(h reauth.Holding) reauth.Entry {
		h.Entry.Credential = c
		h.Entry.Generation++
		return h.Entry
	})
}

// update changes a record as it is under the claim.
func update(t testing.TB, s reauth.Store, provider, id string, change func(reauth.Holding) reauth.Entry) reauth.Entry {
	t.Helper()
	e, err := s.Update(context.Background(), provider, id, func(h reauth.Holding) (reauth.Entry, error) {
		return change(h), nil
	})
	require.NoError(t, err)
	return e
}

// holding returns what a store passes to the function of an Update that changes nothing.
func holding(t testing.TB, s reauth.Store, id string) (h reauth.Holding) {
	t.Helper()
	wanted := errors.New("nothing is changed")
	_, err := s.Update(context.Background(), "xai-oauth", id, func(got reauth.Holding) (reauth.Entry, error) {
		h = got
		return reauth.Entry{}, wanted
	})
	require.ErrorIs(t, err, wanted)
	return h
}

// load returns all entries of a store.
func load(t testing.TB, s reauth.Store) []reauth.Entry {
	t.Helper()
	snap, err := s.Load(context.Background(), "")
	require.NoError(t, err)
	return snap.Entries
}

// login returns a credential of xAI with a pair.
func login(id, token string) reauth.Credential {
	return reauth.Credential{Provider: "xai-oauth", ID: id, AccessToken: "at-" + token, RefreshToken: "rt-" + token}
}

func readString(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(b)
}

func write(t testing.TB, path, content string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
}

// settle makes a file so old that its time stamp is trusted.
func settle(t testing.TB, path string) {
	t.Helper()
	old := time.Now().Add(-time.Hour)
	require.NoError(t, os.Chtimes(path, old, old))
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
		_, err := reauth.NewFileStore(path).Load(t.Context(), "")
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
	settle(t, path) // the store trusts only a stamp that is old enough
	load(t, s)
	require.NoError(t, os.Chmod(path, 0o644))
	_, err := s.Load(t.Context(), "")
	require.ErrorContains(t, err, "chmod 600")
}

const hermes = `{"version":1,"providers":{"xai-oauth":{"tokens":{"access_token":"secret-token"}}},"credential_pool":{}}`

// The error names the place in the file and quotes nothing from it, since that may be a token. No
// method of the store writes over such a file, nor makes anything beside it.
func TestFileStoreNeverWritesOverWhatItCannotRead(t *testing.T) {
	const head = `{"format":"reauth","version":2,"credentials":`
	for name, c := range map[string]struct{ content, want string }{
		"cut off": {
			content: "{\n\t\"version\": 1,\n\t\"credentials\": [" +
				`{"provider": "xai", "id": "a", "access_token": "secret-tok`,
			want: "the JSON breaks off at offset 92, line 3",
		},
		"cut off early":  {"{\n\t\"format\": \"reauth\",\n\t\"vers", "the JSON breaks off at offset"},
		"broken":         {"{\n\"version\": 1,\n\"credentials\": [secret-token]}", "broken JSON at offset 33, line 3"},
		"broken record":  {head + `[{"id":secret-token}]}`, "broken JSON at offset 53, line 1"},
		"broken nesting": {head + `[{"id":"secret-token"]]}`, "broken JSON at offset"},
		"comma":          {head + `[{"id":"secret-token"},]}`, "broken JSON at offset"},
		"no comma":       {head + `[{"id":"secret-token"}{}]}`, "broken JSON at offset"},
		"more behind it": {head + `[]} secret-token`, "broken JSON at offset"},
		"broken member":  {head + `[],"note":secret-token}`, "broken JSON at offset"},
		"empty":          {"", "the file is empty"},
		"blank":          {" \n", "the file is empty"},
		"no list":        {head + `{"secret-token":1}}`, `"credentials" is no list`},
		"two lists":      {head + `[],"credentials":["secret-token"]}`, `two lists "credentials"`},
		"bad identity":   {head + `[],"identity":7}`, `its "identity" cannot be read`},
		"newer": {
			content: `{"format":"reauth","version":3,"credentials":{"secret-token":1}}`,
			want:    "format version 3 is not known here",
		},
		"no version": {`{"format":"reauth","credentials":[]}`, `its "version" cannot be read`},
		"odd version": {
			content: `{"format":"reauth","version":"secret-token","credentials":[]}`,
			want:    `its "version" cannot be read`,
		},
		"marked as 1":     {`{"format":"reauth","version":1,"credentials":[]}`, `its "version" cannot be read`},
		"another program": {`{"tokens":{"access_token":"secret-token"}}`, "it may be another program's file"},
		"one with a list": {`{"credentials":["secret-token"]}`, `it has no "version"; it may be another program's file`},
		"one in version 2": {
			content: `{"version":2,"credentials":["secret-token"]}`,
			want:    `it has no "format"; it may be another program's file`,
		},
		"another format": {
			content: `{"format":"secret-token","version":2,"credentials":[]}`,
			want:    `its "format" is another; it may be another program's file`,
		},
		"Hermes":      {hermes, `it has no list "credentials"; it may be another program's file`},
		"a list":      {`["secret-token"]`, "it may be another program's file"},
		"a word":      {"secret-token", "it may be another program's file"},
		"/etc/shadow": {"root:$6$secret-token:19000:0:99999:7:::\n", "it may be another program's file"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "auth.json")
			write(t, path, c.content)
			for _, err := range everyMethod(t, reauth.NewFileStore(path)) {
				require.ErrorContains(t, err, c.want)
				assert.ErrorContains(t, err, "reauth: file store "+path+": ")
				assert.NotContains(t, err.Error(), "secret-tok")
			}
			assert.Equal(t, c.content, readString(t, path))
			assert.Equal(t, []string{"auth.json"}, namesIn(t, filepath.Dir(path)), "nothing is made beside it")
		})
	}
}

// everyMethod returns the errors of a store's methods, which must not get as far as its content.
func everyMethod(t *testing.T, s reauth.Store) []error {
	_, errLoad := s.Load(t.Context(), "")
	_, errUpdate := s.Update(t.Context(), "xai-oauth", "a", func(h reauth.Holding) (reauth.Entry, error) {
		t.Error("Update calls the function")
		return h.Entry, nil
	})
	errMark := s.Mark(t.Context(), "xai-oauth", "a", "token", reauth.Mark{At: time.Now(), Of: "x"}, time.Time{})
	return []error{errLoad, errUpdate, errMark}
}

func namesIn(t testing.TB, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestFileStorePathsThatCannotBe(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	write(t, file, "")
	for path, want := range map[string]string{
		"":                           "no path was given",
		dir:                          "no regular file but a folder",
		filepath.Join(file, "below"): "not a directory",
		"~/auth.json":                `the path begins with "~"`,
		"~":                          `the path begins with "~"`,
	} {
		for _, err := range everyMethod(t, reauth.NewFileStore(path)) {
			require.ErrorContains(t, err, want, path)
		}
	}
	assert.NoFileExists(t, "~")
}

// One record that cannot be read hides no other. It is told, stays in the file as it stands, and is
// neither served nor written over.
func TestFileStoreWithBrokenRecords(t *testing.T) {
	for name, c := range map[string]struct{ record, want string }{
		"wrong kind":  {`{"provider":"xai","id":"b","access_token":7}`, "access_token cannot be a JSON number"},
		"a number":    {`12`, "it is a JSON number and no object"},
		"a list":      {`[1, "secret-token"]`, "it is a JSON array and no object"},
		"no provider": {`{"id":"b","access_token":"secret-token"}`, "it names no provider"},
		"no ID":       {`{"provider":"xai","access_token":"secret-token"}`, "it has no ID"},
		"bad time":    {`{"provider":"xai","id":"b","expiry":"secret-token"}`, "a value cannot be read"},
		"bad mark":    {`{"provider":"xai","id":"b","marks":{"token":{"until":"secret-token"}}}`, "cannot be read"},
		"long token": {
			`{"provider":"xai","id":"b","access_token":"` + strings.Repeat("secret-token", 6000) + `"}`,
			"the access token has 72000 bytes",
		},
		"control character": {`{"provider":"xai","id":"b","client_id":"secret-token\n"}`, "control character"},
		"invalid UTF-8":     {`{"provider":"xai","id":"b","access_token":"` + "secret-token\xff" + `"}`, "no valid UTF-8"},
		"the same twice": {
			`{"provider":"xai","id":"a","access_token":"secret-token"}`, "another record has the same ID",
		},
	} {
		for _, version := range []string{`"version":1`, `"format":"reauth","version":2,"identity":"I"`} {
			t.Run(name+" "+version, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "auth.json")
				write(t, path, `{`+version+`,"credentials":[{"provider":"xai-oauth","id":"a","access_token":"key-a"}, `+
					c.record+`, {"provider":"openai-api","id":"c","access_token":"key-c"}]}`)
				s := reauth.NewFileStore(path)
				snap, err := s.Load(t.Context(), "")
				require.NoError(t, err)
				require.Len(t, snap.Entries, 2)
				assert.Equal(t, "key-a", snap.Entries[0].Credential.AccessToken)
				assert.Equal(t, "key-c", snap.Entries[1].Credential.AccessToken)
				broken := brokenRecords(snap)
				require.Len(t, broken, 1)
				require.ErrorContains(t, broken[0], c.want)
				assert.NotContains(t, broken[0].Error(), "secret-tok")

				put(t, s, reauth.Credential{Provider: "openai-api", ID: "c", AccessToken: "key-d"})
				put(t, s, login("new", "1"))
				assert.Contains(t, readString(t, path), c.record, "it stays as it stands")
				again, err := reauth.NewFileStore(path).Load(t.Context(), "")
				require.NoError(t, err)
				assert.Len(t, again.Entries, 3)
				assert.Len(t, brokenRecords(again), 1)

				if broken[0].ID == "" || broken[0].Provider == "" {
					return
				}
				before := readString(t, path)
				never := func(h reauth.Holding) (reauth.Entry, error) {
					t.Error("Update calls the function")
					return h.Entry, nil
				}
				_, err = s.Update(t.Context(), broken[0].Provider, broken[0].ID, never)
				require.ErrorContains(t, err, c.want)
				assert.Equal(t, before, readString(t, path))
			})
		}
	}
}

// brokenRecords returns the broken records of a snapshot.
func brokenRecords(snap reauth.Snapshot) (list []*reauth.RecordError) {
	for _, err := range snap.Broken {
		var broken *reauth.RecordError
		if errors.As(err, &broken) {
			list = append(list, broken)
		}
	}
	return list
}

// A broken record that somebody mends is served. A record that breaks is not taken for removed, and
// one of two with the same ID is served when the other one is taken out.
func TestFileStoreWhoseRecordsAreEdited(t *testing.T) {
	path := filepath.Join(t.TempDir(), "auth.json")
	file := func(records ...string) {
		write(t, path, `{"format":"reauth","version":2,"identity":"I","credentials":[`+strings.Join(records, ",")+`]}`)
	}
	record := func(id, key string) string {
		return fmt.Sprintf(`{"provider":"xai-oauth","id":%q,"access_token":%s}`, id, key)
	}
	s := reauth.NewFileStore(path)
	version := ""
	for i, step := range []struct {
		records []string
		delta   bool
		keys    []string
		broken  int
	}{
		{[]string{record("a", `"1"`), record("b", `7`)}, false, []string{"1"}, 1},
		{[]string{record("a", `"1"`), record("b", `"2"`)}, true, []string{"2"}, 0},
		{[]string{record("a", `3`), record("b", `"2"`)}, true, nil, 1},
		{[]string{record("b", `"2"`), record("a", `"1"`)}, true, []string{"1"}, 0},
		{[]string{record("b", `"2"`), record("c", `"3"`), record("a", `"1"`)}, true, []string{"3"}, 0},
		{[]string{record("b", `"2"`), record("c", `"3"`), record("a", `"1"`), record("b", `"4"`)}, true, nil, 1},
		{[]string{record("c", `"3"`), record("a", `"1"`), record("b", `"4"`)}, true, []string{"4"}, 0},
		{[]string{record("a", `"1"`), record("b", `"4"`)}, false, []string{"1", "4"}, 0},
		{nil, false, nil, 0},
		{[]string{record("a", `"1"`)}, true, []string{"1"}, 0},
	} {
		file(step.records...)
		snap, err := s.Load(t.Context(), version)
		require.NoError(t, err, "step %d", i)
		var keys []string
		for _, e := range snap.Entries {
			keys = append(keys, e.Credential.AccessToken)
		}
		assert.Equal(t, step.keys, keys, "step %d", i)
		assert.Equal(t, step.delta, snap.Delta, "step %d", i)
		assert.Len(t, brokenRecords(snap), step.broken, "step %d", i)
		require.NotEqual(t, version, snap.Version, "step %d", i)
		version = snap.Version
	}
}

// What could not be read again is refused, and nothing is changed.
func TestFileStoreRefusesWhatItCouldNotReadAgain(t *testing.T) {
	path := newFile(t)
	s := reauth.NewFileStore(path)
	put(t, s, login("a", "1"))
	before := readString(t, path)
	huge := make(map[string]string)
	for i := range 70 {
		huge[fmt.Sprint(i)] = strings.Repeat("x", 1<<20)
	}
	for name, c := range map[string]reauth.Credential{
		"NUL in the ID":      {Provider: "xai", ID: "a\x00b", AccessToken: "key"},
		"invalid UTF-8":      {Provider: "xai", ID: "a\xff", AccessToken: "key"},
		"a long ID":          {Provider: "xai", ID: strings.Repeat("x", 257), AccessToken: "key"},
		"a long token":       {Provider: "xai", ID: "a", AccessToken: strings.Repeat("x", 70<<10)},
		"70 MiB of metadata": {Provider: "xai", ID: "a", AccessToken: "key", Metadata: huge},
		"no ID":              {Provider: "xai", AccessToken: "key"},
	} {
		_, err := s.Update(t.Context(), c.Provider, c.ID, func(reauth.Holding) (reauth.Entry, error) {
			return reauth.Entry{Credential: c}, nil
		})
		require.ErrorIs(t, err, reauth.ErrNotStored, name)
		assert.Less(t, len(err.Error()), 500, name)
		assert.Equal(t, before, readString(t, path), name)
	}
}

// A file that has grown to its bound stays readable.
func TestFileStoreKeepsItsFileReadable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "auth.json")
	write(t, path, `{"format":"reauth","version":2,"identity":"I","credentials":[{"provider":"xai","id":"a"},`+
		strings.Repeat(" ", privatefile.MaxSize-2000)+`{"provider":"xai","id":"b"}]}`)
	s := reauth.NewFileStore(path)
	put(t, s, login("a", "1"))
	c := login("b", "2")
	c.Metadata = map[string]string{"note": strings.Repeat("y", 2000)}
	_, err := s.Update(t.Context(), c.Provider, c.ID, func(reauth.Holding) (reauth.Entry, error) {
		return reauth.Entry{Credential: c}, nil
	})
	require.ErrorIs(t, err, reauth.ErrNotStored)
	require.ErrorContains(t, err, "64 MiB")
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.LessOrEqual(t, info.Size(), int64(privatefile.MaxSize))
	entries := load(t, s)
	require.Len(t, entries, 2)
	assert.Equal(t, "at-1", entries[0].Credential.AccessToken)
	assert.Empty(t, entries[1].Credential.Metadata)
}

// An alias of a provider is the provider, in each method and in the file.
func TestFileStoreTakesAliasesForTheProvider(t *testing.T) {
	path := filepath.Join(t.TempDir(), "auth.json")
	write(t, path, `{"version":1,"credentials":[{"provider":"xai","id":"a","access_token":"by hand"}]}`)
	s := reauth.NewFileStore(path)
	assert.Equal(t, "xai-oauth", load(t, s)[0].Credential.Provider)
	e := update(t, s, "XAI", "a", func(h reauth.Holding) reauth.Entry {
		assert.True(t, h.Found)
		h.Entry.Credential.Provider, h.Entry.Credential.ID = "xai", "other"
		h.Entry.Credential.AccessToken = "key"
		h.Entry.Generation++
		return h.Entry
	})
	assert.Equal(t, "xai-oauth", e.Credential.Provider)
	assert.Equal(t, "a", e.Credential.ID)
	m := reauth.Mark{Until: time.Now().Add(time.Hour), At: time.Now(), Of: reauth.Digest("key")}
	require.NoError(t, s.Mark(t.Context(), "xai", "a", "token", m, time.Time{}))
	entries := load(t, reauth.NewFileStore(path))
	require.Len(t, entries, 1)
	assert.Len(t, entries[0].Marks, 1)
}

// Another version of the program may have written fields that this one does not know. The store
// keeps them when it writes.
func TestFileStoreKeepsWhatItDoesNotKnow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "auth.json")
	write(t, path, `{"credentials":[
		{"provider":"xai","id":"a","access_token":"old","refresh_token":"gone","color":"red",
		 "marks":{"login":{"reason":"x","of":"0","later":[1]},"new kind":{"of":"0","reason":"y"}}},
		{"provider":"openai","id":"b","access_token":"key-b","hosts":["api.openai.com"],"x":{"y":1.50}}],
		"note":"by hand","format":"reauth","version":2,"identity":"I"}`)
	s := reauth.NewFileStore(path)
	put(t, s, reauth.Credential{Provider: "xai-oauth", ID: "a", AccessToken: "new"})
	m := reauth.Mark{At: time.Now(), Until: time.Now().Add(time.Hour), Of: reauth.Digest("new")}
	require.NoError(t, s.Mark(t.Context(), "xai-oauth", "a", "token", m, time.Time{}))
	var doc struct {
		Note        string
		Identity    string
		Credentials []map[string]any
	}
	content := readString(t, path)
	require.NoError(t, json.Unmarshal([]byte(content), &doc))
	assert.Equal(t, "by hand", doc.Note)
	assert.Equal(t, "I", doc.Identity)
	require.Len(t, doc.Credentials, 2)
	a := doc.Credentials[0]
	assert.Equal(t, "red", a["color"])
	assert.Equal(t, "new", a["access_token"])
	assert.NotContains(t, a, "refresh_token", "the store does not write an empty field")
	marks := a["marks"].(map[string]any)
	assert.Contains(t, marks["login"], "later")
	assert.Contains(t, marks, "new kind")
	assert.Contains(t, marks, "token")
	assert.Contains(t, content, "1.50", "the store keeps the digits of a number")
	assert.Equal(t, []any{"api.openai.com"}, doc.Credentials[1]["hosts"])
}

// The identity is made with the file and kept by each write. Each write has another stamp.
// A program that knows only version 1 refuses the file with words, whatever is in it.
func TestFileStoreIsRefusedByVersion1(t *testing.T) {
	const refusal = "format version 2 is not known here, only 1; update the program"
	require.NoError(t, version1.CheckFile([]byte(`{"version":1,"credentials":[{"provider":"xai-oauth","id":"me"}]}`)))
	path := newFile(t)
	s := reauth.NewFileStore(path)
	put(t, s, reauth.Credential{
		Provider: "xai-oauth", ID: "full", AccessToken: "at", RefreshToken: "rt", Expiry: time.Now(), AccountID: "account",
		ClientID: "client", Hosts: []string{"api.x.ai"}, Priority: 1, Metadata: map[string]string{"note": "kept"},
	})
	require.EqualError(t, version1.CheckFile([]byte(readString(t, path))), refusal)
	update(t, s, "xai-oauth", "full", func(h reauth.Holding) reauth.Entry {
		require.NoError(t, h.Spend(t.Context(), reauth.Spending{Of: "of", Since: time.Now(), Holder: "host:1"}))
		h.Entry.Login, h.Entry.LastRefresh, h.Entry.Spent = time.Now(), time.Now(), []string{"spent", "login:spent"}
		return h.Entry
	})
	require.NoError(t, s.Mark(t.Context(), "xai-oauth", "full", "token", reauth.Mark{
		Until: time.Now(), At: time.Now(), Reason: "rejected", Of: reauth.Digest("at"),
	}, time.Time{}))
	update(t, s, "xai-oauth", "removed", func(h reauth.Holding) reauth.Entry {
		return reauth.Entry{Login: h.Now, Removed: true, Generation: 1}
	})
	content := readString(t, path)
	for _, word := range []string{"marks", "spent", "login", "removed", "generation"} {
		require.Contains(t, content, word)
	}
	require.EqualError(t, version1.CheckFile([]byte(content)), refusal)

	upgraded := filepath.Join(t.TempDir(), "auth.json")
	write(t, upgraded, `{"version":1,"credentials":[{"provider":"xai-oauth","id":"me","access_token":"at"}]}`)
	require.NoError(t, version1.CheckFile([]byte(readString(t, upgraded))))
	put(t, reauth.NewFileStore(upgraded), reauth.Credential{Provider: "xai-oauth", ID: "other", AccessToken: "at"})
	require.EqualError(t, version1.CheckFile([]byte(readString(t, upgraded))), refusal, "after the first write")
}

func TestFileStoreHasAnIdentity(t *testing.T) {
	path := newFile(t)
	s := reauth.NewFileStore(path)
	snap, err := s.Load(t.Context(), "")
	require.NoError(t, err)
	assert.Empty(t, snap.Identity, "there is no store yet")
	read := func() (doc struct {
		Format          string
		Version         int
		Identity, Stamp string
	},
	) {
		require.NoError(t, json.Unmarshal([]byte(readString(t, path)), &doc))
		return doc
	}
	put(t, s, login("a", "1"))
	first := read()
	assert.Equal(t, "reauth", first.Format)
	assert.Equal(t, 2, first.Version)
	assert.NotEmpty(t, first.Identity)
	assert.NotEmpty(t, first.Stamp)
	put(t, reauth.NewFileStore(path), login("b", "2"))
	second := read()
	assert.Equal(t, first.Identity, second.Identity)
	assert.NotEqual(t, first.Stamp, second.Stamp)
	snap, err = s.Load(t.Context(), "")
	require.NoError(t, err)
	assert.Equal(t, first.Identity, snap.Identity)
	assert.Equal(t, first.Identity, holding(t, s, "a").Identity)
}

func TestFileStoreLeavesNothingBehindButItsLocks(t *testing.T) {
	path := newFile(t)
	s := reauth.NewFileStore(path)
	put(t, s, reauth.Credential{Provider: "xai-oauth", ID: "a", AccessToken: "key-a"})
	left := filepath.Join(filepath.Dir(path), ".auth.json.123.tmp") // a writer was killed and left it
	write(t, left, "tokens")
	remove(t, s, "a")
	assert.ElementsMatch(t, []string{"auth.json", "auth.json.lock", "auth.json.locks"}, namesIn(t, filepath.Dir(path)))
	entries := load(t, s)
	require.Len(t, entries, 1)
	assert.True(t, entries[0].Removed)
	assert.NotContains(t, readString(t, path), "key-a")
}

// remove makes a record a tombstone.
func remove(t testing.TB, s reauth.Store, id string) {
	t.Helper()
	update(t, s, "xai-oauth", id, func(h reauth.Holding) reauth.Entry {
		return reauth.Entry{Removed: true, Login: h.Now, Generation: h.Entry.Generation}
	})
}

// Of more than 1,000 removals the oldest go.
func TestFileStoreForgetsTheOldestRemovals(t *testing.T) {
	path := newFile(t)
	var records []string
	for i := range 1000 {
		at := time.Date(2026, 1, 1, 0, 0, (i+500)%1000, 0, time.UTC)
		records = append(records, fmt.Sprintf(`{"provider":"xai-oauth","id":"gone-%d","removed":true,"login":%q}`,
			i, at.Format(time.RFC3339)))
	}
	for name, before := range map[string]bool{"new one last": true, "new one first": false} {
		t.Run(name, func(t *testing.T) {
			list := append([]string{`{"provider":"xai-oauth","id":"a","access_token":"key-a"}`}, records...)
			if before {
				list = records
			}
			write(t, path, `{"format":"reauth","version":2,"identity":"I","credentials":[`+strings.Join(list, ",")+`]}`)
			s := reauth.NewFileStore(path)
			snap, err := s.Load(t.Context(), "")
			require.NoError(t, err)
			remove(t, s, "a")
			snap, err = s.Load(t.Context(), snap.Version)
			require.NoError(t, err)
			assert.False(t, snap.Delta, "a delta cannot tell that a record is gone")
			assert.Len(t, snap.Entries, 1000)
			ids := make(map[string]bool)
			for _, e := range snap.Entries {
				ids[e.Credential.ID] = true
			}
			assert.True(t, ids["a"])
			assert.False(t, ids["gone-500"], "the oldest")
			assert.Len(t, load(t, reauth.NewFileStore(path)), 1000)
		})
	}
	t.Run("the first of the list", func(t *testing.T) {
		records[0] = `{"provider":"xai-oauth","id":"gone-0","removed":true,"login":"2025-01-01T00:00:00Z"}`
		write(t, path, `{"format":"reauth","version":2,"identity":"I","credentials":[`+strings.Join(records, ",")+`]}`)
		s := reauth.NewFileStore(path)
		load(t, s)
		remove(t, s, "gone-1")
		assert.Len(t, load(t, s), 1000, "one that is renewed makes no more")
		remove(t, s, "a")
		assert.Len(t, load(t, s), 1000)
		assert.Len(t, load(t, reauth.NewFileStore(path)), 1000)
		assert.NotContains(t, readString(t, path), `"gone-0"`)
	})
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
		snap, err := reader.Load(t.Context(), version)
		require.NoError(t, err)
		require.NotEqual(t, version, snap.Version)
		require.Equal(t, key, snap.Entries[0].Credential.AccessToken)
		version = snap.Version
		snap, err = reader.Load(t.Context(), version)
		require.NoError(t, err)
		require.Equal(t, version, snap.Version)
		require.True(t, snap.Delta)
		require.Empty(t, snap.Entries, "unchanged")
	}
}

// Load returns what has changed since a version, whoever changed it.
func TestFileStoreLoadsWhatHasChanged(t *testing.T) {
	path := newFile(t)
	a, b := reauth.NewFileStore(path), reauth.NewFileStore(path)
	first, err := a.Load(t.Context(), "")
	require.NoError(t, err)
	assert.False(t, first.Delta)
	for i := range 20 {
		put(t, a, login(fmt.Sprint(i), "1"))
	}
	seen, err := a.Load(t.Context(), first.Version)
	require.NoError(t, err)
	assert.Len(t, seen.Entries, 20)

	put(t, b, login("7", "2"))
	put(t, a, login("9", "3"))
	put(t, b, login("new", "4"))
	delta, err := a.Load(t.Context(), seen.Version)
	require.NoError(t, err)
	assert.True(t, delta.Delta)
	var ids []string
	for _, e := range delta.Entries {
		ids = append(ids, e.Credential.ID)
	}
	assert.Equal(t, []string{"7", "9", "new"}, ids, "in the order in which they were added")
	older, err := a.Load(t.Context(), seen.Version)
	require.NoError(t, err)
	assert.Equal(t, delta, older, "an older version is served too")
	for _, unknown := range []string{"", "x", "x-1", b64(delta.Version), delta.Version + "9"} {
		snap, err := a.Load(t.Context(), unknown)
		require.NoError(t, err)
		assert.False(t, snap.Delta, unknown)
		assert.Len(t, snap.Entries, 21, unknown)
	}
	other, err := b.Load(t.Context(), delta.Version)
	require.NoError(t, err)
	assert.False(t, other.Delta, "another store's version")
	assert.Len(t, other.Entries, 21)
}

// b64 returns a version with another random part.
func b64(version string) string {
	_, n, _ := strings.Cut(version, "-")
	return "AAAAAAAAAAAAAAAAAAAAAAAAAA-" + n
}

// Two stores write at random, the reader follows by deltas, and comes to what a new reader reads.
func TestFileStoreDeltasAddUp(t *testing.T) {
	path := newFile(t)
	stores := []*reauth.FileStore{reauth.NewFileStore(path), reauth.NewFileStore(path)}
	version, got := "", make(map[string]reauth.Entry)
	for i := range 300 {
		s, id := stores[i*7%2], fmt.Sprint(i*i*31%40)
		switch i % 5 {
		case 0:
			remove(t, s, id)
		case 1:
			m := reauth.Mark{Until: time.Now().Add(time.Hour), At: time.Now(), Of: reauth.Digest("at-" + fmt.Sprint(i-1))}
			require.NoError(t, s.Mark(t.Context(), "xai-oauth", id, "token", m, time.Time{}))
		default:
			update(t, s, "xai-oauth", id, func(h reauth.Holding) reauth.Entry {
				return reauth.Entry{Credential: login(id, fmt.Sprint(i)), Login: h.Now}
			})
		}
		if i%3 > 0 {
			continue
		}
		snap, err := stores[0].Load(t.Context(), version)
		require.NoError(t, err)
		if version = snap.Version; !snap.Delta {
			clear(got)
		}
		for _, e := range snap.Entries {
			got[e.Credential.ID] = e
		}
		want := make(map[string]reauth.Entry)
		for _, e := range load(t, reauth.NewFileStore(path)) {
			want[e.Credential.ID] = e
		}
		require.Equal(t, want, got, "after %d changes", i+1)
	}
}

// The time stamps of a record are stored to the nanosecond, because writers compare them.
func TestFileStoreRoundTrip(t *testing.T) {
	path := newFile(t)
	s := reauth.NewFileStore(path)
	zone := time.FixedZone("far", 14*3600)
	at := time.Date(2026, 5, 17, 3, 4, 5, 123456789, zone)
	want := reauth.Entry{
		Credential: reauth.Credential{
			Provider: "xai-oauth", ID: "a", AccessToken: "at", RefreshToken: "rt", Expiry: at, AccountID: "acc",
			ClientID: "client", Hosts: []string{"api.x.ai"}, Priority: -3, Metadata: map[string]string{"k<&>": "v\n"},
		},
		Login: at, Generation: 1 << 60, Spent: []string{"d1", "login:d2"}, LastRefresh: at,
	}
	stored := update(t, s, "xai-oauth", "a", func(reauth.Holding) reauth.Entry { return want })
	for key, m := range map[string]reauth.Mark{
		"token":   {Until: at, At: at, Reason: "rejected", Of: reauth.Digest("at")},
		"login":   {Until: time.Date(20000, 1, 1, 0, 0, 0, 0, zone), At: at, Reason: "dead", Of: reauth.Digest("rt")},
		"model:x": {At: at, Of: at.UTC().Format(time.RFC3339Nano)},
	} {
		require.NoError(t, s.Mark(t.Context(), "xai", "a", key, m, time.Time{}))
	}
	got := load(t, reauth.NewFileStore(path))[0]
	assert.Equal(t, time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), got.Marks["login"].Until, "for ever")
	assert.Len(t, got.Marks, 3)
	assert.True(t, got.Marks["token"].At.Equal(at))
	assert.True(t, got.Login.Equal(at))
	got.Marks = nil
	assert.Equal(t, stored, got, "Update returns the entry as it is stored")
	want.Login, want.LastRefresh, want.Credential.Expiry = at.UTC(), at.UTC(), at.UTC()
	assert.Equal(t, want, got)
}

func TestFileStoreRefreshesDifferentCredentialsAtTheSameTime(t *testing.T) {
	path := newFile(t)
	var inside sync.WaitGroup
	inside.Add(2)
	var done sync.WaitGroup
	for _, id := range []string{"a", "b"} {
		done.Go(func() {
			renew := func(h reauth.Holding) (reauth.Entry, error) {
				inside.Done()
				inside.Wait() // for the other one
				h.Entry.Credential.AccessToken = "key-" + id
				return h.Entry, nil
			}
			_, err := reauth.NewFileStore(path).Update(context.Background(), "xai-oauth", id, renew)
			assert.NoError(t, err)
		})
	}
	done.Wait()
	assert.Len(t, load(t, reauth.NewFileStore(path)), 2, "neither has undone the other's entry")
}
