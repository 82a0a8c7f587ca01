// Package storetest tests that a reauth.Store does what the interface promises.
package storetest

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// Backend is a place for credentials. It is empty at first.
type Backend struct {
	// Open returns a store in the place. Each call opens it as another process would, if the kind
	// of store allows that.
	Open func(t testing.TB) reauth.Store
	// Edit changes the JSON object of a credential, as a newer version of the package might do. It
	// is nil if there is no such object.
	Edit func(t testing.TB, provider, id string, change func(members map[string]any))
}

// Run tests a kind of store. Each property gets a backend of its own.
func Run(t *testing.T, backend func(t *testing.T) Backend) {
	for _, c := range []struct {
		name string
		run  func(*suite)
	}{
		{"LoadVersions", (*suite).loadVersions},
		{"LoadOrder", (*suite).loadOrder},
		{"RoundTrip", (*suite).roundTrip},
		{"Names", (*suite).names},
		{"Borders", (*suite).borders},
		{"UnknownMembers", (*suite).unknownMembers},
		{"UpdateFoundOrNot", (*suite).updateFound},
		{"UpdateError", (*suite).updateError},
		{"UpdatePanic", (*suite).updatePanic},
		{"UpdateWaitHonoursContext", (*suite).waitHonoursContext},
		{"UpdateOutlivesContext", (*suite).outlivesContext},
		{"UpdatesExclude", (*suite).updatesExclude},
		{"UpdatesOfOthersGoOn", (*suite).othersGoOn},
		{"MarkDuringUpdate", (*suite).markDuringUpdate},
		{"MarkNewestWins", (*suite).markNewestWins},
		{"MarkOfUnknown", (*suite).markOfUnknown},
		{"MarksTouchNoToken", (*suite).marksTouchNoToken},
		{"Delete", (*suite).deletes},
		{"DeleteWaitsForUpdate", (*suite).deleteWaits},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := backend(t)
			c.run(&suite{T: t, Backend: b, a: b.Open(t), b: b.Open(t)})
		})
	}
}

// suite is one test, with two stores in one place.
type suite struct {
	*testing.T
	Backend
	a, b reauth.Store
}

const (
	provider = "xai-oauth"
	id       = "me"

	patience = 30 * time.Second       // how long a test waits, on a busy machine, for what must happen
	glance   = 100 * time.Millisecond // how long it waits for what must not happen
)

var errWanted = errors.New("the function's own error")

func (s *suite) ctx() context.Context {
	ctx, stop := context.WithTimeout(context.Background(), patience)
	s.Cleanup(stop)
	return ctx
}

func credential(token string) reauth.Credential {
	return reauth.Credential{Provider: provider, ID: id, AccessToken: token, RefreshToken: "rt-" + token}
}

// put stores a credential, whatever was in its place.
func (s *suite) put(st reauth.Store, c reauth.Credential) {
	s.Helper()
	_, err := st.Update(s.ctx(), c.Provider, c.ID,
		func(reauth.Credential, bool) (reauth.Credential, error) { return c, nil })
	require.NoError(s, err)
}

func (s *suite) load(st reauth.Store) []reauth.Entry {
	s.Helper()
	entries, version, err := st.Load(s.ctx(), "")
	require.NoError(s, err)
	require.NotEmpty(s, version)
	return entries
}

// one returns the entry of a store that has one.
func (s *suite) one(st reauth.Store) reauth.Entry {
	s.Helper()
	entries := s.load(st)
	require.Len(s, entries, 1)
	return entries[0]
}

// within makes an Update that stores c, and calls f in the middle of it.
func (s *suite) within(st reauth.Store, c reauth.Credential, f func()) {
	s.Helper()
	_, err := st.Update(s.ctx(), c.Provider, c.ID, func(reauth.Credential, bool) (reauth.Credential, error) {
		f()
		return c, nil
	})
	require.NoError(s, err)
}

func (s *suite) loadVersions() {
	require.Empty(s, s.load(s.a))
	_, empty, err := s.b.Load(s.ctx(), "")
	require.NoError(s, err)
	seen := empty
	changes := []func(){
		func() { s.put(s.a, credential("1")) },
		func() { s.put(s.a, credential("2")) },
		func() {
			require.NoError(s, s.a.Mark(s.ctx(), provider, id, reauth.Standing{At: time.Now(), Retired: true}))
		},
		func() { require.NoError(s, s.a.Delete(s.ctx(), provider, id)) },
	}
	for i, change := range changes {
		entries, current, err := s.b.Load(s.ctx(), seen)
		require.NoError(s, err)
		require.Equal(s, seen, current, "the version stays if nothing has changed")
		require.Empty(s, entries)
		change()
		entries, current, err = s.b.Load(s.ctx(), seen)
		require.NoError(s, err)
		require.NotEqual(s, seen, current, "change %d shows", i)
		if i < len(changes)-1 {
			require.Len(s, entries, 1)
		} else {
			require.Empty(s, entries)
		}
		seen = current
	}
}

func (s *suite) loadOrder() {
	for i := range 12 {
		c := credential(strconv.Itoa(i))
		c.ID = strconv.Itoa((i * 7) % 12) // the order of names and of tokens is another
		s.put([]reauth.Store{s.a, s.b}[i%2], c)
	}
	s.put(s.a, reauth.Credential{Provider: provider, ID: "7", AccessToken: "again"})
	require.NoError(s, s.b.Delete(s.ctx(), provider, "2"))
	var ids []string
	for _, e := range s.load(s.b) {
		ids = append(ids, e.Credential.ID)
	}
	want := []string{"0", "7", "9", "4", "11", "6", "1", "8", "3", "10", "5"}
	assert.Equal(s, want, ids, "in the order in which they were added")
}

func (s *suite) roundTrip() {
	zone := time.FixedZone("elsewhere", 5*3600)
	c := reauth.Credential{
		Provider: provider, ID: id, AccessToken: "at \"quoted\" <&> ü", RefreshToken: `rt\back`,
		AccountID: "account", ClientID: "client",
		Expiry: time.Date(2031, 2, 3, 4, 5, 6, 789_000_000, zone), Hosts: []string{"api.x.ai", "*.x.ai:8443"},
		Priority: -3,
		Metadata: map[string]string{"a": "1", "": "empty name", "b": ""},
	}
	st := reauth.Standing{
		AsideUntil: time.Date(2030, 1, 1, 0, 0, 0, 1_000, zone), Retired: true, Reason: "test",
		LastRefresh: time.Now().Add(-time.Hour), At: time.Now(), Of: "of", Spending: "spending",
	}
	s.put(s.a, c)
	require.NoError(s, s.a.Mark(s.ctx(), provider, id, st))
	got := s.one(s.b)
	assert.True(s, c.Expiry.Equal(got.Credential.Expiry), "%v", got.Credential.Expiry)
	got.Credential.Expiry = c.Expiry
	assert.Equal(s, c, got.Credential)
	for name, pair := range map[string][2]time.Time{
		"AsideUntil":  {st.AsideUntil, got.Standing.AsideUntil},
		"LastRefresh": {st.LastRefresh, got.Standing.LastRefresh},
		"At":          {st.At, got.Standing.At},
	} {
		assert.True(s, pair[0].Equal(pair[1]), "%s: %v, not %v", name, pair[1], pair[0])
	}
	got.Standing.AsideUntil, got.Standing.LastRefresh, got.Standing.At = st.AsideUntil, st.LastRefresh, st.At
	assert.Equal(s, st, got.Standing)

	bare := reauth.Credential{Provider: provider, ID: id, AccessToken: "bare"}
	s.put(s.b, bare)
	assert.Equal(s, bare, s.one(s.a).Credential, "members that are empty now are gone")
}

func (s *suite) names() {
	list := []reauth.Credential{
		{Provider: "xai-oauth", ID: "a"},
		{Provider: "anthropic", ID: "a"},
		{Provider: "xai-oauth", ID: "A"},
		{Provider: "xai-oauth", ID: "a "},
		{Provider: "xai-oauth", ID: `x'; DROP TABLE "y" -- ../../z`},
		{Provider: "xai-oauth", ID: "ü/ü%_?$1"},
	}
	for i, c := range list {
		c.AccessToken = strconv.Itoa(i)
		s.put(s.a, c)
	}
	for i, c := range list {
		keep := func(c reauth.Credential, found bool) (reauth.Credential, error) {
			require.True(s, found)
			return c, nil
		}
		got, err := s.b.Update(s.ctx(), c.Provider, c.ID, keep)
		require.NoError(s, err)
		assert.Equal(s, strconv.Itoa(i), got.AccessToken)
		assert.Equal(s, c.ID, got.ID)
	}
	require.NoError(s, s.b.Delete(s.ctx(), "xai-oauth", "a"))
	assert.Len(s, s.load(s.a), len(list)-1)
}

// borders: if a caller changes a credential that it has or had, the store does not change.
func (s *suite) borders() {
	c := credential("1")
	c.Metadata, c.Hosts = map[string]string{"k": "v"}, []string{"api.x.ai"}
	s.put(s.a, c)
	spoil := func(c reauth.Credential) { c.Metadata["k"], c.Hosts[0] = "spoilt", "spoilt" }
	spoil(c)
	spoil(s.one(s.a).Credential)
	_, err := s.a.Update(s.ctx(), provider, id, func(c reauth.Credential, _ bool) (reauth.Credential, error) {
		spoil(c)
		return c, errWanted
	})
	require.ErrorIs(s, err, errWanted)
	got, err := s.a.Update(s.ctx(), provider, id,
		func(c reauth.Credential, _ bool) (reauth.Credential, error) { return c, nil })
	require.NoError(s, err)
	spoil(got)
	e := s.one(s.a)
	assert.Equal(s, "v", e.Credential.Metadata["k"])
	assert.Equal(s, "api.x.ai", e.Credential.Hosts[0])
}

// unknownMembers: members that a newer version or a person has added stay.
func (s *suite) unknownMembers() {
	s.put(s.a, credential("1"))
	if s.Edit == nil {
		return // nobody else reads such a store
	}
	s.Edit(s, provider, id, func(members map[string]any) { members["from_the_future"] = map[string]any{"n": 1.5} })
	s.put(s.a, credential("2"))
	require.NoError(s, s.b.Mark(s.ctx(), provider, id, reauth.Standing{At: time.Now(), Retired: true}))
	s.put(s.b, credential("3"))
	s.Edit(s, provider, id, func(members map[string]any) {
		assert.Equal(s, map[string]any{"n": 1.5}, members["from_the_future"])
		assert.Equal(s, "3", members["access_token"])
	})
}
