//go:build unix

package reauth_test

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A process that is suspended between the header of a refusal and its body, for longer than it waits for
// that, reads the body when it goes on: the status alone would be misread.
func TestSuspendedProcessReadsTheRefusal(t *testing.T) {
	t.Parallel() // it waits in real time
	const tries = 5
	for n := 1; ; n++ {
		verdict, late := suspendInARefusal(t)
		if late > 1500*time.Millisecond && n < tries {
			continue // this process was slow: the other one waited, while it ran, for too long to tell
		}
		require.Equal(t, "rejected:token", verdict)
		return
	}
}

// suspendInARefusal runs the process, and returns how it judged. It ran without the body for late.
func suspendInARefusal(t *testing.T) (verdict string, late time.Duration) {
	t.Helper()
	asked, resumed := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_ = http.NewResponseController(w).Flush()
		close(asked)
		<-resumed
		_, _ = w.Write([]byte(`{"error":{"code":"token_expired","message":"The access token has expired"}}`))
	}))
	defer server.Close()
	goOn := sync.OnceFunc(func() { close(resumed) })
	defer goOn()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self, "send-and-judge", server.URL)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	defer func() { _ = cmd.Process.Kill() }() // it has ended, unless something failed here
	<-asked
	began := time.Now()
	time.Sleep(200 * time.Millisecond) // the header is there, and the body is waited for
	require.NoError(t, cmd.Process.Signal(syscall.SIGSTOP))
	before := time.Since(began)
	time.Sleep(2500 * time.Millisecond) // longer than a body is waited for
	began = time.Now()
	require.NoError(t, cmd.Process.Signal(syscall.SIGCONT))
	time.Sleep(100 * time.Millisecond)
	goOn()
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	late = max(before, time.Since(began))
	require.NoError(t, cmd.Wait())
	return strings.TrimSpace(line), late
}
