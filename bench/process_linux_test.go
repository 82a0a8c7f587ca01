package bench

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// programs build the commands that the benchmarks run as processes of their own.
var programs = map[string]func() (path string, err error){
	"reauth": built("../cmd/reauth", "."),
	"bare":   built(".", "./programs/bare"),
	"empty":  built(".", "./programs/empty"),
}

// program returns the path of a command of ours.
func program(t testing.TB, name string) string {
	t.Helper()
	path, err := programs[name]()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// free returns an address of loopback where nobody listens.
func free(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// child is a process that serves at an address.
type child struct {
	cmd   *exec.Cmd
	at    string
	ended chan struct{} // closed when the process has ended
}

// startChild starts a command that serves at an address, and waits until GET /healthz there has an answer.
// The process ends with the benchmark.
func startChild(t testing.TB, command func(at string) *exec.Cmd) *child {
	t.Helper()
	p, err := tryChild(t, command)
	if errors.Is(err, errEnded) { // as when another program has taken the address meanwhile
		p, err = tryChild(t, command)
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// tryChild starts a command that serves at a free address.
func tryChild(t testing.TB, command func(at string) *exec.Cmd) (*child, error) {
	t.Helper()
	at := free(t)
	c := command(at)
	said, err := os.Create(filepath.Join(t.TempDir(), "said"))
	if err != nil {
		t.Fatal(err)
	}
	defer said.Close()
	c.Stdout, c.Stderr = said, said
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	p := &child{c, at, make(chan struct{})}
	go func() {
		defer close(p.ended)
		_ = c.Wait() // it is killed in the end
	}()
	t.Cleanup(p.end)
	if err := p.healthy(); err != nil {
		text, _ := os.ReadFile(said.Name())
		return nil, fmt.Errorf("%s: %w\n%s", c.Path, err, text)
	}
	return p, nil
}

// errEnded says that a process has ended before it served.
var errEnded = errors.New("the process has ended")

// healthy waits until the child answers, for a minute at most. It asks again without a pause, as the
// cold start is measured with it.
func (p *child) healthy() error {
	for end := time.Now().Add(time.Minute); ; {
		conn, err := net.Dial("tcp", p.at)
		if err == nil {
			_ = conn.Close()
			break
		}
		select {
		case <-p.ended:
			return errEnded
		default:
		}
		if time.Now().After(end) {
			return err
		}
		time.Sleep(time.Millisecond)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
	resp, err := client.Get("http://" + p.at + "/healthz")
	if err != nil {
		return err
	}
	_ = resp.Body.Close() // its content is not looked at
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("/healthz answers %d", resp.StatusCode)
	}
	return nil
}

// end kills the process. It may be called twice.
func (p *child) end() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.ended
}

// cpu returns the time that the process has spent on the processor, of all its threads: what getrusage
// tells of a process that has ended.
func (p *child) cpu(t testing.TB) time.Duration {
	t.Helper()
	var now unix.Timespec
	// The clock of another process: clock_getcpuclockid of glibc makes its number in this way.
	clock := int32(^p.cmd.Process.Pid<<3 | 2)
	if err := unix.ClockGettime(clock, &now); err != nil {
		t.Fatal(err)
	}
	return time.Duration(now.Nano())
}

// resident returns the most memory that the process has had, in bytes.
func (p *child) resident(t testing.TB) float64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64)
			if err != nil {
				t.Fatal(err)
			}
			return n * 1024
		}
	}
	t.Fatal("the kernel does not tell VmHWM")
	return 0
}
