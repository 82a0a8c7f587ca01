package reauthtest

import (
	"bufio"
	"crypto/sha1" //nolint:gosec // RFC 6455 requires it
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// isUpgrade reports whether r asks for a WebSocket (RFC 6455 §4.1).
func isUpgrade(r *http.Request) bool {
	return strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

// Kinds of WebSocket frames (RFC 6455 §5.2).
const (
	frameText  = 0x1
	frameClose = 0x8
	framePing  = 0x9
	framePong  = 0xA
)

// acceptGUID is what a server appends to the key of a client before it hashes it (RFC 6455 §1.3).
const acceptGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// maxFrame is the longest frame that a client may send, in bytes.
const maxFrame = 1 << 20

// realtime upgrades the connection to a WebSocket and talks on it until the client leaves. It sends
// a greeting, and answers each message with the words of the model, one event each. It needs a real
// connection.
func realtime(w http.ResponseWriter, r *http.Request) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, "reauthtest: a WebSocket needs a real connection: serve the provider with Start",
			http.StatusNotImplemented)
		return
	}
	defer conn.Close()
	sum := sha1.Sum([]byte(r.Header.Get("Sec-Websocket-Key") + acceptGUID)) //nolint:gosec // RFC 6455 requires it
	_, _ = fmt.Fprintf(rw,
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
			"Sec-WebSocket-Accept: %s\r\n\r\n",
		base64.StdEncoding.EncodeToString(sum[:]))
	tell(rw.Writer,
		`{"type":"session.created","event_id":"event_1","session":{"type":"realtime","id":"sess_1","model":"example"}}`)
	for {
		kind, message, err := readFrame(rw.Reader)
		switch {
		case err != nil: // the client has left, or speaks another protocol
			return
		case kind == frameClose:
			writeFrame(rw.Writer, frameClose, message)
			return
		case kind == framePing:
			writeFrame(rw.Writer, framePong, message)
		case kind != framePong:
			for _, word := range words {
				tell(rw.Writer,
					`{"type":"response.output_text.delta","event_id":"event_2","response_id":"resp_1",`+
						`"item_id":"msg_1","output_index":0,"content_index":0,"delta":%q}`,
					word)
			}
			tell(rw.Writer,
				`{"type":"response.done","event_id":"event_3","response":{"id":"resp_1","object":"realtime.response",`+
					`"status":"completed","output":[]}}`)
		}
	}
}

// tell sends one text message.
func tell(w *bufio.Writer, format string, args ...any) {
	writeFrame(w, frameText, fmt.Appendf(nil, format, args...))
}

// writeFrame sends one frame of at most 64 KiB, unmasked as RFC 6455 §5.1 requires of a server. It
// ignores errors: if the client has left, the next read fails.
func writeFrame(w *bufio.Writer, kind byte, message []byte) {
	head := []byte{0x80 | kind, byte(len(message))} //nolint:gosec // used only if it fits
	if len(message) > 125 {
		head = binary.BigEndian.AppendUint16([]byte{0x80 | kind, 126}, uint16(len(message))) //nolint:gosec // see above
	}
	_, _ = w.Write(append(head, message...))
	_ = w.Flush()
}

// readFrame reads one frame of a client and unmasks it. It takes each frame of a message for a
// message.
func readFrame(r *bufio.Reader) (kind byte, message []byte, err error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	size := uint64(head[1] & 0x7f)
	switch size {
	case 126:
		var n uint16
		err = binary.Read(r, binary.BigEndian, &n)
		size = uint64(n)
	case 127:
		err = binary.Read(r, binary.BigEndian, &size)
	}
	if err != nil {
		return 0, nil, err
	}
	if head[1]&0x80 == 0 || size > maxFrame {
		return 0, nil, errors.New("reauthtest: a client's frames are masked and at most 1 MiB long")
	}
	var mask [4]byte
	if _, err := io.ReadFull(r, mask[:]); err != nil {
		return 0, nil, err
	}
	message = make([]byte, size)
	if _, err := io.ReadFull(r, message); err != nil {
		return 0, nil, err
	}
	for i := range message {
		message[i] ^= mask[i%4]
	}
	return head[0] & 0xf, message, nil
}
