package verdict

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"
)

// filled returns 64 KiB that begin with head, and go on with s again and again.
func filled(head, s string) string {
	return (head + strings.Repeat(s, MaxBody/len(s)+1))[:MaxBody]
}

// nested returns s as a JSON string in a message, n times.
func nested(s string, n int) string {
	for range n {
		b, _ := json.Marshal(s) // a string
		s = `{"error":{"message":` + string(b) + `}}`
	}
	return s
}

// worstBodies are bodies of 64 KiB that cost the most.
func worstBodies(tb testing.TB) map[string][]byte {
	bodies := map[string][]byte{
		"zip text": zipped(tb, filled(`{"error":{"message":"`, "rate limit exceeded for 12 requests, see https://example.com/7 "), gzip.BestCompression),
		"zip bomb": zipped(tb, strings.Repeat("x", 10<<20), gzip.BestSpeed),
		"zip junk": zipped(tb, junk(), gzip.BestCompression),
	}
	for name, s := range map[string]string{
		"tokens":           filled("[", "1,"),
		"strings":          filled("[", `"a",`),
		"codes":            filled(`{"code":[`, `"rate_limit",`),
		"members":          filled("{", `"code":"a",`),
		"unknown members":  filled("{", `"A_bc-d":1,`),
		"deep":             filled("", "["),
		"deep members":     filled("", `{"a":`),
		"deep and back":    filled("[", "[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]],"),
		"one string":       filled(`{"message":"`, "x") + `"}`,
		"one sentence":     filled(`{"message":"`, "your rate limit was reached, retry in 5 minutes ") + `"}`,
		"limits of models": filled(`{"message":"`, "limit of model gpt-4 reached ") + `"}`,
		"escapes":          filled(`{"message":"`, `A\n`),
		"escaped marks":    filled(`{"message":"`, `\"\\`),
		"no UTF-8":         filled(`{"message":"`, "\xff\xc3"),
		"Chinese":          filled(`{"message":"`, "您的额度已用尽，"),
		"JSON in JSON":     nested(filled(`{"error":{"message":"`, "quota ")+`"}}`, 3),
		"JSON in prose":    filled("", `Error {"message":"a`),
		"nested messages":  filled("[", `{"message":"{\"message\":\"{\\\"message\\\":\\\"x\\\"}\"}"},`),
		"page":             filled("<html>", "<p>Forbidden</p>"),
		"page of tags":     filled("", "<code>x<"),
		"stream":           filled("", "data: {}\n\n"),
		"prelude":          filled("", "data: {\"type\":\"ping\"}\n\n"),
		"lines":            filled("data: x", "\n:"),
		"plain text":       filled("", "too many requests "),
		"digits":           filled("", "1 "),
		"numbers":          filled("retry ", "5m 3:1 2026-1 "),
		"lengths":          filled("no ", "5h, "),
		"stamps":           filled("no ", "2026-11-26 21:30 "),
		"months":           filled("no ", "nov 30 "),
		"brackets":         filled("", "[(["),
		"quotation marks":  filled("", "'('`("),
		"percent-encoded":  filled("", "%20a"),
		"words of periods": filled("", "per a day per minut "),
	} {
		bodies[name] = []byte(s)
	}
	return bodies
}

// junk are bytes that hardly compress.
func junk() string {
	rng := rand.NewChaCha8([32]byte{})
	b := make([]byte, MaxBody)
	_, _ = rng.Read(b) // never fails
	return string(b)
}

func zipped(tb testing.TB, s string, level int) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, level)
	if err != nil {
		tb.Fatal(err)
	}
	_, _ = io.WriteString(w, s) // into memory
	_ = w.Close()
	return b.Bytes()
}

// worstAnswers are the worst bodies with a status under which all stages are asked.
func worstAnswers() []*http.Response {
	head := func() http.Header { return http.Header{"Date": {time.Now().UTC().Format(http.TimeFormat)}} }
	return []*http.Response{{StatusCode: 400, Header: head()}, {StatusCode: 429, Header: head()}, {StatusCode: 200, Header: head()}}
}

// BenchmarkWorst judges 64 KiB of the worst kinds. No answer may take a millisecond.
func BenchmarkWorst(b *testing.B) {
	for name, body := range worstBodies(b) {
		for _, resp := range worstAnswers() {
			b.Run(name+"/"+http.StatusText(resp.StatusCode), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					Of(Provider{}, resp, body)
				}
			})
		}
	}
}

// typical are answers as providers send them.
var typical = map[string]struct {
	status int
	header http.Header
	body   string
}{
	"token expired": {401, nil, `{"error":{"message":"Your authentication token has expired. Please try signing in again.","type":"invalid_request_error","param":null,"code":"token_expired"}}`},
	"rate limit":    {429, http.Header{"Retry-After": {"20"}}, `{"error":{"message":"Rate limit reached for gpt-5.1 in organization org-AAA on tokens per min (TPM): Limit 30000, Used 22999, Requested 12528. Please try again in 11.054s. Visit https://platform.openai.com/account/rate-limits to learn more.","type":"tokens","param":null,"code":"rate_limit_exceeded"}}`},
	"bad request":   {400, nil, `{"error":{"message":"Invalid value: 'tool'. Supported values are: 'system', 'assistant', 'user'.","type":"invalid_request_error","param":"messages[0].role","code":"invalid_value"}}`},
	"forbidden":     {403, nil, `{"error":{"code":403,"message":"The caller does not have permission","errors":[{"message":"The caller does not have permission","domain":"global","reason":"forbidden"}],"status":"PERMISSION_DENIED"}}`},
}

// BenchmarkTypical judges answers as providers send them, beside json.Unmarshal of the same body: a
// verdict may take twice as long.
func BenchmarkTypical(b *testing.B) {
	for name, c := range typical {
		resp := &http.Response{StatusCode: c.status, Header: c.header}
		body := []byte(c.body)
		b.Run(name+"/judge", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Of(Provider{}, resp, body)
			}
		})
		b.Run(name+"/evidence", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				readEvidence(Provider{}, c.status, c.header, body)
			}
		})
		b.Run(name+"/reset", func(b *testing.B) {
			e := readEvidence(Provider{}, c.status, c.header, body)
			b.ReportAllocs()
			for b.Loop() {
				e.reset(time.Now(), "rate-limit")
			}
		})
		b.Run(name+"/unmarshal", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var v any
				_ = json.Unmarshal(body, &v) // valid
			}
		})
	}
}
