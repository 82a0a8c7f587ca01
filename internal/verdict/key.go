package verdict

import (
	"strings"
	"sync"
)

// holding tells what providers put under a key.
type holding uint8

const (
	forCode  holding = 1 << iota // a code
	forWords                     // words for people
)

// knownKey is what is known of the key of a member.
type knownKey struct {
	written string // as the body has it
	name    string // folded; "" for a key that nobody asks for
	holds   holding
	tells   string // the code for a member whose mere presence tells something
}

// Keys under which providers put a code, and keys under which they put words for people. Anything
// else may be an echo of the user's own input and is not looked at.
const (
	codeKeys = "code type errortype errorcode errcode status reason error errors subcode limitsource limitname" +
		" notificationid statuscode quotaid ratelimittype"
	textKeys = "message msg error errors detail details description errordescription errormessage errmsg errormsg" +
		" statusmsg statusmessage title reason code type"
	// OpenRouter's notes on an input that was flagged, and Cloudflare's own error object.
	tellingKeys = "flaggedinput cloudflareerror reasons"
)

// knownKeys returns all keys that somebody asks for, by their folded names. A key that is asked for
// with field must be among them.
var knownKeys = sync.OnceValue(func() map[string]knownKey {
	m := map[string]knownKey{"param": {name: "param"}}
	add := func(keys string, holds holding) {
		for k := range strings.FieldsSeq(keys) {
			m[k] = knownKey{name: k, holds: m[k].holds | holds}
		}
	}
	add(codeKeys, forCode)
	add(textKeys, forWords)
	for k := range strings.FieldsSeq(tellingKeys) {
		m[k] = knownKey{name: k, tells: "has:" + k}
	}
	for _, b := range bodyResets {
		add(b.key, 0)
	}
	add(quotaMetric, 0)
	for _, k := range windowKeys() {
		add(k, 0)
	}
	return m
})

// maxKey is how long a key may be that is looked up.
const maxKey = 64

// lookUpKey returns what is known of a key. A value without a key, at the root, is for people.
func lookUpKey(key string) knownKey {
	if key == "" {
		return knownKey{holds: forWords}
	}
	var k knownKey
	if len(key) <= maxKey {
		var buf [maxKey]byte
		k = knownKeys()[string(appendFolded(buf[:0], key))]
	}
	k.written = key
	return k
}

// foldKey makes error_code, errorCode, error-code and Error.Code one key.
func foldKey(k string) string { return string(appendFolded(nil, k)) }

func appendFolded(b []byte, k string) []byte {
	for _, c := range []byte(k) {
		switch {
		case c >= 'A' && c <= 'Z':
			b = append(b, c-'A'+'a')
		case c != '_' && c != '-' && c != '.' && c != ' ':
			b = append(b, c)
		}
	}
	return b
}
