//go:build linux

package reauth_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/internal/testrig"
	"github.com/reauth-go/reauth/reauthtest"
)

// The blocks of the kind sh in the documents are run here, by the letter, page by page: bash runs all
// blocks of a page one after the other, and stops at the first line that fails. Every https request of
// the programs goes to a proxy, which answers in the place of each vendor with reauthtest's provider. So
// "reauth login xai-oauth" is a whole login. These things are not what they are for a reader:
//
//   - programs that are not there, such as node, are stand-ins that do nothing, or print a key
//   - "reauth proxy" is started in the background, on a free port in the place of 8787
//   - "reauth store" of staging.json works on a copy of the store
//   - "go run ./examples/…" is run in this checkout, "go test" there lists the packages only, and "git
//     clone" links to it
//   - a script, which begins with "#!", is run as Docker runs its helpers

// TestShellBlocksOfTheDocuments runs the blocks of each page but the README, whose blocks are those of a
// newcomer: see TestReadmeByTheLetter.
func TestShellBlocksOfTheDocuments(t *testing.T) {
	t.Parallel()
	command := builtCommand(t)
	for _, page := range documents(t) {
		var script strings.Builder
		for _, b := range blocksOf(t, page) {
			switch {
			case b.kind != "sh" || page == "README.md":
			case strings.HasPrefix(b.text, "#!"):
				fmt.Fprintf(&script, "cat >helper <<'END'\n%sEND\nprintf https://registry.corp.example | sh helper get\n", b.text)
			default:
				fmt.Fprintf(&script, "# line %d\n%s\n", b.line, b.text)
			}
		}
		if script.Len() == 0 {
			continue
		}
		t.Run(page, func(t *testing.T) {
			t.Parallel()
			w := newShellWorld(t, command)
			w.run(t, w.folder, "reauth login xai-oauth\nreauth add anthropic --key-stdin <<<sk-ant-EXAMPLE")
			w.run(t, w.folder, script.String())
		})
	}
}

// A newcomer follows the README from its top in an empty folder, once with a replacement and once with a
// workspace. The program of the README starts three times, and once, each time with an expired token.
func TestReadmeByTheLetter(t *testing.T) {
	t.Parallel()
	fetchModules(t)
	w := newShellWorld(t, "") // the README installs the command
	starts := map[string]int{"replacement": 3, "workspace": 1}
	var program string
	ran := make(map[string]int)
	for _, b := range blocksOf(t, "README.md") {
		way := ""
		switch {
		case b.kind == "go":
			program = b.text
		case b.kind != "sh":
		case strings.HasPrefix(b.text, "git clone"):
			w.run(t, w.folder, b.text)
		case strings.HasPrefix(b.text, "go install"):
			w.run(t, filepath.Join(w.folder, "reauth"), b.text)
		case strings.Contains(b.text, "-replace"):
			way = "replacement"
		case strings.Contains(b.text, "go work init"):
			way = "workspace"
		default:
			t.Errorf("README.md:%d: nobody knows where a newcomer types this", b.line)
		}
		for script := b.text; ran[way] < starts[way]; ran[way]++ {
			agent := filepath.Join(w.folder, "agent")
			if ran[way] == 0 {
				require.NoError(t, os.RemoveAll(agent))
				require.NoError(t, os.Mkdir(agent, 0o700))
				require.NoError(t, os.WriteFile(filepath.Join(agent, "main.go"), []byte(program), 0o600))
			}
			w.xai.Expire()
			assert.Contains(t, w.run(t, agent, script), "Hello from the fake provider.", way)
			script = "go run ."
		}
	}
	assert.Equal(t, starts, ran)
	assert.Equal(t, 4, w.xai.Exchanges())
	assert.Zero(t, w.xai.Reuses())
}

// builtCommand builds the command, and returns its path.
func builtCommand(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "reauth")
	out, err := exec.Command("go", "build", "-buildvcs=false", "-ldflags=-w", "-o", path, "./cmd/reauth").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return path
}

// shellWorld is where the blocks of a page are run.
type shellWorld struct {
	xai, anthropic *reauthtest.Provider
	env            []string
	folder         string // where the blocks are run, and where all files of the programs are
}

func newShellWorld(t *testing.T, command string) *shellWorld {
	t.Helper()
	root, err := os.Getwd()
	require.NoError(t, err)
	w := &shellWorld{
		xai: reauthtest.New(reauthtest.XAI), anthropic: reauthtest.New(reauthtest.Anthropic), folder: t.TempDir(),
	}
	installed := filepath.Join(w.folder, "bin")
	command = cmp.Or(command, filepath.Join(installed, "reauth"))
	w.xai.ApproveAfter, w.xai.Interval = time.Millisecond, time.Second
	w.anthropic.AddKey("sk-ant-EXAMPLE")
	proxy, authority := w.vendors(t)
	w.write(t, "authority.pem", authority, 0o600)
	w.standIns(t)
	modules := goEnv(t, "GOMODCACHE")
	w.env = append(os.Environ(),
		"HOME="+w.folder, "XDG_CONFIG_HOME="+filepath.Join(w.folder, "config"), "GOBIN="+installed,
		"PATH="+filepath.Join(w.folder, "stand-ins")+":"+os.Getenv("PATH"),
		"GOCACHE="+goEnv(t, "GOCACHE"), "GOMODCACHE="+modules, "GOPROXY=file://"+modules+"/cache/download", "GOSUMDB=off",
		"GOFLAGS=-modcacherw -buildvcs=false -ldflags=-w", "GOCOVERDIR="+w.folder, "CHECKOUT="+root, "COMMAND="+command, "WORLD="+w.folder,
		"PORT="+strconv.Itoa(testrig.Port(t)), "HTTPS_PROXY="+proxy, "https_proxy="+proxy,
		"SSL_CERT_FILE="+filepath.Join(w.folder, "authority.pem"), "CURL_CA_BUNDLE="+filepath.Join(w.folder, "authority.pem"),
		"ROOT="+root, "KEY=wrong", "OLD=EXAMPLE-old", "REAUTH_STORE=", "REAUTH_SEAL=",
	)
	t.Cleanup(func() { w.end(t) })
	return w
}

// standIns writes the programs that are not what they are for a reader.
func (w *shellWorld) standIns(t *testing.T) {
	t.Helper()
	require.NoError(t, os.Mkdir(filepath.Join(w.folder, "stand-ins"), 0o700))
	for name, text := range map[string]string{
		"reauth": `for a; do
			case $a in
			proxy)
				"$COMMAND" "$@" --listen "127.0.0.1:$PORT" >"$WORLD/proxy" 2>&1 </dev/null & echo $! >>"$WORLD/running"
				until grep -q 'by way of' "$WORLD/proxy"; do kill -0 $! || { cat "$WORLD/proxy"; exit 1; }; sleep 0.02; done
				exit ;;
			staging.json) cp "$XDG_CONFIG_HOME/reauth/auth.json" "$WORLD/staging.json"; cd "$WORLD"; set -- "$@" --yes ;;
			esac
		done
		exec "$COMMAND" "$@"`,
		"go": `cd -P . # in the clone, builds have the paths of this checkout, and find them in the cache
			case "$1 $2" in
			"run ./examples/fakeprovider")
				cd "$CHECKOUT"; $REAL_GO build -o "$WORLD/fakeprovider" "$2"; shift 2
				"$WORLD/fakeprovider" "$@" >"$WORLD/fake" 2>&1 </dev/null & echo $! >>"$WORLD/running"
				until grep -q 'What it is asked' "$WORLD/fake"; do kill -0 $! || exit 1; sleep 0.02; done; exit ;;
			"run ./examples/"*) [ -e go.mod ] || cd "$CHECKOUT" ;;
			"test "*) cd "$CHECKOUT"; for a; do case $a in .|./*) exec $REAL_GO list "$a" ;; esac; done; exit 1 ;;
			esac
			exec $REAL_GO "$@"`,
		"git": `case $1 in
			clone) ln -s "$CHECKOUT" "${2##*/}" ;;
			*) exec $REAL_GIT "$@" ;;
			esac`,
		"node": "", "aider": "", "opencode": "",
	} {
		for _, real := range []string{"go", "git"} {
			path, err := exec.LookPath(real)
			require.NoError(t, err)
			text = strings.ReplaceAll(text, "$REAL_"+strings.ToUpper(real), path)
		}
		w.write(t, "stand-ins/"+name, []byte("#!/usr/bin/env bash\nset -e -o pipefail\n"+text+"\n"), 0o700)
	}
}

func (w *shellWorld) write(t *testing.T, name string, content []byte, mode os.FileMode) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(w.folder, name), content, mode))
}

// background is a proxy that is started in the background: the stand-in does that, and waits for it.
var background = regexp.MustCompile(`(?m)^(reauth proxy .*) &$`)

// run runs a script in a folder, and returns what it printed.
func (w *shellWorld) run(t *testing.T, folder, script string) string {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Minute)
	defer stop()
	script = background.ReplaceAllString(strings.ReplaceAll(script, "8787", "$PORT"), "$1")
	cmd := exec.CommandContext(ctx, "bash", "-e", "-P", "-o", "pipefail", "-c", script)
	cmd.Dir, cmd.Env = folder, w.env
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &out, &out, time.Minute
	require.NoError(t, cmd.Run(), "%s\n%s", script, &out)
	return out.String()
}

// end ends the proxies that run in the background.
func (w *shellWorld) end(t *testing.T) {
	running, err := os.ReadFile(filepath.Join(w.folder, "running"))
	if err != nil {
		return // there are none
	}
	for field := range strings.FieldsSeq(string(running)) {
		pid, err := strconv.Atoi(field)
		require.NoError(t, err)
		assert.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	}
}

// vendors starts what answers in the place of each vendor: a proxy that ends TLS. It returns the proxy's
// address and the certificate of its authority.
func (w *shellWorld) vendors(t *testing.T) (proxy string, authority []byte) {
	t.Helper()
	root, err := newAuthority()
	require.NoError(t, err)
	vendors := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.Host, "anthropic") {
			w.anthropic.ServeHTTP(rw, r)
			return
		}
		w.xai.ServeHTTP(rw, r)
	}))
	vendors.TLS = &tls.Config{GetCertificate: root.leaf, MinVersion: tls.VersionTLS12}
	vendors.StartTLS()
	t.Cleanup(vendors.Close)
	tunnel := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		to, err := net.Dial("tcp", vendors.Listener.Addr().String())
		if err != nil || r.Method != http.MethodConnect {
			http.Error(rw, "CONNECT only", http.StatusBadGateway)
			return
		}
		defer to.Close()
		rw.WriteHeader(http.StatusOK)
		from, sent, err := http.NewResponseController(rw).Hijack()
		if err != nil {
			return
		}
		defer from.Close()
		go func() { _, _ = io.Copy(to, sent); _ = to.Close() }()
		_, _ = io.Copy(from, to)
	}))
	t.Cleanup(tunnel.Close)
	return tunnel.URL, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.certificate.Raw})
}

// authority signs a certificate for each name that it is asked for.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "the documents' authority"}, IsCA: true,
		NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	return &authority{certificate, key}, err
}

func (a *authority) leaf(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), DNSNames: []string{hello.ServerName},
		NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &a.key.PublicKey, a.key)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: a.key}, nil
}

// fetchModules downloads what is missing of the modules that a newcomer's commands ask for: the world has
// no network, and of a fresh machine only what the root's own tests import is there.
func fetchModules(t *testing.T) {
	t.Helper()
	root, err := os.Getwd()
	require.NoError(t, err)
	agent := t.TempDir()
	program := "package main\n\nimport _ \"github.com/reauth-go/reauth\"\n\nfunc main() {}\n"
	require.NoError(t, os.WriteFile(filepath.Join(agent, "main.go"), []byte(program), 0o600))
	for _, step := range []struct {
		folder string
		args   []string
	}{
		{filepath.Join(root, "cmd", "reauth"), []string{"list", "-deps", "."}},
		{agent, []string{"mod", "init", "agent"}},
		{agent, []string{"mod", "edit", "-replace", "github.com/reauth-go/reauth=" + root}},
		{agent, []string{"mod", "tidy"}},
	} {
		cmd := exec.Command("go", step.args...)
		cmd.Dir = step.folder
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "go %s: %s", strings.Join(step.args, " "), out)
	}
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("go", "env", name).Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(out))
}
