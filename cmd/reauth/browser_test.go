package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
)

// browser is a page in a headless browser, which is driven by the Chrome DevTools Protocol
// (chromedevtools.github.io/devtools-protocol). What it evaluates is not bound by the page's own
// policy.
type browser struct {
	t       *testing.T
	conn    *websocket.Conn
	session string
	last    int
}

// openBrowser starts a browser, which ends with the test.
func openBrowser(t *testing.T) *browser {
	t.Helper()
	profile, err := os.MkdirTemp("", "reauth-browser-")
	require.NoError(t, err)
	cmd := exec.Command(tool(t, "chromium"),
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
		"--hide-scrollbars", "--user-data-dir="+profile, "--remote-debugging-port=0", "about:blank")
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TZ=UTC")
	said, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		// The processes of the browser may write for a moment after it has ended.
		require.Eventually(t, func() bool { return os.RemoveAll(profile) == nil }, patience, 50*time.Millisecond)
	})
	b := &browser{t: t}
	lines := bufio.NewScanner(said)
	for b.conn == nil && lines.Scan() {
		if _, at, ok := strings.Cut(lines.Text(), "DevTools listening on "); ok {
			b.conn, _, err = websocket.Dial(t.Context(), at, nil)
			require.NoError(t, err)
		}
	}
	require.NotNil(t, b.conn, "the browser did not start")
	go func() { _, _ = io.Copy(io.Discard, said) }()
	t.Cleanup(func() { _ = b.conn.CloseNow() })
	b.conn.SetReadLimit(64 << 20)
	target := b.call("Target.createTarget", map[string]any{"url": "about:blank"})
	attached := b.call("Target.attachToTarget", map[string]any{"targetId": target["targetId"], "flatten": true})
	b.session, _ = attached["sessionId"].(string)
	return b
}

// call calls a method and returns its result.
func (b *browser) call(method string, params map[string]any) map[string]any {
	b.t.Helper()
	ctx, stop := context.WithTimeout(b.t.Context(), patience)
	defer stop()
	b.last++
	message := map[string]any{"id": b.last, "method": method, "params": params}
	if b.session != "" {
		message["sessionId"] = b.session
	}
	text, err := json.Marshal(message)
	require.NoError(b.t, err)
	require.NoError(b.t, b.conn.Write(ctx, websocket.MessageText, text))
	for {
		_, text, err := b.conn.Read(ctx)
		require.NoError(b.t, err, method)
		var answer struct {
			ID     int            `json:"id"`
			Result map[string]any `json:"result"`
			Error  any            `json:"error"`
		}
		require.NoError(b.t, json.Unmarshal(text, &answer))
		if answer.ID == b.last { // else it is an event
			require.Nil(b.t, answer.Error, method)
			return answer.Result
		}
	}
}

// open opens a page and waits until it is there.
func (b *browser) open(url string) {
	b.t.Helper()
	b.call("Page.navigate", map[string]any{"url": url})
	require.Eventually(b.t, func() bool {
		return b.eval(`location.href !== "about:blank" && document.readyState`) == "complete"
	}, patience, 20*time.Millisecond)
}

// eval returns the value of an expression, and of a promise what it resolves to.
func (b *browser) eval(expression string) any {
	b.t.Helper()
	result := b.call("Runtime.evaluate", map[string]any{"expression": expression, "awaitPromise": true, "returnByValue": true})
	require.NotContains(b.t, result, "exceptionDetails", "%v", result)
	value, _ := result["result"].(map[string]any)
	return value["value"]
}

// screen sets the width of the screen, and whether the user likes it dark.
func (b *browser) screen(width int, scheme string) {
	b.t.Helper()
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{
		"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500,
	})
	b.call("Emulation.setEmulatedMedia", map[string]any{
		"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}},
	})
}

// violations returns what axe finds wrong with the page for people who use a keyboard, a screen
// reader or little sight: a line for each.
func (b *browser) violations() []any {
	b.t.Helper()
	if b.eval("typeof axe") != "object" {
		npmPackage(b.t, "axe-core")
		axe, err := os.ReadFile(filepath.Join("testdata", "npm", "node_modules", "axe-core", "axe.min.js"))
		require.NoError(b.t, err)
		b.eval(string(axe) + ";0")
	}
	found, ok := b.eval(`axe.run().then((r) => r.violations.map((v) => v.id + ": " + v.help + ": " +
		v.nodes.map((n) => n.html.slice(0, 120)).join(" | ")))`).([]any)
	require.True(b.t, ok)
	return found
}

// shoot writes a picture of the whole page to a file, for people.
func (b *browser) shoot(file string) {
	b.t.Helper()
	shot := b.call("Page.captureScreenshot", map[string]any{"captureBeyondViewport": true})
	data, _ := shot["data"].(string)
	picture, err := base64.StdEncoding.DecodeString(data)
	require.NoError(b.t, err)
	require.NoError(b.t, os.WriteFile(file, picture, 0o600))
}
