package main

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The patterns of TestCommandLinesOfTheDocuments.
var (
	reauthCall = regexp.MustCompile(`(?:^|\| |&& |-- |:/data )(?:go run \./cmd/reauth|reauth)\s+((?:'[^']*'|[^|;&#>'\n])+)`)
	shellWord  = regexp.MustCompile(`(?:'[^']*'|"[^"]*"|[^\s'"])+`)
	ownPath    = regexp.MustCompile(`^"?(?:\$\()?(\./[\w/-]*\w|[\w./-]+\.sh)$`)
)

// indentedLines returns the lines of a page's indented blocks, by their numbers.
func indentedLines(t *testing.T, page string) map[int]string {
	t.Helper()
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	lines := make(map[int]string)
	for i, line := range strings.Split(string(text), "\n") {
		if code, ok := strings.CutPrefix(line, "    "); ok {
			lines[i+1] = code
		}
	}
	return lines
}

// The blocks of docs/ and of the front page are run by the tests of the library. What the other
// pages tell to type, some of it as root or on another machine, is a command that there is, with
// flags that it has, and files that there are.
func TestCommandLinesOfTheDocuments(t *testing.T) {
	t.Parallel()
	calls, paths := 0, 0
	for _, page := range []string{"README.md", "deploy/README.md", "../../CONTRIBUTING.md", "../../bench/README.md"} {
		for number, line := range indentedLines(t, page) {
			for _, call := range reauthCall.FindAllStringSubmatch(line, -1) {
				calls++
				var args []string
				for _, word := range shellWord.FindAllString(call[1], -1) {
					args = append(args, strings.NewReplacer("'", "", `"`, "").Replace(word))
				}
				var cli commands
				_, err := newParser(&cli, io.Discard, io.Discard, func(int) {}).Parse(args)
				assert.NoError(t, err, "%s:%d: %s", page, number, line)
			}
			for _, word := range strings.Fields(line) {
				if found := ownPath.FindStringSubmatch(word); found != nil {
					paths++
					assertThere(t, page, number, found[1])
				}
			}
		}
	}
	assert.Greater(t, calls, 20, "the pages have not lost their blocks")
	assert.Greater(t, paths, 15)
}

// assertThere checks that a path is there, from the root of the repository or from the page.
func assertThere(t *testing.T, page string, number int, path string) {
	t.Helper()
	for _, from := range []string{"../..", filepath.Dir(page)} {
		if _, err := os.Stat(filepath.Join(from, path)); err == nil {
			return
		}
	}
	t.Errorf("%s:%d: there is no %s", page, number, path)
}
