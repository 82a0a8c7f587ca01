package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestQuickstartTellsTheWholeStory(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(&out), "%s", &out)
	for _, want := range []string{
		`request sent with "you": 403`, "verdict: rejected:xai:bad-credentials", `refreshed "you": one exchange`,
		`request replayed with "you": 200`, `the program sees 200: …"Hello from the fake provider."…`,
		"a stream of 9 events", "100 of 100 answers are 200", "1 exchange, 0 refresh tokens used twice",
		"verdict: exhausted:xai:spending-limit:billing", `switched to "spare key"`,
	} {
		assert.Contains(t, out.String(), want)
	}
}

// The story fits a terminal of 80 columns, and ends with what was seen and three commands that exist.
func TestQuickstartReadsWell(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(&out))
	assert.NotContains(t, out.String(), "map[")
	for line := range strings.Lines(out.String()) {
		assert.LessOrEqual(t, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")), 79, line)
	}
	_, end, found := strings.Cut(out.String(), "\nWhat you saw\n")
	require.True(t, found)
	commands := regexp.MustCompile(`go run \./(\S+)`).FindAllStringSubmatch(end, -1)
	require.Len(t, commands, 3)
	for _, c := range commands {
		_, err := os.Stat(filepath.Join("..", "..", c[1], "main.go"))
		assert.NoError(t, err, "%s", c[0])
	}
}
