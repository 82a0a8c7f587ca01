package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/printable"
)

// writeStatus writes the list as a table, a row for each credential. Relative times, such as "5m
// ago", count from now. Of closed records nothing is known but their names.
func writeStatus(w io.Writer, v view, now time.Time) error {
	row, flush := columns(w)
	row("PROVIDER", "CREDENTIAL", "ACCOUNT", "TOKEN", "REFRESHED", "STATE")
	for _, s := range v.list {
		account := s.AccountID
		if account == s.ID {
			// The ID is often made of the account. Saying it once is enough.
			account = ""
		}
		state := stateOf(s, now)
		if r, ok := v.recipe(s); ok {
			state += ", with the token of the " + r.String()
		}
		if words := v.seal.words(s.Provider, s.ID); words != "" {
			state += ", " + words
		}
		row(s.Provider, s.ID, account, s.Fingerprint, ago(s.LastRefresh, now), state)
	}
	for _, r := range v.closed {
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
