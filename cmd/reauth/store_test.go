package main

import (
	"crypto/rand"
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

// A command that cannot read the store says why, and never writes to it.
func TestStoresThatCannotBeRead(t *testing.T) {
	for name, c := range map[string]struct {
		content string
		mode    os.FileMode
		want    string
	}{
		"another program's": {`{"tokens":{"access_token":"` + marker + `"}}`, 0o600, "another program's file"},
		"half-written": {
			`{"format":"reauth","version":2,"credentials":[{"provider":"xai","id":"you","access_token":"` + marker,
			0o600, "breaks off",
		},
		"empty":          {"", 0o600, "the file is empty"},
		"newer":          {`{"format":"reauth","version":99,"credentials":[]}`, 0o600, "update the program"},
		"open to others": {`{"format":"reauth","version":2,"credentials":[]}`, 0o644, "chmod 600"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.mode != 0o600 && runtime.GOOS == "windows" {
				// On Windows a file has the permissions of its folder.
				return
			}
			s := newClearShell(t)
			require.NoError(t, os.MkdirAll(filepath.Dir(s.store()), 0o700))
			require.NoError(t, os.WriteFile(s.store(), []byte(c.content), 0o600))
			require.NoError(t, os.Chmod(s.store(), c.mode))
			codex := filepath.Join(s.home, "codex.json")
			require.NoError(t, os.WriteFile(codex,
				[]byte(`{"tokens":{"access_token":"`+marker+`","refresh_token":"`+marker+`"}}`), 0o600))
			for _, args := range [][]string{
				{"status"},
				{"status", "--json"},
				{"watch"},
				{"refresh", "xai"},
				{"probe", "xai"},
				{"reset", "xai"},
				{"remove", "xai", "you"},
				{"add", "xai", "--key-stdin"},
				{"import", "codex", codex},
				{"import", "codex", codex, "--take-over"},
				{"store", "new-identity", "--yes"},
			} {
				text := s.run("key-"+marker, args...).fails(exitFailed)
				assert.Contains(t, text, c.want, "%v", args)
				assert.Contains(t, text, s.store(), "%v", args)
			}
			after, err := os.ReadFile(s.store())
			require.NoError(t, err)
			assert.Equal(t, c.content, string(after), "nothing is lost")
		})
	}
}

func TestStoreOfOnesOwn(t *testing.T) {
	s := newShell(t)
	elsewhere := filepath.Join(s.home, "elsewhere", "pool.json")
	s.run("key-"+marker, "add", "openrouter", "--key-stdin", "--store", elsewhere).ok()
	info, err := os.Stat(elsewhere)
	require.NoError(t, err)
	if runtime.GOOS != "windows" {
		assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}
	assert.NoFileExists(t, s.store())
	assert.Contains(t, s.run("", "status", "--store", elsewhere).ok(), "openrouter")
	s.setenv("REAUTH_STORE", elsewhere)
	assert.Contains(t, s.run("", "status").ok(), "openrouter")
	assert.Contains(t, s.run("", "status", "--store", s.home).fails(exitFailed), "no regular file")
}

// A database works as a store, and no output shows its password.
func TestStoreInPostgres(t *testing.T) {
	s := newShell(t)
	s.setenv("REAUTH_STORE", schemaOfOnesOwn(t))
	fake := reauthtest.New(reauthtest.XAI)
	server := serveFake(t, fake)
	access, refresh := s.login(fake, "xai")
	fake.Expire(access)
	assert.Contains(t, s.run("", append([]string{"probe", "xai"}, at(server)...)...).ok(), "refreshed")
	assert.False(t, fake.Current(refresh))
	s.run("", append([]string{"refresh", "xai"}, at(server)...)...).ok()
	assert.Zero(t, fake.Reuses())
	assert.Contains(t, s.run("", "status").ok(), "good, expires in")
	assert.Contains(t, s.run("", "status", "--json").ok(), `"store": "postgres://`)
	s.run("", "remove", "xai").ok()
	assert.NoFileExists(t, s.store())
	text := s.run("", "status", "--store", "postgres://postgres:"+marker+"@127.0.0.1:1/postgres").fails(exitFailed)
	assert.Contains(t, text, "127.0.0.1")
}

// schemaOfOnesOwn creates a schema in the database that integration/postgres.sh has started, and
// returns its URL. The schema is dropped at the end of the test.
func schemaOfOnesOwn(t *testing.T) string {
	t.Helper()
	where := os.Getenv("REAUTH_TEST_POSTGRES")
	if where == "" {
		t.Fatal(`REAUTH_TEST_POSTGRES is not set: ` +
			`run eval "$(integration/postgres.sh start)" first, ` +
			`and integration/postgres.sh stop "$REAUTH_TEST_POSTGRES_DIR" at the end`)
	}
	db, err := sql.Open("pgx", where)
	require.NoError(t, err)
	schema := "c_" + strings.ToLower(rand.Text())
	_, err = db.ExecContext(t.Context(), "CREATE SCHEMA "+schema)
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := db.Exec("DROP SCHEMA " + schema + " CASCADE") //nolint:noctx // the test's context has ended
		assert.NoError(t, err)
		assert.NoError(t, db.Close())
	})
	u, err := url.Parse(where)
	require.NoError(t, err)
	q := u.Query()
	q.Set("search_path", schema)
	u.RawQuery = q.Encode()
	return u.String()
}

// identityOf returns the identity of a file.
func identityOf(t testing.TB, path string) string {
	t.Helper()
	snap, err := reauth.NewFileStore(path).Load(t.Context(), "")
	require.NoError(t, err)
	require.NotEmpty(t, snap.Identity)
	return snap.Identity
}

func TestNewIdentity(t *testing.T) {
	s := newShell(t)
	assert.Contains(t, s.run("", "store", "new-identity", "--yes").fails(exitFailed), "there is no file")
	assert.NoFileExists(t, s.store())

	s.addLogin("xai", "you", "at-"+marker, "rt-"+marker)
	s.run("key-"+marker, "add", "openrouter", "--key-stdin", "--id", "spare").ok()
	before := identityOf(t, s.store())
	assert.Contains(t, s.run("y\n", "store", "new-identity").fails(exitUsage), "--yes")
	assert.Equal(t, before, identityOf(t, s.store()), "nothing happens without consent")

	clone := filepath.Join(s.home, "clone", "auth.json")
	content, err := os.ReadFile(s.store())
	require.NoError(t, err)
	require.NoError(t, os.Mkdir(filepath.Dir(clone), 0o700))
	require.NoError(t, os.WriteFile(clone, content, 0o600))
	out := s.run("", "store", "new-identity", "--yes", "--store", clone).ok()
	now := identityOf(t, clone)
	assert.NotEqual(t, before, now)
	s.golden("new-identity", strings.ReplaceAll(out, now, "IDENTITY"))
	assert.Contains(t, s.run("", "status", "--store", clone).ok(), "spare", "the credentials stay")
	assert.Equal(t, before, identityOf(t, s.store()), "the original keeps its identity")
}

func TestNewIdentityInPostgres(t *testing.T) {
	s := newShell(t)
	s.setenv("REAUTH_STORE", schemaOfOnesOwn(t))
	s.addLogin("xai", "you", "at-"+marker, "rt-"+marker)
	one, other := s.run("", "store", "new-identity", "--yes").ok(), s.run("", "store", "new-identity", "--yes").ok()
	assert.Contains(t, one, "is another store now")
	assert.NotEqual(t, one, other)
	assert.Contains(t, s.run("", "status").ok(), "you")
}

// At a terminal the command asks. Anything but yes changes nothing.
func TestNewIdentityAsksAtATerminal(t *testing.T) {
	for key, code := range map[string]string{"y": "0", "n": "1", "Space": "1", "C-c": "1"} {
		t.Run(key, func(t *testing.T) {
			s := newShell(t)
			s.addLogin("xai", "you", "at-"+marker, "rt-"+marker)
			before := identityOf(t, s.store())
			m := startTmux(t, s, "160", "40")
			m.do("send-keys", "-t", "x", binary+" store new-identity; echo code=$?", "Enter")
			assert.Contains(t, m.shows("[y/N]"), "The logins in it, 1, stay")
			m.do("send-keys", "-t", "x", key)
			if key != "C-c" {
				m.do("send-keys", "-t", "x", "Enter")
			}
			m.shows("code=" + code)
			assert.Equal(t, code == "0", before != identityOf(t, s.store()))
		})
	}
}
