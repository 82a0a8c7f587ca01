package recordtest

import (
	"cmp"
	"slices"
	"strings"

	"github.com/reauth-go/reauth"
)

// compare is the one order of records, written down once more from the contract: 1 when a is newer,
// -1 when b is, and 0 when neither is.
func compare(a, b *reauth.Entry) int {
	if !a.Removed && !b.Removed {
		if left := cmp.Compare(count(leaves(b, a)), count(leaves(a, b))); left != 0 {
			return -left
		}
	}
	c := cmp.Or(a.Login.Compare(b.Login), cmp.Compare(count(a.Removed), count(b.Removed)),
		cmp.Compare(a.Generation, b.Generation))
	if c != 0 || a.Removed || sameTokens(a, b) {
		return c
	}
	return cmp.Or(a.LastRefresh.Compare(b.LastRefresh),
		strings.Compare(digest(a.Credential.RefreshToken), digest(b.Credential.RefreshToken)))
}

// leaves reports whether a lists b's refresh token as left behind.
func leaves(a, b *reauth.Entry) bool {
	rt := b.Credential.RefreshToken
	return rt != "" && rt != a.Credential.RefreshToken &&
		(slices.Contains(a.Spent, digest(rt)) || slices.Contains(a.Spent, "login:"+digest(rt)))
}

func sameTokens(a, b *reauth.Entry) bool {
	return a.Credential.AccessToken == b.Credential.AccessToken && a.Credential.RefreshToken == b.Credential.RefreshToken
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}
