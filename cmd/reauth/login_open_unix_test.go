//go:build unix

package main

import (
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/internal/testrig"
	"github.com/reauth-go/reauth/reauthtest"
)

// standIn puts a program on PATH that writes down how it was called, one word on a line, and then
// does what the text says. It returns the file.
func standIn(t *testing.T, name, text string) (called string) {
	t.Helper()
	folder := t.TempDir()
	called = filepath.Join(folder, "called")
	script := "#!/bin/sh\nprintf '%s\\n' \"$@\" >'" + called + ".part' && mv '" + called + ".part' '" + called + "'\n" + text + "\n"
	require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(script), 0o700))
	t.Setenv("PATH", folder+":"+os.Getenv("PATH"))
	return called
}

// onSystem makes the command open browsers as on another system, which has a screen.
func onSystem(t *testing.T, system string) {
	t.Helper()
	before := hostSystem
	hostSystem = system
	t.Cleanup(func() { hostSystem = before })
	t.Setenv("DISPLAY", "")
	t.Setenv("WAYLAND_DISPLAY", "wayland-0")
}

// consentAt does what a person does in the browser, up to the page that the browser comes back to.
func consentAt(t *testing.T, server, address string) {
	t.Helper()
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(address)
	require.NoError(t, err)
	page, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	ask := regexp.MustCompile(`name="ask" value="([^"]+)"`).FindStringSubmatch(string(page))
	require.Len(t, ask, 2, "%s", page)
	resp, err = client.PostForm(server+"/oauth/authorize/decision", url.Values{"ask": {ask[1]}, "decision": {"approve"}})
	require.NoError(t, err) // it follows the redirect to the command
	defer resp.Body.Close()
	assert.Equal(t, http.StatusOK, resp.StatusCode)
}

// A login opens the browser by the program of the system, with the whole address as one word, and
// is done when the person has consented there.
func TestLoginOpensTheBrowserOnEachSystem(t *testing.T) {
	for system, c := range map[string]struct {
		program string
		before  []string // the address
	}{
		"linux": {"xdg-open", nil}, "freebsd": {"xdg-open", nil}, "darwin": {"open", nil},
		"windows": {"rundll32", []string{"url.dll,FileProtocolHandler"}},
	} {
		t.Run(system, func(t *testing.T) {
			onSystem(t, system)
			called := standIn(t, c.program, "")
			server := serveFake(t, reauthtest.New(reauthtest.Anthropic))
			t.Setenv("REAUTH_STORE", filepath.Join(t.TempDir(), "auth.json"))
			type ended struct {
				code      int
				out, errs string
			}
			done := make(chan ended, 1)
			port := strconv.Itoa(testrig.Port(t)) // here, since it may fail the test
			go func() {
				code, out, errs := here(t, "login", "claude", "--flow", "browser", "--open", "--id", "me",
					"--port", port, "--issuer", server.URL)
				done <- ended{code, out, errs}
			}()
			require.Eventually(t, func() bool { _, err := os.Stat(called); return err == nil }, patience, time.Millisecond)
			words, err := os.ReadFile(called)
			require.NoError(t, err)
			args := strings.Split(strings.TrimSpace(string(words)), "\n")
			require.Len(t, args, len(c.before)+1)
			address := args[len(args)-1]
			assert.Equal(t, append(c.before, address), args)
			assert.Contains(t, address, "&", "a shell would have split it")
			consentAt(t, server.URL, address)
			got := <-done
			assert.Zero(t, got.code, got.errs)
			assert.Contains(t, got.out, "logged in: anthropic/me (claude)")
			assert.Contains(t, got.errs, address, "a person sees it too")
			assert.NotContains(t, got.errs, "could not be opened")
		})
	}
}

// A browser that cannot be opened is told, with the reason, and no further than that.
func TestBrowserThatCannotBeOpened(t *testing.T) {
	told := make(chan error, 1)
	failed := func() string {
		openInBrowser("https://login.example/", func(err error) { told <- err })
		return (<-told).Error()
	}
	onSystem(t, "darwin")
	t.Setenv("PATH", t.TempDir())
	assert.Contains(t, failed(), "executable file not found")
	t.Setenv("PATH", "/usr/bin:/bin")
	standIn(t, "open", "exit 3")
	assert.Equal(t, "open: exit status 3", failed())
	onSystem(t, "linux")
	t.Setenv("WAYLAND_DISPLAY", "")
	assert.Equal(t, errNoScreen.Error(), failed())
}

// Without the flag a browser is opened only for a person at this machine, and only where it must be
// on it.
func TestWhenABrowserIsOpened(t *testing.T) {
	yes, no := true, false
	for _, c := range []struct {
		login loginCmd
		live  bool
		ssh   string
		want  bool
	}{
		{loginCmd{Provider: "claude", Flow: "browser"}, true, "", true},
		{loginCmd{Provider: "claude", Flow: "browser"}, false, "", false},
		{loginCmd{Provider: "claude", Flow: "browser"}, true, "10.0.0.1 22", false},
		{loginCmd{Provider: "claude", Flow: "browser", Open: &no}, true, "", false},
		{loginCmd{Provider: "claude"}, true, "", false},
		{loginCmd{Provider: "openrouter"}, true, "", true},
		{loginCmd{Provider: "xai"}, true, "", false},
		{loginCmd{Provider: "xai", Open: &yes}, false, "10.0.0.1 22", true},
		{loginCmd{Provider: "nobody"}, true, "", false},
	} {
		t.Setenv("SSH_CONNECTION", c.ssh)
		assert.Equal(t, c.want, c.login.isToBeOpened(&terminal{live: c.live}), "%+v", c)
	}
}

// What is said after the login is not shown: it is about a browser that nobody needs any more.
func TestNothingIsSaidAfterTheLogin(t *testing.T) {
	var errs strings.Builder
	person := &terminal{app: &app{stderr: &errs}, live: true}
	person.waiting(time.Minute)
	person.leave()
	shown := errs.Len()
	person.say("The browser could not be opened.")
	person.waiting(time.Minute)
	assert.Equal(t, shown, errs.Len())
}
