package rewind_test

import (
	"context"
	"errors"
	"io"
	"math"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/internal/rewind"
)

func noError() error { return nil }

// text is longer than a chunk of a tape.
func text() string { return strings.Repeat("0123456789abcdef", 20<<10) }

func TestTapeIsReadAgainFromItsBeginning(t *testing.T) {
	for name, slow := range map[string]func(io.Reader) io.Reader{
		"at once":            func(r io.Reader) io.Reader { return r },
		"in halves":          iotest.HalfReader,
		"end with the bytes": iotest.DataErrReader,
	} {
		for length, hint := range map[string]int64{"known": int64(len(text())), "unknown": -1, "wrong": 5} {
			t.Run(name+"/"+length, func(t *testing.T) {
				src := &source{Reader: slow(strings.NewReader(text()))}
				tape := rewind.NewTape(src, hint, math.MaxInt64)
				first := tape.NewReader(noError)
				_, err := io.ReadFull(first, make([]byte, 100<<10))
				require.NoError(t, err)
				require.NoError(t, first.Close())
				for range 2 {
					require.True(t, tape.Whole())
					got, err := io.ReadAll(tape.NewReader(noError))
					require.NoError(t, err)
					require.True(t, text() == string(got))
				}
				require.NoError(t, errors.Join(tape.Close(), tape.Close()))
				assert.Equal(t, 1, src.closes)
				assert.True(t, tape.Whole(), "the source is not needed any more")
			})
		}
	}
}

func TestTapeForgetsBeyondItsLimit(t *testing.T) {
	for name, test := range map[string]struct {
		limit   int64
		release bool
		whole   bool
	}{
		"at the limit": {limit: int64(len(text())), whole: true},
		"over it":      {limit: int64(len(text())) - 1},
		"released":     {limit: math.MaxInt64, release: true},
	} {
		t.Run(name, func(t *testing.T) {
			tape := rewind.NewTape(&source{Reader: strings.NewReader(text())}, -1, test.limit)
			if test.release {
				tape.Release()
			}
			got, err := io.ReadAll(tape.NewReader(noError))
			require.NoError(t, err)
			assert.True(t, text() == string(got), "the reader gets everything all the same")
			assert.Equal(t, test.whole, tape.Whole())
			if !test.whole {
				_, err = tape.NewReader(noError).Read(make([]byte, 1))
				require.ErrorIs(t, err, rewind.ErrNotKept)
			}
		})
	}
}

func TestTapeThatForgetsKeepsLittle(t *testing.T) {
	const size = 64 << 20
	tape := rewind.NewTape(&source{Reader: io.LimitReader(zeros{}, size)}, size, 1<<20)
	before := allocated()
	n, err := io.Copy(io.Discard, tape.NewReader(noError))
	require.NoError(t, err)
	assert.EqualValues(t, size, n)
	assert.Less(t, allocated()-before, uint64(8<<20), "the memory of the last chunk serves again and again")
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

func TestTapeWhoseSourceBreaksIsNotWhole(t *testing.T) {
	broken := errors.New("broken")
	src := &source{Reader: io.MultiReader(strings.NewReader("begin"), iotest.ErrReader(broken))}
	tape := rewind.NewTape(src, -1, math.MaxInt64)
	for range 2 {
		got, err := io.ReadAll(tape.NewReader(noError))
		assert.Equal(t, "begin", string(got))
		assert.Equal(t, broken, err)
	}
	assert.False(t, tape.Whole())

	closed := rewind.NewTape(&source{Reader: strings.NewReader("body")}, -1, math.MaxInt64)
	require.NoError(t, closed.Close())
	assert.False(t, closed.Whole(), "the source was closed before its end")
}

func TestPeek(t *testing.T) {
	for name, test := range map[string]struct {
		off, n int
		enough func([]byte) bool
		want   string
		ended  bool
	}{
		"all":             {n: 100, want: "0123456789", ended: true},
		"exactly all":     {n: 10, want: "0123456789", ended: true},
		"a part":          {n: 4, want: "0123"},
		"from the middle": {off: 7, n: 100, want: "789", ended: true},
		"enough":          {n: 100, enough: func(b []byte) bool { return len(b) >= 3 }, want: "012"},
		"never enough":    {n: 100, enough: func([]byte) bool { return false }, want: "0123456789", ended: true},
	} {
		t.Run(name, func(t *testing.T) {
			src := &source{Reader: iotest.OneByteReader(strings.NewReader("0123456789"))}
			tape := rewind.NewTape(src, -1, math.MaxInt64)
			_, _ = tape.Peek(t.Context(), 0, test.off, nil)
			got, ended := tape.Peek(t.Context(), int64(test.off), test.n, test.enough)
			assert.Equal(t, test.want, string(got))
			assert.Equal(t, test.ended, ended)
			again, err := io.ReadAll(tape.NewReader(noError))
			require.NoError(t, err)
			assert.Equal(t, "0123456789", string(again), "it is put back")
		})
	}
}

func TestPeekEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pipe, w := io.Pipe()
		tape := rewind.NewTape(pipe, -1, math.MaxInt64)
		go func() { _, _ = io.WriteString(w, "begin") }()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		got, ended := tape.Peek(ctx, 0, 100, nil)
		assert.Equal(t, time.Second, time.Since(begin))
		assert.Equal(t, "begin", string(got))
		assert.False(t, ended)

		go func() { // the read that Peek has left alone brings this
			_, _ = io.WriteString(w, ", end")
			_ = w.Close()
		}()
		all, err := io.ReadAll(tape.NewReader(noError))
		require.NoError(t, err)
		assert.Equal(t, "begin, end", string(all))
	})
}

func TestReaderCloseEndsAWaitingRead(t *testing.T) {
	for name, direct := range map[string]bool{"through the tape": false, "direct": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				pipe, w := io.Pipe()
				defer w.Close()
				tape := rewind.NewTape(pipe, -1, math.MaxInt64)
				if direct {
					tape.Direct()
				}
				r := tape.NewReader(tape.Close)
				ended := make(chan error)
				go func() {
					_, err := r.Read(make([]byte, 1))
					ended <- err
				}()
				synctest.Wait() // it reads
				require.NoError(t, r.Close())
				require.Error(t, <-ended)
				_, err := r.Read(make([]byte, 1))
				require.ErrorContains(t, err, "closed")
				n, err := r.Read(nil)
				require.NoError(t, err)
				require.Zero(t, n)
				require.NoError(t, r.Close())
			})
		})
	}
}

// What the tape holds comes first, and then the reader reads the source itself, in reads of its
// own.
func TestDirectReadsTheSourceItself(t *testing.T) {
	src := &sizes{rest: strings.NewReader(text())}
	tape := rewind.NewTape(src, -1, math.MaxInt64)
	prefix, _ := tape.Peek(t.Context(), 0, 100, func([]byte) bool { return true })
	require.NotEmpty(t, prefix)
	r := tape.NewReader(tape.Close)
	tape.Direct()
	got := make([]byte, len(text()))
	n, err := io.ReadFull(r, got[:4<<10]) // what one read of the tape has brought
	require.NoError(t, err)
	src.last = 0
	for n < len(got) {
		k, err := r.Read(got[n:min(n+777, len(got))])
		require.NoError(t, err)
		require.LessOrEqual(t, src.last, 777)
		n += k
	}
	assert.True(t, text() == string(got))
	_, err = r.Read(make([]byte, 1))
	assert.Equal(t, io.EOF, err)
}

// sizes remembers how much the last Read asked for.
type sizes struct {
	rest *strings.Reader
	last int
}

func (s *sizes) Read(p []byte) (int, error) {
	s.last = len(p)
	return s.rest.Read(p)
}

func (*sizes) Close() error { return nil }
