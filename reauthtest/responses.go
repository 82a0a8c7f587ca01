package reauthtest

import (
	"fmt"
	"strings"
)

// This file is OpenAI's Responses API: the answer as a whole, and the events of a stream, in the order
// of https://developers.openai.com/api/reference/resources/responses/streaming-events.

// Statuses of a response and of its items.
const (
	inProgress = "in_progress"
	completed  = "completed"
)

// responseBody returns a response. It has its output and usage when it is completed.
func responseBody(model, status string) string {
	output, usage := "", "null"
	if status == completed {
		output = responseItem(status)
		usage = `{"input_tokens":1,"input_tokens_details":{"cached_tokens":0},"output_tokens":6,` +
			`"output_tokens_details":{"reasoning_tokens":0},"total_tokens":7}`
	}
	return fmt.Sprintf(
		`{"id":"resp_1","object":"response","created_at":1,"status":%q,"error":null,"incomplete_details":null,`+
			`"instructions":null,"metadata":{},"model":%s,"output":[%s],"parallel_tool_calls":true,`+
			`"temperature":1,"tool_choice":"auto","tools":[],"top_p":1,"usage":%s}`,
		status, quote(model), output, usage)
}

// responseItem returns the message of a response. It has its part when it is completed.
func responseItem(status string) string {
	content := ""
	if status == completed {
		content = responsePart(strings.Join(words, ""))
	}
	return fmt.Sprintf(`{"type":"message","id":"msg_1","status":%q,"role":"assistant","content":[%s]}`, status, content)
}

func responsePart(text string) string {
	return fmt.Sprintf(`{"type":"output_text","text":%q,"annotations":[],"logprobs":[]}`, text)
}

// event is an event of a stream: its type, and its data as JSON.
type event struct{ kind, data string }

// responseEvents returns the events of a response with one message. Its stream, and a socket of the
// Responses API, send them.
func responseEvents(model string) (list []event) {
	add := func(kind, format string, args ...any) {
		data := fmt.Sprintf(`{"type":%q,"sequence_number":%d,%s}`, kind, len(list), fmt.Sprintf(format, args...))
		list = append(list, event{kind, data})
	}
	const part = `"item_id":"msg_1","output_index":0,"content_index":0,`
	all := strings.Join(words, "")
	add("response.created", `"response":%s`, responseBody(model, inProgress))
	add("response.in_progress", `"response":%s`, responseBody(model, inProgress))
	add("response.output_item.added", `"output_index":0,"item":%s`, responseItem(inProgress))
	add("response.content_part.added", part+`"part":%s`, responsePart(""))
	for _, word := range words {
		add("response.output_text.delta", part+`"delta":%q,"logprobs":[]`, word)
	}
	add("response.output_text.done", part+`"text":%q,"logprobs":[]`, all)
	add("response.content_part.done", part+`"part":%s`, responsePart(all))
	add("response.output_item.done", `"output_index":0,"item":%s`, responseItem(completed))
	add("response.completed", `"response":%s`, responseBody(model, completed))
	return list
}
