package loosejson

import (
	"encoding/json"
	"strings"
	"testing"
)

// BenchmarkScan measures Scan beside json.Unmarshal, on an answer as providers send it and on 64 KiB
// of the worst kinds.
func BenchmarkScan(b *testing.B) {
	fill := func(s string) string { return "[" + strings.Repeat(s+",", (64<<10)/(len(s)+1)-1) + s + "]" }
	for _, c := range []struct{ name, text string }{
		{"typical", `{"error":{"message":"Your authentication token has expired.","type":"invalid_request_error","param":null,"code":"token_expired"}}`},
		{"tokens", fill("1")},
		{"members", fill(`{"a":""}`)},
		{"escapes", fill(`"\u0041\n"`)},
		{"string", `"` + strings.Repeat("x", 64<<10-2) + `"`},
		{"foreign", `"` + strings.Repeat("余", 21<<10) + `"`},
	} {
		b.Run(c.name+"/scan", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = Scan(c.text, func(_, _ string, _ int, _ Value) {})
			}
		})
		b.Run(c.name+"/unmarshal", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var v any
				_ = json.Unmarshal([]byte(c.text), &v)
			}
		})
	}
}
