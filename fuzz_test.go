package reauth

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

var errBroken = errors.New("the connection broke")

// pieces is a body that arrives in pieces. The sizes repeat. A read of size 0 yields nothing.
// Before a read of size 255 the reader waits for a second. Other reads yield at most the square of
// their size.
type pieces struct {
	rest   []byte // what is still to be read
	sizes  []byte
	err    error // ends the body
	joined bool  // err comes with the last bytes, and not after them

	reads, closes int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.rest) == 0 {
		return 0, p.err
	}
	n := len(b)
	if len(p.sizes) > 0 {
		size := int(p.sizes[p.reads%len(p.sizes)])
		if p.reads++; size == 255 {
			time.Sleep(time.Second)
		}
		if p.reads < 100 || size > 0 { // a reader must not yield nothing for ever
			n = min(n, size*size)
		}
	}
	n = copy(b[:n], p.rest)
	if p.rest = p.rest[n:]; p.joined && len(p.rest) == 0 {
		return n, p.err
	}
	return n, nil
}

func (p *pieces) Close() error {
	p.closes++
	return nil
}

// FuzzPeek checks what peek promises for any body: it reads a bounded prefix in a bounded time, the
// caller gets each byte once and the source's error, and the source is closed once.
func FuzzPeek(f *testing.F) {
	for _, size := range []uint{0, 1, 511, 512, 513, maxPeek - 1, maxPeek, maxPeek + 1, 3 * maxPeek} {
		for how := range byte(8) {
			f.Add(size, []byte{1, 0, 255, 3}, []byte{200, 1}, how)
			f.Add(size, []byte{}, []byte{}, how)
			f.Add(size, []byte{255, 255, 255, 16}, []byte{90}, how)
		}
	}
	f.Fuzz(func(t *testing.T, size uint, sizes, takes []byte, how byte) {
		whole := make([]byte, size%(4*maxPeek))
		for i := range whole {
			whole[i] = byte(i ^ i>>8)
		}
		src := &pieces{rest: whole, sizes: sizes[:min(len(sizes), 64)], err: io.EOF, joined: how&1 != 0}
		if how&2 != 0 {
			src.err = errBroken
		}
		synctest.Test(t, func(t *testing.T) {
			resp := &http.Response{StatusCode: 429, Header: http.Header{}, Body: src, ContentLength: -1}
			if how&8 != 0 {
				resp.ContentLength = int64(len(whole))
			}
			begin := time.Now()
			ref := peek(context.Background(), resp)
			require.LessOrEqual(t, time.Since(begin), peekTimeout)
			require.LessOrEqual(t, len(ref.prefix), maxPeek)
			require.True(t, bytes.HasPrefix(whole, ref.prefix))
			if time.Since(begin) < peekTimeout && src.err == io.EOF { // only the time may end a peek before that
				require.GreaterOrEqual(t, len(ref.prefix), min(len(whole), maxPeek))
			}
			want, wantErr := whole, src.err
			switch how & 4 {
			case 0:
				ref.release()
			default:
				discarded := ref.rest != nil
				ref.discard(context.Background())
				require.Equal(t, 1, src.closes, "discard closes the source")
				if want = ref.prefix; discarded {
					wantErr = io.ErrUnexpectedEOF
				}
			}
			got, err := readIn(resp.Body, takes)
			require.True(t, bytes.Equal(want, got), "%d bytes of %d", len(got), len(want))
			require.Equal(t, wantErr, err)
			require.NoError(t, resp.Body.Close())
			require.NoError(t, resp.Body.Close())
			require.Equal(t, 1, src.closes, "the body is closed once")
			time.Sleep(time.Second) // until a read under way has ended
		})
	})
}

// readIn reads r to its end. The sizes of its reads follow takes. It returns all bytes and the
// error at the end.
func readIn(r io.Reader, takes []byte) (all []byte, err error) {
	for i := 0; err == nil; i++ {
		b := make([]byte, 4<<10)
		if len(takes) > 0 {
			b = b[:1+16*int(takes[i%len(takes)])]
		}
		var n int
		n, err = r.Read(b)
		all = append(all, b[:n]...)
	}
	return all, err
}
