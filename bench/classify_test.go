package bench

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/reauth-go/reauth"
)

// recording is a recorded answer, one of the library's fixtures.
type recording struct {
	name     string // verdict/provider-status-subject
	provider string
	resp     *http.Response
	body     []byte
}

var recordingName = regexp.MustCompile(`^(.+?)-\d{3}-`)

// recordings reads all fixtures but those of token endpoints and of limits.
func recordings(t testing.TB) (list []recording) {
	t.Helper()
	root := filepath.Join("..", "fixtures")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "token" || d.Name() == "limits"):
			return fs.SkipDir
		case d.IsDir():
			return nil
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(raw)), nil)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close() // a body in memory does not fail
		m := recordingName.FindStringSubmatch(d.Name())
		if err != nil || m == nil {
			t.Fatalf("%s: %v", path, err)
		}
		for name := range resp.Header {
			if strings.HasPrefix(name, "Fixture-") {
				delete(resp.Header, name)
			}
		}
		rel, err := filepath.Rel(root, path)
		list = append(list, recording{strings.TrimSuffix(filepath.ToSlash(rel), ".http"), m[1], resp, body})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(list) < 300 {
		t.Fatalf("only %d fixtures were found", len(list))
	}
	return list
}

// BenchmarkUnmarshal measures what json.Unmarshal takes for the body of each recorded answer that is JSON.
func BenchmarkUnmarshal(b *testing.B) {
	for _, r := range recordings(b) {
		if !json.Valid(r.body) {
			continue
		}
		b.Run("fixture="+r.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var v any
				_ = json.Unmarshal(r.body, &v) // it is valid
			}
		})
	}
}

// BenchmarkClassify measures the judging of one answer, for each recorded answer.
func BenchmarkClassify(b *testing.B) {
	for _, r := range recordings(b) {
		b.Run("fixture="+r.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				reauth.Classify(r.provider, r.resp, r.body)
			}
		})
	}
}
