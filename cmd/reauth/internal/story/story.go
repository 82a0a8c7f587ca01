// Package story tells the events of a pool in words for people.
package story

import (
	"fmt"
	"time"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/printable"
)

// Line returns a line of a story: what happened so long after its beginning.
func Line(after time.Duration, what string) string {
	return fmt.Sprintf("  %7.1f ms  %s\n", milliseconds(after), printable.Line(what))
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// Of says what happened.
func Of(e reauth.Event) string {
	ms := fmt.Sprintf("%.1f ms", milliseconds(e.Duration))
	switch e.Type {
	case reauth.Sent:
		return sent(e, ms)
	case reauth.Judged:
		return "verdict: " + e.Reason
	case reauth.Refreshing:
		return fmt.Sprintf("refreshing %q (%s)", e.ID, e.Reason)
	case reauth.Refreshed:
		return fmt.Sprintf("refreshed %q: one exchange of %s", e.ID, ms)
	case reauth.Adopted:
		return fmt.Sprintf("newer tokens of %q found in the store", e.ID)
	case reauth.Switched:
		return fmt.Sprintf("switched to %q", e.ID)
	case reauth.PutAside:
		return putAside(e)
	case reauth.Retired:
		return fmt.Sprintf("retired %q: %s", e.ID, e.Reason)
	case reauth.GaveUp:
		return "the refusal goes back to the caller: " + e.Reason
	case reauth.PassedThrough:
		return fmt.Sprintf("request sent without a credential (%s): %v", e.Reason, e.Err)
	case reauth.RefreshFailed:
		return fmt.Sprintf("refresh of %q failed: %v", e.ID, e.Err)
	case reauth.StoreFailed:
		return fmt.Sprintf("the store failed (%s): %v", e.Reason, e.Err)
	default:
		return fmt.Sprintf("%s %q %s", e.Type, e.ID, e.Reason)
	}
}

func sent(e reauth.Event, ms string) string {
	what := "request sent"
	if e.Attempt > 1 {
		what = "request replayed"
	}
	if e.Err != nil {
		return fmt.Sprintf("%s with %q: failed after %s", what, e.ID, ms)
	}
	return fmt.Sprintf("%s with %q: %d after %s", what, e.ID, e.Status, ms)
}

func putAside(e reauth.Event) string {
	of := ""
	if e.About != "" {
		of = " for " + e.About
	}
	return fmt.Sprintf("put aside %q%s until %s", e.ID, of, e.Until.Local().Format(time.TimeOnly))
}
