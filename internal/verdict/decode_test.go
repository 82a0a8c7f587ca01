package verdict

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func compress(t *testing.T, s string, make func(io.Writer) io.WriteCloser) []byte {
	t.Helper()
	var b bytes.Buffer
	w := make(&b)
	_, err := io.WriteString(w, s)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

func TestDecode(t *testing.T) {
	const text = `{"error":{"code":"token_expired"}}`
	gzipped := compress(t, text, func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) })
	zlibbed := compress(t, text, func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) })
	deflated := compress(t, text, func(w io.Writer) io.WriteCloser {
		f, _ := flate.NewWriter(w, flate.BestSpeed)
		return f
	})
	for name, c := range map[string]struct {
		encoding string
		body     []byte
		want     string
	}{
		"none":                  {"", []byte(text), text},
		"identity":              {"identity", []byte(text), text},
		"gzip":                  {"gzip", gzipped, text},
		"gzip in capitals":      {" GZIP ", gzipped, text},
		"x-gzip":                {"x-gzip", gzipped, text},
		"deflate, as it should": {"deflate", zlibbed, text},
		"deflate, as some do":   {"deflate", deflated, text},
		"gzip that is plain":    {"gzip", []byte(text), text},
		"truncated":             {"gzip", gzipped[:len(gzipped)-8], text},
		"only the magic":        {"gzip", gzipped[:3], ""},
		"not known":             {"br", []byte("\x0b\x02"), ""},
	} {
		assert.Equal(t, c.want, string(Decode(c.encoding, c.body)), name)
	}
	bomb := compress(t, strings.Repeat("x", 10<<20), func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) })
	assert.Len(t, Decode("gzip", bomb), MaxBody, "bounded")
}
