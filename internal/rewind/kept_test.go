package rewind_test

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/internal/rewind"
)

func TestKeptBodyIsRewound(t *testing.T) {
	src := &source{Reader: iotest.OneByteReader(strings.NewReader("0123456789"))}
	k := rewind.NewKeptBody(src, -1, 10, nil, 0)
	first, err := k.Rewind()
	require.NoError(t, err)
	_, err = io.ReadFull(first, make([]byte, 4))
	require.NoError(t, err)
	require.True(t, k.Whole())

	second, err := k.Rewind()
	require.NoError(t, err)
	_, err = first.Read(make([]byte, 1))
	require.ErrorContains(t, err, "closed", "the reader before has ended")
	got, err := io.ReadAll(second)
	require.NoError(t, err)
	assert.Equal(t, "0123456789", string(got))
	require.NoError(t, second.Close())
	require.NoError(t, first.Close())
	assert.Zero(t, src.closes, "it may be needed again")

	third, err := k.Rewind()
	require.NoError(t, err)
	k.Release()
	assert.Zero(t, src.closes, "it is being sent")
	got, err = io.ReadAll(third)
	require.NoError(t, err)
	assert.Equal(t, "0123456789", string(got))
	require.NoError(t, third.Close())
	require.NoError(t, third.Close())
	assert.Equal(t, 1, src.closes)
}

func TestKeptBodyBeyondItsLimitIsNotRewound(t *testing.T) {
	src := &source{Reader: iotest.OneByteReader(strings.NewReader("0123456789"))}
	k := rewind.NewKeptBody(src, -1, 4, nil, 0)
	first, err := k.Rewind()
	require.NoError(t, err)
	_, err = io.ReadFull(first, make([]byte, 5))
	require.NoError(t, err)
	assert.False(t, k.Whole())
	_, err = k.Rewind()
	require.ErrorIs(t, err, rewind.ErrNotKept)
	k.Release()
	assert.Equal(t, 1, src.closes)
}

func TestKeptBodyReleasedWhenItIsClosed(t *testing.T) {
	src := &source{Reader: strings.NewReader("body")}
	k := rewind.NewKeptBody(src, 4, 10, nil, 0)
	first, err := k.Rewind()
	require.NoError(t, err)
	require.NoError(t, first.Close())
	k.Release()
	k.Release()
	assert.Equal(t, 1, src.closes)
}

// A read of the first reader that is still under way belongs to the second.
func TestKeptBodyRewoundDuringARead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pipe, w := io.Pipe()
		k := rewind.NewKeptBody(pipe, -1, 10, nil, 0)
		first, err := k.Rewind()
		require.NoError(t, err)
		ended := make(chan error)
		go func() {
			_, err := first.Read(make([]byte, 1))
			ended <- err
		}()
		synctest.Wait() // it reads
		second, err := k.Rewind()
		require.NoError(t, err)
		require.ErrorContains(t, <-ended, "closed")
		go func() {
			_, _ = io.WriteString(w, "body")
			_ = w.Close()
		}()
		got, err := io.ReadAll(second)
		require.NoError(t, err)
		assert.Equal(t, "body", string(got))
	})
}
