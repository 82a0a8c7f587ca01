package reauth_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

// A program with an expired token of xAI. An SDK that takes an http.Client gets the same when it is
// given this client.
func Example() {
	fake := reauthtest.New(reauthtest.XAI) // stands in for api.x.ai and its token endpoint
	accessToken, refreshToken := fake.Login()
	fake.Expire(accessToken)

	pool := reauth.NewPool()
	defer pool.Close()
	if err := fake.Use(pool); err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	login := reauth.Credential{Provider: "xai-oauth", AccessToken: accessToken, RefreshToken: refreshToken}
	if _, err := pool.Add(ctx, login); err != nil {
		log.Fatal(err)
	}
	client := &http.Client{Transport: reauth.NewRecoveringTransport(fake.Transport(), pool)}

	resp, err := client.Post("https://api.x.ai/v1/chat/completions", "application/json",
		strings.NewReader(`{"model":"grok-4"}`))
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	fmt.Println(resp.StatusCode, "after", fake.Exchanges(), "refresh")
	// Output: 200 after 1 refresh
}

// A pool of several API keys. When one of them is exhausted, the next one serves the request.
func ExampleNewPool() {
	fake := reauthtest.New(reauthtest.OpenAI)
	fake.AddKey("sk-EXAMPLE-1")
	fake.AddKey("sk-EXAMPLE-2")
	fake.Exhaust(time.Now().Add(time.Hour), "sk-EXAMPLE-1")

	pool := reauth.NewPool()
	defer pool.Close()
	for i, key := range []string{"sk-EXAMPLE-1", "sk-EXAMPLE-2"} {
		c := reauth.Credential{Provider: "openai", ID: fmt.Sprint("key ", i+1), AccessToken: key}
		if _, err := pool.Add(context.Background(), c); err != nil {
			log.Fatal(err)
		}
	}
	client := &http.Client{Transport: reauth.NewRecoveringTransport(fake.Transport(), pool)}
	resp, err := client.Get("https://api.openai.com/v1/models")
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	fmt.Println(resp.StatusCode)
	for _, s := range pool.Status() {
		fmt.Println(s.ID, "is", s.State)
	}
	// Output:
	// 200
	// key 1 is aside
	// key 2 is good
}

// A provider that reauth does not know: its hosts, how it refuses a request, and how its tokens are
// refreshed.
func ExamplePool_Register() {
	pool := reauth.NewPool()
	defer pool.Close()
	err := pool.Register(reauth.Provider{
		Name:  "gateway",
		Hosts: []string{"llm.corp.example", "http://litellm:4000"},
		Classify: func(resp *http.Response, body []byte) (reauth.Verdict, bool) {
			if resp.StatusCode == http.StatusTeapot {
				return reauth.Verdict{Kind: reauth.Rejected, Reason: "gateway:teapot"}, true
			}
			return reauth.Verdict{}, false // the generic rules
		},
		MayRefuse: func(resp *http.Response) bool { return resp.StatusCode >= 400 && resp.StatusCode < 500 },
		Refresher: reauth.OAuth2Refresher(reauth.OAuth2Config{
			TokenURL: "https://login.corp.example/token", ClientID: "agents",
		}),
	})
	fmt.Println(err)
	fmt.Println(pool.Register(reauth.Provider{Name: "everybody", Hosts: []string{"*.com"}}))
	// Output:
	// <nil>
	// reauth: register everybody: host pattern "*.com": a wildcard cannot stand in the last two labels, it would match hosts of strangers; name the domain, as in "*.example.com"
}

// Three answers with the same status, and what each says about the credential.
func ExampleClassify() {
	for _, body := range []string{
		`{"code":"unauthenticated:bad-credentials","error":"The OAuth2 access token could not be validated."}`,
		`{"code":"personal-team-blocked:spending-limit",
		  "error":"You have run out of credits or need a Grok subscription."}`,
		`{"code":"permission-denied","error":"Access to the chat endpoint is denied."}`,
	} {
		v := reauth.Classify("xai", &http.Response{StatusCode: http.StatusForbidden}, []byte(body))
		fmt.Println(v.Kind, v.Reason)
	}
	// Output:
	// rejected xai:bad-credentials
	// exhausted xai:spending-limit:billing
	// forbidden scope
}

// A client that is not HTTP gets a token, makes a call with it, and reports the outcome.
func ExamplePool_Token() {
	fake := reauthtest.New(reauthtest.XAI)
	pool := reauth.NewPool()
	defer pool.Close()
	if err := fake.Use(pool); err != nil {
		log.Fatal(err)
	}
	accessToken, refreshToken := fake.Login()
	ctx := context.Background()
	login := reauth.Credential{Provider: "xai", ID: "me", AccessToken: accessToken, RefreshToken: refreshToken}
	if _, err := pool.Add(ctx, login); err != nil {
		log.Fatal(err)
	}

	c, err := pool.Token(ctx, "xai")
	if err != nil {
		log.Fatal(err)
	}
	// A call with c.AccessToken has failed with this error.
	rpcError := errors.New("rpc error: code = Unauthenticated desc = unauthenticated:bad-credentials")
	verdict := reauth.ClassifyError(rpcError)
	if err := pool.Report(ctx, c.Provider, c.ID, c.AccessToken, verdict); err != nil {
		log.Fatal(err)
	}
	next, err := pool.Token(ctx, "xai")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("another token:", next.AccessToken != c.AccessToken)
	// Output: another token: true
}

// A token source of golang.org/x/oauth2 as a refresher.
func ExampleTokenSourceRefresher() {
	config := &oauth2.Config{ClientID: "agents", Endpoint: oauth2.Endpoint{
		TokenURL: "https://login.corp.example/token", AuthStyle: oauth2.AuthStyleInParams,
	}}
	refresher := reauth.TokenSourceRefresher(func(ctx context.Context, c reauth.Credential) oauth2.TokenSource {
		return config.TokenSource(ctx, &oauth2.Token{RefreshToken: c.RefreshToken})
	})
	pool := reauth.NewPool()
	defer pool.Close()
	gateway := reauth.Provider{Name: "gateway", Hosts: []string{"llm.corp.example"}, Refresher: refresher}
	fmt.Println(pool.Register(gateway))
	// Output: <nil>
}

// An observer is called with each decision of the transport and the pool.
func ExamplePool_observe() {
	fake := reauthtest.New(reauthtest.Anthropic)
	fake.AddKey("sk-ant-api-EXAMPLE")
	fake.Forbid("sk-ant-api-EXAMPLE")
	pool := reauth.NewPool()
	defer pool.Close()
	pool.Observe = func(_ context.Context, e reauth.Event) {
		fmt.Println(strings.TrimSpace(fmt.Sprint(e.Type, " ", e.Provider, " ", e.Status, " ", e.Reason)))
	}
	key := reauth.Credential{Provider: "anthropic", AccessToken: "sk-ant-api-EXAMPLE"}
	if _, err := pool.Add(context.Background(), key); err != nil {
		log.Fatal(err)
	}
	client := &http.Client{Transport: reauth.NewRecoveringTransport(fake.Transport(), pool)}
	resp, err := client.Get("https://api.anthropic.com/v1/models")
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(os.Stdout, resp.Body); err != nil {
		log.Fatal(err)
	}
	// Output:
	// sent anthropic 403
	// judged anthropic 403 forbidden:scope
	// gave-up anthropic 403 forbidden:scope
	// {"type":"error","error":{"type":"permission_error","message":"OAuth token does not meet scope requirement user:inference"}}
}

// A request that names an object of one account goes to that account's credential.
func ExampleProvider_trackObjects() {
	pool := reauth.NewPool()
	defer pool.Close()

	openai, _ := reauth.LookupProvider("openai")
	openai.TrackObjects = 10_000 // ids of files, responses, batches, … and which credential made them
	err := pool.Register(openai)

	fmt.Println(openai.BoundPaths[:4], err)
	// Output: [files uploads batches containers] <nil>
}

// Codex may answer 200 and refuse in the first event of the stream.
func ExampleProvider_firstEvent() {
	pool := reauth.NewPool()
	defer pool.Close()

	codex, _ := reauth.LookupProvider("openai-codex")
	codex.FirstEvent = 2 * time.Second // how long an event stream may take to show it
	err := pool.Register(codex)

	fmt.Println(err)
	// Output: <nil>
}
