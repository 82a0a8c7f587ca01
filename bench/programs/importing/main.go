// Importing is a program with all of the library, for the benchmarks of what importing it costs. It does
// nothing.
package main

import (
	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/login"
)

// used is what the linker would leave out otherwise.
var used = []any{ //nolint:gochecknoglobals // nobody changes it
	reauth.NewRecoveringTransport, reauth.OpenPool, reauth.NewFileStore, reauth.NewSQLStore, reauth.NewSealedStore,
	reauth.BuiltinRefresher, reauth.CommandSource, reauth.FileSource, reauth.Follow, login.Start,
}

func main() { _ = used }
