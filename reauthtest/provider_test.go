package reauthtest_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/reauth-go/reauth/reauthtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const tokenURL = "https://auth.example.com" + reauthtest.TokenPath

// refresh spends a refresh token and returns the status and the members of the answer.
func refresh(t *testing.T, rt http.RoundTripper, token string) (int, map[string]any) {
	t.Helper()
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
	resp, err := (&http.Client{Transport: rt}).PostForm(tokenURL, form)
	require.NoError(t, err)
	defer resp.Body.Close()
	var m map[string]any
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&m))
	return resp.StatusCode, m
}

// get sends a request to the API with a token, and returns the status and the body of the answer.
func get(t *testing.T, rt http.RoundTripper, token string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, "https://api.example.com/v1/models", http.NoBody)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := rt.RoundTrip(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(b)
}

func TestRotationAndReuseDetection(t *testing.T) {
	p := reauthtest.New(reauthtest.XAI)
	access, first := p.Login()
	status, got := refresh(t, p.Transport(), first)
	require.Equal(t, 200, status)
	second, _ := got["refresh_token"].(string)
	assert.NotEqual(t, first, second)
	assert.True(t, p.Current(second))
	assert.False(t, p.Current(first))
	status, _ = get(t, p.Transport(), access)
	assert.Equal(t, 200, status, "the old access token lives on until it expires")

	status, got = refresh(t, p.Transport(), first)
	assert.Equal(t, 400, status)
	assert.Equal(t, "invalid_grant", got["error"])
	assert.Equal(t, 1, p.Reuses())
	assert.False(t, p.Alive(second), "the whole login ends")
	status, _ = refresh(t, p.Transport(), second)
	assert.Equal(t, 400, status)
	status, _ = get(t, p.Transport(), access)
	assert.Equal(t, 403, status)
	assert.Equal(t, 1, p.Exchanges())
	assert.Equal(t, 3, p.TokenRequests())
}

func TestReusableTokensAreNotRotated(t *testing.T) {
	p := reauthtest.New(reauthtest.XAI)
	p.Reusable = true
	_, token := p.Login()
	for range 3 {
		status, got := refresh(t, p.Transport(), token)
		require.Equal(t, 200, status)
		assert.NotContains(t, got, "refresh_token")
	}
	assert.Zero(t, p.Reuses())
}

func TestStatesOfAToken(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(p *reauthtest.Provider, token string)
		status [3]int // xAI, OpenAI, Anthropic
	}{
		{"live", func(*reauthtest.Provider, string) {}, [3]int{200, 200, 200}},
		{"expired", func(p *reauthtest.Provider, t string) { p.Expire(t) }, [3]int{400, 401, 401}},
		{
			"exhausted", func(p *reauthtest.Provider, t string) { p.Exhaust(time.Now().Add(time.Hour), t) },
			[3]int{403, 429, 429},
		},
		{
			"no longer exhausted",
			func(p *reauthtest.Provider, t string) { p.Exhaust(time.Now().Add(-time.Hour), t) },
			[3]int{200, 200, 200},
		},
		{"forbidden", func(p *reauthtest.Provider, t string) { p.Forbid(t) }, [3]int{403, 403, 403}},
		{"blocked", func(p *reauthtest.Provider, t string) { p.Block(t) }, [3]int{403, 401, 400}},
		{"restored", func(p *reauthtest.Provider, t string) { p.Block(t); p.Restore(t) }, [3]int{200, 200, 200}},
	} {
		for i, d := range []reauthtest.Dialect{reauthtest.XAI, reauthtest.OpenAI, reauthtest.Anthropic} {
			p := reauthtest.New(d)
			p.AddKey("key-EXAMPLE")
			c.change(p, "key-EXAMPLE")
			status, _ := get(t, p.Transport(), "key-EXAMPLE")
			assert.Equal(t, c.status[i], status, "%s, dialect %d", c.name, d)
		}
	}
}

func TestFaults(t *testing.T) {
	p := reauthtest.New(reauthtest.XAI)
	_, token := p.Login()
	p.Fail(reauthtest.TooManyRequests(7*time.Second), reauthtest.Unavailable(), reauthtest.Page(200),
		reauthtest.Fault{Cut: true}, reauthtest.Fault{Lose: true})
	post := func() (*http.Response, error) {
		return (&http.Client{Transport: p.Transport()}).PostForm(tokenURL, url.Values{
			"grant_type":    {"refresh_token"},
			"refresh_token": {token},
		})
	}
	resp, err := post()
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, 429, resp.StatusCode)
	assert.Equal(t, "7", resp.Header.Get("Retry-After"))
	resp, err = post()
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, 503, resp.StatusCode)
	resp, err = post()
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, "text/html", resp.Header.Get("Content-Type"))
	_, err = post()
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	assert.True(t, p.Current(token), "the connection was cut before the exchange")
	_, err = post()
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	assert.False(t, p.Current(token), "the exchange happened, and its answer was lost")
	assert.Equal(t, 1, p.Exchanges())
}

func TestTokenRequestsInAnyForm(t *testing.T) {
	p := reauthtest.New(reauthtest.XAI)
	_, token := p.Login()
	send := func(kind, body, header string) int {
		req, err := http.NewRequest(http.MethodPost, tokenURL, strings.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("Content-Type", kind)
		if header != "" {
			req.Header.Set("X-Nous-Refresh-Token", header)
		}
		resp, err := p.Transport().RoundTrip(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		var m struct {
			RefreshToken string `json:"refresh_token"`
		}
		require.NoError(t, json.NewDecoder(resp.Body).Decode(&m))
		if m.RefreshToken != "" {
			token = m.RefreshToken
		}
		return resp.StatusCode
	}
	const form = "application/x-www-form-urlencoded"
	assert.Equal(t, 200, send("application/json", `{"grant_type":"refresh_token","refresh_token":"`+token+`"}`, ""))
	assert.Equal(t, 200, send(form, "grant_type=refresh_token&refresh_token="+token, ""))
	assert.Equal(t, 200, send(form, "grant_type=refresh_token", token))
	assert.Equal(t, 400, send(form, "grant_type=password", ""))
	assert.Equal(t, 400, send("application/json", `{`, ""))
}

func TestAccessTokensAsJWTs(t *testing.T) {
	p := reauthtest.New(reauthtest.XAI)
	p.JWT, p.Lifetime = true, 90*time.Second
	access, token := p.Login()
	assert.Len(t, strings.Split(access, "."), 3)
	_, got := refresh(t, p.Transport(), token)
	assert.InDelta(t, 90, got["expires_in"], 0)
	p.OmitExpiry = true
	_, got = refresh(t, p.Transport(), got["refresh_token"].(string))
	assert.NotContains(t, got, "expires_in")
}

func TestNewTokensMayBeRefusedOrPublishedSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := reauthtest.New(reauthtest.XAI)
		p.PublishDelay = time.Second
		_, token := p.Login()
		_, got := refresh(t, p.Transport(), token)
		access, _ := got["access_token"].(string)
		status, _ := get(t, p.Transport(), access)
		assert.Equal(t, 403, status)
		time.Sleep(time.Second)
		status, _ = get(t, p.Transport(), access)
		assert.Equal(t, 200, status)
		p.RefuseNew = true
		_, got = refresh(t, p.Transport(), got["refresh_token"].(string))
		access, _ = got["access_token"].(string)
		time.Sleep(time.Minute)
		status, _ = get(t, p.Transport(), access)
		assert.Equal(t, 403, status)
	})
}

// Streams work over a socket and in memory.
func TestStreamArrivesAsItIsSent(t *testing.T) {
	p := reauthtest.New(reauthtest.OpenAI)
	p.AddKey("key-EXAMPLE")
	server := p.Start()
	defer server.Close()
	for base, rt := range map[string]http.RoundTripper{
		server.URL: server.Client().Transport, "https://memory.example": p.Transport(),
	} {
		req, err := http.NewRequest(http.MethodPost, base+"/v1/chat/completions", strings.NewReader(`{"stream":true}`))
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer key-EXAMPLE")
		resp, err := rt.RoundTrip(req)
		require.NoError(t, err)
		assert.Equal(t, "text/event-stream", resp.Header.Get("Content-Type"))
		var last string
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			if lines.Text() != "" {
				last = lines.Text()
			}
		}
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, "data: [DONE]", last, base)
	}
	server.Client().CloseIdleConnections()
}

func TestAnswersOfTheAPI(t *testing.T) {
	p := reauthtest.New(reauthtest.Anthropic)
	p.AddKey("sk-ant-api-EXAMPLE")
	for path, want := range map[string]string{
		"/v1/messages": `"type":"message"`, "/v1/chat/completions": `"object":"chat.completion"`,
		"/v1/responses": `"object":"response"`,
		"/v1/models":    `"object":"list"`, "/v1/files": `"size_bytes":5`, "/v1/other": `"path":"/v1/other"`,
	} {
		req, err := http.NewRequest(http.MethodPost, "https://api.example.com"+path, strings.NewReader("hello"))
		require.NoError(t, err)
		req.Header.Set("X-Api-Key", "sk-ant-api-EXAMPLE")
		resp, err := p.Transport().RoundTrip(req)
		require.NoError(t, err)
		b, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Contains(t, string(b), want)
	}
	seen := p.Requests()
	require.Len(t, seen, 6)
	assert.Equal(t, "sk-ant-api-EXAMPLE", seen[0].Token)
	assert.EqualValues(t, 5, seen[0].Bytes)
}

func TestOAuthOfAnthropicWantsItsBeta(t *testing.T) {
	p := reauthtest.New(reauthtest.Anthropic)
	access, _ := p.Login()
	status, body := get(t, p.Transport(), access)
	assert.Equal(t, 401, status)
	assert.Contains(t, body, "currently not supported")
}

func TestMemoryHonoursTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := reauthtest.New(reauthtest.XAI)
		p.APILatency = time.Hour
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://api.example.com/", http.NoBody)
		require.NoError(t, err)
		_, err = p.Transport().RoundTrip(req)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestMemoryStreamsBothWays(t *testing.T) {
	rt := reauthtest.InMemory(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.Copy(w, r.Body)
	}))
	in, out := io.Pipe()
	req, err := http.NewRequest(http.MethodPost, "https://api.example.com/", in)
	require.NoError(t, err)
	resp, err := rt.RoundTrip(req)
	require.NoError(t, err)
	assert.Equal(t, http.StatusAccepted, resp.StatusCode)
	buf := make([]byte, 4)
	for _, s := range []string{"ping", "pong"} {
		go func() { _, _ = io.WriteString(out, s) }()
		_, err = io.ReadFull(resp.Body, buf)
		require.NoError(t, err)
		assert.Equal(t, s, string(buf))
	}
	require.NoError(t, out.Close())
	rest, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.Empty(t, rest)
	require.NoError(t, resp.Body.Close())
}

func TestMemoryOfAHandlerThatPanics(t *testing.T) {
	rt := reauthtest.InMemory(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half")
		panic(http.ErrAbortHandler)
	}))
	req, err := http.NewRequest(http.MethodGet, "https://api.example.com/", http.NoBody)
	require.NoError(t, err)
	resp, err := rt.RoundTrip(req)
	require.NoError(t, err)
	b, err := io.ReadAll(resp.Body)
	assert.Equal(t, "half", string(b))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF, "the client sees that the answer was cut")
	require.NoError(t, resp.Body.Close())
}

// A test may change how the provider behaves while requests are under way.
func TestChangeWhileItServes(t *testing.T) {
	p := reauthtest.New(reauthtest.OpenAI)
	p.AddKey("key")
	server := p.Start()
	defer server.Close()
	ask := func() int {
		req, err := http.NewRequest(http.MethodGet, server.URL+"/v1/models", http.NoBody)
		if !assert.NoError(t, err) {
			return 0
		}
		req.Header.Set("Authorization", "Bearer key")
		resp, err := server.Client().Do(req)
		if !assert.NoError(t, err) {
			return 0
		}
		assert.NoError(t, resp.Body.Close())
		return resp.StatusCode
	}
	var asking sync.WaitGroup
	for range 4 {
		asking.Go(func() {
			for range 20 {
				assert.Contains(t, []int{200, 503}, ask())
			}
		})
	}
	done := make(chan struct{})
	go func() {
		asking.Wait()
		close(done)
	}()
	for i := 0; !isClosed(done); i++ {
		p.Change(func(p *reauthtest.Provider) {
			p.Skew, p.RefuseEarly = time.Duration(i)*time.Second, i%2 == 0
			p.APILatency, p.TokenLatency = time.Duration(i), time.Duration(i)
			p.Refuse = func(*http.Request, string) *reauthtest.Answer { return &reauthtest.Answer{Status: 503} }
		})
	}
	assert.Equal(t, 503, ask())
	p.Change(func(p *reauthtest.Provider) { p.Refuse = nil })
	assert.Equal(t, 200, ask())
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
