package reauthtest

import (
	"fmt"
	"net/http"
	"strings"
)

// events begins an event stream. It returns a function that sends an event and flushes it.
func events(w http.ResponseWriter) (send func(format string, args ...any)) {
	w.Header().Set("Content-Type", "text/event-stream")
	return func(format string, args ...any) {
		_, _ = fmt.Fprintf(w, format, args...) // a client that has left needs no answer
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
	}
}

// stream sends the words one by one, in the form of the API at path.
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

// streamMessage sends a stream of Anthropic's Messages API.
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

// streamResponse sends a stream of OpenAI's Responses API.
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

// streamCompletion sends a stream of the chat completions API, which OpenAI and most others have.
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
