package sealkey

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
)

// size is the size of a key in bytes.
const size = 32

// New returns a fresh key as text.
func New() string {
	key := make([]byte, size)
	_, _ = rand.Read(key) // never fails
	return base64.StdEncoding.EncodeToString(key)
}

// IsKey reports whether a text is a key.
func IsKey(text string) bool {
	_, err := Decode(text)
	return err == nil
}

// Decode returns the key that a text is: 32 bytes in Base64, of the standard's or of URLs' alphabet
// and with padding or without (RFC 4648 §4, §5), or in hexadecimal digits. White space around it is
// left out. The error repeats nothing of the text.
func Decode(text string) ([]byte, error) {
	trimmed := strings.TrimSpace(text)
	found, encoding := -1, ""
	if b, err := hex.DecodeString(trimmed); err == nil {
		if len(b) == size {
			return b, nil
		}
		found, encoding = len(b), "in hexadecimal digits"
	}
	for _, e := range []*base64.Encoding{
		base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding, base64.RawURLEncoding,
	} {
		b, err := e.Strict().DecodeString(trimmed)
		switch {
		case err != nil:
		case len(b) == size:
			return b, nil
		case found < 0:
			found, encoding = len(b), "in Base64"
		}
	}
	return nil, fmt.Errorf("it is no key but %s; a key is %d random bytes in Base64 or hexadecimal digits, "+
		"as reauth store key prints one", describe(text, trimmed, found, encoding), size)
}

// describe says what a text is that is no key.
func describe(text, trimmed string, found int, encoding string) string {
	switch {
	case trimmed == "":
		return "empty"
	case found >= 0:
		return fmt.Sprintf("%d bytes %s", found, encoding)
	case len(text) == size:
		return fmt.Sprintf("%d bytes that are not encoded (base64 encodes a file)", size)
	case strings.ContainsAny(trimmed, "\r\n"):
		return "several lines"
	}
	return fmt.Sprintf("a text of %d characters", len([]rune(trimmed)))
}
