package proxy

import (
	"mime"
	"net/http"
	"strings"
)

// answer is an http.ResponseWriter that records the status and counts the body's bytes.
// http.ResponseController finds Flush and Hijack through Unwrap.
type answer struct {
	http.ResponseWriter
	body   *body // of the request; nil: it has none
	status int
	bytes  int64
}

// Unwrap implements the interface that http.ResponseController looks for.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// WriteHeader implements http.ResponseWriter. It does not record informational statuses such as 100
// and 103, which precede the final one. 101 is final.
func (a *answer) WriteHeader(status int) {
	if status < 200 {
		// ModifyResponse of the ReverseProxy sees the final answer only.
		withoutOriginsOwn(a.Header())
	} else if a.body.unfinished() {
		// The provider answers before it has all of the body. The rest may come during the answer,
		// or never, and what is left of it must not be taken for the next request.
		a.Header().Set("Connection", "close")
	}
	if a.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (a *answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	n, err := a.ResponseWriter.Write(b)
	a.bytes += int64(n)
	return n, err
}

// withoutOriginsOwn removes what a browser would keep for the host that it has asked, which is the
// proxy's: cookies, which it would send to every other program on that host, and policies of the
// provider about its own host.
func withoutOriginsOwn(h http.Header) {
	for _, name := range []string{
		"Set-Cookie", "Set-Cookie2", "Strict-Transport-Security", "Public-Key-Pins", "Alt-Svc", "Clear-Site-Data",
		"Report-To", "Reporting-Endpoints", "Nel",
	} {
		delete(h, name)
	}
}

// sandboxed gives an answer that a browser may render an origin of its own, by the directive
// sandbox of Content-Security-Policy (level 3, section 6.3.2). A page of the provider's, or one
// that somebody has put there, would otherwise be of the proxy's origin: its script could read the
// status page and spend the account. Policies of several headers hold together.
func sandboxed(h http.Header) {
	if !isData(h["Content-Type"]) {
		h.Add("Content-Security-Policy", "sandbox")
	}
}

// isData reports whether an answer is of a type that APIs answer with and no browser renders. A
// type that is missing, invalid or there twice may become any type.
func isData(types []string) bool {
	if len(types) != 1 {
		return false
	}
	kind, _, err := mime.ParseMediaType(types[0])
	return err == nil && (kind == "application/json" || kind == "text/event-stream" ||
		strings.HasPrefix(kind, "application/") && strings.HasSuffix(kind, "+json"))
}
