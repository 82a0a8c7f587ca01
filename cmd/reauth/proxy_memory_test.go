package main

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
)

// Uploads side by side keep no more than --max-body-memory together: those that do not fit are sent
// once, and their refusal is returned. Here all are refused once, after all of them have come.
func TestProxyBoundsTheBodiesThatItKeeps(t *testing.T) {
	const uploads, size = 6, 1 << 20
	for memory, most := range map[string]int64{"2MiB": 2, "0": 0, "256MiB": uploads} {
		r := newRig(t)
		r.Expire(r.access)
		var came sync.WaitGroup
		came.Add(uploads)
		var first atomic.Int64
		r.on("/v1/upload", func(w http.ResponseWriter, req *http.Request) {
			n, _ := io.Copy(io.Discard, req.Body)
			if first.Add(1) <= uploads {
				came.Done()
				came.Wait()
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			assert.EqualValues(t, size, n)
		})
		p := r.start(t, "--max-body-memory", memory)
		var served atomic.Int64
		var done sync.WaitGroup
		for range uploads {
			done.Go(func() {
				resp, _ := p.do(t, http.MethodPost, "/v1/upload", strings.Repeat("a", size))
				if resp.StatusCode == http.StatusOK {
					served.Add(1)
				}
			})
		}
		done.Wait()
		assert.LessOrEqual(t, served.Load(), most, memory)
		if most == uploads {
			assert.EqualValues(t, uploads, served.Load(), memory)
		}
	}
}
