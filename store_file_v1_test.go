package reauth_test

import (
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// goldenV1 is a file as version 1 wrote it, with all that it knew, and with members that it did not.
const goldenV1 = `{
	"credentials": [
		{
			"access_token": "at-1",
			"account_id": "acc",
			"client_id": "client",
			"color": "red",
			"expiry": "2026-05-17T10:11:12.123456789Z",
			"hosts": ["api.x.ai"],
			"id": "aside",
			"metadata": {"plan": "pro", "reauth-spent": "login:4c94485e0c21ae6c41ce1dfe7b6bface d1 d2"},
			"priority": 3,
			"provider": "xai-oauth",
			"refresh_token": "rt-1",
			"standing": {
				"aside_until": "2026-05-20T00:00:00Z",
				"at": "2026-05-17T01:02:03.000000004Z",
				"last_refresh": "2026-05-17T00:00:00Z",
				"later": [1],
				"of": "DIGEST-at-1",
				"reason": "usage-limit"
			}
		},
		{
			"access_token": "at-2",
			"id": "retired",
			"metadata": {"reauth-spent": ""},
			"provider": "xai-oauth",
			"refresh_token": "rt-2",
			"standing": {"at": "2026-05-17T01:02:03Z", "of": "DIGEST-at-2", "reason": "dead", "retired": true}
		},
		{
			"access_token": "at-3",
			"id": "of another token",
			"provider": "xai-oauth",
			"refresh_token": "rt-3",
			"standing": {"aside_until": "2026-05-20T00:00:00Z", "at": "2026-05-17T01:02:03Z", "of": "DIGEST-at-0"}
		},
		{
			"access_token": "at-4",
			"id": "spending",
			"provider": "xai-oauth",
			"refresh_token": "rt-4",
			"standing": {"at": "2026-05-17T01:02:03Z", "of": "DIGEST-at-4", "spending": "DIGEST-rt-4"}
		},
		{
			"access_token": "key",
			"id": "plain",
			"provider": "xai"
		}
	],
	"note": {"by": "hand"},
	"version": 1
}
`

// golden returns the file with the digests filled in.
func golden() string {
	content := goldenV1
	for _, token := range []string{"at-1", "at-2", "at-0", "at-4", "rt-4"} {
		content = replaced("DIGEST-"+token, reauth.Digest(token))(content)
	}
	return content
}

// goldenV2 returns the records of the file in the words of version 2.
func goldenV2() []reauth.Entry {
	at := time.Date(2026, 5, 17, 1, 2, 3, 0, time.UTC)
	first := reauth.Entry{
		Credential: login("aside", "1"),
		Spent:      []string{"login:4c94485e0c21ae6c41ce1dfe7b6bface", "d1", "d2"},
		Marks: map[string]reauth.Mark{"token": {
			Until: time.Date(2026, 5, 20, 0, 0, 0, 0, time.UTC), At: at.Add(4), Reason: "usage-limit",
			Of: reauth.Digest("at-1"),
		}},
		LastRefresh: time.Date(2026, 5, 17, 0, 0, 0, 0, time.UTC),
	}
	c := &first.Credential
	c.Expiry = time.Date(2026, 5, 17, 10, 11, 12, 123456789, time.UTC)
	c.AccountID, c.ClientID, c.Hosts, c.Priority = "acc", "client", []string{"api.x.ai"}, 3
	c.Metadata = map[string]string{"plan": "pro"}
	retired := reauth.Entry{Credential: login("retired", "2"), Marks: map[string]reauth.Mark{"token": {
		Until: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), At: at, Reason: "dead", Of: reauth.Digest("at-2"),
	}}}
	spending := reauth.Entry{
		Credential: login("spending", "4"), Spending: reauth.Spending{Of: reauth.Digest("rt-4"), Since: at},
	}
	return []reauth.Entry{
		first,
		retired,
		{Credential: login("of another token", "3")},
		spending,
		{Credential: reauth.Credential{Provider: "xai-oauth", ID: "plain", AccessToken: "key"}},
	}
}

func TestFileStoreReadsVersion1(t *testing.T) {
	path := filepath.Join(t.TempDir(), "auth.json")
	write(t, path, golden())
	s := reauth.NewFileStore(path)
	snap, err := s.Load(t.Context(), "")
	require.NoError(t, err)
	assert.Empty(t, snap.Broken)
	assert.Empty(t, snap.Identity)
	assert.Equal(t, goldenV2(), snap.Entries)
	h := holding(t, s, "spending")
	assert.Equal(t, goldenV2()[3], h.Entry)
	assert.Nil(t, h.Behind)
	assert.Equal(t, golden(), readString(t, path), "reading changes nothing")
}

// The first write upgrades all records, and keeps what version 1 did not know either.
func TestFileStoreUpgradesVersion1(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, s reauth.Store){
		"Update": func(t *testing.T, s reauth.Store) { put(t, s, login("new", "9")) },
		"Mark": func(t *testing.T, s reauth.Store) {
			m := reauth.Mark{Until: time.Now().Add(time.Hour), At: time.Now(), Of: reauth.Digest("key")}
			require.NoError(t, s.Mark(t.Context(), "xai", "plain", "token", m, time.Time{}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "auth.json")
			write(t, path, golden())
			s := reauth.NewFileStore(path)
			seen, err := s.Load(t.Context(), "")
			require.NoError(t, err)
			change(t, s)
			content := readString(t, path)
			for _, gone := range []string{"reauth-spent", "aside_until", "retired\":", `"version": 1`, `"spending":`} {
				assert.NotContains(t, content, gone)
			}
			var doc struct {
				Format, Identity, Stamp string
				Version                 int
				Note                    map[string]string
				Credentials             []map[string]any
			}
			require.NoError(t, json.Unmarshal([]byte(content), &doc))
			assert.Equal(t, 2, doc.Version)
			assert.Equal(t, "reauth", doc.Format)
			assert.NotEmpty(t, doc.Identity)
			assert.Equal(t, map[string]string{"by": "hand"}, doc.Note)
			assert.Equal(t, "red", doc.Credentials[0]["color"])
			assert.Equal(t, map[string]any{"later": []any{1.0}}, doc.Credentials[0]["standing"], "what nobody knows stays")

			snap, err := s.Load(t.Context(), seen.Version)
			require.NoError(t, err)
			assert.Equal(t, doc.Identity, snap.Identity)
			again := load(t, reauth.NewFileStore(path))
			want := goldenV2()
			want[3].Spending = reauth.Spending{} // it is kept beside the lock from now on
			assert.Equal(t, want[:4], again[:4])
		})
	}
}

// A record that could not be read at the upgrade is in the words of version 1 when somebody mends it.
func TestFileStoreWithAnUnreadableRecordOfVersion1(t *testing.T) {
	path := filepath.Join(t.TempDir(), "auth.json")
	broken := `{"provider":"xai","id":"b","access_token":7,"refresh_token":"rt-b","metadata":{"reauth-spent":"d1"},` +
		`"standing":{"last_refresh":"2026-05-17T00:00:00Z"}}`
	write(t, path, `{"version":1,"credentials":[`+broken+`]}`)
	s := reauth.NewFileStore(path)
	put(t, s, login("a", "1"))
	content := readString(t, path)
	assert.Contains(t, content, broken)
	write(t, path, replaced(`"access_token":7`, `"access_token":"at-b"`)(content))
	e := load(t, s)[0]
	assert.Equal(t, "at-b", e.Credential.AccessToken, "somebody has mended it")
	assert.Equal(t, []string{"d1"}, e.Spent)
	assert.Equal(t, time.Date(2026, 5, 17, 0, 0, 0, 0, time.UTC), e.LastRefresh)
	assert.Empty(t, e.Credential.Metadata)
}
