package rewind_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/internal/rewind"
)

// source is a body that counts how often it is closed.
type source struct {
	io.Reader
	closes int
}

func (s *source) Close() error {
	s.closes++
	if c, ok := s.Reader.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

func TestHasBody(t *testing.T) {
	assert.False(t, rewind.HasBody(&http.Request{}))
	assert.False(t, rewind.HasBody(&http.Request{Body: http.NoBody}))
	assert.True(t, rewind.HasBody(&http.Request{Body: io.NopCloser(strings.NewReader(""))}))
}

func TestSentBodyTellsWhenItIsDone(t *testing.T) {
	cut := fmt.Errorf("connection lost: %w", io.EOF)
	memory := func() io.Reader { return bytes.NewReader([]byte("body")) } // it has a WriteTo
	stream := func() io.Reader { return iotest.OneByteReader(strings.NewReader("body")) }
	readAll := func(b *rewind.SentBody) { _, _ = io.ReadAll(b) }
	for name, test := range map[string]struct {
		body io.Reader
		use  func(b *rewind.SentBody)
		done bool
		n    int64 // not 0: the length is known
	}{
		"untouched":    {stream(), func(*rewind.SentBody) {}, false, 0},
		"half read":    {memory(), func(b *rewind.SentBody) { _, _ = b.Read(make([]byte, 2)) }, false, 0},
		"read":         {stream(), readAll, true, 4},
		"written":      {memory(), func(b *rewind.SentBody) { _, _ = io.Copy(io.Discard, b) }, true, 4},
		"not written":  {memory(), func(b *rewind.SentBody) { _, _ = b.WriteTo(full{}) }, false, 0},
		"copied":       {stream(), func(b *rewind.SentBody) { _, _ = b.WriteTo(io.Discard) }, true, 4},
		"cut short":    {iotest.ErrReader(cut), readAll, false, 0},
		"closed":       {stream(), func(b *rewind.SentBody) { _ = b.Close() }, true, 0},
		"closed twice": {stream(), func(b *rewind.SentBody) { _ = errors.Join(b.Close(), b.Close()) }, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := &source{Reader: test.body}
				b := &rewind.SentBody{ReadCloser: src}
				if w, ok := test.body.(*bytes.Reader); ok { // a body with a short cut of its own
					b.ReadCloser = struct {
						*source
						io.WriterTo
					}{src, w}
				}
				test.use(b)
				assert.Equal(t, test.done, b.Done())
				n, known := b.Length()
				assert.Equal(t, test.n > 0, known)
				if known {
					assert.Equal(t, test.n, n)
				}
				begin := time.Now()
				assert.Equal(t, test.done, b.Wait(t.Context(), time.Second))
				assert.Equal(t, !test.done, time.Since(begin) == time.Second)
				require.NoError(t, b.Close())
				assert.Equal(t, 1, src.closes)
			})
		})
	}
}

// full is a writer that takes nothing.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestSentBodyWaitsForItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &rewind.SentBody{ReadCloser: &source{Reader: strings.NewReader("body")}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		assert.False(t, b.Wait(ctx, time.Hour))
		assert.Equal(t, time.Second, time.Since(begin), "until its context ends")

		time.AfterFunc(time.Minute, func() { _ = b.Close() })
		assert.True(t, b.Wait(t.Context(), time.Hour))
		assert.Equal(t, time.Minute+time.Second, time.Since(begin), "until the body is closed")
	})
}

func TestExactBody(t *testing.T) {
	broken := errors.New("broken")
	stale := "GetBody gives a body of another length"
	for name, test := range map[string]struct {
		body io.Reader
		read string // the most that may come of it; "": no assertion
		err  string // of the read after it; "": the body ends well
	}{
		"equal":              {strings.NewReader("body"), "body", ""},
		"end with the bytes": {iotest.DataErrReader(strings.NewReader("body")), "body", ""},
		"byte by byte":       {iotest.OneByteReader(strings.NewReader("body")), "body", ""},
		"late end":           {io.MultiReader(strings.NewReader("body"), &lazy{n: 50}), "body", ""},
		"no end":             {io.MultiReader(strings.NewReader("body"), &lazy{n: 1e6}), "", io.ErrNoProgress.Error()},
		"shorter":            {strings.NewReader("bod"), "bod", stale},
		"empty":              {strings.NewReader(""), "", stale},
		"longer":             {strings.NewReader("body and more"), "", stale},
		"longer, in pieces":  {iotest.OneByteReader(strings.NewReader("bodyx")), "bod", stale},
		"broken":             {io.MultiReader(strings.NewReader("bo"), iotest.ErrReader(broken)), "bo", "broken"},
		"broken at the end":  {io.MultiReader(strings.NewReader("body"), iotest.ErrReader(broken)), "", "broken"},
	} {
		t.Run(name, func(t *testing.T) {
			b := rewind.NewExactBody(io.NopCloser(test.body), 4)
			n, err := b.Read(nil)
			require.NoError(t, err)
			require.Zero(t, n)
			got, err := io.ReadAll(b)
			if test.err == "" {
				require.NoError(t, err)
				assert.Equal(t, test.read, string(got))
				return
			}
			require.ErrorContains(t, err, test.err)
			assert.Less(t, len(got), 4, "the last bytes are held back")
			if test.read != "" {
				assert.Equal(t, test.read, string(got))
			}
		})
	}
}

// lazy returns nothing and no error n times before it ends.
type lazy struct{ n int }

func (l *lazy) Read([]byte) (int, error) {
	if l.n--; l.n < 0 {
		return 0, io.EOF
	}
	return 0, nil
}
