package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/reauthtest"
)

// without are the commands whose output is no document of theirs, with the reason.
var without = map[string]string{
	"exec":       "its output is that of the program",
	"completion": "its output is a script for a shell",
}

// jsonWorld has what the commands need: a provider, a store, and a proxy.
type jsonWorld struct {
	*shell
	issuer, base, proxy string
}

func newJSONWorld(t *testing.T) *jsonWorld {
	fake := reauthtest.New(reauthtest.XAI)
	fake.ApproveAfter = time.Millisecond
	server := serveFake(t, fake)
	w := &jsonWorld{shell: newClearShell(t), issuer: server.URL, base: server.URL + "/v1"}
	w.newKeys("JSON_KEY", "JSON_NEW")
	w.write(programFiles()["codex"], "codex.json")
	return w
}

// calls are a call of each command, in an order in which each finds what it needs.
func (w *jsonWorld) calls() [][]string {
	sealed := []string{"--seal", "env:JSON_KEY"}
	return [][]string{
		{"login", "xai", "--issuer", w.issuer, "--id", "you"},
		{"add", "groq", "--key-from-env", "GROQ_KEY", "--id", "team"},
		{"add", "nvidia", "--command", "cat key", "--no-check"},
		{"import", "codex", "codex.json"},
		{"status"},
		{"watch"},
		{"refresh", "xai", "--issuer", w.issuer, "--base-url", w.base},
		{"probe", "xai", "--issuer", w.issuer, "--base-url", w.base},
		{"proxy", "xai", "groq", "--listen", "127.0.0.1:0", "--base-url", "xai=" + w.base, "--issuer", "xai=" + w.issuer},
		health(),
		{"token", "groq"},
		{"reset", "xai"},
		append([]string{"store", "seal"}, sealed...),
		append([]string{"status"}, sealed...),
		append([]string{"store", "check"}, sealed...),
		{"store", "rekey", "--seal", "env:JSON_NEW,env:JSON_KEY"},
		{"store", "unseal", "--yes", "--seal", "env:JSON_NEW"},
		{"store", "new-identity", "--yes"},
		{"store", "key"},
		{"remove", "groq", "team"},
		{"classify", "answer.txt"},
		{"providers", "claude"},
		{"version"},
	}
}

// first runs a command that goes on, until it has printed a line. It ends with the test.
func (w *jsonWorld) first(args ...string) string {
	w.t.Helper()
	cmd := w.lasting(args...)
	out, err := cmd.StdoutPipe()
	require.NoError(w.t, err)
	cmd.Stderr = os.Stderr
	require.NoError(w.t, cmd.Start())
	w.t.Cleanup(func() {
		require.NoError(w.t, cmd.Process.Signal(os.Interrupt))
		require.NoError(w.t, cmd.Wait())
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(w.t, err, "%v", args)
	return line
}

// call runs a command with --json, and returns what it prints there.
func (w *jsonWorld) call(args []string) string {
	w.t.Helper()
	args = append(args, "--json")
	switch args[0] {
	case "watch":
		return w.first(args...)
	case "proxy":
		line := w.first(append(args, "--log-level", "error")...)
		var doc announcedJSON
		require.NoError(w.t, json.Unmarshal([]byte(line), &doc))
		w.proxy = doc.Listeners[0]
		return line
	case "health":
		args = append(args, strings.TrimPrefix(w.proxy, "http://"))
	case "token": // its output is a secret
		return w.secretly(w.command(args...), "").ok()
	}
	return w.run("", args...).ok()
}

// Every command tells programs what it did, in a form that is theirs to rely on: the golden file
// has the names and the kinds of the values. No form has a secret but those of token and store key,
// whose output is one.
func TestEveryCommandHasJSON(t *testing.T) {
	w := newJSONWorld(t)
	w.setenv("GROQ_KEY", "gsk_"+marker)
	w.write("nvapi-"+marker, "key")
	w.write("HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\n\r\n{}", "answer.txt")
	var b strings.Builder
	called := map[string]bool{}
	for _, args := range w.calls() {
		words := args[:1]
		if args[0] == "store" {
			words = args[:2]
		}
		called[strings.Join(words, " ")] = true
		text := w.call(args)
		if name := strings.Join(words, " "); name != "token" {
			checkSecrets(t, name, text)
		}
		fmt.Fprintf(&b, "$ reauth %s --json\n%s\n", strings.Join(words, " "), shapeOf(t, text))
	}
	for _, n := range visible(declared(t).Node) {
		name := strings.TrimPrefix(n.FullPath(), "reauth ")
		switch has := slices.ContainsFunc(n.Flags, func(f *kong.Flag) bool { return f.Name == "json" }); {
		case len(n.Children) > 0:
		case without[name] != "":
			assert.False(t, has, "%s: %s", name, without[name])
		default:
			assert.True(t, has, "%s has no --json", name)
			assert.True(t, called[name], "%s is not called here", name)
		}
	}
	compareGolden(t, "json", b.String())
}

// shapeOf returns one document of JSON, with kinds in the places of values.
func shapeOf(t *testing.T, text string) string {
	t.Helper()
	in := json.NewDecoder(strings.NewReader(text))
	var doc map[string]any
	require.NoError(t, in.Decode(&doc), text)
	require.False(t, in.More(), "more than one document: %s", text)
	shape, err := json.MarshalIndent(kindOf(doc), "", "  ")
	require.NoError(t, err)
	return string(shape)
}

// kindOf returns the kind of a value. Of a list all elements are shown as one, which has the
// members of each.
func kindOf(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			v[name] = kindOf(member)
		}
		return v
	case []any:
		all := map[string]any{}
		for _, element := range v {
			members, ok := kindOf(element).(map[string]any)
			if !ok {
				return []any{kindOf(element)}
			}
			for name, kind := range members {
				all[name] = kind
			}
		}
		return []any{all}
	case string:
		if _, err := time.Parse(time.RFC3339, v); err == nil {
			return "time"
		}
		return "text"
	case float64:
		return "number"
	}
	return "true or false"
}

// A command that fails says so to programs as to people: by its exit code and on standard error.
// What it prints is a document all the same, if it has begun.
func TestJSONOfFailures(t *testing.T) {
	s := newClearShell(t)
	r := s.run("", "login", "groq", "--json")
	assert.Equal(t, exitUsage, r.code)
	assert.Empty(t, r.results())
	assert.NotEmpty(t, r.errors)
	r = s.run("gsk_"+marker, "add", "nobody", "--key-stdin", "--json")
	assert.Equal(t, exitUsage, r.code)
	assert.Empty(t, r.results())
	r = s.run("", "health", "127.0.0.1:1", "--json")
	assert.Equal(t, exitFailed, r.code)
	var health healthJSON
	require.NoError(t, json.Unmarshal([]byte(r.out), &health))
	assert.False(t, health.Healthy)
	assert.Contains(t, health.Error, "does not answer")

	s.newKeys("A_KEY", "B_KEY")
	s.run("gsk_"+marker, "add", "groq", "--key-stdin", "--id", "team", "--seal", "env:A_KEY").ok()
	r = s.run("", "store", "rekey", "--seal", "env:B_KEY", "--json")
	assert.Equal(t, exitFailed, r.code)
	var wrote rewrittenJSON
	require.NoError(t, json.Unmarshal([]byte(r.out), &wrote))
	assert.Zero(t, wrote.Records)
}

// What import did not take is told with its reason, and that the other program will be logged out.
func TestJSONOfAnImport(t *testing.T) {
	s := newClearShell(t)
	file := s.write(programFiles()["codex"], "codex.json")
	r := s.run("", "import", "codex", file, "--json", "--take-over")
	require.Zero(t, r.code, r.errors)
	var doc outcomesDoc
	require.NoError(t, json.Unmarshal([]byte(r.out), &doc))
	assert.Equal(t, []string{"codex", file}, []string{doc.Program, doc.From})
	require.NotEmpty(t, doc.Credentials)
	for _, c := range doc.Credentials {
		assert.NotEmpty(t, c.Name)
		assert.Equal(t, c.Result == resultSkipped, c.Note != "", "%+v", c)
	}
	assert.Contains(t, r.errors, "will be logged out")
}
