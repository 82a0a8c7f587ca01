package loosejson

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
)

// text is a JSON text, or a part of one.
type text interface{ ~string | ~[]byte }

// Object returns the members of the object that b begins with. What follows it does not matter. It
// returns false if b begins with anything else than a whole object.
func Object(b []byte) (members map[string]json.RawMessage, ok bool) {
	err := json.NewDecoder(bytes.NewReader(b)).Decode(&members)
	return members, err == nil && members != nil
}

// Text returns the string that raw is, or "" if raw is anything else.
func Text[T text](raw T) string {
	w := scanner{text: string(raw)}
	if w.next() != '"' {
		return ""
	}
	s, err := w.string()
	if err != nil || w.rest() {
		return ""
	}
	return s
}

// Number returns the number that raw is, or that raw holds as a string: servers send both.
func Number[T text](raw T) (n float64, ok bool) {
	w := scanner{text: string(raw)}
	w.next()
	s, err := w.number()
	if err != nil || w.rest() {
		s = Text(raw)
	}
	if s == "" {
		return 0, false
	}
	n, err = strconv.ParseFloat(s, 64)
	return n, err == nil && !math.IsNaN(n)
}

// Present reports whether raw says something: it is neither missing nor null, and no empty string,
// object or array.
func Present[T text](raw T) bool {
	switch string(raw) {
	case "", "null", `""`, "{}", "[]":
		return false
	}
	return true
}
