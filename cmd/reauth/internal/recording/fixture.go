package recording

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/reauth-go/reauth/cmd/reauth/internal/pattern"
	"github.com/reauth-go/reauth/internal/printable"
)

// Fixture is what a fixture file says about its response, in lines that begin with Fixture-.
type Fixture struct {
	// Source says where the response is from, such as the URL of an issue.
	Source string
	// Host is the host that answered. It may be empty.
	Host string
	// Reset is the reset time that the rules must find: "after 42s" or "at " with a Unix time in
	// seconds. It is empty if the response names none.
	Reset string
	// Scope is "model", or "model " with a family of models, if the answer states that its limit,
	// or its lack, is one of a model. Cause is "entitlement" or "anyone" for what is forbidden and
	// understood. Both may be empty.
	Scope, Cause string
}

// kept matches the names of the header lines that a rule, or the search for a reset time, may read.
// Redacted drops all others: they may identify somebody.
var kept = pattern.Lazy(`(?i)^(?:Content-Type|Www-Authenticate|Proxy-Authenticate|Server|X-Should-Retry|` +
	`X-Openai-Authorization-Error|X-Error-Json|Cf-Mitigated|X-Vercel-(?:Mitigated|Error)|` +
	`X-Amzn-(?:Errortype|Waf-Action))$|` +
	`ratelimit|rate-limit|retry-after|reset|^X-Codex-(?:Primary|Secondary|Active)-`)

// Redacted returns a copy without what identifies somebody, and the sorted names of the header
// lines that it has dropped. The copy has no notes.
func (r *Response) Redacted() (clean *Response, dropped []string) {
	clean = &Response{
		Status: r.Status, Header: make(http.Header), Notes: make(http.Header), Encoding: r.Encoding, Opaque: r.Opaque,
	}
	for name, values := range r.Header {
		if !kept().MatchString(name) {
			dropped = append(dropped, name)
			continue
		}
		for _, v := range values {
			clean.Header.Add(name, redactHeader(name, printable.Line(v)))
		}
	}
	slices.Sort(dropped)
	clean.Body = []byte(Redact(strings.ToValidUTF8(string(r.Body), "\uFFFD")))
	if r.Status == http.StatusNoContent || r.Status == http.StatusNotModified {
		// These statuses have no body (RFC 9110 §6.4.1), and net/http reads none of it.
		clean.Body = nil
	}
	return clean, dropped
}

// redactHeader redacts the value of a header line. X-Error-Json holds a JSON error in Base64, which
// is decoded for that. A value that cannot be decoded could hold anything, so it is replaced.
func redactHeader(name, value string) string {
	if strings.EqualFold(name, "X-Error-Json") {
		b, err := base64.StdEncoding.DecodeString(value)
		if err != nil {
			return "EXAMPLE"
		}
		return base64.StdEncoding.EncodeToString([]byte(Redact(string(b))))
	}
	return Redact(hide(name, value))
}

// File returns the content of the fixture file: a status line, the notes, the header sorted by
// name, an empty line and the body. r must have come from Redacted.
func (r *Response) File(f Fixture) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\n", r.Status, http.StatusText(r.Status))
	note := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "Fixture-%s: %s\n", name, printable.Line(value))
		}
	}
	note("Source", Redact(f.Source))
	// "verbatim" means that the response was really seen. Others are written from documentation.
	note("Seen", "verbatim")
	note("Host", Redact(f.Host))
	note("Reset", f.Reset)
	note("Scope", f.Scope)
	note("Cause", f.Cause)
	if r.Encoding == "gzip" || r.Encoding == "x-gzip" {
		// The loader of the fixtures compresses the body again when this note says gzip. It knows
		// no other encoding.
		note("Encoding", "gzip")
	}
	names := make([]string, 0, len(r.Header))
	for name := range r.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, v := range r.Header[name] {
			fmt.Fprintf(&b, "%s: %s\n", name, v)
		}
	}
	b.WriteByte('\n')
	b.Write(r.Body)
	return b.Bytes()
}
