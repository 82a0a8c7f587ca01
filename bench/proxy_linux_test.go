package bench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/reauth-go/reauth"
)

// contender is a proxy in a process of its own. command returns how it is started to serve at an address
// and to send to a URL, or nil if it is not installed.
type contender struct {
	name    string
	command func(t testing.TB, at, upstream string) *exec.Cmd
}

// contenders returns the proxies, in the order of the runs.
func contenders() []contender {
	bare := func(flush string) func(testing.TB, string, string) *exec.Cmd {
		return func(t testing.TB, at, upstream string) *exec.Cmd {
			return exec.Command(program(t, "bare"), at, upstream, flush)
		}
	}
	return []contender{
		{"reverseproxy", bare("0")},
		{"reauth", reauthProxy},
		{"reverseproxy-flush", bare("-1")},
		{"nginx", nginx},
		{"cliproxyapi", cliProxyAPI},
	}
}

// reauthProxy is the command of this repository with one API key in a file, as it is by default.
func reauthProxy(t testing.TB, at, upstream string) *exec.Cmd {
	store := filepath.Join(t.TempDir(), "auth.json")
	pool, err := reauth.OpenPool(t.Context(), reauth.NewFileStore(store))
	if err != nil {
		t.Fatal(err)
	}
	c := reauth.Credential{Provider: providerName, ID: keyID(0), AccessToken: key(0)}
	if _, err = pool.Add(context.Background(), c); err != nil {
		t.Fatal(err)
	}
	if err = pool.Close(); err != nil {
		t.Fatal(err)
	}
	return exec.Command(program(t, "reauth"), "--store", store, "proxy", providerName, "--base-url", upstream,
		"--listen", at)
}

// nginxConf keeps as many idle connections as the others do. Events of a stream are not buffered, and a
// request is logged, as reauth does.
const nginxConf = `daemon off; master_process off; pid %[1]s/pid; error_log stderr;
events { worker_connections 4096; }
http {
	access_log %[1]s/access.log; keepalive_requests 1000000; proxy_buffering off;
	client_body_temp_path %[1]s/a; proxy_temp_path %[1]s/b; fastcgi_temp_path %[1]s/c; uwsgi_temp_path %[1]s/d;
	scgi_temp_path %[1]s/e;
	upstream api { server %[3]s; keepalive 2000; keepalive_requests 1000000; }
	server {
		listen %[2]s;
		location = /healthz { return 200; }
		location / {
			proxy_pass http://api; proxy_http_version 1.1; proxy_set_header Connection "";
			proxy_set_header Authorization "Bearer %[4]s";
		}
	}
}`

func nginx(t testing.TB, at, upstream string) *exec.Cmd {
	path, err := exec.LookPath("nginx")
	if err != nil {
		return nil
	}
	dir := t.TempDir()
	conf := fmt.Sprintf(nginxConf, dir, at, strings.TrimPrefix(upstream, "http://"), key(0))
	if err := os.WriteFile(filepath.Join(dir, "conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	return exec.Command(path, "-e", "stderr", "-p", dir, "-c", filepath.Join(dir, "conf"))
}

// cliProxyConf has one API of OpenAI's dialect with one key, and none of what asks the network.
const cliProxyConf = `host: "127.0.0.1"
port: %[2]s
auth-dir: "%[1]s"
api-keys: ["placeholder"]
remote-management: {disable-control-panel: true}
openai-compatibility:
  - name: "bench"
    base-url: "%[3]s/v1"
    api-key-entries: [{api-key: "%[4]s"}]
    models: [{name: "example", alias: "example"}]
`

func cliProxyAPI(t testing.TB, at, upstream string) *exec.Cmd {
	path, err := exec.LookPath("cli-proxy-api")
	if err != nil {
		return nil
	}
	dir := t.TempDir()
	_, port, _ := strings.Cut(at, ":")
	conf := fmt.Sprintf(cliProxyConf, dir, port, upstream, key(0))
	if err := os.WriteFile(filepath.Join(dir, "config.yaml"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	return exec.Command(path, "-config", filepath.Join(dir, "config.yaml"))
}

// talks returns the work of a proxy by name: what the API answers, and how many requests are measured.
func talks() map[string]struct {
	answer   http.HandlerFunc
	requests int
} {
	return map[string]struct {
		answer   http.HandlerFunc
		requests int
	}{
		"plain": {answering, 2500},
		"sse":   {func(w http.ResponseWriter, r *http.Request) { talk(w, r, 20*len(events)) }, 800},
	}
}

// BenchmarkProxy measures a proxy between clients and an API, which are in this process: the time that the
// proxy spends on the processor for a request (cpu-ns/op), how long a request takes from its first byte to
// the last one of the answer (p50-ns/op, p99-ns/op), and the most memory that the proxy has had (rss-bytes).
// Each client has a connection of its own and sends its next request when it has the answer. A fourth of
// the requests is a warm-up, which counts in the memory alone. An answer that breaks off counts as failed
// (failed/1000): up to a tenth of the streams through a bare ReverseProxy do, with "use of closed network
// connection".
func BenchmarkProxy(b *testing.B) {
	for _, kind := range []string{"plain", "sse"} {
		for _, conns := range []int{1, 50, 500} {
			for _, c := range contenders() {
				if c.name == "nginx" || c.name == "cliproxyapi" {
					if c.command(b, "127.0.0.1:1", "http://127.0.0.1:1") == nil {
						continue // the report says that it is not installed
					}
				}
				b.Run(fmt.Sprintf("kind=%s/conns=%d/by=%s", kind, conns, c.name), func(b *testing.B) {
					b.ReportMetric(0, "ns/op") // a round of requests is no figure
					for b.Loop() {
						proxied(b, c, kind, conns)
					}
				})
			}
		}
	}
}

// proxied runs one round with a fresh process, and reports its figures.
func proxied(b *testing.B, c contender, kind string, conns int) {
	work := talks()[kind]
	if testing.Short() {
		work.requests = 4
	}
	requests := max(work.requests, conns)
	upstream := httptest.NewServer(work.answer)
	defer upstream.Close()
	p := startChild(b, func(at string) *exec.Cmd { return c.command(b, at, upstream.URL) })
	defer p.end()
	clients := connect(b, p.at, conns)
	defer clients.close()
	clients.run(b, max(requests/4, conns))
	before := p.cpu(b)
	took, failed := clients.run(b, requests)
	spent := p.cpu(b) - before
	slices.Sort(took)
	b.ReportMetric(float64(spent)/float64(len(took)), "cpu-ns/op")
	b.ReportMetric(float64(took[len(took)/2]), "p50-ns/op")
	b.ReportMetric(float64(took[len(took)*99/100]), "p99-ns/op")
	b.ReportMetric(p.resident(b), "rss-bytes")
	b.ReportMetric(1000*float64(failed)/float64(len(took)), "failed/1000")
}

// clients is a closed loop: each of its connections has one request under way at most.
type clients struct {
	at      string
	request []byte
	conns   []net.Conn
	readers []*bufio.Reader
}

// connect opens n connections to a proxy.
func connect(t testing.TB, at string, n int) *clients {
	t.Helper()
	c := &clients{at: at, conns: make([]net.Conn, n), readers: make([]*bufio.Reader, n)}
	body := bytes.Repeat([]byte(" "), 2<<10-len(proxyBody))
	c.request = fmt.Appendf(nil, "POST /v1/chat/completions HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"+
		"Authorization: Bearer placeholder\r\nUser-Agent: bench/1.0\r\nContent-Length: %d\r\n\r\n%s%s",
		at, 2<<10, proxyBody, body)
	for i := range n {
		if err := c.dial(i); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// proxyBody is what CLIProxyAPI wants to see in a request. The others do not look at it.
const proxyBody = `{"model":"example","messages":[{"role":"user","content":"Hello."}]}`

func (c *clients) close() {
	for _, conn := range c.conns {
		if conn != nil {
			_ = conn.Close() // nothing is sent any more
		}
	}
}

// run sends n requests, and returns how long each took, and how many failed. A client whose answer broke off
// connects anew.
func (c *clients) run(t testing.TB, n int) (took []time.Duration, failed int64) {
	t.Helper()
	var left, broken atomic.Int64
	left.Store(int64(n))
	times := make([][]time.Duration, len(c.conns))
	var done sync.WaitGroup
	for i := range c.conns {
		done.Go(func() {
			for left.Add(-1) >= 0 {
				start := time.Now()
				err := c.send(i)
				times[i] = append(times[i], time.Since(start))
				if err == nil {
					continue
				}
				broken.Add(1)
				if err := c.dial(i); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	done.Wait()
	if broken.Load() > int64(n/2)+2 { // it does not work; a few that break off are a figure
		t.Fatalf("%d of %d requests failed", broken.Load(), n)
	}
	return slices.Concat(times...), broken.Load()
}

// dial connects a client.
func (c *clients) dial(i int) error {
	if c.conns[i] != nil {
		_ = c.conns[i].Close() // it is of no use any more
	}
	conn, err := net.Dial("tcp", c.at)
	if err == nil {
		c.conns[i], c.readers[i] = conn, bufio.NewReader(conn)
	}
	return err
}

// send sends the request over a connection and reads the answer to its end.
func (c *clients) send(i int) error {
	if _, err := c.conns[i].Write(c.request); err != nil {
		return err
	}
	resp, err := http.ReadResponse(c.readers[i], nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("the proxy answers %s", strconv.Itoa(resp.StatusCode))
	}
	return err
}
