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

// talk upgrades the connection to a WebSocket, and answers each message of the client with the words of the
// model until the client leaves: with the events of the Responses API on its path, else with those of the
// Realtime API, which greets. It needs a real connection.
func talk(w http.ResponseWriter, r *http.Request) {
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
	if strings.HasSuffix(r.URL.Path, "/responses") {
		converse(rw, responsesAPI(rw.Writer))
		return
	}
	converse(rw, realtimeAPI(rw.Writer))
}

// converse answers each message of a client until the client leaves.
func converse(rw *bufio.ReadWriter, answer func(message []byte)) {
	_ = rw.Flush() // if the client has left, the next read fails
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
			answer(message)
		}
	}
}

// responsesAPI answers a message of the Responses API's socket, which is a request
// (https://developers.openai.com/api/docs/guides/websocket-mode).
func responsesAPI(w *bufio.Writer) func(message []byte) {
	return func(message []byte) {
		for _, e := range responseEvents(readAsked(message).Model) {
			writeFrame(w, frameText, []byte(e.data))
		}
	}
}

// realtimeAPI greets, and answers a message of the Realtime API, in the order of
// https://developers.openai.com/api/docs/guides/realtime-conversations.
func realtimeAPI(w *bufio.Writer) func(message []byte) {
	const (
		response = `"response":{"object":"realtime.response","id":"resp_1","status":%q,"output":[%s]}`
		in       = `"response_id":"resp_1",`
		item     = `"item":{"id":"msg_1","object":"realtime.item","type":"message","status":%q,"role":"assistant",` +
			`"content":[%s]}`
		part = in + `"item_id":"msg_1","output_index":0,"content_index":0,`
	)
	told := 0
	tell := func(kind, format string, args ...any) {
		told++
		writeFrame(w, frameText, fmt.Appendf(nil, `{"type":%q,"event_id":"event_%d",%s}`,
			kind, told, fmt.Sprintf(format, args...)))
	}
	all := strings.Join(words, "")
	said := fmt.Sprintf(`{"type":"output_text","text":%q}`, all)
	_, whole, _ := strings.Cut(fmt.Sprintf(item, completed, said), ":")
	tell("session.created", `"session":{"type":"realtime","id":"sess_1","model":"example"}`)
	return func([]byte) {
		tell("response.created", response, inProgress, "")
		tell("response.output_item.added", in+`"output_index":0,`+item, inProgress, "")
		tell("conversation.item.added", `"previous_item_id":null,`+item, inProgress, "")
		tell("response.content_part.added", part+`"part":{"type":"output_text","text":""}`)
		for _, word := range words {
			tell("response.output_text.delta", part+`"delta":%q`, word)
		}
		tell("response.output_text.done", part+`"text":%q`, all)
		tell("response.content_part.done", part+`"part":%s`, said)
		tell("conversation.item.done", `"previous_item_id":null,`+item, completed, said)
		tell("response.output_item.done", in+`"output_index":0,`+item, completed, said)
		tell("response.done", response, completed, whole)
	}
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
