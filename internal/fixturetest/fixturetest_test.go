package fixturetest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFixtureThatMisleadsIsRefused(t *testing.T) {
	const good = "HTTP/1.1 401 Unauthorized\nFixture-Source: synthetic\nFixture-Seen: docs\n\n{}"
	for name, c := range map[string]struct{ file, content, want string }{
		"good":           {"p-401-x.http", good, ""},
		"unknown note":   {"p-401-x.http", strings.Replace(good, "Fixture-Seen", "Fixture-Mood: fine\nFixture-Seen", 1), "unknown note Fixture-Mood"},
		"stale length":   {"p-401-x.http", strings.Replace(good, "\n\n", "\nContent-Length: 1\n\n", 1), "Content-Length is 1"},
		"long length":    {"p-401-x.http", strings.Replace(good, "\n\n", "\nContent-Length: 9\n\n", 1), "Content-Length is 9"},
		"right length":   {"p-401-x.http", strings.Replace(good, "\n\n", "\nContent-Length: 2\n\n", 1), ""},
		"chunked":        {"p-401-x.http", strings.Replace(good, "\n\n", "\nTransfer-Encoding: chunked\n\n", 1), "Transfer-Encoding"},
		"encoded":        {"p-401-x.http", strings.Replace(good, "\n\n", "\nContent-Encoding: gzip\n\n", 1), "Content-Encoding"},
		"no source":      {"p-401-x.http", strings.Replace(good, "Fixture-Source: synthetic\n", "", 1), "Fixture-Source is missing"},
		"HTTP/2":         {"p-401-x.http", strings.Replace(good, "HTTP/1.1", "HTTP/2", 1), "malformed HTTP version"},
		"other status":   {"p-403-x.http", good, "the status is 401"},
		"bad name":       {"whatever.http", good, "the name is not"},
		"no end":         {"p-401-x.http", "HTTP/1.1 401 Unauthorized\nFixture-Source: synthetic\n", "EOF"},
		"unknown scope":  {"p-401-x.http", strings.Replace(good, "\n\n", "\nFixture-Scope: Opus\n\n", 1), "Fixture-Scope is"},
		"unused scope":   {"p-401-x.http", strings.Replace(good, "\n\n", "\nFixture-Scope: model\n\n", 1), "not for rejected"},
		"unknown cause":  {"p-401-x.http", strings.Replace(good, "\n\n", "\nFixture-Cause: me\n\n", 1), "Fixture-Cause is"},
		"unused cause":   {"p-401-x.http", strings.Replace(good, "\n\n", "\nFixture-Cause: anyone\n\n", 1), "not for rejected"},
		"unknown seen":   {"p-401-x.http", strings.Replace(good, "docs", "heard", 1), "Fixture-Seen"},
		"other encoding": {"p-401-x.http", strings.Replace(good, "\n\n", "\nFixture-Encoding: br\n\n", 1), "Fixture-Encoding"},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			path := filepath.Join(root, "rejected", c.file)
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
			require.NoError(t, os.WriteFile(path, []byte(c.content), 0o644))
			_, err := load(root, path)
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
		})
	}
}
