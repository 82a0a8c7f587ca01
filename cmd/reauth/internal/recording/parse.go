// Package recording reads HTTP responses that a person has recorded, and makes fixtures of them.
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
)

// Response is a recorded response.
type Response struct {
	Status   int
	Header   http.Header // without notes
	Notes    http.Header // what begins with Fixture-
	Body     []byte      // decoded as far as that can be done
	Encoding string      // the Content-Encoding it came with
	Opaque   bool        // the body is in an encoding that is not known here, and Body is empty
	Skipped  int         // header blocks before the last one: 100 Continue, a proxy's answer, redirects
}

// Verdict is what the provider's rules make of it; without a provider, the generic ones.
func (r *Response) Verdict(provider string) reauth.Verdict {
	resp := r.HTTP()
	return reauth.Classify(provider, &resp, r.Body)
}

// HTTP returns the response as net/http has it, without a body.
func (r *Response) HTTP() http.Response {
	return http.Response{
		StatusCode: r.Status, Status: strconv.Itoa(r.Status) + " " + http.StatusText(r.Status),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: r.Header, Body: http.NoBody, ContentLength: int64(len(r.Body)),
	}
}

// Max is how much of a response is read: far more than is ever looked at.
const Max = 8 << 20

var statusLine = regexp.MustCompile(`^HTTP/[0-9](?:\.[0-9])? ([1-9][0-9]{2})(?: .*)?$`)

// Parse reads a response as "curl -i" prints it: any version of HTTP, with CRLF or LF, after header
// blocks of answers that were not the last one. A body that is chunked or compressed still is
// decoded.
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
		// The body of an answer that was not the last one is not printed: the next status line
		// follows at once.
		if line, _, _ := bytes.Cut(b, []byte("\n")); !statusLine.Match(bytes.TrimRight(line, "\r")) {
			break
		}
	}
	if r.Status < 200 {
		return nil, fmt.Errorf("the answer with status %d is not the last one; the one behind it is missing", r.Status)
	}
	r.readBody(b)
	return r, nil
}

// readHead reads a status line and a header, and returns what follows the empty line.
func (r *Response) readHead(b []byte) (rest []byte, err error) {
	line, rest := nextLine(b)
	m := statusLine.FindStringSubmatch(line)
	if m == nil {
		return nil, errors.New("the first line is no status line such as HTTP/2 403; record the response with: curl -i")
	}
	r.Status, _ = strconv.Atoi(m[1]) // three digits
	r.Header, r.Notes = make(http.Header), make(http.Header)
	var last string
	for n := 2; len(rest) > 0; n++ {
		if line, rest = nextLine(rest); line == "" {
			break
		}
		if (line[0] == ' ' || line[0] == '\t') && last != "" { // RFC 9112 §5.2, obs-fold
			r.Header[last][len(r.Header[last])-1] += " " + strings.TrimSpace(line)
			continue
		}
		name, value, ok := strings.Cut(line, ":")
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

func nextLine(b []byte) (line string, rest []byte) {
	head, rest, _ := bytes.Cut(b, []byte("\n"))
	return string(bytes.TrimRight(head, "\r")), rest
}

// readBody undoes what a recorder may have left.
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
	r.Header.Del("Content-Length") // of what was on the wire
	r.Body = b
	switch {
	case bytes.HasPrefix(b, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(bytes.NewReader(b))
		r.take(z, err)
	case r.Encoding == "deflate" && !looksPlain(b):
		z, err := zlib.NewReader(bytes.NewReader(b))
		if err != nil {
			z, err = flate.NewReader(bytes.NewReader(b)), nil
		}
		r.take(z, err)
	case !looksPlain(b):
		r.Body, r.Opaque = nil, true
	}
}

// take reads the decoded body; of a damaged one, what came before the damage.
func (r *Response) take(z io.Reader, err error) {
	if err != nil {
		r.Body, r.Opaque = nil, true
		return
	}
	r.Body, _ = io.ReadAll(io.LimitReader(z, Max)) // what came before an error is worth as much
	r.Opaque = len(r.Body) == 0
}

// unchunk undoes the chunked coding, if that is what b is; curl has undone it, other recorders have
// not.
func unchunk(b []byte) ([]byte, bool) {
	if !regexp.MustCompile(`^[0-9A-Fa-f]+(?:;[^\r\n]*)?\r?\n`).Match(b) {
		return nil, false
	}
	plain, err := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(b)))
	return plain, err == nil
}

// looksPlain tells text from what is compressed in a way not known here.
func looksPlain(b []byte) bool {
	return !bytes.ContainsFunc(b[:min(len(b), 512)], func(r rune) bool {
		return r < ' ' && r != '\n' && r != '\r' && r != '\t' && r != 0x1b
	})
}
