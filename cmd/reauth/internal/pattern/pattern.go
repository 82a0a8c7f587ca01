// Package pattern has regular expressions that are compiled when they are first used: the command
// is started often, and most of its runs need few of them.
package pattern

import (
	"regexp"
	"sync"
)

// Lazy returns a function that returns the regular expression of that text. The first call compiles
// it, and panics if the text is none. It is safe for concurrent use.
func Lazy(text string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })
}
