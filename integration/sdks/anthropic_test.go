package sdks

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"

	"github.com/reauth-go/reauth/reauthtest"
)

// anthropicSDK is the official SDK of Anthropic, with its default base URL.
var anthropicSDK = client{
	name: "anthropic-sdk-go", provider: "anthropic", dialect: reauthtest.Anthropic, retries: 2,
	open: func(_ testing.TB, hc *http.Client) calls { return anthropicCalls(hc) },
	timed: func(_ testing.TB, hc *http.Client, d time.Duration) calls {
		return anthropicCalls(hc, option.WithRequestTimeout(d))
	},
	refused: func(err error) refused {
		if e, ok := errors.AsType[*anthropic.Error](err); ok {
			return refused{"`*anthropic.Error`", e.StatusCode, e.RawJSON()}
		}
		return refused{}
	},
}

func anthropicCalls(hc *http.Client, opts ...option.RequestOption) calls {
	all := append([]option.RequestOption{option.WithAPIKey(placeholder), option.WithHTTPClient(hc)}, opts...)
	c := anthropic.NewClient(all...)
	params := anthropic.MessageNewParams{
		Model: "claude-example", MaxTokens: 100,
		Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("Hello"))},
	}
	return calls{
		ask: func(ctx context.Context) (string, error) {
			msg, err := c.Messages.New(ctx, params)
			if err != nil {
				return "", err
			}
			return msg.Content[0].Text, nil
		},
		stream: func(ctx context.Context) (string, error) {
			stream := c.Messages.NewStreaming(ctx, params)
			defer stream.Close()
			var text strings.Builder
			for stream.Next() {
				text.WriteString(stream.Current().Delta.Text)
			}
			return text.String(), stream.Err()
		},
		upload: func(ctx context.Context, content []byte) (int64, error) {
			file, err := c.Files.Upload(ctx, anthropic.FileUploadParams{
				File: anthropic.File(bytes.NewReader(content), "upload.txt", "text/plain"),
			})
			if err != nil {
				return 0, err
			}
			return file.SizeBytes, nil
		},
		post: func(ctx context.Context, path, contentType string, body io.Reader) error {
			var res []byte
			return c.Post(ctx, "v1/"+path, body, &res, option.WithHeader("Content-Type", contentType))
		},
	}
}
