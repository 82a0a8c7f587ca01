//go:build unix

package reauth_test

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A process that is suspended between the header of a refusal and its body, for longer than it waits for
// that, reads the body when it goes on: the status alone would be misread.
func TestSuspendedProcessReadsTheRefusal(t *testing.T) {
	t.Parallel() // it waits in real time
	asked, resumed := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_ = http.NewResponseController(w).Flush()
		close(asked)
		<-resumed
		_, _ = w.Write([]byte(`{"error":{"code":"token_expired","message":"The access token has expired"}}`))
	}))
	defer server.Close()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self, "send-and-judge", server.URL)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	<-asked
	time.Sleep(200 * time.Millisecond) // the header is there, and the body is waited for
	require.NoError(t, cmd.Process.Signal(syscall.SIGSTOP))
	time.Sleep(2500 * time.Millisecond) // longer than a body is waited for
	require.NoError(t, cmd.Process.Signal(syscall.SIGCONT))
	time.Sleep(100 * time.Millisecond)
	close(resumed)
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "rejected:token", strings.TrimSpace(line))
	require.NoError(t, cmd.Wait())
}
