package reauth

import (
	"fmt"
	"strings"

	"github.com/reauth-go/reauth/internal/vendors"
)

// What a token looks like that can be of use.

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
