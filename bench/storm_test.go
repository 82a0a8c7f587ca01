package bench

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	anthropicoption "github.com/anthropics/anthropic-sdk-go/option"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/auth"
	openaioption "github.com/openai/openai-go/v3/option"

	"github.com/reauth-go/reauth"
)

// survivor is a library that goes through a storm. call sets it up and returns a function that
// makes one call.
type survivor struct {
	name string
	call func(t testing.TB, s *stage) func() error
}

func survivors() []survivor {
	return []survivor{
		{"ideal", callIdeal},
		{"reauth", func(t testing.TB, s *stage) func() error {
			rt := s.recovering(t)
			return func() error { return s.post(rt, "/v1/chat/completions", "set by the transport") }
		}},
		{"anthropic-sdk-go", callAnthropic},
		{"anthropic-sdk-go+reauth", callAnthropicOverReauth},
		{"openai-go", callOpenAI},
		{"openai-go+reauth", callOpenAIOverReauth},
	}
}

// BenchmarkStorm measures the time from the moment at which n calls with an expired token begin
// until the last of them returns. It also reports how many exchanges were made and how many calls
// failed.
func BenchmarkStorm(b *testing.B) {
	for _, at := range []struct {
		where string
		calls int
	}{{"http1", 20}, {"http1", 1000}, {"memory", 10_000}} {
		for _, who := range survivors() {
			b.Run(fmt.Sprintf("base=%s/calls=%d/by=%s", at.where, at.calls, who.name), func(b *testing.B) {
				s := newStage(b, at.where, at.calls)
				call := who.call(b, s)
				if err := call(); err != nil { // the library fetches its first token
					b.Fatal(err)
				}
				s.expire(at.calls)
				all(at.calls, call, func() {}) // a storm as a warm-up
				var failed int
				before := s.exchanges.Load()
				for b.Loop() {
					b.StopTimer()
					s.expire(at.calls)
					failed += all(at.calls, call, b.StartTimer)
				}
				b.ReportMetric(float64(s.exchanges.Load()-before)/float64(b.N), "exchanges/op")
				b.ReportMetric(float64(failed)/float64(b.N), "failed/op")
			})
		}
	}
}

// callIdeal is the storm without a library: n refusals, one wait as long as the token endpoint
// takes, from the first refusal on, and n replays. No client can be faster that learns of the
// expiry from a refusal.
func callIdeal(_ testing.TB, s *stage) func() error {
	type wait struct {
		once  sync.Once
		over  chan struct{}
		token string
	}
	var mu sync.Mutex
	current := &wait{token: s.mint()}
	return func() error {
		mu.Lock()
		held := current
		mu.Unlock()
		if s.post(s.base, "/v1/chat/completions", held.token) == nil {
			return nil
		}
		mu.Lock()
		if current == held {
			current = &wait{over: make(chan struct{})}
		}
		next := current
		mu.Unlock()
		next.once.Do(func() {
			pause(context.Background(), tokenLatency)
			next.token = s.mint()
			s.exchanges.Add(1)
			close(next.over)
		})
		<-next.over
		return s.post(s.base, "/v1/chat/completions", next.token)
	}
}

// recovering returns this library's transport over a login whose token endpoint is the stage's.
func (s *stage) recovering(t testing.TB) http.RoundTripper {
	pool := reauth.NewPool()
	t.Cleanup(func() {
		if err := pool.Close(); err != nil {
			t.Error(err)
		}
	})
	refresher := reauth.OAuth2Refresher(reauth.OAuth2Config{
		TokenURL: s.origin + "/oauth2/token", ClientID: "bench", HTTPClient: &http.Client{Transport: s.base},
	})
	p := reauth.Provider{Name: "storm", Hosts: []string{"127.0.0.1"}, Refresher: refresher}
	if err := pool.Register(p); err != nil {
		t.Fatal(err)
	}
	c := reauth.Credential{Provider: "storm", ID: "me", AccessToken: s.mint(), RefreshToken: "rt-EXAMPLE-0"}
	if _, err := pool.Add(context.Background(), c); err != nil {
		t.Fatal(err)
	}
	return reauth.NewRecoveringTransport(s.base, pool)
}

// callAnthropic uses the SDK's own federated login, which replays a request after a 401 with a new
// token.
func callAnthropic(_ testing.TB, s *stage) func() error {
	identity := func(context.Context) (string, error) { return "identity-EXAMPLE", nil }
	return anthropicCall(anthropic.NewClient(
		anthropicoption.WithBaseURL(s.origin),
		anthropicoption.WithHTTPClient(&http.Client{Transport: s.base}),
		anthropicoption.WithFederationTokenProvider(identity, anthropicoption.FederationOptions{
			FederationRuleID: "fdrl_EXAMPLE", OrganizationID: "org-EXAMPLE",
		}),
	))
}

// callAnthropicOverReauth leaves the recovery to this library's transport.
func callAnthropicOverReauth(t testing.TB, s *stage) func() error {
	return anthropicCall(anthropic.NewClient(
		anthropicoption.WithBaseURL(s.origin),
		anthropicoption.WithAPIKey("set by the transport"),
		anthropicoption.WithHTTPClient(&http.Client{Transport: s.recovering(t)}),
	))
}

func anthropicCall(c anthropic.Client) func() error {
	params := anthropic.MessageNewParams{
		MaxTokens: 16, Model: "example",
		Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock(string(question)))},
	}
	return func() error {
		_, err := c.Messages.New(context.Background(), params)
		return err
	}
}

// callOpenAI uses the SDK's own workload identity. The URL of its token endpoint is a constant, so
// that detour has to send its requests to the stage.
func callOpenAI(_ testing.TB, s *stage) func() error {
	identity := auth.WorkloadIdentity{
		IdentityProviderID: "idp-EXAMPLE", ServiceAccountID: "sa-EXAMPLE", ClientID: "bench",
		Provider: subject{},
	}
	return openaiCall(openai.NewClient(
		openaioption.WithBaseURL(s.origin+"/v1"),
		openaioption.WithHTTPClient(&http.Client{Transport: detour{s}}),
		openaioption.WithWorkloadIdentity(identity),
	))
}

// callOpenAIOverReauth leaves the recovery to this library's transport.
func callOpenAIOverReauth(t testing.TB, s *stage) func() error {
	return openaiCall(openai.NewClient(
		openaioption.WithBaseURL(s.origin+"/v1"),
		openaioption.WithAPIKey("set by the transport"),
		openaioption.WithHTTPClient(&http.Client{Transport: s.recovering(t)}),
	))
}

func openaiCall(c openai.Client) func() error {
	params := openai.ChatCompletionNewParams{
		Model:    "example",
		Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage(string(question))},
	}
	return func() error {
		_, err := c.Chat.Completions.New(context.Background(), params)
		return err
	}
}

// subject is the source of the token with which the workload identifies itself.
type subject struct{}

func (subject) TokenType() auth.SubjectTokenType { return auth.SubjectTokenTypeJWT }

func (subject) GetToken(context.Context, auth.HTTPDoer) (string, error) {
	return "subject-EXAMPLE", nil
}

// detour is a transport that sends requests for OpenAI's token endpoint to the stage's.
type detour struct{ *stage }

func (d detour) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.String() != auth.TokenExchangeURL {
		return d.base.RoundTrip(req)
	}
	again := req.Clone(req.Context())
	scheme, host, _ := strings.Cut(d.origin, "://")
	again.URL.Scheme, again.URL.Host, again.Host = scheme, host, host
	return d.base.RoundTrip(again)
}
