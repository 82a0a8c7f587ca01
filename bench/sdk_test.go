package bench

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	anthropicoption "github.com/anthropics/anthropic-sdk-go/option"
	"github.com/openai/openai-go/v3"
	openaioption "github.com/openai/openai-go/v3/option"
)

// BenchmarkSDK measures a call of an SDK over HTTP/1.1 on loopback, with the bare base and with two
// transports around it. The message is 2 KiB long.
func BenchmarkSDK(b *testing.B) {
	for _, sdk := range []string{"openai-go", "anthropic-sdk-go"} {
		for _, p := range peers()[:3] {
			b.Run(fmt.Sprintf("sdk=%s/by=%s", sdk, p.name), func(b *testing.B) {
				at := loopback(b, "http1", http.HandlerFunc(conversing))
				call := sdkCall(sdk, strings.TrimSuffix(at.url, "/v1/chat/completions"), p.wrap(b, at.base))
				b.ReportAllocs()
				for b.Loop() {
					if err := call(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// conversing answers as the API does that the path is of.
func conversing(w http.ResponseWriter, r *http.Request) {
	status, body := new(world).answer(r.Context(), r.URL.Path, "Bearer at-EXAMPLE-0-")
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body)) // a client that has left needs no answer
}

// sdkCall returns a function that makes one call.
func sdkCall(sdk, origin string, rt http.RoundTripper) func() error {
	client := &http.Client{Transport: rt}
	if sdk == "openai-go" {
		return openaiCall(openai.NewClient(openaioption.WithBaseURL(origin+"/v1"),
			openaioption.WithAPIKey("set by the transport"), openaioption.WithHTTPClient(client)))
	}
	return anthropicCall(anthropic.NewClient(anthropicoption.WithBaseURL(origin),
		anthropicoption.WithAPIKey("set by the transport"), anthropicoption.WithHTTPClient(client)))
}

// Each SDK gets an answer through each transport.
func TestSDKsAreAnswered(t *testing.T) {
	for _, sdk := range []string{"openai-go", "anthropic-sdk-go"} {
		for _, p := range peers()[:3] {
			at := loopback(t, "http1", http.HandlerFunc(conversing))
			call := sdkCall(sdk, strings.TrimSuffix(at.url, "/v1/chat/completions"), p.wrap(t, at.base))
			if err := call(); err != nil {
				t.Error(sdk, p.name, err)
			}
		}
	}
}
