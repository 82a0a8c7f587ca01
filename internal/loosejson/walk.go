// Package loosejson reads the JSON of foreign servers. Such JSON may be cut off, may be followed by
// something else, and may hold another type than its documentation promises. None of that is an
// error here: a reader gets what there is.
package loosejson

import (
	"encoding/json"
	"errors"
	"strings"
)

// MaxDepth is how deep Walk and Scan follow arrays and objects, the root included.
const MaxDepth = 24

var (
	errTooDeep = errors.New("loosejson: arrays and objects are nested too deep")
	errSyntax  = errors.New("loosejson: the text is cut off or malformed")
)

// Name is the token of a member's name. Walk passes it to visit before the member's value.
type Name struct{}

// Kind is the kind of what Scan visits.
type Kind uint8

// The kinds of what Scan visits.
const (
	KindName Kind = iota // of a member; its value follows
	KindString
	KindNumber
	KindBool
	KindNull
)

// Value is one name or value of a JSON text.
type Value struct {
	Kind Kind
	// Text is a string without its quotes and escapes, and else the value as it is written. It is
	// "" for a name: visit gets that as the key.
	Text string
}

// Walk calls visit for each member's name and for each string, number, bool and null in the first
// JSON value of b, in the order of the text. What stands before a cut is visited too.
//
// key is the name of the member that holds the value; elements of an array have the array's key.
// within is the key of the object that the member belongs to. Both are "" at the root. depth counts
// the arrays and objects around the value. tok is a Name, or what json.Decoder.Token returns;
// numbers are of type json.Number. A string in tok is a copy, which may be kept.
//
// Walk returns how many bytes of b it has read. It returns an error if the value is cut off,
// malformed, or nested deeper than MaxDepth.
func Walk(b []byte, visit func(within, key string, depth int, tok json.Token)) (read int, err error) {
	return Scan(string(b), func(within, key string, depth int, v Value) {
		visit(within, key, depth, v.token())
	})
}

// token returns v as json.Decoder.Token has it.
func (v Value) token() json.Token {
	switch v.Kind {
	case KindName:
		return Name{}
	case KindString:
		return strings.Clone(v.Text)
	case KindNumber:
		return json.Number(strings.Clone(v.Text))
	case KindBool:
		return v.Text == "true"
	case KindNull:
	}
	return nil
}

// Scan is Walk for a reader that must be quick. It takes memory only for strings with escapes. The
// others are parts of s: whoever keeps one keeps all of s.
func Scan(s string, visit func(within, key string, depth int, v Value)) (read int, err error) {
	w := scanner{text: s, visit: visit, maxDepth: MaxDepth}
	err = w.value("", "", 0)
	return w.at, err
}

// Members calls visit for each member of the object that s begins with: its name, and its value as
// it is written. What follows the object does not matter. Members returns false if s begins with
// anything else than a whole object, and if values are nested deeper than 256; visit may have been
// called by then.
func Members(s string, visit func(name, raw string)) bool {
	w := scanner{text: s, maxDepth: maxSkip}
	if w.next() != '{' {
		return false
	}
	w.at++
	for first := true; w.next() != '}'; first = false {
		if !first && w.skip(',') != nil {
			return false
		}
		name, begin, err := w.raw()
		if err != nil {
			return false
		}
		visit(name, s[begin:w.at])
	}
	return true
}
