package reauthtest

import (
	"slices"
	"time"

	"github.com/reauth-go/reauth"
)

// StoreUnderTest opens the stores of one run, and edits what they keep.
type StoreUnderTest struct {
	Open func(place string) reauth.Store
	Edit func(place, provider, id string, change func(members map[string]any))
}

// CheckPromise checks one promise of a store and returns how the store broke it.
func CheckPromise(name string, patience time.Duration, s StoreUnderTest) []string {
	list := slices.Concat(storePromises(), memberPromises())
	i := slices.IndexFunc(list, func(p storePromise) bool { return p.name == name })
	return (&storeSuite{open: s.Open, edit: s.Edit, patience: patience}).run(list[i])
}

// PromiseNames returns the names of all promises, in their order.
func PromiseNames() (names []string) {
	for _, p := range slices.Concat(storePromises(), memberPromises()) {
		names = append(names, p.name)
	}
	return names
}
