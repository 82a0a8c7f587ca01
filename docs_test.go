package reauth_test

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// The page about trouble has one row for each word that reasons begin with.
func TestTroubleshootingNamesEachReason(t *testing.T) {
	page, err := os.ReadFile("docs/troubleshooting.md")
	require.NoError(t, err)
	var rows []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(string(page), -1) {
		rows = append(rows, m[1])
	}
	slices.Sort(rows)
	assert.Equal(t, reauth.ReasonNames(), rows)
}

// pages returns the documents of this repository by their path.
func pages(t *testing.T) map[string]string {
	t.Helper()
	list := make(map[string]string)
	for _, pattern := range []string{"*.md", "docs/*.md", "examples/*.md", "bench/*.md", "cmd/reauth/*.md"} {
		paths, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, path := range paths {
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			list[path] = regexp.MustCompile("(?ms)^ *```.*?^ *```$").ReplaceAllString(string(text), "")
		}
	}
	require.Greater(t, len(list), 5)
	return list
}

// anchors returns what a link may name behind "#": the headings of a page, as GitHub names them.
func anchors(text string) (list []string) {
	for _, m := range regexp.MustCompile(`(?m)^#+ +(.+)$`).FindAllStringSubmatch(text, -1) {
		name := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(m[1]), "")
		list = append(list, strings.ReplaceAll(name, " ", "-"))
	}
	return list
}

// No link within the documents is dead.
func TestLinksOfTheDocuments(t *testing.T) {
	list, checked := pages(t), 0
	for path, text := range list {
		for _, m := range regexp.MustCompile(`\]\(([^)\s]+)\)`).FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			file, anchor, _ := strings.Cut(m[1], "#")
			target := path
			if file != "" {
				target = filepath.Join(filepath.Dir(path), file)
			}
			_, err := os.Stat(target)
			assert.NoError(t, err, "%s links to %s", path, m[1])
			if page, known := list[target]; known && anchor != "" {
				assert.Contains(t, anchors(page), anchor, "%s links to %s", path, m[1])
			}
			checked++
		}
	}
	assert.Greater(t, checked, 20)
}

// The picture of the README is well-formed, has colours for dark pages, and tells the story of the quickstart.
func TestPictureOfTheReadme(t *testing.T) {
	picture, err := os.ReadFile("docs/request.svg")
	require.NoError(t, err)
	var text strings.Builder
	for decoder := xml.NewDecoder(strings.NewReader(string(picture))); ; {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		if words, ok := token.(xml.CharData); ok {
			text.Write(words)
		}
	}
	assert.Contains(t, text.String(), "@media (prefers-color-scheme: dark)")
	story := regexp.MustCompile(`(?s)request.*403.*the refresh token.*a new pair of tokens.*replay.*200.*the answer`)
	_, drawn, _ := strings.Cut(text.String(), "auth.x.ai")
	assert.Regexp(t, story, drawn)
}
