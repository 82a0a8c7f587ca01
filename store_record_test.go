package reauth

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var loginAt = time.Date(2026, time.January, 2, 3, 4, 5, 6, time.UTC)

// pair returns a record with a pair of tokens.
func pair(name string, change ...func(*Entry)) *Entry {
	e := &Entry{
		Credential: Credential{Provider: "xai-oauth", ID: "me", AccessToken: "at-" + name, RefreshToken: "rt-" + name},
		Login:      loginAt, Generation: 1, LastRefresh: loginAt,
	}
	for _, f := range change {
		f(e)
	}
	return e
}

// Changes of a record.
func login(d time.Duration) func(*Entry) { return func(e *Entry) { e.Login = loginAt.Add(d) } }
func generation(n int64) func(*Entry)    { return func(e *Entry) { e.Generation = n } }
func refreshed(d time.Duration) func(*Entry) {
	return func(e *Entry) { e.LastRefresh = loginAt.Add(d) }
}
func spent(list ...string) func(*Entry) { return func(e *Entry) { e.Spent = list } }
func removed(e *Entry) {
	e.Removed, e.Credential.AccessToken, e.Credential.RefreshToken = true, "", ""
}
func left(token string) func(*Entry)   { return spent(digest(token)) }
func cameAs(token string) func(*Entry) { return spent(loginPrefix + digest(token)) }
func noRefresh(e *Entry)               { e.Credential.RefreshToken = "" }
func noLogin(e *Entry)                 { e.Login = time.Time{} }

func TestOrderOfRecords(t *testing.T) {
	first, second := "x", "y" // by their digests
	if digest("rt-x") > digest("rt-y") {
		first, second = second, first
	}
	for _, c := range []struct {
		what      string
		a, b      *Entry
		same, not int // in one store, and across two
	}{
		{"equal", pair("1"), pair("1"), 0, 0},
		{"a generation, with the same tokens", pair("1", generation(2)), pair("1"), 1, 0},
		{"a generation", pair("1", generation(2)), pair("2"), 1, cmp.Compare(digest("rt-1"), digest("rt-2"))},
		{"a login", pair("1", login(1)), pair("2"), 1, 1},
		{"a login before a generation", pair("1", login(1)), pair("2", generation(9)), 1, 1},
		{"a login, with the same tokens", pair("1", login(1)), pair("1"), 1, 1},
		{"no login is the earliest", pair("1"), pair("2", noLogin, generation(9)), 1, 1},
		{"a refresh", pair("1", refreshed(1)), pair("2"), 1, 1},
		{"a generation before a refresh", pair("1", generation(2)), pair("2", refreshed(1)), 1, -1},
		{"a refresh, with the same tokens, decides nothing", pair("1", refreshed(1)), pair("1"), 0, 0},
		{"a digest", pair(second), pair(first), 1, 1},

		{"b's token was rotated away", pair("1", left("rt-2")), pair("2"), 1, 1},
		{"b's token was rotated away, though a later generation", pair("1", left("rt-2")), pair("2", generation(9)), 1, 1},
		{"b's token was rotated away, though of a later login", pair("1", left("rt-2")), pair("2", login(1)), 1, 1},
		{"b's token was an earlier login", pair("1", cameAs("rt-2")), pair("2", login(1)), 1, 1},
		{"both have left the other's token", pair("1", left("rt-2"), login(1)), pair("2", left("rt-1")), 1, 1},
		{"a's own token in its list", pair("1", left("rt-1"), generation(2)), pair("1"), 1, 0},
		{"static keys", pair("1", spent(""), noRefresh, generation(2)), pair("2", noRefresh), 1, 0},

		{"a removal of the same login", pair("1", removed), pair("2", generation(9)), 1, 1},
		{"a removal of a later login", pair("1", removed, login(1)), pair("2"), 1, 1},
		{"a removal of an earlier login", pair("1", login(1)), pair("2", removed, generation(9)), 1, 1},
		{"an earlier removal that lists the token", pair("1", login(1)), pair("2", removed, left("rt-1")), 1, 1},
		{"two removals", pair("1", removed, login(1)), pair("2", removed), 1, 1},
		{"two removals of one login", pair("1", removed), pair("2", removed), 0, 0},
		{"a generation of a removal", pair("1", removed, generation(2)), pair("2", removed, refreshed(1)), 1, 0},
	} {
		assert.Equal(t, c.same, compareEntries(c.a, c.b, true), c.what)
		assert.Equal(t, -c.same, compareEntries(c.b, c.a, true), "%s, the other way", c.what)
		assert.Equal(t, c.not, compareEntries(c.a, c.b, false), "%s, in two stores", c.what)
		assert.Equal(t, -c.not, compareEntries(c.b, c.a, false), "%s, in two stores, the other way", c.what)
		assert.Equal(t, c.same >= 0, mayReplace(c.a, c.b), "%s, to replace", c.what)
		assert.Equal(t, c.same <= 0, mayReplace(c.b, c.a), "%s, to be replaced", c.what)
	}
}

// randomEntry returns a record of a small world, in which clauses meet often. Of a chain of
// exchanges, each record lists the tokens that came before its own, as pools write it.
func randomEntry(r *rand.Rand) *Entry {
	n := r.IntN(4)
	e := pair(fmt.Sprint(n), login(time.Duration(r.IntN(3))), generation(int64(r.IntN(3))),
		refreshed(time.Duration(n%2))) // the tokens are those of one exchange
	if r.IntN(2) == 0 {
		for i := range n {
			e.Spent = append(e.Spent, digest(fmt.Sprint("rt-", i)))
		}
	}
	if r.IntN(4) == 0 {
		removed(e)
	}
	return e
}

// The order is antisymmetric for any two records.
func TestOrderIsAntisymmetric(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 4_000 {
		a, b := randomEntry(r), randomEntry(r)
		same := r.IntN(2) == 0
		require.Equal(t, compareEntries(a, b, same), -compareEntries(b, a, same), "%+v\n%+v", *a, *b)
		require.Zero(t, compareEntries(a, a, same))
	}
}

// The order is transitive over records of which none lists another one's token as spent. Such a list
// decides whatever the Login says, so three records that no history has can form a circle. See
// TestOrderFollowsHistory for those that a history has.
func TestOrderIsTransitive(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 4_000 {
		var e [3]*Entry
		for i := range e {
			e[i] = randomEntry(r)
			e[i].Spent = nil
		}
		same := r.IntN(2) == 0
		slices.SortFunc(e[:], func(a, b *Entry) int { return compareEntries(a, b, same) })
		require.LessOrEqual(t, compareEntries(e[0], e[1], same), 0)
		require.LessOrEqual(t, compareEntries(e[1], e[2], same), 0)
		require.LessOrEqual(t, compareEntries(e[0], e[2], same), 0, "%+v\n%+v\n%+v", *e[0], *e[1], *e[2])
		require.Equal(t, compareEntries(e[0], e[2], same) == 0,
			compareEntries(e[0], e[1], same) == 0 && compareEntries(e[1], e[2], same) == 0)
	}
}

// historyOf returns the records that a credential has had, one after another. Each lists the
// refresh tokens that it left behind.
func historyOf(r *rand.Rand, length int) []*Entry {
	list := []*Entry{pair("0")}
	for i := 1; i <= length; i++ {
		before := list[i-1]
		next := pair(fmt.Sprint(i), generation(before.Generation+1), refreshed(time.Duration(i)))
		next.Login, next.Spent = before.Login, before.Spent
		leftBehind := digest(before.Credential.RefreshToken)
		switch what := r.IntN(8); {
		case what == 0 && !before.Removed:
			removed(next)
			next.Login, next.Generation = before.Login.Add(time.Second), before.Generation
		case what == 1 || before.Removed: // a person logs in
			next.Login, next.LastRefresh = before.Login.Add(time.Second), time.Time{}
			next.Spent = withSpent(next.Spent, loginPrefix+digest(next.Credential.RefreshToken))
		}
		next.Spent = withSpent(next.Spent, leftBehind)
		list = append(list, next)
	}
	return list
}

// The records of one history are in the order of the history, in one store and across two. Across
// two, the spent list must reach back.
func TestOrderFollowsHistory(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 12 {
		list := historyOf(r, 40)
		for i, a := range list {
			for j, b := range list {
				require.Equal(t, cmp.Compare(i, j), compareEntries(a, b, true), "%d %+v\n%d %+v", i, *a, j, *b)
				if max(i-j, j-i) <= maxSpent {
					require.Equal(t, cmp.Compare(i, j), compareEntries(a, b, false), "%d %+v\n%d %+v", i, *a, j, *b)
				}
			}
		}
	}
}

func TestWhatAMarkIsAbout(t *testing.T) {
	e := pair("1")
	elsewhere := pair("1", func(e *Entry) { e.Login = e.Login.In(time.FixedZone("", 3600)) })
	for _, c := range []struct {
		what  string
		e     *Entry
		of    string
		binds bool
	}{
		{"the access token", e, digest("at-1"), true},
		{"the refresh token", e, digest("rt-1"), true},
		{"the login", e, "2026-01-02T03:04:05.000000006Z", true},
		{"the login, in another time zone", elsewhere, loginOf(loginAt), true},
		{"another access token", e, digest("at-2"), false},
		{"another login", e, loginOf(loginAt.Add(1)), false},
		{"the login in another form", e, "2026-01-02T04:04:05.000000006+01:00", false},
		{"a token in the clear", e, "at-1", false},
		{"nothing", e, "", false},
		{"an unknown login", pair("1", noLogin), "0", true},
		{"an unknown login, of a known one", e, "0", false},
		{"nothing, of a static key", pair("1", noRefresh), "", false},
		{"the token of a removed record", pair("1", func(e *Entry) { e.Removed = true }), digest("at-1"), false},
		{"the login of a removed record", pair("1", removed), loginOf(loginAt), false},
	} {
		assert.Equal(t, c.binds, c.e.binds(c.of), c.what)
	}
}

func TestLeftBehind(t *testing.T) {
	e := pair("3", spent(digest("rt-1"), loginPrefix+digest("rt-2"), digest("rt-3")))
	for token, want := range map[string][2]bool{ // left behind, rotated away
		"rt-1": {true, true},
		"rt-2": {true, false},
		"rt-3": {false, true}, // its own
		"rt-4": {false, false},
		"":     {false, false},
	} {
		assert.Equal(t, want, [2]bool{e.leftBehind(token), e.rotatedAway(token)}, "%q", token)
	}
}

// Refresh tokens that were rotated away, and those that came by a login, are forgotten apart.
func TestSpentTokensAreForgottenApart(t *testing.T) {
	var list, rotated, logins []string
	for i := range 100 {
		d := digest(fmt.Sprint(i))
		if i%2 == 0 {
			list, rotated = withSpent(list, d), append(rotated, d)
		}
		if i%10 == 0 {
			list, logins = withSpent(list, loginPrefix+d), append(logins, loginPrefix+d)
		}
	}
	of := func(list []string, login bool) (kept []string) {
		for _, d := range list {
			if strings.HasPrefix(d, loginPrefix) == login {
				kept = append(kept, d)
			}
		}
		return kept
	}
	assert.Equal(t, rotated[len(rotated)-32:], of(list, false), "50 were rotated away")
	assert.Equal(t, logins, of(list, true), "10 logins stay, however much was rotated away")
	for i := range 30 {
		d := loginPrefix + digest(fmt.Sprint("login ", i))
		list, logins = withSpent(list, d), append(logins, d)
	}
	assert.Equal(t, rotated[len(rotated)-32:], of(list, false), "and the other way round")
	assert.Equal(t, logins[len(logins)-16:], of(list, true))

	before := slices.Clone(list)
	assert.Equal(t, before, withSpent(list, "", loginPrefix, list[3], list[40]), "nothing new")
	withSpent(list[:10], "changed")
	assert.Equal(t, before, list, "the list that was passed stays")
	assert.Nil(t, withSpent(nil))
	many := withSpent(nil, append(slices.Clone(rotated), logins...)...)
	assert.Len(t, many, 48, "several at once")
}

func TestMarksOfARecord(t *testing.T) {
	e := pair("1")
	until := func(d time.Duration) Mark { return Mark{Until: loginAt.Add(d), At: loginAt, Of: loginOf(loginAt)} }
	e.Marks = map[string]Mark{
		"token":     {At: loginAt, Of: digest("at-0")}, // void
		"login":     {At: loginAt, Of: digest("rt-1")},
		"model:old": {At: loginAt, Of: loginOf(loginAt.Add(-1))}, // void
	}
	before := maps.Clone(e.Marks)
	marks := e.withMark("model:m", until(1))
	assert.ElementsMatch(t, []string{"login", "model:m"}, slices.Collect(maps.Keys(marks)), "void ones go")
	assert.Equal(t, before, e.Marks, "the record stays")
	assert.Nil(t, pair("1").boundMarks())

	e.Marks = map[string]Mark{"token": until(-2), "login": {At: loginAt, Of: loginOf(loginAt)}}
	for i := range 62 {
		e.Marks[fmt.Sprintf("model:%02d", i)] = until(time.Duration(100 + i))
	}
	for _, c := range []struct {
		key  string
		m    Mark
		gone string
	}{
		{"model:a", until(1), "model:00"}, // it ends first, but is the one that is written
		{"model:b", until(1000), "model:a"},
		{"model:c", Mark{At: loginAt, Of: loginOf(loginAt)}, "model:01"},
		{"model:02", until(2000), ""},
		{"model:d", until(1000), "model:c"}, // lifted
		{"model:e", Mark{Until: forever, At: loginAt, Of: loginOf(loginAt)}, "model:03"},
		{"token", until(-3), ""},
	} {
		next := e.withMark(c.key, c.m)
		assert.Len(t, next, maxMarks, c.key)
		assert.Equal(t, c.m, next[c.key])
		for key := range e.Marks {
			_, stays := next[key]
			assert.Equal(t, key != c.gone, stays, "%s, when %s is written", key, c.key)
		}
		e.Marks = next
	}
}

func TestWhichMarkEndsFirst(t *testing.T) {
	at := func(d time.Duration) Mark { return Mark{Until: loginAt.Add(d)} }
	for _, c := range []struct {
		marks map[string]Mark
		keep  string
		first string
	}{
		{map[string]Mark{"model:a": at(2), "model:b": at(1), "model:c": at(3)}, "", "model:b"},
		{map[string]Mark{"model:a": at(2), "model:b": {}, "model:c": at(-3)}, "", "model:b"},
		{map[string]Mark{"model:a": at(2), "model:b": at(1)}, "model:b", "model:a"},
		{map[string]Mark{"token": at(-1), "login": {}, "model:a": {Until: forever}}, "", "model:a"},
		{map[string]Mark{"model:b": at(1), "model:a": at(1)}, "", "model:a"}, // all stores agree
		{map[string]Mark{"token": at(1), "login": at(1), "model:a": at(1)}, "model:a", ""},
		{nil, "", ""},
	} {
		for range 8 { // a map has no order
			require.Equal(t, c.first, endsFirst(c.marks, c.keep), "%v", c.marks)
		}
	}
}

func TestMayMark(t *testing.T) {
	e := pair("1")
	e.Marks = map[string]Mark{
		"login": {At: loginAt, Of: loginOf(loginAt)},
		"token": {At: loginAt, Of: digest("at-0")}, // void
	}
	for _, c := range []struct {
		what, key, of string
		seen          time.Time
		want          error
	}{
		{"none stands, none was seen", "model:m", digest("at-1"), time.Time{}, nil},
		{"none stands, one was seen", "model:m", digest("at-1"), loginAt, nil},
		{"what stands was seen", "login", digest("at-1"), loginAt.In(time.FixedZone("", 3600)), nil},
		{"none was seen", "login", digest("at-1"), time.Time{}, ErrMarked},
		{"another was seen", "login", digest("at-1"), loginAt.Add(1), ErrMarked},
		{"a void one stands", "token", digest("at-1"), time.Time{}, nil},
		{"it is void", "model:m", digest("at-0"), time.Time{}, errVoidMark},
		{"it is void, and another stands", "login", digest("at-0"), time.Time{}, errVoidMark},
	} {
		assert.Equal(t, c.want, e.mayMark(c.key, c.of, c.seen), c.what)
	}
}

func TestBoundsOfARecord(t *testing.T) {
	x := func(n int) string { return strings.Repeat("x", n) }
	require.NoError(t, pair("1").check())
	require.NoError(t, pair("1", removed).check())
	for _, c := range []struct {
		change func(*Credential)
		want   string
	}{
		{func(c *Credential) { c.Provider = "" }, "the credential names no provider; set Credential.Provider"},
		{func(c *Credential) { c.ID = "" }, "the credential has no ID"},
		{func(c *Credential) { c.ID = x(256) }, ""},
		{func(c *Credential) { c.ID = x(257) }, "the ID has 257 bytes, at most 256 are kept"},
		{func(c *Credential) { c.ID = strings.Repeat("ü", 129) }, "the ID has 258 bytes, at most 256 are kept"},
		{func(c *Credential) { c.ID = "a\xff" }, "the ID is no valid UTF-8"},
		{func(c *Credential) { c.Provider = "a\x00" }, "the provider's name holds a control character, such as a line " +
			"break in the middle; it cannot be sent in a header"},
		{func(c *Credential) { c.AccessToken = x(64 << 10) }, ""},
		{func(c *Credential) { c.AccessToken = x(64<<10 + 1) }, "the access token has 65537 bytes, at most 65536 are kept"},
		{func(c *Credential) { c.RefreshToken = "secret\nsecret" }, "the refresh token holds a control character, such as " +
			"a line break in the middle; it cannot be sent in a header"},
		{func(c *Credential) { c.AccessToken = "secret\u0085" }, "the access token holds a control character, such as " +
			"a line break in the middle; it cannot be sent in a header"},
		{func(c *Credential) { c.AccountID = x(4097) }, "AccountID has 4097 bytes, at most 4096 are kept"},
		{func(c *Credential) { c.ClientID = "\xff" }, "ClientID is no valid UTF-8"},
		{
			func(c *Credential) { c.Hosts = []string{x(99), x(4000)} },
			"the list of hosts has 4100 bytes, at most 4096 are kept",
		},
		{func(c *Credential) { c.Metadata = map[string]string{"secret": x(64<<10 - 6)} }, ""},
		{
			func(c *Credential) { c.Metadata = map[string]string{"secret": x(64 << 10)} },
			"the metadata has 65542 bytes, at most 65536 are kept",
		},
		{func(c *Credential) { c.Metadata = map[string]string{"a": "secret\n\t\r"} }, ""},
		{func(c *Credential) { c.Metadata = map[string]string{"a": "secret\x00"} }, "the metadata is no valid UTF-8 text"},
		{func(c *Credential) { c.Metadata = map[string]string{"secret\xff": ""} }, "the metadata is no valid UTF-8 text"},
	} {
		e := pair("1")
		c.change(&e.Credential)
		err := e.check()
		if c.want == "" {
			assert.NoError(t, err)
			continue
		}
		assert.EqualError(t, err, c.want)
		assert.NotContains(t, fmt.Sprint(err), "secret")
	}
}

func TestBoundsOfAMark(t *testing.T) {
	x := strings.Repeat("x", 4097)
	for _, c := range []struct {
		key  string
		m    Mark
		want string
	}{
		{"token", Mark{}, ""},
		{"login", Mark{Reason: strings.Repeat("x", 4096)}, ""},
		{"model:a/b ü", Mark{}, ""},
		{"", Mark{}, `"" is no key of a mark`},
		{"model:", Mark{}, `"model:" is no key of a mark`},
		{"models:a", Mark{}, `"models:a" is no key of a mark`},
		{"Token", Mark{}, `"Token" is no key of a mark`},
		{"model:" + x, Mark{}, "the key of a mark has 4103 bytes, at most 1024 are kept"},
		{"model:\xff", Mark{}, "the key of a mark is no valid UTF-8"},
		{"token", Mark{Reason: x}, "the reason of a mark has 4097 bytes, at most 4096 are kept"},
		{"token", Mark{Reason: "\xff"}, "the reason of a mark is no valid UTF-8"},
		{"token", Mark{Of: x}, "what a mark is about has 4097 bytes, at most 4096 are kept"},
	} {
		err := checkMark(c.key, c.m)
		if c.want == "" {
			assert.NoError(t, err, c.key)
			continue
		}
		assert.EqualError(t, err, c.want)
	}
	assert.False(t, errors.Is(checkMark("", Mark{}), ErrMarked))
}

// A copy of a record shares nothing with it.
func TestCloneOfARecord(t *testing.T) {
	e := pair("1", spent("a"))
	e.Credential.Hosts, e.Credential.Metadata = []string{"a"}, map[string]string{"a": "b"}
	e.Marks = map[string]Mark{"token": {Reason: "a"}}
	c := e.clone()
	require.Equal(t, *e, c)
	c.Spent[0], c.Credential.Hosts[0], c.Credential.Metadata["a"], c.Marks["token"] = "c", "c", "c", Mark{}
	assert.Equal(t, "a", e.Spent[0])
	assert.Equal(t, "a", e.Credential.Hosts[0])
	assert.Equal(t, "b", e.Credential.Metadata["a"])
	assert.Equal(t, "a", e.Marks["token"].Reason)
}
