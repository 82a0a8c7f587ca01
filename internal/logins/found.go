package logins

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Login is a login that a file holds.
type Login struct {
	Provider string // as Canonical has it
	Name     string // for people: what the file calls it
	ID       string // tells it from the file's others; may be empty
	// Followed says that reauth.Follow follows this login, where its provider is all that is asked
	// for. At most one login of a provider has it.
	Followed bool

	AccessToken, RefreshToken string
	Expiry                    time.Time // of the access token, as the file tells it; zero: unknown
	AccountID, ClientID       string
	Hosts                     []string // the only hosts that take it; none: any of the provider's
	Priority                  int      // lower is preferred
	Metadata                  map[string]string

	FollowOnly bool // nobody but the program can refresh it
	Static     bool // the program does not renew it either: a person puts another one there. Set by Found.Followed
}

// serves reports whether the login is good at all of those hosts. None are named by a credential
// that is not bound yet.
func (l Login) serves(hosts []string) bool {
	return len(l.Hosts) == 0 || !slices.ContainsFunc(hosts, func(h string) bool { return !slices.Contains(l.Hosts, h) })
}

// Skipped is an entry of a file that is of no use. Both texts may quote the file, but no secret.
type Skipped struct{ Name, Why string }

// Found is what a file holds.
type Found struct {
	Logins  []Login
	Skipped []Skipped
	Active  string // the provider that the program uses now, as it writes it; empty: it does not say

	// followable are those of Logins that may be followed, in the order in which the program prefers
	// them.
	followable []Login
	// advice says of a provider why no login of it can be followed, and the way out. It quotes
	// nothing of the file.
	advice map[string]string
}

// Followed returns the login of a provider that reauth.Follow follows for a credential of the
// hosts: the first one that is good there. It has no refresh token: only the program may spend
// that. The error says what to do, and quotes nothing of the file but hosts.
func (f Found) Followed(provider string, hosts []string) (Login, error) {
	var others []string
	for _, l := range f.followable {
		switch {
		case l.Provider != provider:
		case !l.serves(hosts):
			others = append(others, l.Hosts...)
		default:
			l.Static = l.RefreshToken == "" && l.Expiry.IsZero()
			l.RefreshToken = ""
			return l, nil
		}
	}
	if len(others) > 0 {
		return Login{}, fmt.Errorf("its login of %s is good at %s, and the credential is for %s; "+
			"log in there for that host, or follow it anew", provider, strings.Join(others, ", "), strings.Join(hosts, ", "))
	}
	if advice := f.advice[provider]; advice != "" {
		return Login{}, errors.New(advice)
	}
	return Login{}, fmt.Errorf("it holds no login of %s; log in there first", provider)
}

// add adds a login that is only for import.
func (f *Found) add(l Login) { f.Logins = append(f.Logins, l) }

// addFollowed adds a login, which is followed if it is the first one of its provider. Readers add
// in the order in which the program prefers its logins.
func (f *Found) addFollowed(l Login) {
	l.Followed = !slices.ContainsFunc(f.Logins, func(other Login) bool {
		return other.Followed && other.Provider == l.Provider
	})
	f.followable = append(f.followable, l)
	f.add(l)
}

func (f *Found) skip(name, why string) { f.Skipped = append(f.Skipped, Skipped{name, why}) }

// advise sets the advice of a provider, unless it has one: the first entry is the preferred one.
func (f *Found) advise(provider, advice string) {
	if f.advice == nil {
		f.advice = make(map[string]string)
	}
	if f.advice[provider] == "" {
		f.advice[provider] = advice
	}
}
