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
	return read.record()
}

// recordReader takes parts of a sealedRecord from the front.
type recordReader struct {
	b       []byte
	scratch []byte // where texts are put together
	bad     bool   // a part was not there
}

// record reads the whole.
func (r *recordReader) record() (record sealedRecord, err error) {
	record.AccessToken, record.RefreshToken = r.token(), r.token()
	expiry := r.take(r.count())
	record.AccountID, record.ClientID, record.Pepper = r.text(), r.text(), r.text()
	record.Priority = int(r.number())
	if n := r.count(); n > 0 {
		record.Hosts = make([]string, n)
		for i := range n {
			record.Hosts[i] = r.text()
		}
	}
	if n := r.count(); n > 0 {
		record.Metadata = make(map[string]string, n)
		for range n {
			name := r.text()
			record.Metadata[name] = r.text()
		}
	}
	record.Spent = r.allSpent()
	if len(expiry) > 0 {
		record.Expiry, err = time.Parse(time.RFC3339Nano, string(expiry))
	}
	if r.bad || err != nil || len(r.b) > 0 {
		return sealedRecord{}, errEnvelope
	}
	return record, nil
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
	b := r.scratch[:0]
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
	r.scratch = b
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

// allSpent reads the digests of spent tokens. They are parts of one text, which costs less than a text
// for each.
func (r *recordReader) allSpent() []string {
	list := make([]string, r.count())
	if len(list) == 0 {
		return nil
	}
	b, ends := r.scratch[:0], make([]int, len(list))
	for i := range list {
		b = r.appendSpent(b)
		ends[i] = len(b)
	}
	r.scratch = b
	all, from := string(b), 0
	for i, end := range ends {
		list[i] = all[from:end]
		from = end
	}
	return list
}

func (r *recordReader) appendSpent(b []byte) []byte {
	kind := r.take(1)
	switch {
	case len(kind) == 0:
	case kind[0] == spentText:
		return append(b, r.take(r.count())...)
	case kind[0] == spentDigest:
		return hex.AppendEncode(b, r.take(digestBytes))
	case kind[0] == spentLogin:
		return hex.AppendEncode(append(b, loginPrefix...), r.take(digestBytes))
	}
	r.b, r.bad = nil, true
	return b
}
