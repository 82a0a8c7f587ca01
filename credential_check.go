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

// foreignTo returns whose keys begin as the key does, and how, when those are not the provider's.
func foreignTo(provider, key string) (owner, prefix string) {
	row := vendors.Of(provider)
	if row.Name == "" || row.AnyKey || len(row.Hosts) == 0 {
		return "", "" // a gateway of somebody's own may take any key
	}
	return row.Foreign(key)
}

// checkNames refuses an ID or an account that a terminal shows otherwise than it is: one with a
// control character, or with one that changes the direction of the text around it. It refuses one that
// is a key, too.
func checkNames(c Credential) error {
	for _, f := range []struct{ name, value string }{{"ID", c.ID}, {"AccountID", c.AccountID}} {
		for _, r := range f.value {
			if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
				return fmt.Errorf("%[1]s holds the character %[2]U, which changes how a terminal shows it; "+
					"set Credential.%[1]s to a text without it", f.name, r)
			}
		}
		if (f.value == c.AccessToken || f.value == c.RefreshToken) && redact(f.value) != f.value {
			return fmt.Errorf("%[1]s is the key itself, and would be told in events and logs; "+
				"set Credential.%[1]s to a name", f.name)
		}
	}
	return nil
}
