package reauthtest

import (
	"net/http"
	"slices"
	"time"
)

// CheckObligation checks one obligation. A case of it may take as long as patience.
func CheckObligation(name string, patience time.Duration, wrap func(http.RoundTripper) http.RoundTripper) []string {
	list := obligations()
	i := slices.IndexFunc(list, func(o Obligation) bool { return o.Name == name })
	return (&suite{wrap: wrap, patience: patience, memory: inBubble()}).run(list[i])
}

// ObligationNames returns the names of all obligations, in their order.
func ObligationNames() (names []string) {
	for _, o := range obligations() {
		names = append(names, o.Name)
	}
	return names
}
