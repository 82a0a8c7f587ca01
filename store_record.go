package reauth

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/reauth-go/reauth/internal/vendors"
)

// Entry is the record that a Store keeps of a credential: everything that pools tell each other.
type Entry struct {
	Credential Credential
	// Login is when a person last spoke: a new login, or a removal. It is always later than the one
	// that it replaces, and by the store's clock. Zero: unknown, and earlier than any.
	Login time.Time
	// Removed says that the credential was removed. The record stays, without tokens, so that an
	// older one does not bring the credential back.
	Removed bool
	// Generation is one higher whenever the tokens change. It orders records of one Login.
	Generation int64
	// Spent has digests of refresh tokens that the credential has left behind: the last 32 that
	// were rotated away, and, behind "login:", the last 16 that came by a login.
	Spent       []string
	Marks       map[string]Mark // "token": of the access token; "login": of the account or the grant; "model:<name>"
	Spending    Spending        // the exchange under way
	LastRefresh time.Time       // when the access token was obtained by an exchange

	unfit []string // names of values that cannot be sent, and were left out when the record was read
}

// String names the record without its secrets.
func (e Entry) String() string {
	return fmt.Sprintf("reauth.Entry(%s, login %s, removed %t, generation %d, %d spent, marks %v, "+
		"spending %v, refreshed %s)",
		e.Credential, e.Login, e.Removed, e.Generation, len(e.Spent), e.Marks, e.Spending, e.LastRefresh)
}

// Format prints String under any verb and flag.
func (e Entry) Format(f fmt.State, _ rune) { show(f, e.String()) }

// LogValue is what slog shows.
func (e Entry) LogValue() slog.Value { return slog.StringValue(e.String()) }

// Mark says how a credential stands, for one reason.
type Mark struct {
	// Until is when the mark ends. Zero: it was lifted. The year 9999: the credential is retired.
	Until  time.Time
	At     time.Time // when it was written, by its writer's clock; always later than the one it replaces
	Reason string
	// Of is what the mark is about: the digest of the access token or of the refresh token (the first
	// 16 bytes of SHA-256, in hex), or Login in RFC 3339 with nanoseconds, in UTC ("0" for a zero
	// Login). For a record with another it is void.
	Of string
}

// Spending says which refresh token is being exchanged.
type Spending struct {
	Of     string // digest of the refresh token; empty: none
	Since  time.Time
	Holder string // the process that exchanges it, for people
}

// Keys of Entry.Marks.
const (
	tokenMark = "token"
	loginMark = "login"
	modelMark = "model:"
)

// forever is the end of a mark that retires a credential.
//
//nolint:gochecknoglobals // never changed; a time cannot be a constant
var forever = time.Date(9999, time.December, 31, 0, 0, 0, 0, time.UTC)

// retires reports whether the mark retires the credential.
func (m Mark) retires() bool { return m.Until.Year() >= forever.Year() }

// Bounds of a record. What exceeds them is refused before it is written.
const (
	maxID         = 256      // bytes
	maxToken      = 64 << 10 // bytes
	maxMetadata   = 64 << 10 // bytes, keys and values
	maxEnvelope   = 2 << 20  // bytes: of a sealed record, more than one within its bounds needs
	maxText       = 4 << 10  // bytes: a reason, a host
	maxMarkKey    = 1 << 10  // bytes: with a model's name; a database must be able to index it
	maxMarks      = 64       // of one record
	maxTombstones = 1000     // of one store
	maxSpent      = 32       // refresh tokens that were rotated away
	maxLogins     = 16       // refresh tokens that came by a login
)

// sealNote is the name of the note in the metadata that holds a sealed record.
const sealNote = "reauth-sealed"

const (
	standIn    = "reauth-sealed:" // begins what stands for a token in a sealed record
	rankDigits = 8                // of the token's digest, which come next
)

// clone returns a copy that shares nothing with e.
func (e Entry) clone() Entry {
	e.Credential = e.Credential.clone()
	e.Spent = slices.Clone(e.Spent)
	e.Marks = maps.Clone(e.Marks)
	return e
}

// dropUnfit leaves out of a record that was read what cannot be sent. The rest of it is good.
func (e *Entry) dropUnfit() { e.unfit = append(e.unfit, e.Credential.dropUnfit()...) }

// loginOf is how a mark names a Login.
func loginOf(login time.Time) string {
	if login.IsZero() {
		return "0"
	}
	return login.UTC().Format(time.RFC3339Nano)
}

// binds reports whether a mark about of is about e. Another mark is void.
func (e *Entry) binds(of string) bool {
	return of != "" && !e.Removed &&
		(of == digest(e.Credential.AccessToken) || of == digest(e.Credential.RefreshToken) || of == loginOf(e.Login))
}

// compareEntries is the one order of records: of two records of one credential the newer decides.
// It returns 1 when a is newer, -1 when b is, and 0 when neither is. sameStore says that both come
// from one store; generations of two stores say nothing about each other.
//
// The pair whose refresh token the other one lists as spent loses. Else the later Login wins, a
// removal before a pair of the same Login; else the higher Generation; else the later LastRefresh,
// then the digest, so that all pools agree.
func compareEntries(a, b *Entry, sameStore bool) int {
	if !a.Removed && !b.Removed {
		aLeft, bLeft := b.leftBehind(a.Credential.RefreshToken), a.leftBehind(b.Credential.RefreshToken)
		if aLeft != bLeft {
			return cmp.Compare(truth(bLeft), truth(aLeft))
		}
	}
	c := cmp.Or(a.Login.Compare(b.Login), cmp.Compare(truth(a.Removed), truth(b.Removed)))
	if c == 0 && sameStore {
		c = cmp.Compare(a.Generation, b.Generation)
	}
	if c != 0 || a.Removed || sameTokens(a.Credential, b.Credential) {
		return c
	}
	return cmp.Or(a.LastRefresh.Compare(b.LastRefresh),
		compareRanks(a.Credential.RefreshToken, b.Credential.RefreshToken))
}

// compareRanks orders two refresh tokens between which nothing else decides: by their digests. What
// stands for one in a sealed record has the beginning of its digest alone. So a record is neither newer
// nor older than the same one that is sealed, or in the clear.
func compareRanks(a, b string) int {
	ofA, sealedA := strings.CutPrefix(a, standIn)
	ofB, sealedB := strings.CutPrefix(b, standIn)
	if !sealedA && !sealedB {
		return strings.Compare(digest(a), digest(b))
	}
	if !sealedA {
		ofA = digest(a)
	}
	if !sealedB {
		ofB = digest(b)
	}
	return strings.Compare(ofA[:min(len(ofA), rankDigits)], ofB[:min(len(ofB), rankDigits)])
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}

// mayReplace reports whether got may be stored where now stands: now is no newer.
func mayReplace(got, now *Entry) bool { return compareEntries(got, now, true) >= 0 }

// loginPrefix marks digests in Entry.Spent of refresh tokens that came by a login. A program may
// add its first login for years.
const loginPrefix = "login:"

// leftBehind reports whether the record lists the refresh token as spent, and has another.
func (e *Entry) leftBehind(refreshToken string) bool {
	if refreshToken == "" || refreshToken == e.Credential.RefreshToken {
		return false
	}
	d := digest(refreshToken)
	return slices.Contains(e.Spent, d) || slices.Contains(e.Spent, loginPrefix+d)
}

// rotatedAway reports whether the record lists the refresh token as rotated away.
func (e *Entry) rotatedAway(refreshToken string) bool {
	return refreshToken != "" && slices.Contains(e.Spent, digest(refreshToken))
}

// withSpent returns the list with entries appended that it lacks. Of each kind the oldest go.
func withSpent(list []string, entries ...string) []string {
	list = slices.Clone(list)
	for _, d := range entries {
		if d != "" && d != loginPrefix && !slices.Contains(list, d) {
			list = append(list, d)
		}
	}
	return evictSpent(list)
}

// unite returns the spent list of e with that of a record that e replaces, and with the refresh
// token which that one had.
func unite(e, was *Entry) []string {
	list := withSpent(was.Spent, e.Spent...)
	if rt := was.Credential.RefreshToken; rt != e.Credential.RefreshToken {
		list = withSpent(list, digest(rt))
	}
	return list
}

// evictSpent takes the oldest entries of each kind out of a list that is too long.
func evictSpent(list []string) []string {
	if len(list) <= min(maxSpent, maxLogins) {
		return list
	}
	rotated, logins := 0, 0
	for i := len(list) - 1; i >= 0; i-- {
		count, most := &rotated, maxSpent
		if strings.HasPrefix(list[i], loginPrefix) {
			count, most = &logins, maxLogins
		}
		if *count++; *count > most {
			list = slices.Delete(list, i, i+1)
		}
	}
	return list
}

// withMark returns the record's marks with one more: without those that are void, and without those
// that end first when there are too many. It does not change e.
func (e *Entry) withMark(key string, m Mark) map[string]Mark {
	marks := e.boundMarks()
	if marks == nil {
		marks = make(map[string]Mark, 1)
	}
	marks[key] = m
	for len(marks) > maxMarks {
		delete(marks, endsFirst(marks, key))
	}
	return marks
}

// boundMarks returns a copy of the record's marks without those that are void; nil if none is left.
func (e *Entry) boundMarks() map[string]Mark {
	var marks map[string]Mark
	for key, m := range e.Marks {
		if !e.binds(m.Of) {
			continue
		}
		if marks == nil {
			marks = make(map[string]Mark, len(e.Marks))
		}
		marks[key] = m
	}
	return marks
}

// endsFirst returns the key of the mark that may go first: a lifted one, else the one that ends
// first; never that of the token or the login, nor keep.
func endsFirst(marks map[string]Mark, keep string) (first string) {
	for key, m := range marks {
		if key == tokenMark || key == loginMark || key == keep {
			continue
		}
		if c := m.Until.Compare(marks[first].Until); first == "" || c < 0 || c == 0 && key < first {
			first = key
		}
	}
	return first
}

// mayMark says what becomes of a mark under key about of, by a writer that has seen the mark of
// that instant there: nil, and it is written; errVoidMark, and it is dropped; or an error that
// matches ErrMarked.
func (e *Entry) mayMark(key, of string, seen time.Time) error {
	if !e.binds(of) {
		return errVoidMark
	}
	stands, ok := e.Marks[key]
	switch {
	case !ok || !e.binds(stands.Of), stands.At.Equal(seen):
		return nil
	}
	return ErrMarked
}

// ErrMarked is matched by the error of a Mark that found another mark than the writer had seen.
var ErrMarked = errors.New("reauth: another mark stands")

var errVoidMark = errors.New("the mark is void")

var errNoProvider = errors.New("the credential names no provider; set Credential.Provider")

// check refuses a record that a store must not write: it could not be read again, or is out of
// bounds. The error names the field and never its content.
func (e *Entry) check() error {
	c := &e.Credential
	switch {
	case c.Provider == "":
		return errNoProvider
	case c.ID == "":
		return errors.New("the credential has no ID")
	}
	for _, f := range []struct {
		name, value string
		most        int
	}{
		{"the provider's name", c.Provider, maxID},
		{"the ID", c.ID, maxID},
		{"the access token", c.AccessToken, maxToken},
		{"the refresh token", c.RefreshToken, maxToken},
		{"AccountID", c.AccountID, maxText},
		{"ClientID", c.ClientID, maxText},
		{"the list of hosts", strings.Join(c.Hosts, " "), maxText},
	} {
		if err := checkText(f.name, f.value, f.most); err != nil {
			return err
		}
	}
	for _, f := range []struct {
		name string
		at   time.Time
	}{{"Login", e.Login}, {"LastRefresh", e.LastRefresh}} {
		if !f.at.IsZero() && (f.at.Year() < 1970 || f.at.Year() > 2200) {
			return fmt.Errorf("%s is in the year %d", f.name, f.at.Year())
		}
	}
	return checkMetadata(c.Metadata)
}

// checkMetadata refuses metadata that is too large or is no text. Its values may have line breaks.
func checkMetadata(metadata map[string]string) error {
	size := 0
	for k, v := range metadata {
		if size += len(k) + len(v); !isText(k) || !isText(v) {
			return errors.New("the metadata is no valid UTF-8 text")
		}
	}
	if most := maxOf(metadata); size > most {
		return fmt.Errorf("the metadata has %d bytes, at most %d are kept", size, most)
	}
	return nil
}

// isText reports whether s is UTF-8 without a null, which a database does not keep.
func isText(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// checkNotSealed refuses metadata that make a credential look like a sealed record.
func checkNotSealed(metadata map[string]string) error {
	if _, reserved := metadata[sealNote]; reserved {
		return fmt.Errorf("its Metadata has the name %q, which NewSealedStore uses; choose another name", sealNote)
	}
	return nil
}

// maxOf returns how many bytes of metadata are kept: more where they are the envelope of a whole record.
func maxOf(metadata map[string]string) int {
	if _, sealed := metadata[sealNote]; sealed && len(metadata) == 1 {
		return maxEnvelope
	}
	return maxMetadata
}

// checkText refuses a text that is too long, or holds what a header and a file cannot.
func checkText(name, value string, most int) error {
	switch {
	case len(value) > most:
		return fmt.Errorf("%s has %d bytes, at most %d are kept", name, len(value), most)
	case !utf8.ValidString(value):
		return fmt.Errorf("%s is no valid UTF-8", name)
	case strings.ContainsFunc(value, unicode.IsControl):
		return fmt.Errorf("%s holds a control character, such as a line break in the middle; "+
			"it cannot be sent in a header", name)
	}
	return nil
}

// checkMark refuses a mark that a store must not write.
func checkMark(key string, m Mark) error {
	model, isModel := strings.CutPrefix(key, modelMark)
	if key != tokenMark && key != loginMark && (!isModel || model == "") {
		return fmt.Errorf("%q is no key of a mark", key)
	}
	return cmp.Or(checkText("the key of a mark", key, maxMarkKey), checkText("the reason of a mark", m.Reason, maxText),
		checkText("what a mark is about", m.Of, maxText))
}

// canonicalName is the name by which a provider is stored.
func canonicalName(provider string) string { return vendors.Canonical(provider) }
