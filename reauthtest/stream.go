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
func (p *Provider) stream(w http.ResponseWriter, path string, q asked) {
	send := events(w)
	switch {
	case p.Dialect == Anthropic || strings.HasSuffix(path, "/messages"):
		streamMessage(send, q.Model)
	case strings.HasSuffix(path, "/responses"):
		for _, e := range responseEvents(q.Model) {
			send("event: %s\ndata: %s\n\n", e.kind, e.data)
		}
	default:
		streamCompletion(send, q)
	}
}

// streamMessage sends a stream of Anthropic's Messages API, in the order of
// https://platform.claude.com/docs/en/build-with-claude/streaming.
func streamMessage(send func(string, ...any), model string) {
	event := func(kind, format string, args ...any) {
		send("event: %s\ndata: {\"type\":%q%s}\n\n", kind, kind, fmt.Sprintf(format, args...))
	}
	event("message_start", `,"message":{"id":"msg_1","type":"message","role":"assistant","model":%s,"content":[],`+
		`"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":1,"cache_creation_input_tokens":0,`+
		`"cache_read_input_tokens":0,"output_tokens":1}}`, quote(model))
	event("content_block_start", `,"index":0,"content_block":{"type":"text","text":""}`)
	event("ping", "")
	for _, word := range words {
		event("content_block_delta", `,"index":0,"delta":{"type":"text_delta","text":%q}`, word)
	}
	event("content_block_stop", `,"index":0`)
	event("message_delta", `,"delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":6}`)
	event("message_stop", "")
}

// completionUsage is the usage of the chat completions API.
const completionUsage = `{"prompt_tokens":1,"completion_tokens":6,"total_tokens":7}`

// streamCompletion sends a stream of the chat completions API, which OpenAI and most others have, in the
// order of https://developers.openai.com/api/reference/resources/chat/subresources/completions/streaming-events.
// The first chunk has the role, the last choice the reason why it ends. The usage is in a chunk of its own,
// if the request asks for it.
func streamCompletion(send func(string, ...any), q asked) {
	chunk := func(choices, usage string) {
		if q.StreamOptions.IncludeUsage {
			usage = `,"usage":` + usage
		} else {
			usage = ""
		}
		send("data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":%s,"+
			"\"choices\":[%s]%s}\n\n", quote(q.Model), choices, usage)
	}
	choice := func(delta, finish string) {
		chunk(fmt.Sprintf(`{"index":0,"delta":%s,"logprobs":null,"finish_reason":%s}`, delta, finish), "null")
	}
	choice(`{"role":"assistant","content":"","refusal":null}`, "null")
	for _, word := range words {
		choice(fmt.Sprintf(`{"content":%q}`, word), "null")
	}
	choice("{}", `"stop"`)
	if q.StreamOptions.IncludeUsage {
		chunk("", completionUsage)
	}
	send("data: [DONE]\n\n")
}
