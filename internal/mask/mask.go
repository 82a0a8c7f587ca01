// Package mask takes secrets out of the texts of others. What a server, a store or a program writes
// into an error may repeat a token, as it is or encoded.
package mask

import (
	"bytes"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/reauth-go/reauth/internal/vendors"
)

// MaxText is how many bytes of a text are kept.
const MaxText = 4 << 10

const (
	lookahead = 1 << 10 // bytes behind MaxText that are read, so that a secret which is cut there is found
	shortest  = 4       // shorter secrets stand in any text
	wordLike  = 8       // shorter ones count only where they stand alone, as a word does
	run       = 16      // so many characters of a secret in a row tell too much of it
	rounds    = 3       // a text is decoded so often: what is encoded twice, and then written as JSON, is found
)

// masked is what stands in the place of a secret.
const masked = "[redacted]"

// Text returns what may be told of a text: at most MaxText bytes, on one line, printable, and without
// secrets. It reports whether there was one.
//
// Masked are whole secrets of four characters or more, and runs of 16 characters of a secret behind its
// public prefix: as they are, escaped as in JSON, Go, URLs or HTML, in Base64, in hexadecimal, or as a
// list of numbers; also where a line break or blanks stand in between. Masked are, too, what begins
// like a known key, the value of a member such as access_token, and the user information of a URL,
// whoever's they are. Words and public prefixes stay.
func Text(text string, secrets ...string) (clean string, found bool) {
	m := newMasking(text, secrets)
	m.search(plain(m.source), rounds)
	return m.clean(), m.found
}

// masking is the work on one text.
type masking struct {
	source  string
	kept    int    // bytes of source that are told
	hidden  []bool // for each byte of source
	found   bool
	secrets []secret
}

// secret is one that is looked for.
type secret struct {
	whole  []byte
	prefix int // how many bytes of whole are public
}

func newMasking(text string, secrets []string) *masking {
	m := &masking{source: text[:min(len(text), MaxText+lookahead)], kept: min(len(text), MaxText)}
	for m.kept < len(text) && !utf8.RuneStart(text[m.kept]) {
		m.kept--
	}
	m.hidden = make([]bool, len(m.source))
	for _, s := range secrets {
		m.want(strings.Map(squeeze, s))
		if strings.ContainsFunc(s, unicode.IsSpace) { // as a form writes it
			m.want(strings.Map(squeeze, strings.Map(plusForSpace, s)))
		}
	}
	return m
}

// want adds a secret to those that are looked for.
func (m *masking) want(s string) {
	same := func(o secret) bool { return string(o.whole) == s }
	if len(s) >= shortest && !slices.ContainsFunc(m.secrets, same) {
		m.secrets = append(m.secrets, secret{[]byte(s), len(vendors.PublicPrefix(s))})
	}
}

// squeeze drops what a view does not hold.
func squeeze(r rune) rune {
	if unicode.IsSpace(r) || !isPrint(r) {
		return -1
	}
	return r
}

func plusForSpace(r rune) rune {
	if unicode.IsSpace(r) {
		return '+'
	}
	return r
}

// search hides what a view shows of secrets, and decodes the view for further rounds.
func (m *masking) search(v view, rounds int) {
	if len(v.text) < shortest {
		return
	}
	for _, s := range m.secrets {
		m.findWhole(v, s)
		m.findRuns(v, s)
	}
	m.findKnown(v)
	if rounds == 0 {
		return
	}
	for _, decode := range decoders {
		for _, decoded := range decode(v) {
			m.search(decoded, rounds-1)
		}
	}
}

// findWhole hides where a view shows the whole of a secret.
func (m *masking) findWhole(v view, s secret) {
	for from := 0; ; from++ {
		i := bytes.Index(v.text[from:], s.whole)
		if i < 0 {
			return
		}
		from += i
		if to := from + len(s.whole); len(s.whole) >= wordLike || v.standsAlone(from, to) {
			m.hide(v, from+s.prefix, to)
		}
	}
}

// findRuns hides where a view shows a run of a secret behind its prefix.
func (m *masking) findRuns(v view, s secret) {
	body := s.whole[s.prefix:]
	if len(body) < run {
		return
	}
	for from := 0; from+run <= len(v.text); from++ {
		if part := v.text[from : from+run]; bytes.Contains(body, part) && !isDomain(part) {
			m.hide(v, from, from+run)
		}
	}
}

// isDomain reports whether a part of a secret looks like one of a host name, which some tokens hold:
// errors must be able to name the host.
func isDomain(part []byte) bool {
	other := func(r rune) bool { return r != '.' && r != '-' && (r < 'a' || r > 'z') }
	return bytes.IndexByte(part, '.') >= 0 && !bytes.ContainsFunc(part, other)
}

// findKnown hides what looks like a secret, whoever's it is.
func (m *masking) findKnown(v view) {
	text, index := v.spaced()
	for _, p := range known() {
		for _, at := range p.matches(text) {
			m.hide(v, index[at[0]], index[at[1]-1]+1)
		}
	}
}

// hide masks the part of the source that the bytes from..to of a view come from.
func (m *masking) hide(v view, from, to int) {
	if from >= to {
		return
	}
	m.found = true
	for i := v.at[from].from; i < v.at[to-1].to; i++ {
		m.hidden[i] = true
	}
}

// clean returns what may be told of the source.
func (m *masking) clean() string {
	var b strings.Builder
	for i, r := range m.source[:m.kept] {
		switch {
		case m.hidden[i] && (i == 0 || !m.hidden[i-1]):
			b.WriteString(masked)
		case m.hidden[i]:
		case unicode.IsSpace(r):
			b.WriteByte(' ')
		case isPrint(r):
			b.WriteRune(r)
		}
	}
	s := b.String()
	if m.kept < len(m.source) || len(s) > MaxText {
		s = strings.ToValidUTF8(s[:min(len(s), MaxText)], "") + "…"
	}
	return s
}
