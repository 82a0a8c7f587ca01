package main

import (
	"io"
	"net/http"
	"time"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/cmd/reauth/internal/statusjson"
)

// limitsOf returns what is left of the limits of a credential's account, as the answer has told it.
func limitsOf(p *reauth.Pool, provider, id string) []reauth.Limit {
	s, _ := find(p.Status(), provider, id) // one that is gone has no limits
	return s.Limits
}

// tellLimits prints a line for each limit.
func (s *probeStory) tellLimits(limits []reauth.Limit, now time.Time) {
	for _, l := range limits {
		again := ""
		if !l.Reset.IsZero() {
			again = ", all of it at " + l.Reset.Local().Format(stampFor(l.Reset, now)) + " (" + in(l.Reset, now) + ")"
		}
		of := ""
		if l.Model != "" {
			of = " of " + l.Model
		}
		s.say("  limit %s%s: %.0f%% left%s\n", l.Name, of, 100*l.Left, again)
	}
}

// probeJSON is what a probe found, as --json prints it. Programs parse it: names and meanings stay.
type probeJSON struct {
	Provider string `json:"provider"`
	ID       string `json:"id,omitempty"` // absent: no credential was sent
	Accepted bool   `json:"accepted"`
	Status   int    `json:"status"`
	// Verdict is the kind, "pass" for an answer that is not about the credential; Reason is the
	// rule.
	Verdict string `json:"verdict"`
	Reason  string `json:"reason,omitempty"`
	// Sent is how often a credential was sent.
	Sent   int                `json:"sent"`
	Limits []statusjson.Limit `json:"limits,omitempty"`
	Error  string             `json:"error,omitempty"`
}

// writeProbeJSON writes what the probe found, and returns its error, which has the exit code.
func writeProbeJSON(
	w io.Writer, provider string, s *probeStory, resp *http.Response, body []byte, limits []reauth.Limit, err error,
) error {
	v := reauth.Classify(provider, resp, body)
	doc := probeJSON{
		Provider: provider, ID: s.last(), Accepted: err == nil, Status: resp.StatusCode,
		Verdict: v.Kind.String(), Reason: v.Reason, Sent: s.count(), Limits: statusjson.Limits(limits),
	}
	if err != nil {
		doc.Error = err.Error()
	}
	if failed := writeJSON(w, doc); err == nil {
		err = failed
	}
	return err
}

// count returns how often a credential was sent.
func (s *probeStory) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sends
}
