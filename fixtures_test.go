package reauth_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// There must be at least so many: a walk that finds nothing would pass.
const (
	minFixtures      = 304
	minTokenFixtures = 30
)

// fixture is one file of fixtures/: a recorded answer, whose folder is what must be made of it.
type fixture struct {
	name     string // verdict/provider-status-what
	want     string
	provider string
	resp     *http.Response
	body     []byte
	notes    http.Header
}

// Notes about the case itself; anything else that begins with Fixture- is an error.
var fixtureNotes = []string{
	"Fixture-Id", "Fixture-Source", "Fixture-Seen", "Fixture-Host", "Fixture-Note", "Fixture-Reset", "Fixture-Encoding", "Fixture-Endpoint", "Fixture-Kind",
}

var fixtureName = regexp.MustCompile(`^(.+?)-(\d{3})-([a-z0-9-]+)\.http$`)

// loadFixture reads a file and refuses what would make a case test something else than it shows.
func loadFixture(root, path string) (*fixture, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	fail := func(format string, args ...any) (*fixture, error) {
		return nil, fmt.Errorf("%s: %s", path, fmt.Sprintf(format, args...))
	}
	rel, err := filepath.Rel(root, path)
	if err != nil {
		return nil, err
	}
	dir, base := filepath.Split(filepath.ToSlash(rel))
	m := fixtureName.FindStringSubmatch(base)
	if m == nil {
		return fail("the name is not <provider>-<status>-<what>.http")
	}
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(raw)), nil)
	if err != nil {
		return fail("%v", err)
	}
	for _, h := range []string{"Transfer-Encoding", "Content-Encoding"} {
		if resp.Header.Get(h) != "" || h == "Transfer-Encoding" && len(resp.TransferEncoding) > 0 {
			return fail("%s: the body is stored plain; use Fixture-Encoding", h)
		}
	}
	_, after, ok := bytes.Cut(raw, []byte("\n\n"))
	if !ok {
		return fail("no empty line ends the header")
	}
	if v := resp.Header.Get("Content-Length"); v != "" && v != strconv.Itoa(len(after)) {
		return fail("Content-Length is %s, the body has %d bytes", v, len(after))
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil || !bytes.Equal(body, after) {
		return fail("the body is not read as it stands there: %v", err)
	}
	f := &fixture{
		name: strings.TrimSuffix(filepath.ToSlash(rel), ".http"), want: strings.TrimSuffix(dir, "/"), provider: m[1],
		resp: resp, body: body, notes: make(http.Header),
	}
	for name := range resp.Header {
		if !strings.HasPrefix(name, "Fixture-") {
			continue
		}
		if !slices.Contains(fixtureNotes, name) {
			return fail("unknown note %s", name)
		}
		f.notes[name] = resp.Header[name]
		delete(resp.Header, name)
	}
	if f.notes.Get("Fixture-Source") == "" {
		return fail("Fixture-Source is missing")
	}
	if seen := f.notes.Get("Fixture-Seen"); seen != "verbatim" && seen != "docs" {
		return fail("Fixture-Seen is %q, not verbatim or docs", seen)
	}
	if strconv.Itoa(resp.StatusCode) != m[2] {
		return fail("the status is %d", resp.StatusCode)
	}
	if enc := f.notes.Get("Fixture-Encoding"); enc != "" {
		if enc != "gzip" {
			return fail("Fixture-Encoding %q is not known", enc)
		}
		resp.Header.Set("Content-Encoding", enc)
	}
	return f, nil
}

// loadFixtures reads all fixtures below fixtures/, those of token endpoints or the others.
func loadFixtures(t testing.TB, token bool) []*fixture {
	t.Helper()
	var list []*fixture
	err := filepath.WalkDir("fixtures", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		f, err := loadFixture("fixtures", path)
		if err != nil {
			return err
		}
		if strings.HasPrefix(f.want, "token/") == token {
			f.want = strings.TrimPrefix(f.want, "token/")
			list = append(list, f)
		}
		return nil
	})
	require.NoError(t, err)
	least := minFixtures
	if token {
		least = minTokenFixtures
	}
	require.GreaterOrEqual(t, len(list), least, "fixtures are missing")
	return list
}

// wire returns the body as it would come over the wire.
func (f *fixture) wire() []byte {
	if f.notes.Get("Fixture-Encoding") != "gzip" {
		return f.body
	}
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(f.body)
	_ = w.Close()
	return b.Bytes()
}

// wantReset reads Fixture-Reset: "at <unix seconds>" or "after <duration>".
func (f *fixture) wantReset(t testing.TB, now time.Time) time.Time {
	t.Helper()
	note := f.notes.Get("Fixture-Reset")
	if note == "" {
		return time.Time{}
	}
	kind, value, _ := strings.Cut(note, " ")
	switch kind {
	case "at":
		n, err := strconv.ParseInt(value, 10, 64)
		require.NoError(t, err)
		return time.Unix(n, 0)
	case "after":
		d, err := time.ParseDuration(value)
		require.NoError(t, err)
		return now.Add(d)
	}
	t.Fatalf("%s: Fixture-Reset %q is neither at nor after", f.name, note)
	return time.Time{}
}

func TestFixtureLoaderRefusesWhatMisleads(t *testing.T) {
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
		"unknown seen":   {"p-401-x.http", strings.Replace(good, "docs", "heard", 1), "Fixture-Seen"},
		"other encoding": {"p-401-x.http", strings.Replace(good, "\n\n", "\nFixture-Encoding: br\n\n", 1), "Fixture-Encoding"},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			path := filepath.Join(root, "rejected", c.file)
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
			require.NoError(t, os.WriteFile(path, []byte(c.content), 0o644))
			_, err := loadFixture(root, path)
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
		})
	}
}

// verdictNames are the folders a fixture may lie in.
var verdictNames = []string{reauth.Pass.String(), reauth.Rejected.String(), reauth.Dead.String(), reauth.Exhausted.String(), reauth.Forbidden.String()}
