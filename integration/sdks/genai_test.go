package sdks

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/genai"

	"github.com/reauth-go/reauth/reauthtest"
)

// genaiSDK is the official SDK of Gemini, with its default base URL.
var genaiSDK = client{
	name: "genai", provider: "gemini", dialect: reauthtest.Gemini,
	open: func(t testing.TB, hc *http.Client) calls { return genaiCalls(t, hc, genai.HTTPOptions{}) },
	timed: func(t testing.TB, hc *http.Client, d time.Duration) calls {
		return genaiCalls(t, hc, genai.HTTPOptions{Timeout: &d})
	},
	refused: genaiRefused,
}

// genaiRetrying is the same SDK with its retries, which are off by default.
var genaiRetrying = client{
	name: "genai, with `RetryOptions`", provider: "gemini", dialect: reauthtest.Gemini, retries: 4,
	refused: genaiRefused,
	open: func(t testing.TB, hc *http.Client) calls {
		return genaiCalls(t, hc, genai.HTTPOptions{RetryOptions: &genai.HTTPRetryOptions{}})
	},
	timed: func(t testing.TB, hc *http.Client, d time.Duration) calls {
		return genaiCalls(t, hc, genai.HTTPOptions{RetryOptions: &genai.HTTPRetryOptions{}, Timeout: &d})
	},
}

func genaiRefused(err error) refused {
	if e, ok := errors.AsType[genai.APIError](err); ok {
		return refused{"`genai.APIError`", e.Code, e.Message}
	}
	return refused{}
}

func genaiCalls(t testing.TB, hc *http.Client, opts genai.HTTPOptions) calls {
	c, err := genai.NewClient(context.Background(), &genai.ClientConfig{
		APIKey: placeholder, Backend: genai.BackendGeminiAPI, HTTPClient: hc, HTTPOptions: opts,
	})
	require.NoError(t, err)
	return calls{
		ask: func(ctx context.Context) (string, error) {
			resp, err := c.Models.GenerateContent(ctx, "gemini-example", genai.Text("Hello"), nil)
			if err != nil {
				return "", err
			}
			return resp.Text(), nil
		},
		stream: func(ctx context.Context) (string, error) {
			var text strings.Builder
			for resp, err := range c.Models.GenerateContentStream(ctx, "gemini-example", genai.Text("Hello"), nil) {
				if err != nil {
					return "", err
				}
				text.WriteString(resp.Text())
			}
			return text.String(), nil
		},
		upload: func(ctx context.Context, content []byte) (int64, error) {
			file, err := c.Files.Upload(ctx, bytes.NewReader(content), &genai.UploadFileConfig{MIMEType: "text/plain"})
			if err != nil {
				return 0, err
			}
			return *file.SizeBytes, nil
		},
	}
}
