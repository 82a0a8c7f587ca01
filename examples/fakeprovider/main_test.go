package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// started runs the program. It returns what the program prints at its start. end ends the program
// and returns the rest of what it printed.
func started(t *testing.T, args ...string) (said string, end func() string) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	in, out := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, append([]string{"-listen", "127.0.0.1:0"}, args...), out)
		_ = out.Close()
	}()
	lines := bufio.NewScanner(in)
	for !strings.Contains(said, "What it is asked") {
		require.True(t, lines.Scan())
		said += lines.Text() + "\n"
	}
	rest := make(chan string, 1)
	go func() {
		var all string
		for lines.Scan() {
			all += lines.Text() + "\n"
		}
		rest <- all
	}()
	return said, func() string {
		stop()
		require.NoError(t, <-ended)
		return <-rest
	}
}

// addressIn returns the address that the program prints.
func addressIn(said string) string {
	return regexp.MustCompile(`http://127.0.0.1:[0-9]+`).FindString(said)
}

// client closes each connection after its request, so that no goroutine is left behind.
var client = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

func TestTellsWhatItIsAsked(t *testing.T) {
	said, end := started(t, "-dialect", "anthropic", "-approve-after", "1ms")
	assert.Contains(t, said, "login anthropic --issuer "+addressIn(said))
	resp, err := client.PostForm(addressIn(said)+"/oauth2/device/code", url.Values{"client_id": {"c"}})
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	assert.Contains(t, end(), "POST /oauth2/device/code 200")
}

// The printed tokens are accepted at first, refused when they have expired, and accepted again
// after a refresh.
func TestTokensExpireAndAreRefreshed(t *testing.T) {
	for name, status := range map[string]int{"xai": 403, "openai": 401, "anthropic": 401} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			said, end := started(t, "-dialect", name, "-lifetime", "500ms")
			base := addressIn(said)
			var tokens struct {
				Access  string `json:"access_token"`
				Refresh string `json:"refresh_token"`
			}
			require.NoError(t, json.Unmarshal([]byte(regexp.MustCompile(`\{.*\}`).FindString(said)), &tokens))
			expired := func() bool { return get(t, base, tokens.Access) == status }
			require.Eventually(t, expired, 20*time.Second, 20*time.Millisecond)
			deadline := time.Now().Add(20 * time.Second)
			// On a busy machine a new token may have expired before it is used. Then try again.
			for served := false; !served; {
				require.True(t, time.Now().Before(deadline), "no refreshed token is accepted")
				form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens.Refresh}}
				resp, err := client.PostForm(base+"/v1/oauth/token", form)
				require.NoError(t, err)
				require.Equal(t, http.StatusOK, resp.StatusCode)
				require.NoError(t, json.NewDecoder(resp.Body).Decode(&tokens))
				require.NoError(t, resp.Body.Close())
				served = get(t, base, tokens.Access) == http.StatusOK
			}
			end()
		})
	}
}

// The Gemini dialect has a key, which goes into a header of Google's, and streams as Google does.
func TestGeminiTakesTheKeyThatIsPrinted(t *testing.T) {
	said, end := started(t, "-dialect", "gemini")
	key := regexp.MustCompile(`AIza[A-Z2-7]+`).FindString(said)
	assert.Contains(t, said, "echo "+key+" | go run ./cmd/reauth")
	for _, c := range []struct{ key, method, want string }{
		{"AIza-unknown", "generateContent", "API_KEY_INVALID"},
		{key, "generateContent", `"text":"Hello from the fake provider."`},
		{key, "streamGenerateContent?alt=sse", `"finishReason":"STOP"`},
	} {
		req, err := http.NewRequest(http.MethodPost, addressIn(said)+"/v1beta/models/m:"+c.method, strings.NewReader("{}"))
		require.NoError(t, err)
		req.Header.Set("X-Goog-Api-Key", c.key)
		resp, err := client.Do(req)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Contains(t, string(body), c.want)
	}
	assert.Contains(t, end(), "POST /v1beta/models/m:streamGenerateContent 200")
}

// get returns the status of the answer to a request with that token.
func get(t *testing.T, base, token string) int {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, base+"/v1/models", http.NoBody)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Anthropic-Beta", "oauth-2025-04-20")
	resp, err := client.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp.StatusCode
}

func TestRefusesAnUnknownDialectAndABusyPort(t *testing.T) {
	require.ErrorContains(t, run(t.Context(), []string{"-dialect", "klingon"}, io.Discard), "none of")
	require.ErrorContains(t, run(t.Context(), []string{"-listen", "127.0.0.1:notaport"}, io.Discard), "notaport")
}
