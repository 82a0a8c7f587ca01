package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Comments of the command wrap at 100 columns, with four for a tab.
func TestCommentsWrap(t *testing.T) {
	files := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == "testdata":
			return fs.SkipDir
		case filepath.Ext(path) != ".go":
			return nil
		}
		files++
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		at := 0
		for line := range strings.Lines(string(text)) {
			at++
			line = strings.ReplaceAll(strings.TrimRight(line, "\n"), "\t", "    ")
			if strings.HasPrefix(strings.TrimLeft(line, " "), "// ") {
				assert.LessOrEqual(t, utf8.RuneCountInString(line), 100, "%s:%d", path, at)
			}
		}
		return nil
	})
	require.NoError(t, err)
	assert.Greater(t, files, 100)
}
