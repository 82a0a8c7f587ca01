package rewind_test

import (
	"io"
	"math"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/internal/rewind"
)

// Bodies that fit into the budget are kept as a whole. One that does not is sent, and not kept. A
// body gives its share back when no rewind can need it any more, also while it is still being sent.
func TestBudgetOfSeveralBodies(t *testing.T) {
	const most = 800 << 10
	for name, length := range map[string]int64{"known length": int64(len(text())), "unknown length": -1} {
		t.Run(name, func(t *testing.T) {
			var b rewind.Budget
			var sources []*source
			send := func() (*rewind.KeptBody, io.ReadCloser) {
				src := &source{Reader: strings.NewReader(text())}
				k := rewind.NewKeptBody(src, length, math.MaxInt64, &b, most)
				first, err := k.Rewind()
				require.NoError(t, err)
				got, err := io.ReadAll(first)
				require.NoError(t, err)
				require.True(t, text() == string(got))
				sources = append(sources, src)
				return k, first
			}
			first, beingSent := send()
			second, _ := send()
			assert.True(t, first.Whole())
			assert.True(t, second.Whole())
			assert.Greater(t, b.Held(), 2*int64(len(text()))-1)
			assert.LessOrEqual(t, b.Held(), int64(most))

			held := b.Held()
			third, _ := send()
			assert.False(t, third.Whole())
			_, err := third.Rewind()
			require.ErrorIs(t, err, rewind.ErrNotKept)
			assert.Equal(t, held, b.Held(), "it holds nothing")

			first.Release() // the base may go on reading it
			assert.Less(t, b.Held(), held)
			fourth, reader := send()
			assert.True(t, fourth.Whole(), "there is room again")
			require.NoError(t, reader.Close())
			for _, k := range []*rewind.KeptBody{second, third, fourth} {
				k.Release()
			}
			require.NoError(t, beingSent.Close())
			assert.Zero(t, b.Held())
			assert.Equal(t, 1, sources[0].closes)
		})
	}
}

// A body that is longer than it may be takes no more of the budget than it may keep.
func TestBudgetOfALongBody(t *testing.T) {
	var b rewind.Budget
	k := rewind.NewKeptBody(&source{Reader: strings.NewReader(text())}, int64(len(text())), 100<<10, &b, math.MaxInt64)
	r, err := k.Rewind()
	require.NoError(t, err)
	_, err = io.ReadFull(r, make([]byte, 1<<10))
	require.NoError(t, err)
	assert.Positive(t, b.Held())
	assert.LessOrEqual(t, b.Held(), int64(100<<10))
	_, err = io.Copy(io.Discard, r)
	require.NoError(t, err)
	assert.Zero(t, b.Held(), "nothing is kept of it")
}

// What a body holds it gives back once, whatever the base does at that moment.
func TestBudgetWhenABodyEndsDuringARead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b rewind.Budget
		pipe, w := io.Pipe()
		k := rewind.NewKeptBody(pipe, 10, 10, &b, 1<<10)
		r, err := k.Rewind()
		require.NoError(t, err)
		go func() {
			_, err := io.ReadAll(iotest.OneByteReader(r))
			assert.ErrorContains(t, err, "closed")
		}()
		synctest.Wait() // it reads
		assert.Positive(t, b.Held())
		k.Release()
		require.NoError(t, r.Close())
		assert.Zero(t, b.Held())
		_, err = w.Write([]byte("late"))
		require.ErrorIs(t, err, io.ErrClosedPipe)
		synctest.Wait()
		assert.Zero(t, b.Held())
	})
}

// A body that is not kept leaves none of its bytes behind while it is being sent.
func TestBodyThatDoesNotFitTakesNoMemory(t *testing.T) {
	const bodies, length = 8, 4 << 20
	var b rewind.Budget
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	var sending []io.Reader
	for range bodies {
		src := &source{Reader: io.LimitReader(zeros{}, length)}
		r, err := rewind.NewKeptBody(src, -1, math.MaxInt64, &b, 1<<20).Rewind()
		require.NoError(t, err)
		_, err = io.CopyN(io.Discard, r, length-1)
		require.NoError(t, err)
		sending = append(sending, r)
	}
	assert.Less(t, heap()-before, int64(bodies*length/10))
	runtime.KeepAlive(sending)
}
