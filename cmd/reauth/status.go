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

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/printable"
)

// statusCmd prints how the credentials of the store stand.
type statusCmd struct {
	Provider string `arg:"" optional:"" help:"Only this provider's credentials."`
	JSON     bool   `name:"json" help:"Print JSON, for programs."`
}

// Help implements kong.HelpProvider.
func (*statusCmd) Help() string {
	return `Of a secret only a fingerprint is shown, the beginning of its digest, to tell two apart. In a store with sealed records the state says
of each with which key it is sealed, by the key's id.

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
	seal := a.sealing()
	closed := seal.unopened(p.Status(), c.Provider)
	// JSON is written for an empty store too: a program can rely on its form.
	if c.JSON {
		return writeStatusJSON(a.stdout, a.storeName(), list, seal, closed)
	}
	// An empty store is no failure. The advice is for people and not for a pipe.
	if len(list)+len(closed) == 0 {
		a.notef("reauth: there is no credential%s in %s; get one in with: reauth login, reauth import, reauth add\n",
			ofProvider(c.Provider), a.storeName())
		return nil
	}
	return writeStatus(a.stdout, list, seal, closed, time.Now())
}

// ofProvider returns " of name", or nothing without a name.
func ofProvider(name string) string {
	if name == "" {
		return ""
	}
	return " of " + name
}

// only returns the credentials of a provider, which is given by its name or an alias, and of those
// the one with this ID. An empty provider or ID means any. A name that is neither built in nor in
// the store is a usage error: most likely it is misspelt. only overwrites list.
func only(list []reauth.CredentialStatus, provider, id string) ([]reauth.CredentialStatus, error) {
	if provider != "" {
		// A program may have stored credentials of a provider that is not built in.
		name := provider
		if pr, ok := reauth.LookupProvider(provider); ok {
			name = pr.Name
		} else if !slices.ContainsFunc(list, func(s reauth.CredentialStatus) bool { return s.Provider == provider }) {
			_, err := lookup(provider)
			return nil, err
		}
		list = slices.DeleteFunc(list, func(s reauth.CredentialStatus) bool {
			return s.Provider != name || id != "" && s.ID != id
		})
	}
	return list, nil
}

// chosen returns the credentials that a command names. If there is none, its error ends the command
// with the given exit code and names the way to get one. If only the ID is wrong, the error lists
// the IDs that exist.
func (a *app) chosen(p *reauth.Pool, provider, id string, code int) ([]reauth.CredentialStatus, error) {
	all := p.Status()
	// only overwrites its list, and the error below needs all of it.
	list, err := only(slices.Clone(all), provider, id)
	if err != nil || len(list) > 0 {
		return list, err
	}
	if others, _ := only(all, provider, ""); len(others) > 0 {
		return nil, fmt.Errorf("reauth: %s has no credential %q of %s; it has %s",
			a.storeName(), id, others[0].Provider, idsOf(others))
	}
	name := provider
	if pr, ok := reauth.LookupProvider(provider); ok {
		name = pr.Name
	}
	return nil, &exitError{code, fmt.Errorf("reauth: %s has no credential of %s; %s", a.storeName(), name, wayIn(name))}
}

// idsOf returns the quoted IDs of the list, separated by commas.
func idsOf(list []reauth.CredentialStatus) string {
	ids := make([]string, 0, len(list))
	for _, s := range list {
		ids = append(ids, fmt.Sprintf("%q", s.ID))
	}
	return strings.Join(ids, ", ")
}

// writeStatus writes the list as a table, a row for each credential. Relative times, such as "5m
// ago", count from now. Of closed records nothing is known but their names.
func writeStatus(w io.Writer, list []reauth.CredentialStatus, seal sealing, closed []sealedAs, now time.Time) error {
	row, flush := columns(w)
	row("PROVIDER", "CREDENTIAL", "ACCOUNT", "TOKEN", "REFRESHED", "STATE")
	for _, s := range list {
		account := s.AccountID
		if account == s.ID {
			// The ID is often made of the account. Saying it once is enough.
			account = ""
		}
		state := stateOf(s, now)
		if words := seal.words(s.Provider, s.ID); words != "" {
			state += ", " + words
		}
		row(s.Provider, s.ID, account, s.Fingerprint, ago(s.LastRefresh, now), state)
	}
	for _, r := range closed {
		row(r.provider, r.id, "", "", "", "sealed with "+r.key+", does not open")
	}
	return flush()
}

// columns returns what writes the rows of a table, in columns of equal width, and what ends it.
func columns(w io.Writer) (row func(cells ...string), flush func() error) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	return func(cells ...string) {
		// An empty cell would be hard to see, and awk would miscount the columns.
		for i := range cells {
			cells[i] = cmp.Or(printable.Line(cells[i]), "-")
		}
		// The tabwriter only buffers here. Flush returns the errors of w.
		_, _ = fmt.Fprintln(t, strings.Join(cells, "\t"))
	}, t.Flush
}

// stateOf describes in words how a credential stands, such as "put aside until 15:04 (in 2h00m),
// xai:spending-limit:billing, expires in 5d00h".
func stateOf(s reauth.CredentialStatus, now time.Time) string {
	var parts []string
	switch s.State {
	// The reason names the rule that decided: reauth classify explains it.
	case reauth.Aside:
		parts = append(parts, asideUntil(s.AsideUntil, now), s.Reason)
	case reauth.Retired:
		parts = append(parts, "retired", s.Reason)
	default:
		parts = append(parts, "good", s.Reason)
	}
	for _, m := range s.Models {
		parts = append(parts, modelName(m)+" "+asideUntil(m.AsideUntil, now), m.Reason)
	}
	switch {
	// An API key has no expiry, and of some tokens it is unknown.
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

// asideUntil says until when a credential, or a model of it, is put aside.
func asideUntil(t, now time.Time) string {
	return fmt.Sprintf("put aside until %s (%s)", t.Local().Format(stampFor(t, now)), in(t, now))
}

// modelName names a model, and the host where a mark is about that one alone.
func modelName(m reauth.ModelStatus) string {
	if m.Host != "" {
		return m.Model + " at " + m.Host
	}
	return m.Model
}

// stampFor returns the layout in which to print t. Within the next 20 hours the time of day alone
// is clear; a later t needs its date.
func stampFor(t, now time.Time) string {
	if t.Sub(now) < 20*time.Hour {
		return "15:04"
	}
	return "2006-01-02 15:04"
}

// in says how far t lies ahead: "in 5m", or "now" when it has passed.
func in(t, now time.Time) string {
	if d := t.Sub(now); d > 0 {
		return "in " + short(d)
	}
	return "now"
}

// ago says how long ago t was: "5m ago". A zero t gives nothing.
func ago(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	return short(now.Sub(t)) + " ago"
}

// short formats a duration in at most two units, without rounding up. A negative one counts as
// zero.
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

// statusJSON is a credential in the output of --json. Programs parse it: names and meanings stay.
// Times are in UTC and whole seconds (RFC 3339); an unknown time is absent.
type statusJSON struct {
	Provider string `json:"provider"`
	ID       string `json:"id"`
	Account  string `json:"account,omitempty"`
	// Fingerprint is the beginning of the access token's digest.
	Fingerprint string `json:"fingerprint"`
	// State is "good", "aside" or "retired". Reason is the rule that decided; of a good one it is
	// "probing" while one request tries it after a rest, else absent.
	State  string `json:"state"`
	Reason string `json:"reason,omitempty"`
	// Follows is the kind of program whose login it is, as "reauth import" names it.
	Follows string `json:"follows,omitempty"`
	// Sealed is the id of the key that seals the record; absent: it is in the clear.
	Sealed string `json:"sealed,omitempty"`
	// Priority: lower is preferred.
	Priority    int        `json:"priority"`
	Expiry      *time.Time `json:"expiry,omitempty"`
	AsideUntil  *time.Time `json:"aside_until,omitempty"`
	LastRefresh *time.Time `json:"last_refresh,omitempty"`
	// Models are those for which the credential is put aside. A name that ends in "*" is a family's.
	Models []modelJSON `json:"models,omitempty"`
}

// modelJSON is a model for which a credential is put aside. Without a host it is so everywhere.
type modelJSON struct {
	Model      string     `json:"model"`
	Host       string     `json:"host,omitempty"`
	State      string     `json:"state"`
	Reason     string     `json:"reason"`
	AsideUntil *time.Time `json:"aside_until"`
}

// closedJSON is a credential whose record does not open.
type closedJSON struct {
	Provider string `json:"provider"`
	ID       string `json:"id"`
	Sealed   string `json:"sealed"`
}

// writeStatusJSON writes the list as an indented JSON object. An empty list is [], not null, so
// that "jq .credentials[]" works. Closed is absent when every record opens.
func writeStatusJSON(
	w io.Writer, store string, list []reauth.CredentialStatus, seal sealing, closed []sealedAs,
) error {
	doc := struct {
		Store       string       `json:"store"`
		Credentials []statusJSON `json:"credentials"`
		Closed      []closedJSON `json:"closed,omitempty"`
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
			Provider: s.Provider, ID: s.ID, Account: s.AccountID, Fingerprint: s.Fingerprint,
			State: string(s.State), Reason: s.Reason, Follows: s.Follows, Sealed: seal.of(s.Provider, s.ID), Priority: s.Priority,
			Expiry: stamp(s.Expiry), AsideUntil: stamp(s.AsideUntil), LastRefresh: stamp(s.LastRefresh),
		})
		last := &doc.Credentials[len(doc.Credentials)-1]
		for _, m := range s.Models {
			last.Models = append(last.Models, modelJSON{m.Model, m.Host, string(m.State), m.Reason, stamp(m.AsideUntil)})
		}
	}
	for _, r := range closed {
		doc.Closed = append(doc.Closed, closedJSON{r.provider, r.id, r.key})
	}
	return writeJSON(w, doc)
}

// writeJSON writes v as indented JSON that is fit for programs and for a terminal.
func writeJSON(w io.Writer, v any) error {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	// The output goes into no page: & stays readable.
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := io.WriteString(w, printable.JSON(b.String()))
	return err
}
