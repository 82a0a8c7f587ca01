package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/cmd/reauth/internal/statusjson"
	"github.com/reauth-go/reauth/internal/scantest"
	"github.com/reauth-go/reauth/reauthtest"
)

// Keys that the scripts of sources print. They hold the marker: no output of the command may have
// it.
const (
	firstKey  = "xai-" + marker + "-first-0123456789"
	secondKey = "xai-" + marker + "-second-0123456789"
)

// sourceFile is the file with the recipes of the shell's default store.
func (s *shell) sourceFile() string {
	return filepath.Join(s.home, "config", "reauth", "sources-auth.json")
}

// script writes a program that notes each of its runs, and then does what the text says.
func (s *shell) script(text string) string {
	s.t.Helper()
	path := s.write(fmt.Sprintf("#!/bin/sh\necho run >>%q\n%s\n", s.runsFile(), text), "script")
	require.NoError(s.t, os.Chmod(path, 0o700))
	return path
}

func (s *shell) runsFile() string { return filepath.Join(s.home, "runs") }

// runs returns how often the script was run.
func (s *shell) runs() int {
	s.t.Helper()
	b, err := os.ReadFile(s.runsFile())
	if os.IsNotExist(err) {
		return 0
	}
	require.NoError(s.t, err)
	return strings.Count(string(b), "run")
}

// printing writes a program that prints a key, and another one from its run number from on.
func (s *shell) printing(key string, from int, other string) string {
	return s.script(fmt.Sprintf(`if [ "$(wc -l <%q)" -lt %d ]; then echo %s; else echo %s; fi`, s.runsFile(), from, key, other))
}

// The recipe is kept and no token: not in the store, not beside it, and in no output. Each command
// that needs a token asks for one; those that need none do not.
func TestSourceOfACommand(t *testing.T) {
	s := newShell(t)
	fake := reauthtest.New(reauthtest.XAI)
	server := serveFake(t, fake)
	fake.AddKey(firstKey)
	script := s.printing(firstKey, 99, "")
	assert.Equal(t, "added xai-oauth/source (xai), with the token of the command "+script+"\n",
		s.run("", "add", "xai", "--command", script).ok())
	assert.Equal(t, 1, s.runs(), "it is tried")
	assert.NoFileExists(t, s.store())
	holdsNoToken(t, filepath.Dir(s.sourceFile()))

	assert.Contains(t, inLines(s.run("", "status").ok()), "good, with the token of the command "+script)
	var doc struct{ Credentials []statusjson.Credential }
	require.NoError(t, json.Unmarshal([]byte(s.run("", "status", "--json").ok()), &doc))
	require.Len(t, doc.Credentials, 1)
	assert.Equal(t, &statusjson.Source{Kind: "command", Of: script}, doc.Credentials[0].Source)
	assert.Contains(t, s.run("", "__complete", "remove", "xai", "").ok(), "source\t")
	assert.Contains(t, s.run("", "reset", "xai").ok(), "good standing")
	assert.Equal(t, 1, s.runs(), "looking runs nothing")

	assert.Equal(t, firstKey+"\n", s.secretly(s.command("token", "xai"), "").ok())
	assert.Equal(t, 2, s.runs())
	assert.Contains(t, s.run("", append([]string{"probe", "xai"}, at(server)...)...).ok(), "accepts the credential")
	assert.Contains(t, s.run("", "refresh", "xai").ok(), "its source gives a token, which is kept nowhere, token ")
	assert.Equal(t, 4, s.runs())
	text := s.run(firstKey, "token", "xai", "--refused").fails(exitLogin)
	assert.Contains(t, text, "its source gives the same one again")
	assert.Contains(t, text, "only its source renews it")
	holdsNoToken(t, filepath.Dir(s.sourceFile()))

	assert.Equal(t, "removed xai-oauth/source (xai)\n", s.run("", "remove", "xai").ok())
	assert.Empty(t, s.run("", "status").ok())
	assert.Contains(t, s.run("", "token", "xai").fails(exitLogin), "no credential of xai-oauth")
	assert.Equal(t, 5, s.runs())
}

// A key that the provider refuses from some request on is asked for anew, and the program sees its
// answer.
func TestExecRecoversByASource(t *testing.T) {
	tool(t, "curl")
	s := newShell(t)
	fake := reauthtest.New(reauthtest.XAI)
	fake.AddKey(firstKey)
	fake.AddKey(secondKey)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		fake.ServeHTTP(w, req)
		fake.Expire(firstKey) // it served one request
	}))
	t.Cleanup(server.Close)
	s.run("", "add", "xai", "--command", s.printing(firstKey, 3, secondKey)).ok() // the first run tries it
	r := s.secretly(s.command(execArgs(at(server), request+"; "+request)...), "")
	assert.Equal(t, "200\n200\n", r.ok())
	var sent []string
	for _, q := range fake.Requests() {
		sent = append(sent, q.Token)
	}
	assert.Equal(t, []string{firstKey, firstKey, secondKey}, sent, "two requests, and the replay of the second")
	assert.Equal(t, 3, s.runs())
	assert.Empty(t, r.errors)
}

// The proxy does so too. It serves a file that another program rotates, and reads it anew when the
// provider refuses what it had.
func TestProxyRecoversBySources(t *testing.T) {
	for _, kind := range []string{"--command", "--file"} {
		t.Run(kind, func(t *testing.T) {
			s := newClearShell(t)
			s.write(firstKey, "tokens", "1")
			link := filepath.Join(s.home, "tokens", "now")
			require.NoError(t, os.Symlink("1", link))
			source := map[string]string{"--command": s.script("cat " + link), "--file": link}[kind]
			r := newRig(t)
			r.AddKey(firstKey)
			r.AddKey(secondKey)
			add := r.command(t)
			add.Args = []string{binary, "--store", r.store, "add", "xai", "--priority=-1", kind, source}
			out, err := add.CombinedOutput()
			require.NoError(t, err, "%s", out)
			p := r.start(t)
			resp, _ := p.do(t, http.MethodPost, "/v1/chat/completions", chat)
			assert.Equal(t, http.StatusOK, resp.StatusCode)
			r.Expire(firstKey)
			s.write(secondKey, "tokens", "2")
			require.NoError(t, os.Symlink("2", link+"2"))
			require.NoError(t, os.Rename(link+"2", link)) // as Kubernetes does
			resp, _ = p.do(t, http.MethodPost, "/v1/chat/completions", chat)
			assert.Equal(t, http.StatusOK, resp.StatusCode)
			var sent []string
			for _, q := range r.Requests() {
				sent = append(sent, q.Token)
			}
			assert.Equal(t, []string{firstKey, firstKey, secondKey}, sent)
			assert.Empty(t, scantest.Pattern(t, filepath.Dir(r.store), regexp.MustCompile(marker)), "it is kept nowhere")
		})
	}
}

// Two commands of one provider have two names. What has that name already is not overwritten by
// surprise.
func TestNamesOfSources(t *testing.T) {
	s := newShell(t)
	s.setenv("PATH", filepath.Join(s.home, "bin")+":"+os.Getenv("PATH"))
	for _, name := range []string{"key-of-us", "key-of-them"} {
		require.NoError(t, os.Chmod(s.write("#!/bin/sh\necho gsk_"+marker+"-0123456789\n", "bin", name), 0o700))
	}
	s.write("gsk_"+marker+"-0123456789", "token")
	s.run("gsk_"+marker, "add", "groq", "--key-stdin", "--id", "spare").ok()
	s.golden("source", s.transcript(
		[]string{"add", "groq", "--command", "key-of-us --all"},
		[]string{"add", "groq", "--command", "key-of-us --all"},
		[]string{"add", "groq", "--command", "key-of-them"},
		[]string{"add", "groq", "--command", "key-of-them", "--id", "source"},
		[]string{"add", "groq", "--command", "key-of-us", "--id", "spare"},
		[]string{"add", "groq", "--command", `["sh","-c","key-of-us | cat"]`, "--id", "shell"},
		[]string{"add", "groq", "--command", "no-such-program", "--id", "later", "--no-check"},
		[]string{"status"},
		[]string{"add", "groq", "--file", "token", "--id", "file", "--priority", "1"},
		[]string{"refresh", "groq", "file"},
		[]string{"refresh", "groq", "later"},
		[]string{"remove", "groq", "shell"},
		[]string{"remove", "groq", "shell"},
	))
	text := s.run("gsk_"+marker+"-2", "add", "groq", "--key-stdin", "--id", "file").fails(exitUsage)
	assert.Contains(t, text, "groq/file has a source; give another --id, or remove it first: reauth remove groq file")
}

// What gives no token is told when it is added, and is not kept. Nothing that it printed is
// repeated.
func TestSourcesThatGiveNothing(t *testing.T) {
	s := newShell(t)
	secret := "gsk_" + marker + "-0123456789"
	for want, flags := range map[string][]string{
		"does not exist; install it":            {"--command", "no-such-program"},
		"it said: ask my boss":                  {"--command", s.script("echo ask my boss >&2; echo " + secret + "; exit 3")},
		"it has 2 lines":                        {"--command", `["sh","-c","echo a; echo ` + "b" + `"]`},
		"no shell that would read quotes":       {"--command", "echo '" + secret + "'"},
		"wants an array of texts in JSON":       {"--command", `["` + secret},
		"it wants a program":                    {"--command", "[]"},
		`"~" is replaced by a shell alone`:      {"--file", "~/token"},
		"look at its path":                      {"--file", "no/token"},
		"it is no regular file but a folder":    {"--file", s.home},
		"--issuer is of a login":                {"--command", "x", "--issuer", "https://auth.example"},
		"can't be used together":                {"--command", "x", "--file", "y"},
		"none of its Hosts (api.x.ai) is one":   {"--command", "echo " + "gsk_0123456789012", "--hosts", "api.x.ai"},
		"a page of HTML":                        {"--file", s.write("<html>"+secret, "page")},
		"its JSON object has no token and says": {"--file", s.write(`{"error":"access_denied"}`, "denied.json")},
	} {
		r := s.run("", append([]string{"add", "groq"}, flags...)...)
		assert.NotZero(t, r.code, flags)
		assert.Contains(t, r.errors, want)
	}
	assert.NoFileExists(t, s.sourceFile())
	// A token that has expired by this clock is told, and kept: the clock may be wrong.
	old := s.write(fmt.Sprintf(`{"token":%q,"expires_at":"2020-01-01T00:00:00Z"}`, secret), "old.json")
	r := s.run("", "add", "groq", "--file", old)
	assert.Contains(t, r.ok(), "added groq/source")
	assert.Contains(t, r.errors, "the token has expired at 2020-01-01")
	// A key that looks like another vendor's is doubted, as one that is added.
	r = s.run("", "add", "groq", "--id", "other", "--file", s.write("sk-ant-"+marker, "ant"))
	assert.Contains(t, r.ok(), "added groq/other")
	assert.Contains(t, r.errors, `begins with "sk-ant-", as those of anthropic do`)
}

// Whose a personal access token of Codex is, is asked once, and kept with the recipe.
func TestSourceOfAPersonalToken(t *testing.T) {
	s := newShell(t)
	file := s.write("at-"+marker+"-EXAMPLE", "token")
	s.run("", "add", "codex", "--file", file, "--account", "acct-1").ok()
	assert.Contains(t, s.run("", "status", "--json").ok(), `"account": "acct-1"`)
}

// A credential of the store goes before a source of the same ID, and that is told.
func TestSourceAndCredentialOfOneID(t *testing.T) {
	s := newShell(t)
	s.run("", "add", "xai", "--command", s.printing(firstKey, 99, ""), "--id", "one").ok()
	s.put(reauth.Credential{ID: "one", AccessToken: secondKey}) // by another program
	r := s.secretly(s.command("token", "xai"), "")
	assert.Equal(t, secondKey+"\n", r.ok())
	assert.Contains(t, r.errors, "the source of xai-oauth/one is not used: "+s.store()+
		" has a credential of that ID; remove one of them: reauth remove xai-oauth one")
	s.run("", "remove", "xai", "one").ok()
	assert.Equal(t, firstKey+"\n", s.secretly(s.command("token", "xai"), "").ok())
}

// Processes that add at the same time lose nothing of each other.
func TestConcurrentAddsOfSources(t *testing.T) {
	s := newShell(t)
	var all sync.WaitGroup
	for i := range 12 {
		all.Go(func() {
			out, err := s.command("add", "groq", "--command", "key", "--no-check", "--id", fmt.Sprintf("key%d", i)).CombinedOutput()
			assert.NoError(t, err, "%s", out)
		})
	}
	all.Wait()
	var doc struct{ Credentials []statusjson.Credential }
	require.NoError(t, json.Unmarshal([]byte(s.run("", "status", "--json").ok()), &doc))
	assert.Len(t, doc.Credentials, 12)
}

// A process that is killed while it adds leaves the file as it was, or as it should be.
func TestKilledAddLeavesAWholeFile(t *testing.T) {
	s := newShell(t)
	s.run("", "add", "groq", "--command", "key", "--no-check", "--id", "first").ok()
	stop := make(chan struct{})
	var reader sync.WaitGroup
	reader.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			content, err := os.ReadFile(s.sourceFile())
			if !assert.NoError(t, err) || !assert.True(t, json.Valid(content), "%s", content) {
				return
			}
		}
	})
	kept := 1
	for i := range 40 {
		cmd := s.command("add", "groq", "--command", "key", "--no-check", "--id", fmt.Sprintf("key%d", i))
		require.NoError(t, cmd.Start())
		killed := time.AfterFunc(time.Duration(i)*time.Millisecond, func() { _ = cmd.Process.Kill() })
		if err := cmd.Wait(); err == nil {
			kept++
		}
		killed.Stop()
	}
	s.run("", "add", "groq", "--command", "key", "--no-check", "--id", "last").ok()
	close(stop)
	reader.Wait()
	var doc struct{ Credentials []statusjson.Credential }
	require.NoError(t, json.Unmarshal([]byte(s.run("", "status", "--json").ok()), &doc))
	assert.GreaterOrEqual(t, len(doc.Credentials), kept+1, "what was said to be added is there")
	entries, err := os.ReadDir(filepath.Dir(s.sourceFile()))
	require.NoError(t, err)
	for _, e := range entries {
		assert.NotContains(t, e.Name(), ".tmp", "leftovers are swept")
	}
}

// A file that others could have written is refused by each command that would use it, and nothing
// in it is run.
func TestPlantedSourcesAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(path string) error
		want  string
	}{
		"mode":   {func(p string) error { return os.Chmod(p, 0o620) }, "others can read or write it (mode 0620); run: chmod 600"},
		"folder": {func(p string) error { return os.Chmod(filepath.Dir(p), 0o777) }, "others may write to its folder"},
		"link": {func(p string) error {
			if err := os.Rename(p, p+"2"); err != nil {
				return err
			}
			return os.Symlink(p+"2", p)
		}, "it is a link"},
		"owner":   {func(p string) error { return os.Chown(p, 65534, 65534) }, "it belongs to another user (uid 65534"},
		"no JSON": {func(p string) error { return os.WriteFile(p, []byte("no JSON"), 0o600) }, "it is no JSON (line 1)"},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "owner" && os.Geteuid() != 0 {
				return // only root can give a file away
			}
			s := newShell(t)
			s.run("", "add", "xai", "--command", s.printing(firstKey, 99, ""), "--no-check").ok()
			require.NoError(t, c.spoil(s.sourceFile()))
			for _, args := range [][]string{
				{"status"},
				{"token", "xai"},
				{"refresh", "xai"},
				{"probe", "xai"},
				{"watch"},
				{"remove", "xai"},
				{"proxy", "xai"},
				{"exec", "xai", "--", "true"},
				{"add", "xai", "--command", "x", "--no-check"},
			} {
				text := s.run("", args...).fails(exitFailed)
				assert.Contains(t, text, c.want, args)
				assert.Contains(t, text, s.sourceFile(), args)
			}
			assert.Zero(t, s.runs(), "nothing was run")
		})
	}
}

// The recipes for a database are in a file of the user's, one for each database, and not in the
// database.
func TestSourceBesideADatabase(t *testing.T) {
	s := newShell(t)
	one, two := schemaOfOnesOwn(t), schemaOfOnesOwn(t)
	script := s.printing(firstKey, 99, "")
	s.run("", "add", "xai", "--command", script, "--store", one).ok()
	assert.Contains(t, inLines(s.run("", "status", "--store", one).ok()), "with the token of the command")
	assert.Equal(t, firstKey+"\n", s.secretly(s.command("token", "xai", "--store", one), "").ok())
	assert.NotContains(t, s.run("", "status", "--store", two).ok(), "command")
	assert.NotContains(t, s.run("", "status").ok(), "command")
	files, err := filepath.Glob(filepath.Join(s.home, "config", "reauth", "sources-*.json"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	content, err := os.ReadFile(files[0])
	require.NoError(t, err)
	assert.Contains(t, string(content), `"store": "postgres://`)

	// A service without a home has no such file, and its database all the same.
	s.env = append([]string{"PATH=" + os.Getenv("PATH"), "GORACE=" + os.Getenv("GORACE")}, envOfRun()...)
	assert.Empty(t, s.run("", "status", "--store", one).ok())
	text := s.run("", "add", "xai", "--command", script, "--store", one).fails(exitFailed)
	assert.Contains(t, text, "there is no place for it")
}

// Watching a source runs nothing.
func TestWatchOfASource(t *testing.T) {
	s := newShell(t)
	s.run("", "add", "xai", "--command", s.printing(firstKey, 99, ""), "--no-check").ok()
	cmd := s.lasting("watch", "--interval", "100ms")
	out := filepath.Join(s.home, "watched")
	file, err := os.Create(out)
	require.NoError(t, err)
	defer file.Close()
	cmd.Stdout = file
	require.NoError(t, cmd.Start())
	require.Eventually(t, func() bool {
		b, err := os.ReadFile(out)
		return err == nil && strings.Contains(inLines(string(b)), "with the token of the command")
	}, patience, 10*time.Millisecond)
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil {
		require.ErrorAs(t, err, &exit)
	}
	assert.Zero(t, s.runs())
}
