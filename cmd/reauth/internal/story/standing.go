package story

import (
	"time"

	"github.com/reauth-go/reauth"
)

// Renewal says what becomes of a token of the credential that has expired.
func Renewal(s reauth.CredentialStatus) string {
	switch {
	case s.Follows != "":
		return "its program renews it"
	case s.Source != "":
		return "its source is asked on use"
	case s.Refreshable:
		return "renewed on use"
	}
	return "nothing renews it"
}

// HasExpired reports whether the token of a credential has expired.
func HasExpired(s reauth.CredentialStatus, now time.Time) bool {
	return !s.Expiry.IsZero() && !s.Expiry.After(now)
}

// HasEnded reports whether it has, and nothing renews it: whatever the pool's state of it is,
// nobody should read that it is good.
func HasEnded(s reauth.CredentialStatus, now time.Time) bool {
	return HasExpired(s, now) && !s.Refreshable
}
