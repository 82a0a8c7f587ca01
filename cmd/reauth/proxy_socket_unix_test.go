//go:build unix

package main

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// One proxy listens at two ports and a socket, and serves the same at each. The socket is its
// owner's alone, and goes with the proxy.
func TestProxyListensInSeveralPlaces(t *testing.T) {
	r := newRig(t)
	path := socketFor(t)
	p := r.start(t, "--listen", "127.0.0.1:0", "--listen", "unix:"+path, "--listen", "[::1]:0")
	require.Eventually(t, func() bool { return strings.Contains(p.output(), "socket") }, patience, time.Millisecond)
	_, rest, found := strings.Cut(p.output(), "also at")
	require.True(t, found, p.output())
	second := strings.Fields(rest)[0]
	assert.Contains(t, p.output(), "  socket              "+path+"\n")
	info, err := os.Lstat(path)
	require.NoError(t, err)
	assert.Equal(t, os.ModeSocket|0o600, info.Mode())
	for _, at := range []*running{{url: p.url}, {url: second}, {url: "http://localhost", socket: path}} {
		for _, what := range []string{"/healthz", "/v1/models", "/xai-oauth/v1/models", "/", "/metrics"} {
			resp, _ := at.do(t, http.MethodGet, what, "")
			assert.Equal(t, http.StatusOK, resp.StatusCode, "%s%s", at.url, what)
		}
	}
	sh := newShell(t)
	sh.setenv("REAUTH_PROXY_TLS_CERT", "/of/the/ports")
	assert.Equal(t, "ok\n", sh.run("", health("unix:"+path)...).ok(), "a socket serves http")
	p.end(t)
	assert.NoFileExists(t, path)
}

// Through a socket a client may name any host that no page has; what a page sends is refused there
// too.
func TestProxyRefusesPagesAtASocket(t *testing.T) {
	p := newRig(t).startAtSocket(t, "--host", "proxy.example")
	for header, code := range map[string]int{
		"Host: localhost": 200, "Host: localhost:8080": 200, "Host: unix": 200, "Host: 127.0.0.1:1": 200, "Host: [::1]": 200,
		"Host: proxy.example": 200, "Host: evil.example": 403, "Host: evil.example:80": 403, "Host: 192.0.2.1": 403,
		"Origin: https://evil.example": 403, "Origin: http://localhost": 403, "Sec-Fetch-Site: cross-site": 403,
	} {
		resp, _ := p.do(t, http.MethodGet, "/v1/models", "", header)
		assert.Equal(t, code, resp.StatusCode, header)
	}
}

// The socket of a process that was killed is replaced. One that somebody listens at is not, and its
// owner goes on.
func TestProxyReplacesADeadSocket(t *testing.T) {
	r := newRig(t)
	p := r.startAtSocket(t)
	path := p.socket
	code, said := r.fails(t, "xai-oauth", "--listen", "unix:"+path)
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, said, path+" is in use")
	p.reachable(t, "another one at its socket")
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGKILL))
	require.Error(t, p.wait(t))
	require.FileExists(t, path)
	next := r.start(t, "--listen", "unix:"+path)
	next.socket = path
	next.reachable(t, "in the place of the dead one")
}

// What is no socket, or cannot be one, is told, and stays.
func TestProxyRefusesAPlaceForASocket(t *testing.T) {
	r := newRig(t)
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, []byte("kept"), 0o600))
	link := file + "-link"
	require.NoError(t, os.Symlink(file, link))
	long := "/tmp/" + strings.Repeat("x", maxSocketPath)
	for _, c := range []struct {
		listen string
		code   int
		says   []string
	}{
		{file, exitFailed, []string{file, "something else"}},
		{link, exitFailed, []string{link, "something else"}},
		{"/no/such/folder/s", exitFailed, []string{"/no/such/folder/s"}},
		{long, exitUsage, []string{strconv.Itoa(maxSocketPath), strconv.Itoa(len(long)), long}},
		{"", exitUsage, []string{"wants a path"}},
		{"@abstract", exitUsage, []string{"name a path"}},
	} {
		code, said := r.fails(t, "xai-oauth", "--listen", "unix:"+c.listen)
		assert.Equal(t, c.code, code, "%s: %s", c.listen, said)
		for _, words := range c.says {
			assert.Contains(t, said, words, c.listen)
		}
	}
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, "kept", string(content))
	// The path with as many bytes as there is room for will do.
	fits := "unix:" + strings.Repeat("x", maxSocketPath)
	require.NoError(t, checkSocketPath(strings.TrimPrefix(fits, "unix:")))
	code, said := r.fails(t, "xai-oauth", "--listen", "127.0.0.1:8787,127.0.0.1:8787")
	assert.Equal(t, exitUsage, code)
	assert.Contains(t, said, "twice")
}

// When one listener cannot be had, no socket of the others is left.
func TestProxyListensInAllPlacesOrNone(t *testing.T) {
	r := newRig(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	path := socketFor(t)
	code, said := r.fails(t, "xai-oauth", "--listen", "unix:"+path, "--listen", taken.Addr().String())
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, said, "is in use")
	assert.NoFileExists(t, path)
}

// At no moment may others connect, whatever the mask of the process is.
func TestSocketIsNeverWider(t *testing.T) {
	before := syscall.Umask(0)
	defer syscall.Umask(before)
	path := socketFor(t)
	var done atomic.Bool
	var seen atomic.Int64
	var watcher sync.WaitGroup
	watcher.Go(func() {
		for !done.Load() {
			if info, err := os.Lstat(path); err == nil {
				seen.Add(1)
				assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
			}
		}
	})
	began := time.Now()
	for round := 0; round < 300 || seen.Load() == 0 && time.Since(began) < patience; round++ {
		ln, err := listenSocket(t.Context(), path)
		require.NoError(t, err)
		require.NoError(t, ln.Close())
	}
	done.Store(true)
	watcher.Wait()
	assert.Positive(t, seen.Load())
	assert.Equal(t, 0, syscall.Umask(0), "the mask is as it was")
}

// Of several processes that find the same dead socket, one gets the path. Those that come later,
// and those that end, leave it alone.
func TestDeadSocketIsReplacedOnce(t *testing.T) {
	for range 50 {
		path := socketFor(t)
		dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		require.NoError(t, err)
		dead.SetUnlinkOnClose(false)
		require.NoError(t, dead.Close())
		got := make([]net.Listener, 4)
		var starters sync.WaitGroup
		for i := range got {
			starters.Go(func() { got[i], _ = listenSocket(t.Context(), path) })
		}
		starters.Wait()
		var won []net.Listener
		for _, ln := range got {
			if ln != nil {
				won = append(won, ln)
			}
		}
		require.Len(t, won, 1)
		conn, err := net.Dial("unix", path)
		require.NoError(t, err, "it is the one at the path")
		require.NoError(t, conn.Close())
		require.NoError(t, os.Remove(path))
		next, err := listenSocket(t.Context(), path)
		require.NoError(t, err)
		require.NoError(t, won[0].Close())
		assert.FileExists(t, path, "another one's is left")
		require.NoError(t, next.Close())
	}
}
