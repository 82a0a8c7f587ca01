package reauthtest

import (
	"fmt"
	"net/http"
	"strings"
)

// events starts an event stream and returns what sends on it; each time it is flushed.
func events(w http.ResponseWriter) (send func(format string, args ...any)) {
	w.Header().Set("Content-Type", "text/event-stream")
	return func(format string, args ...any) {
		_, _ = fmt.Fprintf(w, format, args...) // a client that has gone needs no answer
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
	}
}

// stream sends words one by one, as the API of path does.
func (p *Provider) stream(w http.ResponseWriter, path string) {
	send := events(w)
	switch {
	case p.Dialect == Anthropic || strings.HasSuffix(path, "/messages"):
		streamMessage(send)
	case strings.HasSuffix(path, "/responses"):
		streamResponse(send)
	default:
		streamCompletion(send)
	}
}

// streamMessage is Anthropic's Messages API.
func streamMessage(send func(string, ...any)) {
	send("event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\"," +
		"\"role\":\"assistant\",\"model\":\"example\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null," +
		"\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}}\n\n")
	send("event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0," +
		"\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n")
	for _, word := range words {
		send("event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,"+
			"\"delta\":{\"type\":\"text_delta\",\"text\":%q}}\n\n", word)
	}
	send("event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n")
	send("event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"," +
		"\"stop_sequence\":null},\"usage\":{\"output_tokens\":6}}\n\n")
	send("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n")
}

// streamResponse is OpenAI's Responses API.
func streamResponse(send func(string, ...any)) {
	const response = `{"id":"resp_1","object":"response","created_at":1,"status":%q,"model":"example","output":[]}`
	n := 0
	event := func(kind, format string, args ...any) {
		send("event: %s\ndata: {\"type\":%q,\"sequence_number\":%d,%s}\n\n",
			kind, kind, n, fmt.Sprintf(format, args...))
		n++
	}
	event("response.created", `"response":`+response, "in_progress")
	for _, word := range words {
		event("response.output_text.delta",
			`"item_id":"msg_1","output_index":0,"content_index":0,"delta":%q,"logprobs":[]`, word)
	}
	event("response.completed", `"response":`+response, "completed")
}

// streamCompletion is the chat completions API of OpenAI and most others.
func streamCompletion(send func(string, ...any)) {
	for i, word := range words {
		finish := "null"
		if i == len(words)-1 {
			finish = `"stop"`
		}
		send("data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"example\","+
			"\"choices\":[{\"index\":0,\"delta\":{\"content\":%q},\"finish_reason\":%s}]}\n\n", word, finish)
	}
	send("data: [DONE]\n\n")
}
