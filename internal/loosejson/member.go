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
	s, _ := only(string(raw), KindString)
	return s
}

// only returns the value that raw is, if it is of that kind.
func only(raw string, k Kind) (s string, ok bool) {
	w := scanner{text: raw, visit: func(_, _ string, depth int, v Value) {
		if v.Kind == k && depth == 0 {
			s, ok = v.Text, true
		}
	}}
	if w.value("", "", 0) != nil || w.next() != 0 || w.at < len(raw) {
		return "", false
	}
	return s, ok
}

// Number returns the number that raw is, or that raw holds as a string: servers send both.
func Number[T text](raw T) (n float64, ok bool) {
	s, ok := only(string(raw), KindNumber)
	if !ok {
		s = Text(raw)
	}
	n, err := strconv.ParseFloat(s, 64)
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
