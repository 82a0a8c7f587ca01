// Package fixturetest reads the recorded answers in the folder fixtures, for tests.
package fixturetest

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
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
)

// There must be at least so many fixtures: a walk that finds none would pass.
const (
	minAnswers      = 694
	minTokenAnswers = 34
	minLimitAnswers = 18
)

// Fixture is one recorded answer.
type Fixture struct {
	Name     string // path below the folder of fixtures, without extension: verdict/provider-status-what
	Want     string // the folder that it lies in: the verdict, or for a token endpoint the meaning
	Provider string // as the file's name has it, which may be an alias
	Resp     *http.Response
	Body     []byte
	Notes    http.Header // the headers that begin with Fixture-; Resp does not have them
}

// Answers reads the answers of inference APIs below root, the folder of fixtures.
func Answers(t testing.TB, root string) []*Fixture {
	t.Helper()
	list := read(t, root, func(f *Fixture) bool { return !strings.HasPrefix(f.Want, "token/") && f.Want != limits })
	require.GreaterOrEqual(t, len(list), minAnswers, "fixtures are missing")
	return list
}

// TokenAnswers reads the answers of token endpoints below root, the folder of fixtures.
func TokenAnswers(t testing.TB, root string) []*Fixture {
	t.Helper()
	list := read(t, root, func(f *Fixture) bool { return strings.HasPrefix(f.Want, "token/") })
	require.GreaterOrEqual(t, len(list), minTokenAnswers, "fixtures are missing")
	for _, f := range list {
		f.Want = strings.TrimPrefix(f.Want, "token/")
	}
	return list
}

// limits is the folder of the answers whose headers tell limits.
const limits = "limits"

// LimitAnswers reads the answers below root, the folder of fixtures, whose headers tell what is left of
// an account's limits.
func LimitAnswers(t testing.TB, root string) []*Fixture {
	t.Helper()
	list := read(t, root, func(f *Fixture) bool { return f.Want == limits })
	require.GreaterOrEqual(t, len(list), minLimitAnswers, "fixtures are missing")
	return list
}

func read(t testing.TB, root string, wanted func(*Fixture) bool) (list []*Fixture) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		f, err := load(root, path)
		if err == nil && wanted(f) {
			list = append(list, f)
		}
		return err
	})
	require.NoError(t, err)
	return list
}

// fileName matches provider, status and what it is about.
var fileName = regexp.MustCompile(`^(.+?)-(\d{3})-([a-z0-9-]+)\.http$`)

// load reads a file. It refuses a file with which a test would test something else than the file
// shows.
func load(root, path string) (*Fixture, error) {
	f, err := parse(root, path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

func parse(root, path string) (*Fixture, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	rel, err := filepath.Rel(root, path)
	if err != nil {
		return nil, err
	}
	dir, base := filepath.Split(filepath.ToSlash(rel))
	m := fileName.FindStringSubmatch(base)
	if m == nil {
		return nil, errors.New("the name is not <provider>-<status>-<what>.http")
	}
	resp, body, err := parseResponse(raw) //nolint:bodyclose // it is in memory
	if err != nil {
		return nil, err
	}
	f := &Fixture{
		Name: strings.TrimSuffix(filepath.ToSlash(rel), ".http"), Want: strings.TrimSuffix(dir, "/"), Provider: m[1],
		Resp: resp, Body: body, Notes: make(http.Header),
	}
	if err := f.takeNotes(); err != nil {
		return nil, err
	}
	if strconv.Itoa(resp.StatusCode) != m[2] {
		return nil, fmt.Errorf("the status is %d", resp.StatusCode)
	}
	return f, nil
}

// parseResponse reads a response whose body ends with the file.
func parseResponse(raw []byte) (*http.Response, []byte, error) {
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(raw)), nil)
	if err != nil {
		return nil, nil, err
	}
	for _, h := range []string{"Transfer-Encoding", "Content-Encoding"} {
		if resp.Header.Get(h) != "" || h == "Transfer-Encoding" && len(resp.TransferEncoding) > 0 {
			return nil, nil, fmt.Errorf("%s: the body is stored plain; use Fixture-Encoding", h)
		}
	}
	_, after, ok := bytes.Cut(raw, []byte("\n\n"))
	if !ok {
		return nil, nil, errors.New("no empty line ends the header")
	}
	if v := resp.Header.Get("Content-Length"); v != "" && v != strconv.Itoa(len(after)) {
		return nil, nil, fmt.Errorf("Content-Length is %s, the body has %d bytes", v, len(after))
	}
	body, err := io.ReadAll(resp.Body)
	if err == nil && !bytes.Equal(body, after) {
		err = errors.New("the body is not read as it stands there")
	}
	return resp, body, err
}

// takeNotes moves the notes out of the response's header, and checks them. A header that begins
// with Fixture- and is no known note is an error.
func (f *Fixture) takeNotes() error {
	known := []string{
		"Fixture-Id", "Fixture-Source", "Fixture-Seen", "Fixture-Host", "Fixture-Note", "Fixture-Reset",
		"Fixture-Encoding", "Fixture-Endpoint", "Fixture-Kind", "Fixture-Scope", "Fixture-Cause",
		"Fixture-Received", "Fixture-Limit",
	}
	for name, values := range f.Resp.Header {
		if !strings.HasPrefix(name, "Fixture-") {
			continue
		}
		if !slices.Contains(known, name) {
			return fmt.Errorf("unknown note %s", name)
		}
		f.Notes[name] = values
		delete(f.Resp.Header, name)
	}
	if f.Notes.Get("Fixture-Source") == "" {
		return errors.New("Fixture-Source is missing")
	}
	if seen := f.Notes.Get("Fixture-Seen"); seen != "verbatim" && seen != "docs" {
		return fmt.Errorf("Fixture-Seen is %q, not verbatim or docs", seen)
	}
	if err := f.checkScope(); err != nil {
		return err
	}
	if enc := f.Notes.Get("Fixture-Encoding"); enc != "" {
		if enc != "gzip" {
			return fmt.Errorf("Fixture-Encoding %q is not known", enc)
		}
		f.Resp.Header.Set("Content-Encoding", enc)
	}
	return nil
}

// checkScope refuses notes on scope and cause that no test would check.
func (f *Fixture) checkScope() error {
	scope, cause := f.Notes.Get("Fixture-Scope"), f.Notes.Get("Fixture-Cause")
	family, isModel := strings.CutPrefix(scope+" ", "model ")
	switch {
	case scope != "" && (!isModel || strings.ToLower(family) != family):
		return fmt.Errorf("Fixture-Scope is %q, not model, or model and a family in lower case", scope)
	case scope != "" && f.Want != "exhausted" && f.Want != "forbidden":
		return fmt.Errorf("Fixture-Scope counts for exhausted and forbidden, not for %s", f.Want)
	case cause != "" && cause != "entitlement" && cause != "anyone":
		return fmt.Errorf("Fixture-Cause is %q, not entitlement or anyone", cause)
	case cause != "" && f.Want != "forbidden":
		return fmt.Errorf("Fixture-Cause counts for forbidden, not for %s", f.Want)
	}
	return nil
}

// WantScope reads the note Fixture-Scope: whether the answer states that the limit, or the lack, is one
// of a model, and the family of models that it names. Without the note it is one of the whole
// credential.
func (f *Fixture) WantScope() (oneModel bool, family string) {
	scope, family, _ := strings.Cut(f.Notes.Get("Fixture-Scope"), " ")
	return scope == "model", family
}

// Wire returns the body as it comes over the wire.
func (f *Fixture) Wire() []byte {
	if f.Notes.Get("Fixture-Encoding") != "gzip" {
		return f.Body
	}
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(f.Body) // into memory
	_ = w.Close()
	return b.Bytes()
}

// WantReset reads the note Fixture-Reset: "at <unix seconds>" or "after <duration>", which counts
// from now. Without the note it returns zero.
func (f *Fixture) WantReset(t testing.TB, now time.Time) time.Time {
	t.Helper()
	note := f.Notes.Get("Fixture-Reset")
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
	t.Fatalf("%s: Fixture-Reset %q is neither at nor after", f.Name, note)
	return time.Time{}
}
