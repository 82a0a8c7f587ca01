// Package rewind has the bodies that can be read a second time.
//
// To replay a request is to send it again; to rewind its body is to get the body ready for that. A
// request with GetBody is rewound by GetBody: a first body in memory is sent as a MemoryCopy,
// SentBody tells when the transport is done with any other, and ExactBody checks that the second
// body is as long as the first. The body of a request without GetBody is a KeptBody, which keeps the
// bytes while they are sent. A response that may be a refusal is read through a Tape: whoever gets
// the response reads it from its beginning.
package rewind

import (
	"errors"
	"io"
	"net/http"
)

// ErrNotKept is the error of a body that cannot be rewound.
var ErrNotKept = errors.New("reauth: the body cannot be sent again: it has no GetBody, " +
	"and is larger than MaxBodyBuffer, did not fit into MaxBodyMemory, or was given up half read")

var (
	errClosed = errors.New("reauth: read of a closed body")
	errStale  = errors.New("reauth: GetBody gives a body of another length than was sent; " +
		"set GetBody together with Body")
)

// HasBody reports whether req sends a body at all.
func HasBody(req *http.Request) bool { return req.Body != nil && req.Body != http.NoBody }

// isEOF reports whether a body ended well. It compares: an error that wraps io.EOF says that the
// body was cut short.
func isEOF(err error) bool { return err == io.EOF } //nolint:errorlint // see above
