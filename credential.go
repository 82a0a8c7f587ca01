package reauth

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/reauth-go/reauth/internal/jwt"
	"github.com/reauth-go/reauth/internal/vendors"
)

// Credential is what a request is authorized with: an API key, or an access token with the refresh
// token that renews it.
//
// fmt and slog print it without its secrets, under every verb but %p and %w, which ask nobody. Go leaves
// three gaps, here and for Entry, Snapshot, Holding and OAuth2Config: fmt asks no value in an
// unexported field of a program's struct, and, under a verb that does not suit a struct, such as %s,
// none behind a pointer inside of another value; and encoding it, as a Store does and slog's JSON
// handler with a slice, keeps the secrets. Give such a struct a method Format, or keep the ID instead.
type Credential struct {
	Provider string // name or alias of the provider; required
	// ID is unique within the provider. Empty, Pool.Add derives it from the account: AccountID and
	// the subject of a token that is a JWT, else a digest of the token, so that adding a login
	// twice is one credential.
	ID           string
	AccessToken  string // may be an API key; may be empty when RefreshToken is not
	RefreshToken string // what Provider.Refresher needs to renew AccessToken; empty for a static key
	// Expiry is when AccessToken expires by the provider's word. Zero: read from the token when it
	// is a JWT, else unknown.
	Expiry    time.Time
	AccountID string            // sent where the provider wants it (ChatGPT-Account-Id)
	ClientID  string            // OAuth client of the login that made the pair; empty: the provider's default
	Hosts     []string          // host patterns; non-empty: only these of the provider's hosts get the credential
	Priority  int               // lower is preferred
	Metadata  map[string]string // the user's and the refresher's notes; cloned at every border
}

// clone returns a copy that shares nothing with c.
func (c Credential) clone() Credential {
	c.Hosts = slices.Clone(c.Hosts)
	c.Metadata = maps.Clone(c.Metadata)
	return c
}

// withNotes returns a copy with more metadata.
func (c Credential) withNotes(more map[string]string) Credential {
	if len(more) == 0 {
		return c
	}
	c.Metadata = maps.Clone(c.Metadata)
	if c.Metadata == nil {
		c.Metadata = make(map[string]string)
	}
	maps.Copy(c.Metadata, more)
	return c
}

// isFit reports whether a token or an account can be sent in a header, and kept in a store.
func isFit(value string) bool {
	return utf8.ValidString(value) && !strings.ContainsFunc(value, unicode.IsControl)
}

// dropUnfit takes out of c what cannot be sent: such a value is as good as none. It returns the names
// of what was there.
func (c *Credential) dropUnfit() (dropped []string) {
	if !isFit(c.AccessToken) {
		c.AccessToken, c.Expiry = "", time.Time{}
		dropped = append(dropped, "AccessToken")
	}
	if !isFit(c.RefreshToken) {
		c.RefreshToken = ""
		dropped = append(dropped, "RefreshToken")
	}
	if !isFit(c.AccountID) {
		c.AccountID = ""
		dropped = append(dropped, "AccountID")
	}
	return dropped
}

// unfitError says that values which cannot be sent count as absent.
func unfitError(names []string) error {
	if len(names) == 0 {
		return nil
	}
	return fmt.Errorf("%s holds a control character, such as a line break in the middle, or is no valid UTF-8, "+
		"and counts as absent", strings.Join(names, ", "))
}

// String names the credential without its secrets.
func (c Credential) String() string {
	s := c.Provider + "/" + c.ID
	if f := fingerprint(c); f != "" {
		s += " (" + f + ")"
	}
	return s
}

// GoString is String: %#v must not show a secret either.
func (c Credential) GoString() string { return "reauth.Credential(" + c.String() + ")" }

// Format prints String under any verb and flag.
func (c Credential) Format(f fmt.State, verb rune) {
	s := c.String()
	if verb == 'v' && f.Flag('#') {
		s = c.GoString()
	}
	show(f, s)
}

// show prints what stands for a value that holds a secret, or leads to one.
func show(f fmt.State, s string) {
	_, _ = io.WriteString(f, s) // fmt.State reports write errors itself
}

// LogValue is what slog shows.
func (c Credential) LogValue() slog.Value { return slog.StringValue(c.String()) }

// digest identifies a secret without telling it.
func digest(secret string) string {
	if secret == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:16])
}

// fingerprint is the beginning of the access token's digest: enough for a person to tell two tokens
// apart.
func fingerprint(c Credential) string {
	d := digest(c.AccessToken)
	if d == "" {
		d = digest(c.RefreshToken)
	}
	return d[:min(len(d), 8)]
}

// fillFromJWT takes from the access token what the caller left out.
func (c *Credential) fillFromJWT() {
	claims, ok := readJWT(c.AccessToken)
	if !ok {
		return
	}
	if c.Expiry.IsZero() {
		c.Expiry = claims.expiry()
	}
	if c.AccountID == "" {
		c.AccountID = claims.OpenAI.AccountID
	}
	*c = c.withNotes(claims.notes())
}

// sourceID is the ID of a source's credential that the program gave none.
const sourceID = "source"

// derivedID names the account of a credential that the program gave no ID: adding a login twice is
// then one credential. A token that tells no account is named by a digest.
func (c *Credential) derivedID() string {
	claims, _ := readJWT(c.AccessToken) // no JWT: no subject
	switch {
	case c.AccountID != "" && claims.Subject != "":
		return c.AccountID + ":" + claims.Subject // an account may be a workspace that several people share
	case c.AccountID != "":
		return c.AccountID
	case claims.Subject != "":
		return claims.Subject
	}
	return digestID(*c)
}

// idPrefix begins the ID of a credential of which no account is known.
const idPrefix = "key-"

// digestID names a credential by its tokens. The refresh token is the older of the pair: it names the
// login for longer.
func digestID(c Credential) string {
	name := digest(cmp.Or(c.RefreshToken, c.AccessToken))
	if name == "" {
		return sourceID
	}
	return idPrefix + name[:12]
}

// sameTokens reports whether both hold the same pair.
func sameTokens(a, b Credential) bool {
	return a.AccessToken == b.AccessToken && a.RefreshToken == b.RefreshToken
}

// jwtClaims are the claims of an access token that matter. The signature is the provider's
// business.
type jwtClaims struct{ jwt.Claims }

// notes returns what metadata keeps of the claims; nil: nothing.
func (c jwtClaims) notes() map[string]string {
	if !c.OpenAI.FedRAMP {
		return nil
	}
	return map[string]string{vendors.FedRAMPNote: "true"}
}

// readJWT decodes the claims of a token that looks like a JWT (RFC 7519).
func readJWT(token string) (c jwtClaims, ok bool) {
	c.Claims, ok = jwt.Read(token)
	return c, ok
}

func (c jwtClaims) expiry() time.Time { return unixSeconds(c.Expires) }

// lifetime is how long the token lives by its own word; zero if it does not say.
func (c jwtClaims) lifetime() time.Duration {
	if c.IssuedAt <= 0 || c.Expires <= c.IssuedAt {
		return 0
	}
	return c.expiry().Sub(unixSeconds(c.IssuedAt))
}

// unixSeconds converts a NumericDate (RFC 7519 §2); what is no plausible instant is zero.
func unixSeconds(s float64) time.Time {
	if !(s > 0 && s < 1e11) {
		return time.Time{}
	}
	return time.UnixMilli(int64(s * 1000))
}
