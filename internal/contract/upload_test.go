package contract_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/internal/testrig"
)

// 9: the transport keeps a body while it sends it. If it read the body first, a writer that waits
// for the response would wait for ever, and Expect: 100-continue would have no effect.
func contractStreamedBody(t *testing.T) {
	bothProtocols(t, func(t *testing.T, http2 bool) {
		bothWays(t, func(t *testing.T, token string) {
			t.Run("writer waits for the response", func(t *testing.T) {
				_, base := startContract(t, http2, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					duplex := http.NewResponseController(w)
					if !http2 { // HTTP/2 is always full duplex
						assert.NoError(t, duplex.EnableFullDuplex())
					}
					if !isLive(r) {
						http.Error(w, refusal, 401)
						return
					}
					assert.NoError(t, duplex.Flush())
					_, _ = io.Copy(w, r.Body)
				}))
				body, w := io.Pipe()
				resp, err := newContract(t, base, refreshable(token)).RoundTrip(contractRequest(t.Context(), t, body))
				require.NoError(t, err)
				require.Equal(t, 200, resp.StatusCode)
				_, err = io.WriteString(w, "written after the response")
				require.NoError(t, err)
				require.NoError(t, w.Close())
				assert.Equal(t, "written after the response", bodyOfAnswer(t, resp))
			})
			t.Run("100-continue", func(t *testing.T) {
				body := &contractBody{Reader: strings.NewReader("body"), closed: make(chan struct{})}
				_, base := startContract(t, http2, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					assert.Zero(t, body.reads.Load(), "the server has not asked for the body yet")
					if !isLive(r) {
						http.Error(w, refusal, 401)
						return
					}
					_, _ = io.Copy(w, r.Body)
				}))
				base.ExpectContinueTimeout = time.Hour
				req := contractRequest(t.Context(), t, nil)
				req.Body, req.ContentLength = body, 4
				req.Header.Set("Expect", "100-continue")
				assert.Equal(t, "body", mustSend(t, newContract(t, base, refreshable(token)), req, 200))
				<-body.closed // at some time
			})
		})
	})
}

// 10: a body over the cap is sent and not replayed. The next request profits from the refresh.
func contractOverCap(t *testing.T) {
	const text = "0123456789abcdef"
	for name, test := range map[string]struct {
		limit    int64
		read     int // by the base, before it answers 401
		replayed bool
	}{
		"at the cap":               {limit: 16, read: 16, replayed: true},
		"over the cap":             {limit: 15, read: 16},
		"part read, over the cap":  {limit: 4, read: 8},
		"part read, under the cap": {limit: 16, read: 8, replayed: true},
		"never kept":               {limit: -1, read: 16},
		"never kept, part read":    {limit: -1, read: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var sent []string
				c := newContract(t, testrig.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
					if isLive(req) {
						sent = append(sent, string(consume(req)))
						return testrig.Answer(req, 200, "welcome"), nil
					}
					b := make([]byte, test.read)
					_, err := io.ReadFull(req.Body, b)
					sent = append(sent, string(b))
					_ = req.Body.Close()
					return testrig.Answer(req, 401, refusal), err
				}), refreshable(staleToken))
				c.MaxBodyBuffer = test.limit
				slow := iotest.OneByteReader(strings.NewReader(text)) // so that the base decides how much it reads
				if test.replayed {
					mustSend(t, c, contractRequest(t.Context(), t, slow), 200)
					assert.Equal(t, []string{text[:test.read], text}, sent)
				} else {
					assert.Equal(t, refusal, mustSend(t, c, contractRequest(t.Context(), t, slow), 401))
					assert.Equal(t, []string{text[:test.read]}, sent)
				}
				synctest.Wait() // until the background refresh ends
				mustSend(t, c, contractRequest(t.Context(), t, strings.NewReader("next")), 200)
				assert.EqualValues(t, 1, c.exchanges.Load())
				assert.Equal(t, "next", sent[len(sent)-1])
			})
		})
	}
}

// 11: a server may refuse because of the header alone, and leave the body unread. The replay still
// sends the whole body.
func contractRefusedUnread(t *testing.T) {
	text := bytes.Repeat([]byte("0123456789abcdef"), 256<<10) // 4 MiB, more than a socket buffers
	sum := sha256.Sum256(text)
	bothProtocols(t, func(t *testing.T, http2 bool) {
		_, base := startContract(t, http2, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !isLive(r) {
				http.Error(w, refusal, 401)
				return
			}
			got := sha256.New()
			n, err := io.Copy(got, r.Body)
			assert.NoError(t, err)
			assert.EqualValues(t, len(text), n)
			_, _ = io.WriteString(w, hex.EncodeToString(got.Sum(nil)))
		}))
		base.ExpectContinueTimeout = time.Hour
		for name, test := range map[string]struct {
			again, expect bool
			limit         int64
			status        int
		}{
			"kept":                     {status: 200},
			"GetBody":                  {again: true, status: 200},
			"over the cap, unread":     {limit: 1 << 10, expect: true, status: 200},
			"GetBody, over the cap":    {again: true, limit: 1 << 10, status: 200},
			"never kept, not replayed": {limit: -1, expect: true, status: 401},
		} {
			t.Run(name, func(t *testing.T) {
				c := newContract(t, base, refreshable(staleToken))
				c.MaxBodyBuffer = test.limit
				req := contractRequest(t.Context(), t, nil)
				if test.again {
					withGetBody(req, string(text))
				}
				body := &contractBody{Reader: bytes.NewReader(text), closed: make(chan struct{})}
				req.Body, req.ContentLength = body, int64(len(text))
				if test.expect {
					req.Header.Set("Expect", "100-continue")
				}
				got := mustSend(t, c, req, test.status)
				if test.status == 200 {
					assert.Equal(t, hex.EncodeToString(sum[:]), got)
				}
				<-body.closed // at some time
			})
		}
	})
}

// 12: the length of a body stays. Without it net/http waits up to 200 ms for the first byte and
// sends the body in chunks, which some gateways refuse.
func contractLength(t *testing.T) {
	text := func() io.ReadCloser { return io.NopCloser(strings.NewReader("body")) }
	bothProtocols(t, func(t *testing.T, http2 bool) {
		bothWays(t, func(t *testing.T, token string) {
			for name, test := range map[string]struct {
				body   io.ReadCloser
				length int64
				again  bool
				want   int64
			}{
				"kept":            {body: text(), length: 4, want: 4},
				"GetBody":         {body: text(), length: 4, again: true, want: 4},
				"kept, unknown":   {body: text(), want: -1},
				"GetBody unknown": {body: text(), again: true, want: -1},
				"NoBody":          {body: http.NoBody},
				"none":            {},
			} {
				t.Run(name, func(t *testing.T) {
					_, server := startContract(t, http2, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						assert.Equal(t, test.want, r.ContentLength)
						assert.Equal(t, test.want < 0 && !http2, len(r.TransferEncoding) > 0)
						if !isLive(r) {
							w.WriteHeader(401)
						}
					}))
					base := testrig.RoundTripFunc(func(out *http.Request) (*http.Response, error) {
						assert.Equal(t, test.length, out.ContentLength)
						if test.want == 0 {
							assert.True(t, out.Body == test.body, "an empty body is not wrapped")
						}
						return server.RoundTrip(out)
					})
					req := contractRequest(t.Context(), t, nil)
					req.Body, req.ContentLength = test.body, test.length
					if test.again {
						req.GetBody = func() (io.ReadCloser, error) { return text(), nil }
					}
					mustSend(t, newContract(t, base, refreshable(token)), req, 200)
				})
			}
		})
	})
}

// 14: the request of a send has a working GetBody. HTTP/2 calls it when a server refuses a stream
// or goes away, and http.Client on 307 and 308.
func contractCloneGetBody(t *testing.T) {
	for name, again := range map[string]bool{"kept": false, "GetBody": true} {
		for _, script := range [][]string{
			{"REFUSED_STREAM", "200"},
			{"GOAWAY", "200"},
			{"401", "REFUSED_STREAM", "200"},
			{"401", "GOAWAY", "200"},
			{"GOAWAY", "401", "REFUSED_STREAM", "200"},
		} {
			t.Run(name+"/"+strings.Join(script, " "), func(t *testing.T) {
				server, base := startScript(t, script)
				req := contractRequest(t.Context(), t, strings.NewReader("body"))
				if again {
					withGetBody(req, "body")
				}
				token := liveToken
				if strings.Contains(strings.Join(script, " "), "401") {
					token = staleToken
				}
				c := newContract(t, base, refreshable(token))
				mustSend(t, c, req, 200)
				bodies := server.bodies()
				require.Len(t, bodies, len(script))
				for _, b := range bodies {
					assert.Equal(t, "body", b)
				}
			})
		}
		t.Run(name+"/a base that asks", func(t *testing.T) {
			bothWays(t, func(t *testing.T, token string) {
				c := newContract(t, testrig.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
					require.NotNil(t, req.GetBody)
					_, _ = req.Body.Read(make([]byte, 2))
					_ = req.Body.Close()
					body, err := req.GetBody()
					require.NoError(t, err)
					again := &http.Request{Header: req.Header, Body: body}
					assert.Equal(t, "body", string(consume(again)))
					return refuseStale(again)
				}), refreshable(token))
				req := contractRequest(t.Context(), t, strings.NewReader("body"))
				if again {
					withGetBody(req, "body")
				}
				mustSend(t, c, req, 200)
			})
		})
	}
	for _, status := range []int{307, 308} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			bothProtocols(t, func(t *testing.T, http2 bool) {
				bothWays(t, func(t *testing.T, token string) {
					_, base := startContract(t, http2, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						b, _ := io.ReadAll(r.Body)
						switch {
						case r.URL.Path != "/v2":
							http.Redirect(w, r, "/v2", status)
						case !isLive(r):
							w.WriteHeader(401)
						default:
							_, _ = w.Write(b)
						}
					}))
					client := &http.Client{Transport: newContract(t, base, refreshable(token))}
					resp, err := client.Post(contractURL, "text/plain", strings.NewReader("body"))
					require.NoError(t, err)
					assert.Equal(t, "body", bodyOfAnswer(t, resp))
				})
			})
		})
	}
}

// scriptedServer speaks just enough HTTP/2 to do what the server of net/http cannot do. It reads
// each stream to its end, and then does what the script says next.
type scriptedServer struct {
	mu     sync.Mutex
	script []string // "200", "401", "REFUSED_STREAM" or "GOAWAY"
	read   []string
}

// startScript serves a script at contractURL.
func startScript(t *testing.T, script []string) (*scriptedServer, http.RoundTripper) {
	t.Helper()
	s := &scriptedServer{script: script}
	h := httptest.NewUnstartedServer(nil)
	h.EnableHTTP2 = true
	h.Config.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){
		"h2": func(_ *http.Server, c *tls.Conn, _ http.Handler) { s.serve(c) },
	}
	h.StartTLS()
	t.Cleanup(h.Close)
	return s, h.Client().Transport
}

func (s *scriptedServer) bodies() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.read
}

// These are the parts of RFC 9113 that the script needs.
const (
	frameData, frameHeaders, frameReset, frameSettings, frameGoAway = 0x0, 0x1, 0x3, 0x4, 0x7
	flagEnd, flagAck, flagEndHeaders                                = 0x1, 0x1, 0x4
	codeRefusedStream                                               = 0x7
)

// serve reads frames until the client, or GOAWAY, ends the connection.
func (s *scriptedServer) serve(c *tls.Conn) {
	defer c.Close()
	if _, err := io.ReadFull(c, make([]byte, len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))); err != nil {
		return
	}
	writeFrame(c, frameSettings, 0, 0, nil)
	bodies := make(map[uint32][]byte)
	for head := make([]byte, 9); ; {
		if _, err := io.ReadFull(c, head); err != nil {
			return
		}
		payload := make([]byte, binary.BigEndian.Uint32(append([]byte{0}, head[:3]...)))
		if _, err := io.ReadFull(c, payload); err != nil {
			return
		}
		kind, flags, stream := head[3], head[4], binary.BigEndian.Uint32(head[5:])
		switch {
		case kind == frameSettings && flags&flagAck == 0:
			writeFrame(c, frameSettings, flagAck, 0, nil)
		case kind == frameData:
			bodies[stream] = append(bodies[stream], payload...)
		}
		if (kind == frameData || kind == frameHeaders) && flags&flagEnd != 0 {
			if goesOn := s.act(c, stream, string(bodies[stream])); !goesOn {
				return
			}
		}
	}
}

// act does what the script says next. It returns false when the connection ends.
func (s *scriptedServer) act(w io.Writer, stream uint32, body string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.read = append(s.read, body)
	if len(s.script) == 0 {
		return false
	}
	next := s.script[0]
	s.script = s.script[1:]
	switch next {
	case "REFUSED_STREAM":
		writeFrame(w, frameReset, 0, stream, []byte{0, 0, 0, codeRefusedStream})
	case "GOAWAY": // with last stream 0 and no error
		writeFrame(w, frameGoAway, 0, 0, make([]byte, 8))
		return false
	default: // in HPACK, ":status" has index 8, and the value is literal
		writeFrame(w, frameHeaders, flagEnd|flagEndHeaders, stream, append([]byte{0x08, byte(len(next))}, next...))
	}
	return true
}

func writeFrame(w io.Writer, kind, flags byte, stream uint32, payload []byte) {
	frame := binary.BigEndian.AppendUint32(nil, uint32(len(payload)))[1:]
	frame = append(frame, kind, flags)
	frame = binary.BigEndian.AppendUint32(frame, stream)
	_, _ = w.Write(append(frame, payload...)) // a client that has left needs no answer
}
