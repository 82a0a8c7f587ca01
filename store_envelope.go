package reauth

import (
	"cmp"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The envelope of a sealed record. The record that a store keeps has, in the place of each token, a
// stand-in that is random to whoever has no key, and one note: the envelope, in which the rest is.

const (
	sealVersion  = "1" // of the envelope
	sealingBytes = 32  // of a key
)

// ErrSealed is matched by the error about a record that is sealed with a key which the program has not
// given to NewSealedStore.
var ErrSealed = errors.New("the record is sealed")

// sealingKey is a key with its id, which tells nothing of it.
type sealingKey struct {
	id   string
	aead cipher.AEAD
}

// newSealingKey derives what is needed of a key (RFC 5869), so that nothing that is told is the key's.
func newSealingKey(key []byte) (sealingKey, error) {
	if len(key) != sealingBytes {
		return sealingKey{}, fmt.Errorf("it has %d bytes, %d random ones are needed", len(key), sealingBytes)
	}
	id, err1 := hkdf.Key(sha256.New, key, nil, "reauth sealing key id", 6)
	secret, err2 := hkdf.Key(sha256.New, key, nil, "reauth sealing key", sealingBytes)
	block, err3 := aes.NewCipher(secret)
	if err := errors.Join(err1, err2, err3); err != nil {
		return sealingKey{}, err
	}
	aead, err := cipher.NewGCM(block)
	return sealingKey{hex.EncodeToString(id), aead}, err
}

// sealer seals and opens records.
type sealer struct {
	keys  []sealingKey // those that open; the first seals, unless plain is set
	plain bool         // what is written is in the clear
}

// seal returns the record as the inner store keeps it.
func (s *sealer) seal(identity string, e Entry, pepper []byte) (Entry, error) {
	if err := cmp.Or(e.check(), checkNotSealed(e.Credential.Metadata)); err != nil {
		return Entry{}, err
	}
	if s.plain {
		return e, nil
	}
	outer := Entry{
		Login: stamp(e.Login), Removed: e.Removed, Generation: e.Generation, LastRefresh: stamp(e.LastRefresh),
		Credential: Credential{Provider: e.Credential.Provider, ID: e.Credential.ID},
	}
	record := sealedRecord{Spent: e.Spent, Pepper: string(pepper)}
	if !e.Removed {
		record.storedCredential = toStored(e.Credential)
		outer.Credential.AccessToken = standInFor(pepper, e.Credential.AccessToken)
		outer.Credential.RefreshToken = standInFor(pepper, e.Credential.RefreshToken)
	}
	outer.Credential.Metadata = map[string]string{sealNote: s.keys[0].envelope(identity, &outer, record.bytes())}
	return outer, nil
}

// envelope encrypts b for the outer record.
func (k sealingKey) envelope(identity string, outer *Entry, b []byte) string {
	nonce := make([]byte, k.aead.NonceSize(), k.aead.NonceSize()+len(b)+k.aead.Overhead())
	_, _ = rand.Read(nonce) // never fails
	bound := "b"
	if identity == "" {
		bound = "u" // the store had no identity yet
	}
	sealed := k.aead.Seal(nonce, nonce, b, legible(nil, bound, identity, outer))
	return strings.Join([]string{sealVersion, k.id, bound, base64.RawURLEncoding.EncodeToString(sealed)}, ".")
}

// legible appends to b what an envelope is bound to: everything of the record that stays legible.
func legible(b []byte, bound, identity string, e *Entry) []byte {
	if bound != "b" {
		identity = ""
	}
	w := recordWriter{b}
	w.text(sealVersion, identity, e.Credential.Provider, e.Credential.ID, e.Credential.AccessToken, e.Credential.RefreshToken)
	w.b = e.Login.UTC().AppendFormat(w.b, time.RFC3339Nano)
	w.b = e.LastRefresh.UTC().AppendFormat(w.b, time.RFC3339Nano)
	w.b = strconv.AppendBool(w.b, e.Removed)
	w.number(e.Generation)
	return w.b
}

// sealedWith returns the id of the key with which a record is sealed; empty: it is in the clear.
func sealedWith(c *Credential) string {
	note, sealed := c.Metadata[sealNote]
	if !sealed {
		return ""
	}
	if parts := strings.SplitN(note, ".", 4); len(parts) == 4 && parts[1] != "" && len(parts[1]) <= 64 && isHex(parts[1]) {
		return parts[1]
	}
	return "unknown"
}

// SealedWith returns the id of the key with which the record is sealed, as SealingKeyID gives it; empty:
// it is in the clear. It is about records of the store under a NewSealedStore, which opens them; one
// whose envelope is damaged is sealed with "unknown".
func (e Entry) SealedWith() string { return sealedWith(&e.Credential) }

// checkUnbound refuses another identity for a store with records that are bound to the one it has: they
// would not open any more.
func checkUnbound(entries []Entry) error {
	bound, id := 0, ""
	for i := range entries {
		c := &entries[i].Credential
		if note := strings.SplitN(c.Metadata[sealNote], ".", 4); len(note) == 4 && note[2] != "u" {
			bound, id = bound+1, sealedWith(c)
		}
	}
	if bound == 0 {
		return nil
	}
	return fmt.Errorf("%w: %d records are bound to the identity that the store has, one of them with the key %s, and would "+
		"not open with another one; give the keys to NewSealedStore, whose NewIdentity seals them for the new one",
		ErrSealed, bound, id)
}

// errSealedWith says that the key of that id is missing.
func errSealedWith(id string) error {
	return fmt.Errorf("%w with the key %s, which is not given; open the store by NewSealedStore with that key", ErrSealed, id)
}

// openBuffers are used again by each record that a goroutine opens. The zero value is ready.
type openBuffers struct {
	sealed []byte // then what it holds
	bound  []byte // see legible
	text   []byte // the scratch of a recordReader
}

// open returns a record that the inner store keeps as it was before it was sealed, with its pepper; nil:
// it is in the clear.
func (s *sealer) open(identity string, outer Entry) (e Entry, pepper []byte, err error) {
	return s.openWith(new(openBuffers), identity, outer)
}

// openWith is open, with buffers that nobody else uses meanwhile.
func (s *sealer) openWith(buffers *openBuffers, identity string, outer Entry) (e Entry, pepper []byte, err error) {
	id := sealedWith(&outer.Credential)
	if id == "" {
		return outer, nil, nil
	}
	version, rest, _ := strings.Cut(outer.Credential.Metadata[sealNote], ".")
	if version != sealVersion {
		return Entry{}, nil, fmt.Errorf("it is sealed in another way (%q) than is known here (%q); update the program",
			version[:min(len(version), 8)], sealVersion)
	}
	record, err := s.decrypt(buffers, id, identity, rest, &outer)
	if err != nil {
		return Entry{}, nil, err
	}
	e = outer
	pepper = []byte(record.Pepper)
	e.Credential = Credential(record.storedCredential)
	e.Credential.Provider, e.Credential.ID = outer.Credential.Provider, outer.Credential.ID
	e.Spent = record.Spent
	if len(outer.Marks) > 0 || outer.Spending.Of != "" {
		e.translate(&outer)
	}
	return e, pepper, nil
}

// translate says of the opened record what marks and Spending of the outer one say by stand-ins.
func (e *Entry) translate(outer *Entry) {
	inTheClear := map[string]string{
		digest(outer.Credential.AccessToken):  digest(e.Credential.AccessToken),
		digest(outer.Credential.RefreshToken): digest(e.Credential.RefreshToken),
	}
	e.Marks = maps.Clone(outer.Marks)
	for key, m := range e.Marks {
		if of, ok := inTheClear[m.Of]; ok {
			m.Of = of
			e.Marks[key] = m
		}
	}
	if of, ok := inTheClear[outer.Spending.Of]; ok {
		e.Spending.Of = of
	}
}

// decrypt opens the rest of a note, behind the version.
func (s *sealer) decrypt(
	buffers *openBuffers, id, identity, rest string, outer *Entry,
) (record sealedRecord, err error) {
	_, rest, _ = strings.Cut(rest, ".") // the key's id
	binding, text, whole := strings.Cut(rest, ".")
	if !whole {
		return record, errors.New("its envelope is damaged; put a backup of the store back, or log in again")
	}
	for _, k := range s.keys {
		if k.id != id {
			continue
		}
		buffers.sealed = slices.Grow(buffers.sealed[:0], base64.RawURLEncoding.DecodedLen(len(text)))
		size, err := base64.RawURLEncoding.Decode(buffers.sealed[:cap(buffers.sealed)], []byte(text))
		sealed := buffers.sealed[:size]
		if n := k.aead.NonceSize(); err == nil && len(sealed) >= n {
			buffers.bound = legible(buffers.bound[:0], binding, identity, outer)
			b, err := k.aead.Open(sealed[n:n], sealed[:n], sealed[n:], buffers.bound)
			if err == nil {
				read := recordReader{b: b, scratch: buffers.text}
				record, err = read.record()
				buffers.text = read.scratch
				return record, err
			}
		}
		return record, fmt.Errorf("it does not open with its key %s: it was changed, or moved here from another store or "+
			"record; put a backup of the store back, or log in again", id)
	}
	return record, errSealedWith(id)
}

// standInFor returns what stands for a token; empty for none.
func standInFor(pepper []byte, token string) string { return standInName(pepper, digest(token)) }

// standInOf returns the digest of what stands for the token of that digest. Without a pepper nothing
// stands for it.
func standInOf(pepper []byte, of string) string {
	if pepper == nil {
		return of
	}
	return digest(standInName(pepper, of))
}

// standInName returns what stands for the token of that digest: always the same for one pepper, so that
// a store can tell whether two tokens are the same. It begins as the digest does, for rank; that many
// bits tell nothing of a token.
func standInName(pepper []byte, of string) string {
	if of == "" {
		return ""
	}
	mac := hmac.New(sha256.New, pepper)
	mac.Write([]byte(of))
	return standIn + of[:min(len(of), rankDigits)] + "-" + hex.EncodeToString(mac.Sum(nil)[:16])
}

// isDigest reports whether a mark about of is about a token, and not about a login.
func isDigest(of string) bool { return len(of) == 32 && isHex(of) }

func isHex(s string) bool {
	_, err := hex.DecodeString(s)
	return err == nil
}
