package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/reauth-go/reauth"
)

// statusCmd shows the pool.
type statusCmd struct {
	Provider string `arg:"" optional:"" help:"Only this provider's credentials."`
	JSON     bool   `name:"json" help:"Print JSON, for programs."`
}

// Help implements kong.HelpProvider.
func (*statusCmd) Help() string {
	return `Of a secret only a fingerprint is shown, the beginning of its digest, to tell two apart.

Examples:

    reauth status
    reauth status --json | jq -r '.credentials[] | select(.state != "good") | .id'
`
}

// Run implements the command.
func (c *statusCmd) Run(a *app) error {
	p, err := a.pool()
	if err != nil {
		return err
	}
	list, err := only(p.Status(), c.Provider, "")
	if err != nil {
		return err
	}
	if c.JSON {
		return writeStatusJSON(a.stdout, a.storeName(), list)
	}
	if len(list) == 0 {
		a.notef("reauth: there is no credential%s in %s; get one in with: reauth login, reauth import, reauth add\n", ofProvider(c.Provider), a.storeName())
		return nil
	}
	return writeStatus(a.stdout, list, time.Now())
}

func ofProvider(name string) string {
	if name == "" {
		return ""
	}
	return " of " + name
}

// only returns the credentials of a provider, by name or alias, and of those the one of that ID. An
// empty name is any.
func only(list []reauth.CredentialStatus, provider, id string) ([]reauth.CredentialStatus, error) {
	if provider != "" {
		name := provider
		if pr, ok := reauth.LookupProvider(provider); ok {
			name = pr.Name
		} else if !slices.ContainsFunc(list, func(s reauth.CredentialStatus) bool { return s.Provider == provider }) {
			_, err := lookup(provider) // neither built in nor in the store
			return nil, err
		}
		list = slices.DeleteFunc(list, func(s reauth.CredentialStatus) bool { return s.Provider != name || id != "" && s.ID != id })
	}
	return list, nil
}

// chosen returns the credentials that a command names; that there is none is an error with the exit
// code given.
func (a *app) chosen(p *reauth.Pool, provider, id string, code int) ([]reauth.CredentialStatus, error) {
	all := p.Status()
	list, err := only(slices.Clone(all), provider, id)
	if err != nil || len(list) > 0 {
		return list, err
	}
	if others, _ := only(all, provider, ""); len(others) > 0 {
		return nil, fmt.Errorf("reauth: %s has no credential %q of %s; it has %s", a.storeName(), id, others[0].Provider, idsOf(others))
	}
	name := provider
	if pr, ok := reauth.LookupProvider(provider); ok {
		name = pr.Name
	}
	return nil, &exitError{code, fmt.Errorf("reauth: %s has no credential of %s; %s", a.storeName(), name, wayIn(name))}
}

func idsOf(list []reauth.CredentialStatus) string {
	ids := make([]string, 0, len(list))
	for _, s := range list {
		ids = append(ids, fmt.Sprintf("%q", s.ID))
	}
	return strings.Join(ids, ", ")
}

// writeStatus writes the table.
func writeStatus(w io.Writer, list []reauth.CredentialStatus, now time.Time) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(cells ...string) {
		for i := range cells {
			cells[i] = cmp.Or(printable(cells[i]), "-")
		}
		_, _ = fmt.Fprintln(t, strings.Join(cells, "\t")) // Flush tells
	}
	row("PROVIDER", "CREDENTIAL", "ACCOUNT", "TOKEN", "REFRESHED", "STATE")
	for _, s := range list {
		account := s.AccountID
		if account == s.ID {
			account = "" // said already
		}
		row(s.Provider, s.ID, account, s.Fingerprint, ago(s.LastRefresh, now), stateOf(s, now))
	}
	return t.Flush()
}

// printable drops what would disturb a terminal: a store may have been written by anybody.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s)
}

// stateOf says how a credential stands, for people.
func stateOf(s reauth.CredentialStatus, now time.Time) string {
	var parts []string
	switch s.State {
	case reauth.Aside:
		parts = append(parts, fmt.Sprintf("put aside until %s (%s)", s.AsideUntil.Local().Format(stampFor(s.AsideUntil, now)), in(s.AsideUntil, now)), s.Reason)
	case reauth.Retired:
		parts = append(parts, "retired", s.Reason)
	default:
		parts = append(parts, "good")
	}
	switch {
	case s.Expiry.IsZero():
	case s.Expiry.After(now):
		parts = append(parts, "expires "+in(s.Expiry, now))
	default:
		parts = append(parts, "expired "+ago(s.Expiry, now))
	}
	if s.Follows != "" {
		parts = append(parts, "follows "+s.Follows)
	}
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), ", ")
}

func stampFor(t, now time.Time) string {
	if t.Sub(now) < 20*time.Hour {
		return "15:04"
	}
	return "2006-01-02 15:04"
}

func in(t, now time.Time) string {
	if d := t.Sub(now); d > 0 {
		return "in " + short(d)
	}
	return "now"
}

func ago(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	return short(now.Sub(t)) + " ago"
}

// short is a length of time in at most two units.
func short(d time.Duration) string {
	switch d = max(d, 0); {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%02dh", int(d.Hours())/24, int(d.Hours())%24)
}

// statusJSON is a credential as programs read it.
type statusJSON struct {
	Provider    string     `json:"provider"`
	ID          string     `json:"id"`
	Account     string     `json:"account,omitempty"`
	Fingerprint string     `json:"fingerprint"`
	State       string     `json:"state"`
	Reason      string     `json:"reason,omitempty"`
	Follows     string     `json:"follows,omitempty"`
	Priority    int        `json:"priority"`
	Expiry      *time.Time `json:"expiry,omitempty"`
	AsideUntil  *time.Time `json:"aside_until,omitempty"`
	LastRefresh *time.Time `json:"last_refresh,omitempty"`
}

func writeStatusJSON(w io.Writer, store string, list []reauth.CredentialStatus) error {
	doc := struct {
		Store       string       `json:"store"`
		Credentials []statusJSON `json:"credentials"`
	}{Store: store, Credentials: []statusJSON{}}
	stamp := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		t = t.UTC().Truncate(time.Second)
		return &t
	}
	for _, s := range list {
		doc.Credentials = append(doc.Credentials, statusJSON{
			Provider: s.Provider, ID: s.ID, Account: s.AccountID, Fingerprint: s.Fingerprint, State: string(s.State), Reason: s.Reason, Follows: s.Follows,
			Priority: s.Priority, Expiry: stamp(s.Expiry), AsideUntil: stamp(s.AsideUntil), LastRefresh: stamp(s.LastRefresh),
		})
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(doc)
}
