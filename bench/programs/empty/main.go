// Empty is the smallest program with a server of net/http, for the benchmarks of the cold start. With
// an address it serves GET /healthz there; without one it says how to call it, and ends.
package main

import (
	"net/http"
	"os"
)

func main() {
	if len(os.Args) < 2 {
		_, _ = os.Stdout.WriteString("usage: empty ADDRESS\n") // nobody reads it
		return
	}
	http.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	if http.ListenAndServe(os.Args[1], nil) != nil { //nolint:gosec // a program of the benchmarks alone
		os.Exit(1)
	}
}
