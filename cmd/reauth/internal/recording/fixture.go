package recording

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Fixture is what a fixture file says.
type Fixture struct {
	Source string // where the answer is from: a URL
	Host   string // that answered; may be empty
	Reset  string // "after 42s" or "at <Unix seconds>"; empty: it does not say
}

// The header lines that a rule, or the search for a reset time, may read. Others may tell who
// somebody is, and are dropped.
var kept = regexp.MustCompile(`(?i)^(?:Content-Type|Www-Authenticate|Proxy-Authenticate|Server|X-Should-Retry|X-Openai-Authorization-Error|X-Error-Json|` +
	`Cf-Mitigated|X-Vercel-(?:Mitigated|Error)|X-Amzn-(?:Errortype|Waf-Action))$|ratelimit|rate-limit|retry-after|reset|^X-Codex-(?:Primary|Secondary|Active)-`)

// Redacted returns the response without what identifies somebody, and the names of the header lines
// that were dropped.
func (r *Response) Redacted() (clean *Response, dropped []string) {
	clean = &Response{Status: r.Status, Header: make(http.Header), Notes: make(http.Header), Encoding: r.Encoding, Opaque: r.Opaque}
	for name, values := range r.Header {
		if !kept.MatchString(name) {
			dropped = append(dropped, name)
			continue
		}
		for _, v := range values {
			clean.Header.Add(name, redactHeader(name, oneLine(v)))
		}
	}
	slices.Sort(dropped)
	clean.Body = []byte(Redact(strings.ToValidUTF8(string(r.Body), "\uFFFD")))
	if r.Status == http.StatusNoContent || r.Status == http.StatusNotModified {
		clean.Body = nil // net/http reads none
	}
	return clean, dropped
}

// redactHeader also looks into a JSON error that is sent in Base64.
func redactHeader(name, value string) string {
	if strings.EqualFold(name, "X-Error-Json") {
		b, err := base64.StdEncoding.DecodeString(value)
		if err != nil {
			return "EXAMPLE"
		}
		return base64.StdEncoding.EncodeToString([]byte(Redact(string(b))))
	}
	return Redact(value)
}

func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return ' '
		}
		return r
	}, s)
}

// File returns the fixture file of a redacted response.
func (r *Response) File(f Fixture) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\n", r.Status, http.StatusText(r.Status))
	note := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "Fixture-%s: %s\n", name, oneLine(value))
		}
	}
	note("Source", f.Source)
	note("Seen", "verbatim")
	note("Host", f.Host)
	note("Reset", f.Reset)
	if r.Encoding == "gzip" || r.Encoding == "x-gzip" {
		note("Encoding", "gzip") // the one that the loader knows
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
