package testrig

import (
	"io"
	"net/http"
	"strings"
)

// RoundTripFunc is a base made of a function.
type RoundTripFunc func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f RoundTripFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// Answer makes a response as a base returns it. header has names and values in turn.
func Answer(req *http.Request, status int, body string, header ...string) *http.Response {
	h := make(http.Header)
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: h, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: req,
	}
}

// SetCancel sets Request.Cancel, as http.Client does for transports that it does not know.
func SetCancel(req *http.Request, cancel <-chan struct{}) {
	//lint:ignore SA1019 http.Client still sets it
	req.Cancel = cancel //nolint:staticcheck // http.Client still sets it
}

// CancelOf returns Request.Cancel.
func CancelOf(req *http.Request) <-chan struct{} {
	//lint:ignore SA1019 see SetCancel
	return req.Cancel //nolint:staticcheck // see SetCancel
}
