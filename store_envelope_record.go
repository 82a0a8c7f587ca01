package reauth

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"
)

// sealedRecord is what an envelope holds. It is written without names, each text behind its length:
// it is read by programs that know sealVersion, and what is shorter costs less to read and to write.
type sealedRecord struct {
	storedCredential
	Spent  []string
	Pepper string // makes stand-ins
}

// How an entry of Spent is written.
const (
	spentText   = 't' // as it is
	spentDigest = 'd' // the bytes of the digest
	spentLogin  = 'l' // the same, of a token that came by a login
)

const digestBytes = 16

// bytes returns the record as it is sealed.
func (r *sealedRecord) bytes() []byte {
	w := recordWriter{make([]byte, 0, 256+len(r.AccessToken)+len(r.RefreshToken)+(digestBytes+1)*len(r.Spent))}
	expiry := ""
	if !r.Expiry.IsZero() {
		expiry = r.Expiry.Format(time.RFC3339Nano)
	}
	w.token(r.AccessToken)
	w.token(r.RefreshToken)
	w.text(expiry, r.AccountID, r.ClientID, r.Pepper)
	w.number(int64(r.Priority))
	w.number(int64(len(r.Hosts)))
	w.text(r.Hosts...)
	w.number(int64(len(r.Metadata)))
	for name, value := range r.Metadata {
		w.text(name, value)
	}
	w.number(int64(len(r.Spent)))
	for _, d := range r.Spent {
		w.spent(d)
	}
	return w.b
}

// recordWriter appends parts of a sealedRecord.
type recordWriter struct{ b []byte }

func (w *recordWriter) number(n int64) { w.b = binary.AppendVarint(w.b, n) }

func (w *recordWriter) text(texts ...string) {
	for _, s := range texts {
		w.number(int64(len(s)))
		w.b = append(w.b, s...)
	}
}

// token writes what Base64 encodes as the bytes that it encodes, because the envelope is encoded so
// again: a sealed record is then no longer than an open one. A JWT (RFC 7519) has three such parts,
// and most other tokens are one.
func (w *recordWriter) token(s string) {
	parts := strings.Split(s, ".")
	if strings.ContainsFunc(s, func(r rune) bool { return r != '.' && !isBase64(r) }) {
		parts = nil
	}
	w.number(int64(len(parts)))
	if parts == nil {
		w.text(s)
	}
	for _, part := range parts {
		w.number(int64(len(part)))
		whole := len(part) / 4 * 4                                             // 4 characters are 3 bytes
		w.b, _ = base64.RawURLEncoding.AppendDecode(w.b, []byte(part[:whole])) // they are all in its alphabet
		w.b = append(w.b, part[whole:]...)
	}
}

// isBase64 reports whether r is in the alphabet of base64url (RFC 4648, section 5).
func isBase64(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_'
}

func (w *recordWriter) spent(d string) {
	kind, of := byte(spentDigest), d
	if rest, isLogin := strings.CutPrefix(d, loginPrefix); isLogin {
		kind, of = spentLogin, rest
	}
	if raw, err := hex.DecodeString(of); err == nil && len(raw) == digestBytes && hex.EncodeToString(raw) == of {
		w.b = append(append(w.b, kind), raw...)
		return
	}
	w.b = append(w.b, spentText)
	w.text(d)
}

// errEnvelope is about an envelope that opens and holds no record.
var errEnvelope = errors.New("what is sealed is no record")

// parseSealedRecord reads what bytes has written.
func parseSealedRecord(b []byte) (sealedRecord, error) {
	read := recordReader{b: b}
	r := sealedRecord{}
	r.AccessToken, r.RefreshToken = read.token(), read.token()
	expiry := read.text()
	r.AccountID, r.ClientID, r.Pepper = read.text(), read.text(), read.text()
	r.Priority = int(read.number())
	r.Hosts = make([]string, 0, read.count())
	for range cap(r.Hosts) {
		r.Hosts = append(r.Hosts, read.text())
	}
	if n := read.count(); n > 0 {
		r.Metadata = make(map[string]string, n)
		for range n {
			name := read.text()
			r.Metadata[name] = read.text()
		}
	}
	r.Spent = make([]string, 0, read.count())
	for range cap(r.Spent) {
		r.Spent = append(r.Spent, read.spent())
	}
	if expiry != "" {
		at, err := time.Parse(time.RFC3339Nano, expiry)
		read.bad = read.bad || err != nil
		r.Expiry = at
	}
	if read.bad || len(read.b) > 0 {
		return sealedRecord{}, errEnvelope
	}
	r.Hosts, r.Spent = orNil(r.Hosts), orNil(r.Spent)
	return r, nil
}

// orNil returns a list as a record in the clear has it: nil when it is empty.
func orNil(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	return slices.Clip(list)
}

// recordReader takes parts of a sealedRecord from the front.
type recordReader struct {
	b   []byte
	bad bool // a part was not there
}

func (r *recordReader) number() int64 {
	n, size := binary.Varint(r.b)
	if size <= 0 {
		r.b, r.bad = nil, true
		return 0
	}
	r.b = r.b[size:]
	return n
}

// count reads a number of parts, of which each has a byte at least.
func (r *recordReader) count() int {
	n := r.number()
	if n < 0 || n > int64(len(r.b)) {
		r.b, r.bad = nil, true
		return 0
	}
	return int(n)
}

func (r *recordReader) text() string { return string(r.take(r.count())) }

// token reads what recordWriter.token has written.
func (r *recordReader) token() string {
	parts := r.count()
	if parts == 0 {
		return r.text()
	}
	var b []byte
	for i := range parts {
		if i > 0 {
			b = append(b, '.')
		}
		n := r.number()
		if n < 0 || n > maxToken {
			r.b, r.bad = nil, true
			return ""
		}
		size := int(n)
		b = slices.Grow(b, size)
		b = base64.RawURLEncoding.AppendEncode(b, r.take(size/4*3))
		b = append(b, r.take(size%4)...)
	}
	return string(b)
}

// take returns the next n bytes, of which count has said that they are there, or which it checks.
func (r *recordReader) take(n int) []byte {
	if n > len(r.b) {
		r.b, r.bad = nil, true
		return nil
	}
	part := r.b[:n]
	r.b = r.b[n:]
	return part
}

func (r *recordReader) spent() string {
	kind := r.take(1)
	switch {
	case len(kind) == 0:
	case kind[0] == spentText:
		return r.text()
	case kind[0] == spentDigest:
		return hex.EncodeToString(r.take(digestBytes))
	case kind[0] == spentLogin:
		return loginPrefix + hex.EncodeToString(r.take(digestBytes))
	}
	r.b, r.bad = nil, true
	return ""
}
