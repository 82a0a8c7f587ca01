package reauth_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// codeBlock is a fenced piece of code in a document.
type codeBlock struct {
	page, kind, text string
	line             int
}

var fence = regexp.MustCompile("^( *)```(.*)$")

// blocksOf returns the blocks of a page. What is indented as code, without a fence, is an error: nobody
// can tell its kind.
func blocksOf(t *testing.T, page string) (list []codeBlock) {
	t.Helper()
	content, err := os.ReadFile(page)
	require.NoError(t, err)
	lines := strings.Split(string(content), "\n")
	for i := 0; i < len(lines); i++ {
		m := fence.FindStringSubmatch(lines[i])
		if m == nil {
			above := i == 0 || lines[i-1] == ""
			if above && strings.HasPrefix(lines[i], "    ") {
				t.Errorf("%s:%d: code without a fence: %s", page, i+1, lines[i])
			}
			continue
		}
		b := codeBlock{page: page, kind: m[2], line: i + 1}
		for i++; strings.TrimSpace(lines[i]) != "```"; i++ {
			b.text += strings.TrimPrefix(lines[i], m[1]) + "\n"
		}
		list = append(list, b)
	}
	return list
}

// documents returns the pages whose code is checked: those that are written by hand, for users.
func documents(t *testing.T) []string {
	t.Helper()
	list, err := filepath.Glob("docs/*.md")
	require.NoError(t, err)
	list = append(list, "README.md", "SECURITY.md", "examples/README.md")
	var written []string
	elsewhere := []string{
		"docs/reauth.1.md", // the command writes it, and its tests compare it
		"docs/release.md",  // the steps of a release, whose script is checked by the gate
	}
	for _, page := range list {
		if !slices.Contains(elsewhere, page) {
			written = append(written, page)
		}
	}
	require.Greater(t, len(written), 15)
	return written
}

// checks is what is done with a block, by its kind. Blocks of the kind sh are run by
// TestShellBlocksOfTheDocuments.
var checks = map[string]func(t *testing.T, b codeBlock){
	"go": isCompiled,
	"sh": func(*testing.T, codeBlock) {},
	"json": func(t *testing.T, b codeBlock) {
		assert.True(t, json.Valid([]byte(b.text)), "%s:%d is no JSON", b.page, b.line)
	},
	"yaml": func(t *testing.T, b codeBlock) {
		assert.YAMLEq(t, b.text, b.text, "%s:%d", b.page, b.line)
		runsTheCommand(t, b)
	},
	"toml": runsTheCommand,
	"http": isAnAnswer,
	"":     isOfTheArchitecture,
}

// Each piece of code in the documents is compiled, run, or of a kind that is checked otherwise.
func TestCodeOfTheDocuments(t *testing.T) {
	counts := make(map[string]int)
	for _, page := range documents(t) {
		for _, b := range blocksOf(t, page) {
			check := checks[b.kind]
			if check == nil {
				t.Errorf("%s:%d: nothing checks code of the kind %q", b.page, b.line, b.kind)
				continue
			}
			check(t, b)
			counts[b.kind]++
		}
	}
	assert.Greater(t, counts["go"], 20)
	assert.Greater(t, counts["sh"], 15)
	t.Log(counts)
}

// isCompiled demands that the lines of a block stand, in the same order, in a file that is compiled.
func isCompiled(t *testing.T, b codeBlock) {
	t.Helper()
	var files []string
	for _, pattern := range []string{
		"example*_test.go", "readme_test.go", "login/example_test.go", "keyring/example_test.go",
		"reauthtest/example_test.go", "examples/*/main.go", "integration/examples/*/main.go",
	} {
		found, err := filepath.Glob(pattern)
		require.NoError(t, err)
		require.NotEmpty(t, found, pattern)
		files = append(files, found...)
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		require.NoError(t, err)
		if strings.Contains(flat(string(src)), flat(b.text)) {
			return
		}
	}
	t.Errorf("%s:%d is not compiled:\n%s", b.page, b.line, b.text)
}

// flat returns s without indentation.
func flat(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.Join(lines, "\n")
}

// runsTheCommand demands that a setting of another program names the command with a subcommand that
// the man page has. The tests of token_format.go (cmd/reauth) run these forms.
func runsTheCommand(t *testing.T, b codeBlock) {
	t.Helper()
	man, err := os.ReadFile("docs/reauth.1.md")
	require.NoError(t, err)
	asked := regexp.MustCompile(`reauth"?[\s,]*(?:args[=: \[]*)?"?(\w+)`).FindAllStringSubmatch(b.text, -1)
	require.NotEmpty(t, asked, "%s:%d", b.page, b.line)
	for _, m := range asked {
		assert.Contains(t, string(man), "reauth "+m[1], "%s:%d", b.page, b.line)
	}
}

// isAnAnswer demands that a block can be read as a recorded answer.
func isAnAnswer(t *testing.T, b codeBlock) {
	t.Helper()
	text := strings.ReplaceAll(b.text, "\n", "\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(text)), nil)
	require.NoError(t, err, "%s:%d", b.page, b.line)
	require.NoError(t, resp.Body.Close())
	assert.NotEmpty(t, resp.Header.Get("Fixture-Source"), "%s:%d", b.page, b.line)
}

// isOfTheArchitecture demands that a diagram of docs/architecture.md names files and packages that are
// there. TestFilesCallInOrder compares the list of files with the source.
func isOfTheArchitecture(t *testing.T, b codeBlock) {
	t.Helper()
	require.Equal(t, "docs/architecture.md", b.page, "%s:%d: a block without a kind", b.page, b.line)
	for _, m := range regexp.MustCompile(`\(([a-z_/]+(?:, [a-z_/]+)*)\)`).FindAllStringSubmatch(b.text, -1) {
		for name := range strings.SplitSeq(m[1], ", ") {
			_, file := os.Stat(name + ".go")
			_, folder := os.Stat(name)
			assert.True(t, file == nil || folder == nil, "%s:%d: there is no %s", b.page, b.line, name)
		}
	}
}
