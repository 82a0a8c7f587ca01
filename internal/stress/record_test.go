package stress_test

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/reauth-go/reauth"
)

// What a store has to know of the records that it keeps. pacedStore stands outside of package reauth,
// as the stores of other people do.

// digest is how a record names a token.
func digest(token string) string {
	if token == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:16])
}

// fingerprint returns the fingerprint of an access token as Status has it.
func fingerprint(token string) string { return digest(token)[:8] }

// binds reports whether a mark about of is about e. Another mark is void.
func binds(e *reauth.Entry, of string) bool {
	c := &e.Credential
	return of != "" && !e.Removed && (of == digest(c.AccessToken) || of == digest(c.RefreshToken) ||
		of == e.Login.UTC().Format(time.RFC3339Nano))
}

// boundMarks returns a copy of e's marks without those that are void; nil if none is left.
func boundMarks(e *reauth.Entry) map[string]reauth.Mark {
	var marks map[string]reauth.Mark
	for key, m := range e.Marks {
		if !binds(e, m.Of) {
			continue
		}
		if marks == nil {
			marks = make(map[string]reauth.Mark)
		}
		marks[key] = m
	}
	return marks
}

// isOlder reports whether a comes before b in the one order of records.
func isOlder(a, b *reauth.Entry) bool {
	if !a.Removed && !b.Removed {
		if left, other := leftBehind(b, a), leftBehind(a, b); left != other {
			return left
		}
	}
	c := a.Login.Compare(b.Login)
	switch {
	case c != 0:
		return c < 0
	case a.Removed != b.Removed:
		return b.Removed
	}
	return cmp.Or(cmp.Compare(a.Generation, b.Generation), a.LastRefresh.Compare(b.LastRefresh),
		strings.Compare(digest(a.Credential.RefreshToken), digest(b.Credential.RefreshToken))) < 0
}

// leftBehind reports whether e lists the refresh token of old as spent, and has another.
func leftBehind(e, old *reauth.Entry) bool {
	token := old.Credential.RefreshToken
	d := digest(token)
	return token != "" && token != e.Credential.RefreshToken &&
		(slices.Contains(e.Spent, d) || slices.Contains(e.Spent, "login:"+d))
}

const (
	mostMarks    = 64   // of a record
	mostRemovals = 1000 // of a store
)

// evict takes marks of models out that are too many: those that end first, and never keep.
func evict(marks map[string]reauth.Mark, keep string) map[string]reauth.Mark {
	for len(marks) > mostMarks {
		first := ""
		for key, m := range marks {
			if strings.HasPrefix(key, "model:") && key != keep && (first == "" || m.Until.Before(marks[first].Until)) {
				first = key
			}
		}
		delete(marks, first)
	}
	return marks
}

var errBounds = errors.New("out of bounds")

// check refuses a record that no store may write.
func check(e *reauth.Entry) error {
	c := &e.Credential
	hosts, size := strings.Join(c.Hosts, " "), 0
	for k, v := range c.Metadata {
		if size += len(k) + len(v); !utf8.ValidString(k+v) || strings.ContainsRune(k+v, 0) {
			return errBounds
		}
	}
	switch {
	case size > 64<<10, c.Provider == "", c.ID == "",
		!isText(c.Provider, 256), !isText(c.ID, 256), !isText(c.AccessToken, 64<<10), !isText(c.RefreshToken, 64<<10),
		!isText(c.AccountID, 4<<10), !isText(c.ClientID, 4<<10), !isText(hosts, 4<<10):
		return errBounds
	}
	return nil
}

// checkMark refuses a mark that no store may write.
func checkMark(key string, m reauth.Mark) error {
	model, isModel := strings.CutPrefix(key, "model:")
	if key != "token" && key != "login" && (!isModel || model == "") ||
		!isText(key, 4<<10) || !isText(m.Reason, 4<<10) {
		return errBounds
	}
	return nil
}

// isText reports whether a text of at most so many bytes fits into a header and into JSON.
func isText(text string, most int) bool {
	return len(text) <= most && utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}
