// Package models finds the name of the model that a request is for.
package models

import (
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxName = 128      // bytes of a name
	maxScan = 32 << 20 // bytes of a body
)

// Clean returns a name that can be told and stored: printable, without white space, and of at most 128
// bytes; else "".
func Clean(name string) string {
	bad := func(r rune) bool { return !unicode.IsPrint(r) || unicode.IsSpace(r) }
	if len(name) > maxName || !utf8.ValidString(name) || strings.ContainsFunc(name, bad) {
		return ""
	}
	return name
}

// InPath returns the segment of an escaped path that follows one of the markers, without what an API
// appends to it behind a colon, such as ":generateContent". It is "" where none does.
func InPath(path string, markers []string) string {
	segments := strings.Split(path, "/")
	for i, segment := range segments[:len(segments)-1] {
		for _, marker := range markers {
			if segment == marker {
				return Clean(withoutVerb(segments[i+1]))
			}
		}
	}
	return ""
}

// withoutVerb cuts off a verb such as ":generateContent", whose first letter is small. What follows
// another colon is part of a name, as in "anthropic.claude-3-5-sonnet-20241022-v2:0".
func withoutVerb(segment string) string {
	name, verb, found := cutLast(segment, ':')
	if found && verb != "" && 'a' <= verb[0] && verb[0] <= 'z' {
		return name
	}
	return segment
}

func cutLast(s string, sep byte) (before, after string, found bool) {
	i := strings.LastIndexByte(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// Readable reports whether a body with these headers may name a model.
func Readable(h http.Header) bool {
	kind, _ := kindOf(h)
	return h.Get("Content-Encoding") == "" && (isJSON(kind) || kind == "multipart/form-data")
}

// InBody returns the model that a body with these headers names: in the member "model" of a JSON
// object, or in a form's field of that name. It reads as far as it must, and at most 32 MiB; the body
// may be cut off. It is "" where there is none.
func InBody(h http.Header, body io.Reader) string {
	kind, boundary := kindOf(h)
	body = io.LimitReader(body, maxScan)
	switch {
	case isJSON(kind):
		return Clean(Member(body, "model"))
	case kind == "multipart/form-data":
		return Clean(field(body, boundary, "model"))
	}
	return ""
}

func kindOf(h http.Header) (kind, boundary string) {
	kind, params, _ := mime.ParseMediaType(h.Get("Content-Type")) // a bad parameter leaves the type
	return kind, params["boundary"]
}

// IsJSON reports whether a body with these headers is JSON that is not compressed.
func IsJSON(h http.Header) bool {
	kind, _ := kindOf(h)
	return h.Get("Content-Encoding") == "" && isJSON(kind)
}

func isJSON(kind string) bool { return kind == "application/json" || strings.HasSuffix(kind, "+json") }

// field returns the value of a form's field.
func field(body io.Reader, boundary, name string) string {
	if boundary == "" {
		return ""
	}
	form := multipart.NewReader(body, boundary)
	for {
		part, err := form.NextPart()
		if err != nil {
			return "" // it was the last one, or the body is cut off
		}
		if part.FormName() == name && part.FileName() == "" {
			value, _ := io.ReadAll(io.LimitReader(part, maxName+1)) // what is cut off is too long, or no name
			return string(value)
		}
	}
}
