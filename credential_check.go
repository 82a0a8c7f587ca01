package reauth

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/reauth-go/reauth/internal/vendors"
)

// What a credential must be like to be of use. Add refuses one that is not; of one that stands in a
// store it is told.

var errNoToken = errors.New("the credential has neither an access token nor a refresh token")

// checkRecord says what is wrong with a credential that stands in a store, as far as that can be
// told without its provider, which a program may register later.
func checkRecord(c Credential) error {
	_, follows := c.Metadata[followKey]
	switch {
	case c.Provider == "":
		return errNoProvider
	case c.ID == "":
		return errors.New("the credential has no ID")
	case follows && followerOf(c) == nil:
		return unknownProgram(c.Metadata[followKey])
	case !follows && c.AccessToken == "" && c.RefreshToken == "":
		return errNoToken
	}
	if err := checkHosts(c); err != nil {
		return err
	}
	return checkShape(c, vendors.Of(c.Provider).Name != "")
}

// checkHosts makes sure that a credential bound to hosts names good ones, and that one which must
// be bound is.
func checkHosts(c Credential) error {
	for _, h := range c.Hosts {
		if _, err := parseOwnHost(c.Provider, h); err != nil {
			return err
		}
	}
	if len(c.Hosts) == 0 && needsOwnHost(c.Provider) {
		return fmt.Errorf("a credential of %s is good at one resource only; "+
			"name its host in Credential.Hosts, as in %q", c.Provider, vendors.Of(c.Provider).Own.Host())
	}
	return nil
}

// parseOwnHost reads a pattern of Credential.Hosts.
func parseOwnHost(provider, text string) (hostPattern, error) {
	p, err := parseHostPattern(text)
	if err == nil && needsOwnHost(provider) && strings.Contains(p.host, "*") {
		return p, fmt.Errorf("host pattern %q: a key of %s is good at one resource only; name its host exactly",
			text, provider)
	}
	return p, err
}

// ownHosts returns the hosts that a credential is bound to; none: any of its provider's. One that
// names no good host, or must be bound and is not, serves none: it must not go to all of them
// instead.
func ownHosts(c Credential) (hosts []hostPattern) {
	if len(c.Hosts) == 0 && !needsOwnHost(c.Provider) {
		return nil
	}
	for _, h := range c.Hosts {
		if p, err := parseOwnHost(c.Provider, h); err == nil {
			hosts = append(hosts, p)
		}
	}
	if len(hosts) == 0 {
		return []hostPattern{{host: "invalid."}}
	}
	return hosts
}

// checkShape refuses tokens that are not what they should be, but where that stands, or more than
// it. plain says that the access token is sent as it is, behind a scheme at most: else the provider
// may make anything of it. A refresh token is what the refresher makes of it, where that is none of
// ours.
func checkShape(c Credential, plain bool) error {
	if err := checkTokenShape("AccessToken", c.AccessToken, plain); err != nil {
		return err
	}
	return checkTokenShape("RefreshToken", c.RefreshToken, vendors.Of(c.Provider).Auth != nil)
}

// checkTokenShape is checkShape for one token. Its error tells nothing of the token.
func checkTokenShape(field, token string, plain bool) error {
	switch {
	case isPlaceholder(token):
		return fmt.Errorf("%s is the name of a variable and not its value; expand it first, as by os.Getenv", field)
	case !plain:
		return nil
	case !isASCII(token):
		return fmt.Errorf("%s holds a character outside of ASCII, which no key has; copy it anew", field)
	case schemeOf(token) != "":
		return fmt.Errorf("%s begins with %q; give the key alone", field, schemeOf(token))
	case strings.ContainsAny(token, " \t"):
		return fmt.Errorf("%s holds white space, which no key does; copy it anew", field)
	case len(token) > 1 && strings.ContainsAny(token[:1], "\"'`"):
		return fmt.Errorf("%s stands in quotes; give the key alone", field)
	}
	return nil
}

// isPlaceholder reports whether s names a variable, as a shell, a template or a file of settings
// has it that nobody has expanded: $NAME, ${NAME}, $(command), %NAME%, {{ .Name }}.
func isPlaceholder(s string) bool {
	within := func(prefix, suffix string) bool {
		return len(s) > len(prefix)+len(suffix) && strings.HasPrefix(s, prefix) && strings.HasSuffix(s, suffix)
	}
	name, dollar := strings.CutPrefix(s, "$")
	return strings.Contains(s, "${") || dollar && isVariable(name) || within("$(", ")") || within("{{", "}}") ||
		within("%", "%") && isVariable(s[1:len(s)-1])
}

// isVariable reports whether s is the name of a variable, as shells have it.
func isVariable(s string) bool {
	isLetter := func(r rune) bool { return r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }
	return s != "" && isLetter(rune(s[0])) &&
		!strings.ContainsFunc(s, func(r rune) bool { return !isLetter(r) && (r < '0' || r > '9') })
}

// schemeOf returns what stands before a key that was copied with its header, or out of a file of
// settings; empty: nothing does.
func schemeOf(token string) string {
	for _, before := range []string{
		"Bearer ", "Basic ", "Token ", "Key ", "Authorization:", "X-Api-Key:", "Api-Key:", "X-Goog-Api-Key:",
	} {
		if len(token) > len(before) && strings.EqualFold(token[:len(before)], before) {
			return strings.TrimSpace(before)
		}
	}
	name, _, assigned := strings.Cut(token, "=")
	if assigned && isVariable(name) && (strings.HasSuffix(name, "_KEY") || strings.HasSuffix(name, "_TOKEN")) {
		return name + "="
	}
	return ""
}

// foreignTo returns whose keys begin as the key does, and how, when those are not the provider's.
func foreignTo(provider, key string) (owner, prefix string) {
	row := vendors.Of(provider)
	if row.Name == "" || row.AnyKey || len(row.Hosts) == 0 {
		return "", "" // a gateway of somebody's own may take any key
	}
	return row.Foreign(key)
}

// checkNames refuses an ID or an account that a terminal shows otherwise than it is: one with a
// control character, or with one that changes the direction of the text around it.
func checkNames(c Credential) error {
	for _, f := range []struct{ name, value string }{{"ID", c.ID}, {"AccountID", c.AccountID}} {
		for _, r := range f.value {
			if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
				return fmt.Errorf("%[1]s holds the character %[2]U, which changes how a terminal shows it; "+
					"set Credential.%[1]s to a text without it", f.name, r)
			}
		}
	}
	return nil
}
