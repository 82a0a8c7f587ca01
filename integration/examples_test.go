package integration

import (
	"bufio"
	"bytes"
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
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

// TestExamples compiles the examples once and runs each one.
func TestExamples(t *testing.T) {
	dir := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", dir+string(filepath.Separator), "./examples/...")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	for name, test := range map[string]func(*testing.T, string){
		"by themselves": examplesByThemselves, "in need": examplesSayWhatTheyNeed,
		"with an account": examplesWithAnAccount, "with a store": exampleWithAStore,
		"fleet with an account": fleetWithAnAccount, "reverse-proxy with an account": reverseProxyWithAnAccount,
		"commands": exampleOfCommands, "workloads": exampleOfWorkloads,
	} {
		t.Run(name, func(t *testing.T) { test(t, dir) })
	}
}

// example returns the command that runs a program of examples/. Its environment has nothing of this
// machine.
func example(t testing.TB, dir, name string, env ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(bounded(t), filepath.Join(dir, name))
	cmd.Env = append([]string{"HOME=" + t.TempDir()}, env...)
	return cmd
}

// output runs a program to its end.
func output(cmd *exec.Cmd) (stdout, stderr string, status int) {
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	_ = cmd.Run() // the status of the process tells
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// Without an account, each example runs against reauthtest and tells what happened. It would fail
// if that had not happened.
func examplesByThemselves(t *testing.T, dir string) {
	for name, want := range map[string][]string{
		"openai": {
			`sent with the credential "login": Unauthorized`, `refreshed the credential "login"`,
			`returns "Hello from the fake provider."`, `in parts, "Hello from the fake provider."`,
		},
		"anthropic": {
			`sent with the credential "login": Unauthorized`, `refreshed the credential "login"`,
			`returns "Hello from the fake provider."`, `in parts, "Hello from the fake provider."`,
		},
		"key-pool": {
			"the first request\n  key 1: Too Many Requests\n  key 2: Too Many Requests\n  key 3: OK\n" +
				"the second\n  key 3: OK\n",
			"had its rest\n  key 1: OK\n",
			"key 1 is good\nkey 2 is aside billing\nkey 3 is good\n",
		},
		"fleet": {
			"machine 1: 50 of 50 requests served", "machine 2: 50 of 50 requests served",
			"the provider: exchanges: 1, refresh tokens spent twice: 0",
		},
		"retryable-base": {
			"send 1: 503", "send 2: 503", "send 3: 401", "send 4: 200",
			"the program asked once and sees 200 OK",
		},
		"command": {
			"another request does not:\n  sent with it: OK\n",
			"old one refused:\n  sent with it: Unauthorized\n  the command gave a key\n  sent with it: OK\n",
		},
		"kubernetes": {
			"another request needs no exchange:\n  sent with the new token: OK\n",
			"of the old one:\n  sent with the new token: Unauthorized\n" +
				"  the pod's token was exchanged\n  sent with the new token: OK\n",
		},
		"azidentity": {"sent with it: Unauthorized\n  Entra ID gave a token\n  sent with it: OK\n"},
		"google-adc": {"sent with it: Unauthorized\n  Google gave a token\n  sent with it: OK\n"},
		"reverse-proxy": {
			"base URL: http://127.0.0.1:", `refreshed the credential "login"`,
			"the program, which has no key, sees 200 OK",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var env []string
			if name == "fleet" {
				env = append(env, "DATABASE_URL="+postgres(t).dsn)
			}
			out, errs, status := output(example(t, dir, name, env...))
			require.Zero(t, status, "%s%s", out, errs)
			assert.Empty(t, errs)
			for _, w := range want {
				assert.Contains(t, out, w)
			}
			assert.NotContains(t, out, "at-", "no token is printed")
		})
	}
}

func examplesSayWhatTheyNeed(t *testing.T, dir string) {
	_, errs, status := output(example(t, dir, "fleet"))
	assert.Equal(t, 1, status)
	assert.Contains(t, errs, "DATABASE_URL")
	for _, name := range []string{"openai", "anthropic", "reverse-proxy"} {
		_, errs, status := output(example(t, dir, name, "REAUTH_STORE="+t.TempDir())) // a folder cannot be a store
		assert.Equal(t, 1, status)
		assert.Contains(t, errs, name+": reauth: ")
	}
}

// world takes the place of the providers on the internet. It has their names, over TLS, and
// programs reach it through a proxy.
type world struct {
	env   []string // leads a program to the proxy
	proxy *httpProxy
}

func newWorld(t testing.TB, h http.Handler, names ...string) *world {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	of := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "example"}, DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, of, of, &key.PublicKey, key)
	require.NoError(t, err)
	roots := filepath.Join(t.TempDir(), "roots.pem")
	require.NoError(t, os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))

	server := httptest.NewUnstartedServer(h)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	server.StartTLS()
	t.Cleanup(server.Close)
	to, err := url.Parse(server.URL)
	require.NoError(t, err)
	proxy := &httpProxy{t: t, to: to}
	return &world{
		env: []string{
			"HTTPS_PROXY=" + serveOrigin(t, proxy).URL, "SSL_CERT_FILE=" + roots,
			"SSL_CERT_DIR=" + t.TempDir(),
		},
		proxy: proxy,
	}
}

// hosts returns the hosts that programs asked the proxy for.
func (w *world) hosts() []string {
	var list []string
	for _, r := range w.proxy.requests() {
		list = append(list, r.Host)
	}
	return list
}

// With an account the examples go to the real provider, whose place a server with its name takes
// here. An example fails if its key is refused.
func examplesWithAnAccount(t *testing.T, dir string) {
	// These are keys of Anthropic, which go into its header. OpenAI takes any key.
	const key, wrong = "sk-ant-api-EXAMPLE-right", "sk-ant-api-EXAMPLE-wrong"
	for name, c := range map[string]struct {
		dialect       reauthtest.Dialect
		variable      string
		host          string
		sends, failed int
	}{
		"openai":         {reauthtest.OpenAI, "OPENAI_API_KEY", "api.openai.com", 2, 1},
		"anthropic":      {reauthtest.Anthropic, "ANTHROPIC_API_KEY", "api.anthropic.com", 2, 1},
		"key-pool":       {reauthtest.OpenAI, "OPENAI_API_KEYS", "api.openai.com", 3, 1},
		"retryable-base": {reauthtest.OpenAI, "OPENAI_API_KEY", "api.openai.com", 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			fake := reauthtest.New(c.dialect)
			fake.AddKey(key)
			w := newWorld(t, fake, c.host)
			out, errs, status := output(example(t, dir, name, append(w.env, c.variable+"="+key)...))
			require.Zero(t, status, "%s%s", out, errs)
			require.Len(t, fake.Requests(), c.sends)
			for _, r := range fake.Requests() {
				assert.Equal(t, key, r.Token)
				assert.Equal(t, 200, r.Status)
			}
			assert.Subset(t, []string{c.host + ":443"}, w.hosts())
			assert.NotContains(t, out+errs, "EXAMPLE")

			out, errs, status = output(example(t, dir, name, append(w.env, c.variable+"="+wrong)...))
			assert.Equal(t, 1, status)
			assert.NotEmpty(t, errs)
			assert.Len(t, fake.Requests(), c.sends+c.failed)
			assert.NotContains(t, out+errs, "EXAMPLE-wrong")
		})
	}
}

// The example refreshes a login of a store at the provider's own token endpoint, and stores the new
// tokens.
func exampleWithAStore(t *testing.T, dir string) {
	fake := reauthtest.New(reauthtest.XAI)
	w := newWorld(t, fake, "api.x.ai", "auth.x.ai")
	access, refresh := fake.Login()
	fake.Expire(access)
	path := filepath.Join(t.TempDir(), "auth.json")
	save(t, reauth.NewFileStore(path), reauth.Entry{
		Credential: reauth.Credential{AccessToken: access, RefreshToken: refresh},
	})
	out, errs, status := output(example(t, dir, "openai",
		append(w.env, "REAUTH_STORE="+path, "OPENAI_BASE_URL=https://api.x.ai/v1", "OPENAI_MODEL=grok-4")...))
	require.Zero(t, status, "%s%s", out, errs)
	assert.Contains(t, out, `refreshed the credential "me"`)
	assert.Equal(t, 1, fake.Exchanges())
	assert.True(t, fake.Current(record(t, reauth.NewFileStore(path)).Credential.RefreshToken))
	assert.Subset(t, []string{"api.x.ai:443", "auth.x.ai:443"}, w.hosts())
}

// The first run moves a login into the database of the fleet. The second run uses it from there.
func fleetWithAnAccount(t *testing.T, dir string) {
	fake := reauthtest.New(reauthtest.XAI)
	w := newWorld(t, fake, "api.x.ai", "auth.x.ai")
	_, refresh := fake.Login()
	d := postgres(t)
	for range 2 {
		out, errs, status := output(example(t, dir, "fleet",
			append(w.env, "DATABASE_URL="+d.dsn, "XAI_REFRESH_TOKEN="+refresh)...))
		require.Zero(t, status, "%s%s", out, errs)
		assert.Contains(t, out, "machine 2: 2 of 2 requests served")
		assert.Equal(t, 1, fake.Exchanges())
		assert.Zero(t, fake.Reuses())
	}
	assert.True(t, fake.Current(record(t, d.store(t)).Credential.RefreshToken))
}

// The proxy serves programs until it is interrupted. It refuses requests of web pages.
func reverseProxyWithAnAccount(t *testing.T, dir string) {
	fake := reauthtest.New(reauthtest.OpenAI)
	fake.AddKey("sk-EXAMPLE")
	w := newWorld(t, fake, "api.openai.com")
	cmd := example(t, dir, "reverse-proxy", append(w.env, "OPENAI_API_KEY=sk-EXAMPLE")...)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(stdout)
	require.True(t, lines.Scan())
	base, _, _ := strings.Cut(strings.TrimPrefix(lines.Text(), "base URL: "), ",")

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req := plainRequest(ctx, t, http.MethodPost, base+"/chat/completions", `{"model":"example"}`)
	mustAnswer(t, client(t).Transport, req, 200)
	require.Len(t, fake.Requests(), 1)
	assert.Equal(t, "sk-EXAMPLE", fake.Requests()[0].Token)

	req = plainRequest(ctx, t, http.MethodPost, base+"/chat/completions", `{"model":"example"}`)
	req.Header.Set("Origin", "https://stranger.example")
	mustAnswer(t, client(t).Transport, req, 403)
	assert.Len(t, fake.Requests(), 1)

	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	_, err = io.Copy(io.Discard, stdout)
	require.NoError(t, err)
	require.NoError(t, cmd.Wait(), "an interrupted proxy ends with the status 0")
}

// standIns are programs that print what the real ones print, and fail as they do:
// https://cli.github.com/manual/gh_auth_token, https://github.com/cli/cli/issues/7090,
// https://developer.hashicorp.com/vault/docs/commands/read,
// https://learn.microsoft.com/cli/azure/account#az-account-get-access-token
var standIns = map[string]struct {
	provider, base string
	args           []string
	key            string
	prints         func(key string) string // a shell's command
	fails          string                  // a shell's command
	words          string                  // that the failing one says
}{
	"gh": {
		"copilot", "https://api.githubcopilot.com",
		[]string{"auth", "token"},
		"gho_EXAMPLE0123456789",
		func(key string) string { return "echo " + key },
		"echo 'no oauth token found for github.com' >&2; exit 1", "no oauth token found for github.com",
	},
	"vault": {
		"openai", "https://api.openai.com/v1",
		[]string{"read", "-field=key", "secret/openai"},
		"sk-EXAMPLE0123456789",
		func(key string) string { return "printf %s " + key },
		"echo 'No value found at secret/openai' >&2; exit 2", "No value found at secret/openai",
	},
	"az": {
		"azure-foundry", "https://name.openai.azure.com/openai/v1",
		[]string{"account", "get-access-token", "--resource", "https://ai.azure.com"},
		"eyJhbGciOiJub25lIn0.eyJhdWQiOiJodHRwczovL2FpLmF6dXJlLmNvbSJ9.RVhBTVBMRQ",
		func(key string) string {
			return fmt.Sprintf(`echo '{"accessToken": %q, "expiresOn": "2031-01-02 03:04:05.000000", "expires_on": %d, `+
				`"subscription": "00000000-0000-0000-0000-000000000000", "tenant": "00000000-0000-0000-0000-000000000000", `+
				`"tokenType": "Bearer"}'`, key, time.Now().Add(time.Hour).Unix())
		},
		`echo "ERROR: Please run 'az login' to setup account." >&2; exit 1`, "Please run 'az login' to setup account.",
	},
}

// The example runs the programs that print a login, whose places stand-ins take. It uses what they
// print at the provider, and tells what they say when they fail.
func exampleOfCommands(t *testing.T, dir string) {
	for name, s := range standIns {
		t.Run(name, func(t *testing.T) {
			fake := reauthtest.New(reauthtest.OpenAI)
			fake.AddKey(s.key)
			base, err := url.Parse(s.base)
			require.NoError(t, err)
			w := newWorld(t, fake, base.Host)
			bin := t.TempDir()
			env := append(w.env, "PATH="+bin+string(filepath.ListSeparator)+os.Getenv("PATH"))
			run := func(does string) (out, errs string, status int) {
				script := fmt.Sprintf("#!/bin/sh\n[ \"$*\" = '%s' ] || exit 64\n%s\n", strings.Join(s.args, " "), does)
				require.NoError(t, os.WriteFile(filepath.Join(bin, name), []byte(script), 0o700))
				cmd := example(t, dir, "command", env...)
				cmd.Args = append(cmd.Args, append([]string{s.provider, s.base, name}, s.args...)...)
				return output(cmd)
			}
			out, errs, status := run(s.prints(s.key))
			require.Zero(t, status, "%s%s", out, errs)
			require.Len(t, fake.Requests(), 1)
			assert.Equal(t, s.key, fake.Requests()[0].Token)

			out, errs, status = run(s.fails)
			assert.Equal(t, 1, status)
			assert.Contains(t, out, fmt.Sprintf("the command %q failed; run it by hand to see more; it said: ", name))
			assert.Contains(t, out, s.words)
			assert.NotContains(t, out+errs, s.key)
		})
	}
}

// The pod's token is exchanged at the vendor's own endpoint, and what comes of it is used at the
// vendor's API. A refusal says what is wrong.
func exampleOfWorkloads(t *testing.T, dir string) {
	const issuer = "https://kubernetes.default.svc"
	for name, c := range map[string]struct {
		dialect  reauthtest.Dialect
		audience string
		params   map[string]string
		env      []string
		hosts    []string
	}{
		"OpenAI": {
			reauthtest.OpenAI, "https://api.openai.com/v1",
			map[string]string{"identity_provider_id": "idp-1", "service_account_id": "sa-1"},
			[]string{"OPENAI_IDENTITY_PROVIDER_ID=idp-1", "OPENAI_SERVICE_ACCOUNT_ID=sa-1"},
			[]string{"auth.openai.com", "api.openai.com"},
		},
		"Anthropic": {
			reauthtest.Anthropic, "https://api.anthropic.com",
			map[string]string{"federation_rule_id": "fdrl_1", "organization_id": "o-1", "service_account_id": "svac_1"},
			[]string{
				"ANTHROPIC_FEDERATION_RULE_ID=fdrl_1", "ANTHROPIC_ORGANIZATION_ID=o-1", "ANTHROPIC_SERVICE_ACCOUNT_ID=svac_1",
			},
			[]string{"api.anthropic.com"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			fake := reauthtest.New(c.dialect)
			fake.Trust(reauthtest.Trust{Issuer: issuer, Audience: c.audience, Params: c.params})
			w := newWorld(t, fake, c.hosts...)
			file := filepath.Join(t.TempDir(), "token")
			run := func(subject string) (out, errs string, status int) {
				require.NoError(t, os.WriteFile(file, []byte(subject), 0o600))
				return output(example(t, dir, "kubernetes", append(append(w.env, c.env...), "IDENTITY_TOKEN_FILE="+file)...))
			}
			out, errs, status := run(fake.SubjectToken(issuer, c.audience, time.Hour))
			require.Zero(t, status, "%s%s", out, errs)
			assert.Equal(t, 1, fake.Exchanges())
			require.Len(t, fake.Requests(), 1)
			assert.Equal(t, 200, fake.Requests()[0].Status)
			for _, host := range c.hosts {
				assert.Contains(t, w.hosts(), host+":443")
			}

			subject := fake.SubjectToken(issuer, "https://sts.example.com", time.Hour)
			out, errs, status = run(subject)
			assert.Equal(t, 1, status)
			assert.Contains(t, out, `of the issuer "https://kubernetes.default.svc" for the audience "https://sts.example.com"`)
			assert.NotContains(t, out+errs, strings.Split(subject, ".")[2])
		})
	}
}
