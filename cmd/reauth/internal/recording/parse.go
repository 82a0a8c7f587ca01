// Package recording reads HTTP responses that a person has recorded, and turns them into fixtures:
// test cases of the rules, without secrets and personal data.
package recording

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"regexp"
	"strconv"
	"strings"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/cmd/reauth/internal/pattern"
)

// Response is a recorded response.
type Response struct {
	Status int
	// Header is the header without the fixture's notes, and without the lines that described the
	// body on the wire.
	Header http.Header
	// Notes are the lines whose names begin with Fixture-. The fixtures use them for what is no
	// part of the response.
	Notes http.Header
	// Body is the decoded body, up to Max bytes. Of a damaged one it has the part in front of the
	// damage.
	Body []byte
	// Encoding is the Content-Encoding that the response had when it was recorded.
	Encoding string
	// Opaque: the body could not be decoded, and Body is empty.
	Opaque bool
	// Skipped is how many header blocks precede the last one: 100 Continue, the answer of a forward
	// proxy, redirects.
	Skipped int
}

// Verdict classifies the response by the rules of the provider. An empty name means the generic
// rules alone.
func (r *Response) Verdict(provider string) reauth.Verdict {
	resp := r.HTTP()
	return reauth.Classify(provider, &resp, r.Body)
}

// HTTP returns the response in the form of net/http, with an empty body. The rules take the body
// apart from it.
func (r *Response) HTTP() http.Response {
	return http.Response{
		StatusCode: r.Status, Status: strconv.Itoa(r.Status) + " " + http.StatusText(r.Status),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: r.Header, Body: http.NoBody, ContentLength: int64(len(r.Body)),
	}
}

// Max is how many bytes of a recording, and of a decoded body, are read. The rules look at 64 KiB.
const Max = 8 << 20

// statusLine matches the status line of any version of HTTP. curl prints HTTP/2 and HTTP/3 with no
// minor version and an empty reason. The group is the status.
var statusLine = pattern.Lazy(`^HTTP/[0-9](?:\.[0-9])? ([1-9][0-9]{2})(?: .*)?$`)

// Parse reads a response as "curl -i" prints it: any version of HTTP, with CRLF or LF, after the
// header blocks of earlier responses. It decodes a body that is still chunked or compressed. It
// tolerates a byte order mark and empty lines in front, which editors leave behind.
func Parse(b []byte) (*Response, error) {
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	b = bytes.TrimLeft(b, " \t\r\n")
	if len(b) == 0 {
		return nil, errors.New("there is nothing to read; a response is wanted as curl -i prints it")
	}
	r := &Response{Skipped: -1}
	for {
		r.Skipped++
		rest, err := r.readHead(b)
		if err != nil {
			return nil, err
		}
		b = rest
		// curl prints no body of an earlier response. So if a status line follows the header at
		// once, that response was not the last one.
		if line, _, _ := bytes.Cut(b, []byte("\n")); !statusLine().Match(bytes.TrimRight(line, "\r")) {
			break
		}
	}
	if r.Status < 200 {
		return nil, fmt.Errorf("the answer with status %d is not the last one; the one behind it is missing", r.Status)
	}
	r.readBody(b)
	return r, nil
}

// readHead reads a status line and a header into r, and returns what follows the empty line. A
// recording may end without that empty line.
func (r *Response) readHead(b []byte) (rest []byte, err error) {
	line, rest := nextLine(b)
	m := statusLine().FindStringSubmatch(line)
	if m == nil {
		return nil, errors.New("the first line is no status line such as HTTP/2 403; record the response with: curl -i")
	}
	// The pattern allows three digits only, so Atoi cannot fail.
	r.Status, _ = strconv.Atoi(m[1])
	r.Header, r.Notes = make(http.Header), make(http.Header)
	var last string
	for n := 2; len(rest) > 0; n++ {
		if line, rest = nextLine(rest); line == "" {
			break
		}
		// A line that begins with white space continues the one before (obs-fold, RFC 9112 §5.2).
		if (line[0] == ' ' || line[0] == '\t') && last != "" {
			r.Header[last][len(r.Header[last])-1] += " " + strings.TrimSpace(line)
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		// JSON has colons too. Its quotes and braces show that the body has begun without an empty
		// line.
		if !ok || name == "" || strings.ContainsAny(name, " \t\"{}") {
			return nil, fmt.Errorf("line %d is no header line, and no empty line ends the header before it", n)
		}
		last = http.CanonicalHeaderKey(name)
		into := r.Header
		if strings.HasPrefix(last, "Fixture-") {
			into, last = r.Notes, ""
		}
		into.Add(name, strings.TrimSpace(value))
	}
	return rest, nil
}

// nextLine returns the first line of b without its line break, and the rest of b.
func nextLine(b []byte) (line string, rest []byte) {
	head, rest, _ := bytes.Cut(b, []byte("\n"))
	return string(bytes.TrimRight(head, "\r")), rest
}

// readBody decodes the body and removes the header lines that described it on the wire. It
// recognizes gzip by its magic number and not by the header, because curl --compressed decodes the
// body and leaves the header as it was.
func (r *Response) readBody(b []byte) {
	if strings.EqualFold(r.Header.Get("Transfer-Encoding"), "chunked") {
		if plain, ok := unchunk(b); ok {
			b = plain
		}
	}
	r.Encoding = strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding")))
	if r.Encoding == "" {
		r.Encoding = strings.ToLower(r.Notes.Get("Fixture-Encoding"))
	}
	r.Header.Del("Transfer-Encoding")
	r.Header.Del("Content-Encoding")
	// It counted the bytes on the wire.
	r.Header.Del("Content-Length")
	r.Body = b
	switch {
	case bytes.HasPrefix(b, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(bytes.NewReader(b))
		r.take(z, err)
	case r.Encoding == "deflate" && !looksPlain(b):
		// Some servers leave out the zlib header that "deflate" means (RFC 9110 §8.4.1.2).
		z, err := zlib.NewReader(bytes.NewReader(b))
		if err != nil {
			z, err = flate.NewReader(bytes.NewReader(b)), nil
		}
		r.take(z, err)
	case !looksPlain(b):
		r.Body, r.Opaque = nil, true
	}
}

// take reads the decoded body from z. err is the error of opening z. Of a damaged body, take keeps
// the part in front of the damage: it is often enough for the rules.
func (r *Response) take(z io.Reader, err error) {
	if err != nil {
		r.Body, r.Opaque = nil, true
		return
	}
	r.Body, _ = io.ReadAll(io.LimitReader(z, Max))
	r.Opaque = len(r.Body) == 0
}

// unchunk decodes the chunked transfer coding (RFC 9112 §7.1). It returns false if b is not
// chunked. curl decodes it and keeps the header line; other recorders leave both.
func unchunk(b []byte) ([]byte, bool) {
	if !regexp.MustCompile(`^[0-9A-Fa-f]+(?:;[^\r\n]*)?\r?\n`).Match(b) {
		return nil, false
	}
	plain, err := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(b)))
	return plain, err == nil
}

// looksPlain reports whether b looks like text, by its first 512 bytes. Compressed data soon has a
// control character that text does not have. ESC counts as text, because some servers colour
// theirs.
func looksPlain(b []byte) bool {
	return !bytes.ContainsFunc(b[:min(len(b), 512)], func(r rune) bool {
		return r < ' ' && r != '\n' && r != '\r' && r != '\t' && r != 0x1b
	})
}
