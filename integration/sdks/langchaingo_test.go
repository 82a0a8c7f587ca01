package sdks

import (
	"context"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/llms/anthropic"
	"github.com/tmc/langchaingo/llms/openai"

	"github.com/reauth-go/reauth/reauthtest"
)

// noFiles is what both clients of langchaingo lack.
var noFiles = map[string]string{"upload": "it has no files"}

var langchainOpenAI = client{
	name: "langchaingo, openai", provider: "openai-api", dialect: reauthtest.OpenAI, lacks: noFiles,
	refused: langchainRefused,
	open: func(t testing.TB, hc *http.Client) calls {
		model, err := openai.New(openai.WithToken(placeholder), openai.WithModel("gpt-example"),
			openai.WithHTTPClient(hc))
		require.NoError(t, err)
		return langchainCalls(model)
	},
}

var langchainAnthropic = client{
	name: "langchaingo, anthropic", provider: "anthropic", dialect: reauthtest.Anthropic, lacks: noFiles,
	refused: langchainRefused,
	open: func(t testing.TB, hc *http.Client) calls {
		model, err := anthropic.New(anthropic.WithToken(placeholder), anthropic.WithModel("claude-example"),
			anthropic.WithHTTPClient(hc))
		require.NoError(t, err)
		return langchainCalls(model)
	},
}

func langchainCalls(model llms.Model) calls {
	return calls{
		ask: func(ctx context.Context) (string, error) { return llms.GenerateFromSinglePrompt(ctx, model, "Hello") },
		stream: func(ctx context.Context) (string, error) {
			var text strings.Builder
			each := func(_ context.Context, chunk []byte) error {
				text.Write(chunk)
				return nil
			}
			_, err := llms.GenerateFromSinglePrompt(ctx, model, "Hello", llms.WithStreamingFunc(each))
			return text.String(), err
		},
	}
}

var langchainStatus = regexp.MustCompile(`status code: (\d+): (.*)`)

// langchainRefused reads the text of the error, because the library has no type for it.
func langchainRefused(err error) refused {
	m := langchainStatus.FindStringSubmatch(err.Error())
	if m == nil {
		return refused{}
	}
	status, _ := strconv.Atoi(m[1]) // digits
	return refused{"a plain error", status, m[2]}
}
