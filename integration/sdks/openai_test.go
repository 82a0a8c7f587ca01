package sdks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/realtime"
	"github.com/openai/openai-go/v3/responses"

	"github.com/reauth-go/reauth/reauthtest"
)

// openaiChat is the official SDK of OpenAI, with its default base URL.
var openaiChat = client{
	name: "openai-go, chat completions", provider: "openai-api", dialect: reauthtest.OpenAI, retries: 2,
	refused: openaiRefused,
	open:    func(_ testing.TB, hc *http.Client) calls { return openaiCalls(hc) },
	timed: func(_ testing.TB, hc *http.Client, d time.Duration) calls {
		return openaiCalls(hc, option.WithRequestTimeout(d))
	},
}

// openaiOnXAI is the same SDK against xAI, which refuses an expired token with a 403.
var openaiOnXAI = client{
	name: "openai-go, on xAI", provider: "xai-oauth", dialect: reauthtest.XAI, retries: 2, mute: true,
	// The member “error” of xAI is a string, but the SDK expects an object.
	refused: func(err error) refused {
		if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return refused{as: fmt.Sprintf("`%T`", e)}
		}
		return openaiRefused(err)
	},
	open: func(_ testing.TB, hc *http.Client) calls {
		return openaiCalls(hc, option.WithBaseURL("https://api.x.ai/v1"))
	},
}

var openaiResponses = client{
	name: "openai-go, Responses", provider: "openai-api", dialect: reauthtest.OpenAI, retries: 2,
	refused: openaiRefused,
	lacks:   map[string]string{"upload": "files are those of the row above"},
	open: func(_ testing.TB, hc *http.Client) calls {
		c := newOpenAI(hc)
		params := responses.ResponseNewParams{
			Model: "gpt-example",
			Input: responses.ResponseNewParamsInputUnion{OfString: openai.String("Hello")},
		}
		return calls{
			ask: func(ctx context.Context) (string, error) {
				resp, err := c.Responses.New(ctx, params)
				if err != nil {
					return "", err
				}
				return resp.OutputText(), nil
			},
			stream: func(ctx context.Context) (string, error) {
				stream := c.Responses.NewStreaming(ctx, params)
				defer stream.Close()
				var text strings.Builder
				for stream.Next() {
					if delta, ok := stream.Current().AsAny().(responses.ResponseTextDeltaEvent); ok {
						text.WriteString(delta.Delta)
					}
				}
				return text.String(), stream.Err()
			},
		}
	},
}

var openaiRealtime = client{
	name: "openai-go, Realtime", provider: "openai-api", dialect: reauthtest.OpenAI, sockets: true, mute: true,
	refused: func(err error) refused {
		_, got, _ := strings.Cut(err.Error(), "but got ")
		status, _ := strconv.Atoi(got) // other errors have no status
		return refused{as: "a plain error", status: status}
	},
	lacks: map[string]string{"upload": "a socket carries messages", "stream": "every answer is one: see expired"},
	open: func(_ testing.TB, hc *http.Client) calls {
		c := newOpenAI(hc)
		return calls{ask: func(ctx context.Context) (string, error) {
			conn, err := c.Realtime.Connect(ctx, realtime.RealtimeConnectionOptions{},
				option.WithQuery("model", "gpt-example"))
			if err != nil {
				return "", err
			}
			defer conn.Close()
			if err := conn.SendRaw(ctx, []byte(`{"type":"response.create"}`)); err != nil {
				return "", err
			}
			var text strings.Builder
			for {
				event, err := conn.Recv(ctx)
				if err != nil {
					return "", err
				}
				switch event.Type {
				case "response.output_text.delta":
					text.WriteString(event.AsResponseTextDeltaEvent().Delta)
				case "response.done":
					return text.String(), nil
				}
			}
		}}
	},
}

func newOpenAI(hc *http.Client, opts ...option.RequestOption) openai.Client {
	all := append([]option.RequestOption{option.WithAPIKey(placeholder), option.WithHTTPClient(hc)}, opts...)
	return openai.NewClient(all...)
}

func openaiCalls(hc *http.Client, opts ...option.RequestOption) calls {
	c := newOpenAI(hc, opts...)
	params := openai.ChatCompletionNewParams{
		Model: "gpt-example", Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("Hello")},
	}
	return calls{
		ask: func(ctx context.Context) (string, error) {
			resp, err := c.Chat.Completions.New(ctx, params)
			if err != nil {
				return "", err
			}
			return resp.Choices[0].Message.Content, nil
		},
		stream: func(ctx context.Context) (string, error) {
			stream := c.Chat.Completions.NewStreaming(ctx, params)
			defer stream.Close()
			var text strings.Builder
			for stream.Next() {
				text.WriteString(stream.Current().Choices[0].Delta.Content)
			}
			return text.String(), stream.Err()
		},
		upload: func(ctx context.Context, content []byte) (int64, error) {
			file, err := c.Files.New(ctx, openai.FileNewParams{
				File:    openai.File(bytes.NewReader(content), "upload.txt", "text/plain"),
				Purpose: openai.FilePurposeAssistants,
			})
			if err != nil {
				return 0, err
			}
			return file.Bytes, nil
		},
		post: func(ctx context.Context, path, contentType string, body io.Reader) error {
			var res []byte
			return c.Post(ctx, path, body, &res, option.WithHeader("Content-Type", contentType))
		},
	}
}

func openaiRefused(err error) refused {
	if e, ok := errors.AsType[*openai.Error](err); ok {
		return refused{"`*openai.Error`", e.StatusCode, e.Message}
	}
	return refused{}
}
