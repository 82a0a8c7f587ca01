// Package conformance runs reauthtest.CheckRoundTripper on this library's transport and on wrapping
// transports that Go programs use, and tells which obligations of http.RoundTripper each one keeps.
//
// table.md is the answer for the versions in go.mod. A test compares it with a fresh run, so that
// no claim outlives the version it is about:
//
//	go test ./conformance           # compare
//	go test ./conformance -update   # write table.md anew
package conformance
