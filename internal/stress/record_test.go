package stress_test

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

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
