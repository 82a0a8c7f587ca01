package verdict

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"io"
	"strings"
)

// Decode undoes a Content-Encoding as far as the beginning b of the body allows, up to MaxBody
// bytes. It is for callers that set Accept-Encoding themselves and so get the body as the provider
// sent it. It returns nil for an encoding that the standard library lacks, such as br and zstd:
// status and header decide then.
func Decode(encoding string, b []byte) []byte {
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

// decodeMagic decodes b if it announces itself as gzip.
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

// readPrefix reads what a truncated or hostile compressed text yields, up to MaxBody bytes.
func readPrefix(r io.Reader) []byte {
	b, _ := io.ReadAll(io.LimitReader(r, MaxBody)) // an error leaves what came before it
	return b
}
