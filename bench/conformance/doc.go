// Package conformance runs reauthtest.CheckRoundTripper on this library's transport and on wrapping
// transports that Go programs use. It shows which obligations of http.RoundTripper each one keeps.
//
// table.md is the result for the versions in go.mod. A test compares it with a fresh run, so that
// the table never speaks of other versions:
//
//	go test ./conformance           # compare
//	go test ./conformance -update   # write table.md anew
package conformance
