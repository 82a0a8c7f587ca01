//go:build !unix

package main

// openable is how many connections this process may open beside what it has open.
func openable() int { return 10_000 }
