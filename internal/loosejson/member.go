package loosejson

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
)

// Object returns the members of the object that b begins with. What follows it does not matter. It
// returns false if b begins with anything else than a whole object.
func Object(b []byte) (members map[string]json.RawMessage, ok bool) {
	err := json.NewDecoder(bytes.NewReader(b)).Decode(&members)
	return members, err == nil && members != nil
}

// Text returns the string that raw is, or "" if raw is anything else.
func Text(raw json.RawMessage) string {
	var s string
	_ = json.Unmarshal(raw, &s) // not a string: empty
	return s
}

// Number returns the number that raw is, or that raw holds as a string: servers send both.
func Number(raw json.RawMessage) (n float64, ok bool) {
	if json.Unmarshal(raw, &n) == nil && len(raw) > 0 && string(raw) != "null" {
		return n, true
	}
	n, err := strconv.ParseFloat(Text(raw), 64)
	return n, err == nil && !math.IsNaN(n)
}

// Present reports whether raw says something: it is neither missing nor null, and no empty string,
// object or array.
func Present(raw json.RawMessage) bool {
	switch string(raw) {
	case "", "null", `""`, "{}", "[]":
		return false
	}
	return true
}
