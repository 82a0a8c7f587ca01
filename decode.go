package reauth

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"io"
	"strings"
)

// A caller that sets Accept-Encoding itself gets the body as it was sent. The classifier then reads a decoded copy; the
// caller still gets the bytes that came. Encodings the standard library lacks (br, zstd) leave status and headers to decide.

// decode undoes a Content-Encoding as far as the prefix b of the body allows.
func decode(encoding string, b []byte) []byte {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "", "identity":
		return b
	case "gzip", "x-gzip":
		return decodeMagic(b)
	case "deflate":
		if r, err := zlib.NewReader(bytes.NewReader(b)); err == nil { // what RFC 9110 §8.4.1.2 says
			return readPrefix(r)
		}
		return readPrefix(flate.NewReader(bytes.NewReader(b))) // what some servers send
	}
	return nil
}

// decodeMagic decodes what announces itself as gzip.
func decodeMagic(b []byte) []byte {
	if !bytes.HasPrefix(b, []byte{0x1f, 0x8b}) {
		return b
	}
	r, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil
	}
	return readPrefix(r)
}

// readPrefix reads what a truncated or hostile compressed text yields, bounded.
func readPrefix(r io.Reader) []byte {
	b, _ := io.ReadAll(io.LimitReader(r, maxPeek)) // an error leaves what came before it
	return b
}
