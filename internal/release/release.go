// Package release names the release of the library. The library, its logins and its command say the
// same of themselves.
package release

// Version is the version in the User-Agent header of the requests that the library makes itself: those
// to token endpoints, and those of logins.
const Version = "0.1.0"
