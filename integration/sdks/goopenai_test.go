package sdks

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	openai "github.com/sashabaranov/go-openai"

	"github.com/reauth-go/reauth/reauthtest"
)

// goOpenAI is the community's client of OpenAI, with its default base URL.
var goOpenAI = client{
	name: "go-openai", provider: "openai-api", dialect: reauthtest.OpenAI,
	open: func(_ testing.TB, hc *http.Client) calls {
		config := openai.DefaultConfig(placeholder)
		config.HTTPClient = hc
		c := openai.NewClientWithConfig(config)
		req := openai.ChatCompletionRequest{
			Model:    "gpt-example",
			Messages: []openai.ChatCompletionMessage{{Role: openai.ChatMessageRoleUser, Content: "Hello"}},
		}
		return calls{
			ask: func(ctx context.Context) (string, error) {
				resp, err := c.CreateChatCompletion(ctx, req)
				if err != nil {
					return "", err
				}
				return resp.Choices[0].Message.Content, nil
			},
			stream: func(ctx context.Context) (string, error) {
				stream, err := c.CreateChatCompletionStream(ctx, req)
				if err != nil {
					return "", err
				}
				defer stream.Close()
				var text strings.Builder
				for {
					chunk, err := stream.Recv()
					if errors.Is(err, io.EOF) {
						return text.String(), nil
					}
					if err != nil {
						return "", err
					}
					text.WriteString(chunk.Choices[0].Delta.Content)
				}
			},
			upload: func(ctx context.Context, content []byte) (int64, error) {
				file, err := c.CreateFileBytes(ctx, openai.FileBytesRequest{
					Name: "upload.txt", Bytes: content, Purpose: openai.PurposeAssistants,
				})
				return int64(file.Bytes), err
			},
		}
	},
	refused: func(err error) refused {
		if e, ok := errors.AsType[*openai.APIError](err); ok {
			return refused{"`*openai.APIError`", e.HTTPStatusCode, e.Message}
		}
		if e, ok := errors.AsType[*openai.RequestError](err); ok {
			return refused{"`*openai.RequestError`", e.HTTPStatusCode, string(e.Body)}
		}
		return refused{}
	},
}
