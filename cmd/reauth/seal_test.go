package main

import (
	"crypto/rand"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/cmd/reauth/internal/statusjson"
	"github.com/reauth-go/reauth/internal/scantest"
	"github.com/reauth-go/reauth/internal/testrig"
	"github.com/reauth-go/reauth/reauthtest"
)

// keyIDs matches the id of a key in what is sealed, checked or shown.
var keyIDs = regexp.MustCompile(`\b[0-9a-f]{12}\b`)

// transcriptOf is transcript with the id of each key replaced by its place among those that appear.
func (s *shell) transcriptOf(lines ...[]string) string {
	s.t.Helper()
	var ids []string
	return keyIDs.ReplaceAllStringFunc(s.transcript(lines...), func(id string) string {
		for i, known := range ids {
			if known == id {
				return "KEY" + string(rune('A'+i))
			}
		}
		ids = append(ids, id)
		return "KEY" + string(rune('A'+len(ids)-1))
	})
}

// newKeys sets variables to fresh keys, as reauth store key prints them.
func (s *shell) newKeys(names ...string) {
	s.t.Helper()
	for _, name := range names {
		s.setenv(name, strings.TrimSpace(s.run("", "store", "key").ok()))
	}
}

// The life of a sealed store, with everything that the commands print on the way: sealed, used,
// sealed with another key, and put in the clear.
func TestLifeOfASealedStore(t *testing.T) {
	fake := reauthtest.New(reauthtest.XAI)
	server := serveFake(t, fake)
	s := newClearShell(t)
	s.newKeys("OLD_KEY", "NEW_KEY")
	access, _ := s.login(fake, "xai")
	s.run("key-"+marker, "add", "groq", "--key-stdin", "--id", "spare").ok()
	folder := filepath.Dir(s.store())
	require.NotEmpty(t, scantest.Pattern(t, folder, secretText), "the scan finds what is in the clear")
	s.golden("seal", s.transcriptOf(
		[]string{"store", "check"},
		[]string{"store", "seal"},
		[]string{"store", "seal", "--seal", "env:OLD_KEY"},
		[]string{"store", "seal", "--seal", "env:OLD_KEY"},
		[]string{"status", "--seal", "env:OLD_KEY"},
		[]string{"status", "--seal", "env:OLD_KEY", "--json"},
		[]string{"store", "check", "--seal", "env:OLD_KEY"}))
	holdsNoToken(t, folder)

	s.setenv("REAUTH_SEAL", "env:OLD_KEY")
	fake.Expire(access)
	s.run("", append([]string{"probe", "xai"}, at(server)...)...).ok()
	s.run("", append([]string{"refresh", "xai"}, at(server)...)...).ok()
	assert.Equal(t, 2, fake.Exchanges())
	s.run("key-"+marker, "add", "openrouter", "--key-stdin").ok()
	s.run("", "remove", "groq", "spare").ok()
	holdsNoToken(t, folder)

	s.setenv("REAUTH_SEAL", "env:NEW_KEY, env:OLD_KEY")
	s.run("", append([]string{"refresh", "xai"}, at(server)...)...).ok()
	out := s.transcriptOf(
		[]string{"store", "check"},
		[]string{"store", "check", "--seal", "env:NEW_KEY"},
		[]string{"store", "rekey", "--seal", "env:NEW_KEY"},
		[]string{"store", "rekey"},
		[]string{"store", "check", "--seal", "env:NEW_KEY"},
		[]string{"store", "unseal"})
	s.golden("rekey", regexp.MustCompile(`key-[a-z2-7]{12}`).ReplaceAllString(out, "key-RANDOM"))
	s.setenv("REAUTH_SEAL", "env:NEW_KEY")
	s.run("", append([]string{"refresh", "xai"}, at(server)...)...).ok()
	assert.Zero(t, fake.Reuses())
	holdsNoToken(t, folder)

	assert.Contains(t, s.run("", "store", "unseal", "--yes").ok(), "put 3 records of ")
	s.setenv("REAUTH_SEAL", "")
	assert.NotContains(t, s.run("", "status").ok(), "sealed")
	assert.True(t, fake.Current(s.stored("xai-oauth", "you").RefreshToken))
}

// Without the key a sealed record is named, left as it is, and joined by none that is in the clear.
func TestSealedStoreWithoutItsKey(t *testing.T) {
	s := newClearShell(t)
	s.newKeys("KEY", "OTHER_KEY")
	s.run("key-"+marker, "add", "groq", "--key-stdin", "--id", "spare", "--seal", "env:KEY").ok()
	before, err := os.ReadFile(s.store())
	require.NoError(t, err)
	s.golden("sealed-shut", s.transcriptOf(
		[]string{"status"},
		[]string{"status", "--json"},
		[]string{"status", "openrouter"},
		[]string{"probe", "groq"},
		[]string{"store", "check", "--seal", "env:OTHER_KEY"},
		[]string{"store", "rekey", "--seal", "env:OTHER_KEY"},
		[]string{"store", "unseal", "--seal", "env:OTHER_KEY", "--yes"},
		[]string{"store", "new-identity", "--yes"},
		[]string{"store", "new-identity", "--yes", "--seal", "env:OTHER_KEY"},
		[]string{"__complete", "remove", "groq", ""}))
	for _, args := range [][]string{
		{"add", "groq", "--key-stdin", "--id", "spare"},
		{"add", "openrouter", "--key-stdin"},
		{"remove", "groq", "spare"},
	} {
		assert.Contains(t, s.run("key-"+marker, args...).fails(exitFailed), "--seal or REAUTH_SEAL", args)
	}
	after, err := os.ReadFile(s.store())
	require.NoError(t, err)
	assert.Equal(t, string(before), string(after))
	s.run("key-"+marker, "add", "openrouter", "--key-stdin", "--id", "b", "--seal", "env:OTHER_KEY").ok()
	out := s.run("", "status", "--seal", "env:OTHER_KEY").ok()
	assert.Regexp(t, `groq spare - - sealed with [0-9a-f]{12}, does not open`, inLines(out))
	assert.Regexp(t, `openrouter b .* good, sealed with [0-9a-f]{12} `, inLines(out))
}

// Who has lost the key removes what does not open, and nothing else, and logs in again under the
// ID.
func TestLostKey(t *testing.T) {
	s := newClearShell(t)
	s.newKeys("KEY", "OTHER_KEY")
	s.run("key-"+marker, "add", "groq", "--key-stdin", "--id", "spare", "--seal", "env:KEY").ok()
	s.run("key-"+marker, "add", "groq", "--key-stdin", "--id", "b", "--seal", "env:OTHER_KEY").ok()
	before, err := os.ReadFile(s.store())
	require.NoError(t, err)
	for _, args := range [][]string{
		{"remove", "groq", "spare", "--lost-key", "--seal", "env:KEY"}, // it opens
		{"remove", "groq", "c", "--lost-key"},
		{"remove", "groq", "--lost-key"},
	} {
		assert.Contains(t, s.run("", args...).fails(exitUsage), "reauth store check", args)
	}
	after, err := os.ReadFile(s.store())
	require.NoError(t, err)
	require.Equal(t, string(before), string(after))

	assert.Equal(t, "removed groq/spare\n", s.run("", "remove", "groq", "spare", "--lost-key", "--seal", "env:OTHER_KEY").ok())
	s.setenv("REAUTH_SEAL", "env:OTHER_KEY")
	assert.NotContains(t, s.run("", "status").ok(), "spare")
	s.run("key-"+marker, "add", "groq", "--key-stdin", "--id", "spare").ok()
	assert.Regexp(t, `groq +spare .* good, sealed with [0-9a-f]{12}\n`, s.run("", "status").ok())
	s.run("", "store", "check").ok()
	holdsNoToken(t, filepath.Dir(s.store()))
}

// A store may hold both kinds. What is written is sealed, and the rest stays as it is.
func TestStoreThatIsSealedInPart(t *testing.T) {
	s := newClearShell(t)
	s.newKeys("KEY")
	s.run("key-"+marker, "add", "groq", "--key-stdin", "--id", "a").ok()
	s.run("key-"+marker, "add", "groq", "--key-stdin", "--id", "b", "--seal", "env:KEY").ok()
	out := s.run("", "status", "--seal", "env:KEY").ok()
	assert.Regexp(t, `groq +a .* good, in the clear\n`, out)
	assert.Regexp(t, `groq +b .* good, sealed with [0-9a-f]{12}\n`, out)
	var doc struct{ Credentials []statusjson.Credential }
	require.NoError(t, json.Unmarshal([]byte(s.run("", "status", "--json", "--seal", "env:KEY").ok()), &doc))
	require.Len(t, doc.Credentials, 2)
	assert.Empty(t, doc.Credentials[0].Sealed)
	assert.Len(t, doc.Credentials[1].Sealed, 12)
	assert.Contains(t, s.run("", "store", "seal", "--seal", "env:KEY").ok(), "sealed 1 record of ")
	holdsNoToken(t, filepath.Dir(s.store()))
}

// Each place where a key may be works, by flag and by variable.
func TestPlacesOfKeys(t *testing.T) {
	s := newClearShell(t)
	s.newKeys("KEY")
	key := strings.TrimPrefix(s.env[len(s.env)-1], "KEY=")
	file := filepath.Join(s.home, "my key")
	require.NoError(t, os.WriteFile(file, []byte(key+"\n"), 0o400))
	s.run("key-"+marker, "add", "groq", "--key-stdin", "--seal", "file:"+file).ok()
	for _, seal := range []string{
		"file:" + file, "file:my key", "env:KEY", "command:printenv KEY", `command:["cat","my key"]`,
	} {
		assert.Contains(t, s.run("", "store", "check", "--seal", seal).ok(), "yes\n", seal)
		s.setenv("REAUTH_SEAL", seal)
		assert.Contains(t, s.run("", "store", "check").ok(), "yes\n", seal)
	}
	s.newKeys("OTHER_KEY")
	s.run("", "status", "--seal", "env:OTHER_KEY", "--seal", "env:KEY").ok()
	assert.Contains(t, s.run("", "store", "check", "--seal", "env:OTHER_KEY", "--seal", "env:KEY").ok(),
		"yes, with a key that only opens")
	for seal, want := range map[string]string{
		"env:NONE":               "not set, or empty",
		"command:printenv NONE":  "the command failed",
		"file:" + s.home:         "a folder",
		"env:HOME":               "it is no key but a text of",
		"env:KEY,file:/not/here": "no such file",
	} {
		for _, args := range [][]string{{"status"}, {"store", "check"}, {"store", "seal"}, {"watch"}} {
			assert.Contains(t, s.run("", append(args, "--seal", seal)...).fails(exitFailed), want, "%v %s", args, seal)
		}
	}
	require.NoError(t, os.Chmod(file, 0o644))
	assert.Contains(t, s.run("", "status", "--seal", "file:"+file).fails(exitFailed), "others can read or write it")
	s.setenv("REAUTH_SEAL", key)
	assert.Contains(t, s.run("", "status").fails(exitUsage), "the key itself is given")
}

func TestNewIdentityOfASealedStore(t *testing.T) {
	s := newClearShell(t)
	s.newKeys("KEY", "OTHER_KEY")
	s.run("key-"+marker, "add", "groq", "--key-stdin", "--id", "a", "--seal", "env:KEY").ok()
	s.run("key-"+marker, "add", "groq", "--key-stdin", "--id", "b", "--seal", "env:OTHER_KEY").ok()
	before := identityOf(t, s.store())
	for _, seal := range []string{"", "env:KEY"} {
		text := s.run("", "store", "new-identity", "--yes", "--seal", seal).fails(exitFailed)
		assert.Contains(t, text, "sealed records are bound to it")
		assert.Equal(t, before, identityOf(t, s.store()))
	}
	s.run("", "store", "new-identity", "--yes", "--seal", "env:KEY,env:OTHER_KEY").ok()
	assert.NotEqual(t, before, identityOf(t, s.store()))
	out := s.run("", "store", "check", "--seal", "env:KEY").ok()
	assert.Equal(t, 2, strings.Count(out, "yes\n"), out)
}

// A database is sealed as a file is. What a backup of it holds is no token.
func TestSealedPostgres(t *testing.T) {
	s := newClearShell(t)
	where := schemaOfOnesOwn(t)
	s.setenv("REAUTH_STORE", where)
	s.newKeys("KEY", "NEW_KEY")
	fake := reauthtest.New(reauthtest.XAI)
	server := serveFake(t, fake)
	access, _ := s.login(fake, "xai")
	u, err := url.Parse(where)
	require.NoError(t, err)
	schema := u.Query().Get("search_path")
	u.RawQuery = "sslmode=disable"
	tokens := func() []string { return scantest.PatternIn(scantest.Dump(t, u.String(), schema), secretText) }
	require.NotEmpty(t, tokens(), "the scan finds what is in the clear")
	scan := func() {
		t.Helper()
		assert.Empty(t, tokens())
	}
	s.run("", "store", "seal", "--seal", "env:KEY").ok()
	scan()
	s.setenv("REAUTH_SEAL", "env:NEW_KEY,env:KEY")
	fake.Expire(access)
	s.run("", append([]string{"probe", "xai"}, at(server)...)...).ok()
	s.run("", "store", "new-identity", "--yes").ok()
	s.run("", "store", "rekey").ok()
	s.setenv("REAUTH_SEAL", "env:NEW_KEY")
	s.run("", append([]string{"refresh", "xai"}, at(server)...)...).ok()
	assert.Contains(t, s.run("", "store", "check").ok(), "yes\n")
	scan()
	s.run("", "remove", "xai").ok()
	scan()
	assert.Zero(t, fake.Reuses())
}

// The key is made in the keyring on first use, and the store opens with it in another shell.
func TestKeyInTheKeyring(t *testing.T) {
	s := newClearShell(t)
	s.setenv("DBUS_SESSION_BUS_ADDRESS", testrig.SecretService(t))
	name := "keyring:reauth test " + rand.Text()
	s.setenv("REAUTH_SEAL", name+" 2,"+name)
	s.run("key-"+marker, "add", "groq", "--key-stdin", "--seal", name).ok()
	holdsNoToken(t, filepath.Dir(s.store()))
	assert.Contains(t, s.run("", "store", "check", "--seal", name).ok(), "yes\n")
	s.run("", "store", "rekey").ok()
	assert.Contains(t, s.run("", "store", "check", "--seal", name+" 2").ok(), "yes\n")
	assert.Contains(t, s.run("", "store", "check", "--seal", name).fails(exitFailed), "1 record of 1 cannot be read")
	s.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path="+filepath.Join(s.home, "none"))
	assert.Contains(t, s.run("", "status").fails(exitFailed), "--seal env:NAME and --seal file:PATH")
}

// The way back asks at a terminal.
func TestUnsealAsksAtATerminal(t *testing.T) {
	for key, code := range map[string]string{"y": "0", "n": "1"} {
		t.Run(key, func(t *testing.T) {
			s := newClearShell(t)
			s.seal()
			s.addLogin("xai", "you", "at-"+marker, "rt-"+marker)
			m := startTmux(t, s, "160", "40")
			m.do("send-keys", "-t", "x", binary+" store unseal; echo code=$?", "Enter")
			assert.Contains(t, m.shows("[y/N]"), "will have the tokens in it")
			m.do("send-keys", "-t", "x", key, "Enter")
			m.shows("code=" + code)
			snap, err := reauth.NewFileStore(s.store()).Load(t.Context(), "")
			require.NoError(t, err)
			assert.Equal(t, code == "0", snap.Entries[0].SealedWith() == "")
			s.run("", "store", "seal").ok() // the test ends with a look for tokens
		})
	}
}

// Who watches sees how each record is sealed.
func TestWatchOfASealedStore(t *testing.T) {
	s := newClearShell(t)
	s.newKeys("KEY")
	s.run("key-"+marker, "add", "groq", "--key-stdin", "--id", "a", "--seal", "env:KEY").ok()
	m := startTmux(t, s, "120", "20")
	for _, c := range []struct{ seal, want string }{{"", "does not open"}, {"env:KEY", "good, sealed with"}} {
		m.do("send-keys", "-t", "x", binary+" watch --seal '"+c.seal+"'", "Enter")
		m.shows(c.want)
		m.do("send-keys", "-t", "x", "C-c")
	}
}
