// Package loosejson reads the JSON of foreign servers. Such JSON may be cut off, may be followed by
// something else, and may hold another type than its documentation promises. None of that is an
// error here: a reader gets what there is.
package loosejson

import (
	"bytes"
	"encoding/json"
	"errors"
)

// MaxDepth is how deep Walk follows arrays and objects, the root included.
const MaxDepth = 24

var errTooDeep = errors.New("loosejson: arrays and objects are nested too deep")

// Name is the token of a member's name. Walk passes it to visit before the member's value.
type Name struct{}

// Walk calls visit for each member's name and for each string, number, bool and null in the first
// JSON value of b, in the order of the text. What stands before a cut is visited too.
//
// key is the name of the member that holds the value; elements of an array have the array's key.
// within is the key of the object that the member belongs to. Both are "" at the root. depth counts
// the arrays and objects around the value. tok is a Name, or what json.Decoder.Token returns;
// numbers are of type json.Number.
//
// Walk returns how many bytes of b it has read. It returns an error if the value is cut off,
// malformed, or nested deeper than MaxDepth.
func Walk(b []byte, visit func(within, key string, depth int, tok json.Token)) (read int, err error) {
	w := walker{dec: json.NewDecoder(bytes.NewReader(b)), visit: visit}
	w.dec.UseNumber()
	err = w.value("", "", 0)
	return min(int(w.dec.InputOffset()), len(b)), err
}

type walker struct {
	dec   *json.Decoder
	visit func(within, key string, depth int, tok json.Token)
}

// value reads one value, with all that is in it.
func (w *walker) value(within, key string, depth int) error {
	tok, err := w.dec.Token()
	if err != nil {
		return err
	}
	open, ok := tok.(json.Delim)
	if !ok {
		w.visit(within, key, depth, tok)
		return nil
	}
	if depth > MaxDepth {
		return errTooDeep
	}
	for w.dec.More() {
		if open == '{' {
			err = w.member(key, depth+1)
		} else {
			err = w.value(within, key, depth+1)
		}
		if err != nil {
			return err
		}
	}
	_, err = w.dec.Token() // the closing delimiter
	return err
}

// member reads a member's name and its value.
func (w *walker) member(within string, depth int) error {
	tok, err := w.dec.Token()
	if err != nil {
		return err
	}
	key, _ := tok.(string) // the decoder accepts nothing else there
	w.visit(within, key, depth, Name{})
	return w.value(within, key, depth)
}
