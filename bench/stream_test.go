package bench

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"
)

// events is a part of the answer of a model as it goes over the wire, with one token per event.
var events = bytes.Repeat([]byte(`data: {"id":"chatcmpl-1","object":"chat.completion.chunk",`+
	`"choices":[{"index":0,"delta":{"content":" token"}}]}`+"\n\n"), 64)

// talk answers with a stream of size bytes. It flushes after each block of events.
func talk(w http.ResponseWriter, r *http.Request, size int) {
	_, _ = io.Copy(io.Discard, r.Body) // a client that has left needs no answer
	w.Header().Set("Content-Type", "text/event-stream")
	flusher, _ := w.(http.Flusher) // the servers of net/http have it
	for sent := 0; sent < size; {
		n, err := w.Write(events[:min(len(events), size-sent)])
		if err != nil {
			return
		}
		sent += n
		flusher.Flush()
	}
}

// BenchmarkFirstByte measures the time from the request to the first byte of a stream over
// loopback, and reports it as first-ns/op. It also reads the rest of the stream, which counts in
// ns/op only.
func BenchmarkFirstByte(b *testing.B) {
	streams(b, 64, func(b *testing.B, rt http.RoundTripper, l *load) {
		var one [1]byte
		var first time.Duration
		for b.Loop() {
			start := time.Now()
			resp, err := rt.RoundTrip(l.next())
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.ReadFull(resp.Body, one[:]); err != nil {
				b.Fatal(err)
			}
			first += time.Since(start)
			_, err = io.Copy(io.Discard, resp.Body)
			if err := errors.Join(err, resp.Body.Close()); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(first.Nanoseconds())/float64(b.N), "first-ns/op")
	})
}

// BenchmarkThroughput measures how fast a stream of 8 MiB arrives over loopback.
func BenchmarkThroughput(b *testing.B) {
	const size = 8 << 20
	streams(b, size, func(b *testing.B, rt http.RoundTripper, l *load) {
		b.SetBytes(size)
		buf := make([]byte, 32<<10)
		for b.Loop() {
			resp, err := rt.RoundTrip(l.next())
			if err != nil {
				b.Fatal(err)
			}
			// The structs hide io.ReaderFrom and io.WriterTo, so that each peer is read into buf.
			n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{resp.Body}, buf)
			if err := errors.Join(err, resp.Body.Close()); err != nil || n != size {
				b.Fatal(n, err)
			}
		}
	})
}

// streams runs a benchmark for every protocol and peer. The server streams size bytes.
func streams(b *testing.B, size int, run func(*testing.B, http.RoundTripper, *load)) {
	for _, proto := range []string{"http1", "http2"} {
		for _, p := range peers() {
			b.Run(fmt.Sprintf("base=%s/by=%s", proto, p.name), func(b *testing.B) {
				s := loopback(b, proto, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					talk(w, r, size)
				}))
				rt, l := p.wrap(b, s.base), newLoad(b, s.url, 2<<10, true)
				b.ReportAllocs()
				run(b, rt, l)
			})
		}
	}
}
