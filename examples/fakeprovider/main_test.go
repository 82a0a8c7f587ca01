package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestServesWhatItSays(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	in, out := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{"-listen", "127.0.0.1:0", "-dialect", "anthropic", "-approve-after", "1ms"}, out)
		_ = out.Close()
	}()
	lines := bufio.NewScanner(in)
	require.True(t, lines.Scan())
	address := regexp.MustCompile(`http://127.0.0.1:[0-9]+`).FindString(lines.Text())
	require.NotEmpty(t, address)
	told := make(chan string, 1)
	go func() {
		var all string
		for lines.Scan() {
			all += lines.Text() + "\n"
		}
		told <- all
	}()

	client := &http.Client{Timeout: 5 * time.Second}
	resp, err := client.PostForm(address+"/oauth2/device/code", url.Values{"client_id": {"c"}})
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	client.CloseIdleConnections()
	stop()
	require.NoError(t, <-ended)
	all := <-told
	assert.Contains(t, all, "login anthropic --issuer "+address)
	assert.Contains(t, all, "POST /oauth2/device/code 200")
}

func TestRefusesAnUnknownDialectAndABusyPort(t *testing.T) {
	require.ErrorContains(t, run(t.Context(), []string{"-dialect", "klingon"}, io.Discard), "none of")
	require.ErrorContains(t, run(t.Context(), []string{"-listen", "127.0.0.1:notaport"}, io.Discard), "notaport")
}
