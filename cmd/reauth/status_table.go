package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/cmd/reauth/internal/story"
)

// writeStatus writes the list as a table, a row for each credential. Relative times, such as "5m
// ago", count from now. Of closed records nothing is known but their names.
func writeStatus(w io.Writer, v view, width int, now time.Time) error {
	row, flush := columns(w, width)
	row("PROVIDER", "CREDENTIAL", "TOKEN", "REFRESHED", "STATE")
	for _, s := range v.list {
		row(s.Provider, s.ID, s.Fingerprint, ago(s.LastRefresh, now), v.state(s, now))
	}
	for _, r := range v.closed {
		row(r.provider, r.id, "", "", "sealed with "+r.key+", does not open")
	}
	return flush()
}

// state describes in words how a credential stands, and what else is known of it.
func (v view) state(s reauth.CredentialStatus, now time.Time) string {
	parts := []string{stateOf(s, now)}
	// The ID is often made of the account. Saying it once is enough.
	if s.AccountID != "" && s.AccountID != s.ID {
		parts = append(parts, "account "+s.AccountID)
	}
	if r, ok := v.recipe(s); ok {
		parts = append(parts, "with the token of the "+r.String())
	}
	if words := v.seal.words(s.Provider, s.ID); words != "" && s.Source == "" { // a source is no record
		parts = append(parts, words)
	}
	return strings.Join(parts, ", ")
}

// stateOf describes in words how a credential stands, such as "put aside until 15:04 (in 2h00m),
// xai:spending-limit:billing, expires in 5d00h". A token that has expired is no bad state when it
// is renewed. One that nothing renews is never called good.
func stateOf(s reauth.CredentialStatus, now time.Time) string {
	expired := ""
	if story.HasExpired(s, now) {
		expired = "; token expired " + ago(s.Expiry, now) + ", " + story.Renewal(s)
	}
	var parts []string
	switch s.State {
	// The reason names the rule that decided: reauth classify explains it.
	case reauth.Aside:
		parts = append(parts, asideUntil(s.AsideUntil, now), s.Reason)
	case reauth.Retired:
		parts = append(parts, "retired", s.Reason)
	default:
		if story.HasEnded(s, now) {
			parts, expired = append(parts, strings.TrimPrefix(expired, "; token ")), ""
			break
		}
		parts = append(parts, "good", s.Reason)
	}
	for _, m := range s.Models {
		parts = append(parts, modelName(m)+" "+asideUntil(m.AsideUntil, now), m.Reason)
	}
	if s.Expiry.After(now) { // an API key has no expiry, and of some tokens it is unknown
		parts = append(parts, "expires "+in(s.Expiry, now))
	}
	if s.Follows != "" {
		parts = append(parts, "follows "+s.Follows)
	}
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), ", ") + expired
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
