package verdict

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"io"
	"slices"
	"strings"
	"sync"
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

// gzipReaders keeps readers for the next answer: each works in 40 KiB.
var gzipReaders sync.Pool

// decodeMagic decodes b if it announces itself as gzip.
func decodeMagic(b []byte) []byte {
	if !bytes.HasPrefix(b, []byte{0x1f, 0x8b}) {
		return b
	}
	r, ok := gzipReaders.Get().(*gzip.Reader)
	if !ok {
		r = new(gzip.Reader)
	}
	defer gzipReaders.Put(r)
	if r.Reset(bytes.NewReader(b)) != nil {
		return nil
	}
	return readPrefix(r)
}

// readPrefix reads what a truncated or hostile compressed text yields, up to MaxBody bytes.
func readPrefix(r io.Reader) []byte {
	b := make([]byte, 0, 2<<10)
	for len(b) < MaxBody {
		b = slices.Grow(b, min(len(b), MaxBody-len(b)))
		n, err := r.Read(b[len(b):min(cap(b), MaxBody)])
		b = b[:len(b)+n]
		if err != nil { // it leaves what came before it
			break
		}
	}
	return b
}
