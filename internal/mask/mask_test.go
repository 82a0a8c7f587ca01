package mask

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/internal/vendors"
)

// shapes are secrets as providers make them: with a public prefix, a JWT, and without any form.
var shapes = map[string]string{
	"anthropic": "sk-ant-oat01-Zk3vQ9xT_r7LmN2pW-8sYbHc4dJfGa1EuRi6oKwVtXq5",
	"openai":    "sk-proj-A8fK2mQ7wZ_x4RbT9nLc3YvH6jPdS1gUeX5tMo0aWi",
	"letters":   "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",
	"jwt": "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ1c2VyLTEyMzQ1Njc4OTAiLCJleHAiOjQxMDI0NDQ4MDB9." +
		"q7VtXw2Zr9LmKs4Yb8Nc3Jd6Hf1Ga5PeRu0iToWxQz",
	"opaque": "0fJ7/kQ2+vLx9Rb=Tn4Zc8Yw3Hm6Pd1Sg5Ue",
	"client": "p@ss&word<with>\"quotes\"/1234567890",
}

// encodings are the ways in which the texts of others repeat a secret.
var encodings = map[string]func(s string) string{
	"as it is":       func(s string) string { return s },
	"in a query":     url.QueryEscape,
	"in a path":      url.PathEscape,
	"all percent":    func(s string) string { return each(s, "%%%02x") },
	"JSON \\u":       func(s string) string { return each(s, `\u%04x`) },
	"JSON \\/":       func(s string) string { return strings.ReplaceAll(quoted(s), "/", `\/`) },
	"JSON in JSON":   func(s string) string { return quoted(quoted(each(s, `\u%04X`))) },
	"Go quoted":      func(s string) string { return fmt.Sprintf("%q", s) },
	"HTML":           html.EscapeString,
	"all entities":   func(s string) string { return each(s, "&#%d;") },
	"Base64 at 0":    func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
	"Base64 at 1":    func(s string) string { return base64.StdEncoding.EncodeToString([]byte("1" + s)) },
	"Base64 at 2":    func(s string) string { return base64.StdEncoding.EncodeToString([]byte("12" + s)) },
	"Base64 for URL": func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte("id:" + s)) },
	"Basic": func(s string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte("my-app:"+url.QueryEscape(s)))
	},
	"Base64 in lines": func(s string) string {
		return strings.Join(chunks(base64.StdEncoding.EncodeToString([]byte(s)), 10), "\r\n")
	},
	"hex":           func(s string) string { return hex.EncodeToString([]byte(s)) },
	"HEX":           func(s string) string { return strings.ToUpper(hex.EncodeToString([]byte(s))) },
	"hex, odd":      func(s string) string { return "a" + hex.EncodeToString([]byte(s)) },
	"% x":           func(s string) string { return fmt.Sprintf("% x", s) },
	"%#v of bytes":  func(s string) string { return fmt.Sprintf("%#v", []byte(s)) },
	"%v of bytes":   func(s string) string { return fmt.Sprintf("%v", []byte(s)) },
	"in two lines":  func(s string) string { return s[:len(s)/2] + "\n" + s[len(s)/2:] },
	"folded":        func(s string) string { return strings.Join(chunks(s, 9), "\r\n\t  ") },
	"invisible":     func(s string) string { return strings.Join(chunks(s, 7), "\u200b") },
	"in part":       func(s string) string { p := len(vendors.PublicPrefix(s)); return s[p+2 : p+2+run] },
	"without end":   func(s string) string { return s[:len(s)-2] },
	"in an address": func(s string) string { return "https://" + url.PathEscape(s) + ":x@proxy.example:8080" },
}

// quoted is s as JSON has it, without the quotes around it.
func quoted(s string) string {
	b, _ := json.Marshal(s) // a string always encodes
	return string(b[1 : len(b)-1])
}

// each writes every byte of s.
func each(s, format string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, format, s[i])
	}
	return b.String()
}

func chunks(s string, n int) (list []string) {
	for len(s) > n {
		list, s = append(list, s[:n]), s[n:]
	}
	return append(list, s)
}

// parts returns the runs of 16 characters of a secret, in the encodings that can be searched for.
func parts(secret string) (list []string) {
	body := strings.TrimPrefix(secret, vendors.PublicPrefix(secret))
	for i := 0; i+run <= len(body); i++ {
		part := body[i : i+run]
		list = append(list,
			part, url.QueryEscape(part), quoted(part), html.EscapeString(part), each(part, `\u%04x`), each(part, "%%%02x"),
			hexOf(part), strings.ToUpper(hexOf(part)), fmt.Sprintf("% x", part), strings.Trim(fmt.Sprintf("%d", []byte(part)), "[]"),
			base64.RawStdEncoding.EncodeToString([]byte(part))[:20])
	}
	return list
}

// A secret is masked in whatever way it is repeated, and the words around it stay.
func TestEverySecretIsMaskedInEveryEncoding(t *testing.T) {
	require.GreaterOrEqual(t, len(encodings), 13)
	for shape, secret := range shapes {
		forbidden := append(parts(secret), secret)
		for name, encode := range encodings {
			for _, frame := range []string{"the server said (%s) to us", "the server said\n%s\nto us"} {
				where := shape + ", " + name
				text, found := Text(fmt.Sprintf(frame, encode(secret)), "another-secret-0123456789", secret)
				assert.True(t, found, where)
				told := func(part string) bool { return strings.Contains(text, part) }
				assert.False(t, slices.ContainsFunc(forbidden, told), "%s: %s", where, text)
				assert.NotContains(t, strings.ReplaceAll(text, " ", ""), secret, where)
				assert.Contains(t, text, "[redacted]", where)
				assert.Contains(t, text, "the server said", where)
				assert.Contains(t, text, "to us", where)
			}
		}
	}
}

// What is public of a key stays: people see which kind of key it is.
func TestPublicPrefixStays(t *testing.T) {
	text, _ := Text("no such key: "+shapes["anthropic"]+", sorry", shapes["anthropic"])
	assert.Equal(t, "no such key: sk-ant-oat01-[redacted], sorry", text)
	text, found := Text("Incorrect API key provided: sk-ant-oat01-Zk3vQ***Xq5.", shapes["anthropic"])
	assert.Equal(t, "Incorrect API key provided: sk-ant-oat01-Zk3vQ***Xq5.", text)
	assert.False(t, found)
}

// A short secret is masked where it stands alone, and words that hold it stay.
func TestShortSecrets(t *testing.T) {
	for text, want := range map[string]string{
		"login me:task failed":           "login me:[redacted] failed",
		"the taskforce did that ask for": "the taskforce did that ask for",
		"bWU6dGFzaw==":                   "bWU6[redacted]==",
	} {
		got, _ := Text(text, "task", "abc", "")
		assert.Equal(t, want, got)
	}
	got, _ := Text("the abc of it", "abc", "")
	assert.Equal(t, "the abc of it", got, "three letters stand in any text")
}

// A secret with blanks is found as it is, and as a form writes it.
func TestSecretWithBlanks(t *testing.T) {
	const secret = "my pass phrase 77"
	for _, text := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret), "my\npass\nphrase\n77"} {
		got, _ := Text("is "+text+" right?", secret)
		assert.Equal(t, "is [redacted] right?", got)
	}
}

// What begins like a known key, and what the answer of a token endpoint names, is masked whoever's it
// is.
func TestKnownKeysAreMasked(t *testing.T) {
	for text, want := range map[string]string{
		`near "` + shapes["openai"] + `": syntax error`:    `near "sk-proj-[redacted]": syntax error`,
		"token " + shapes["jwt"] + ".":                     "token eyJ[redacted].",
		"hf_QwErTyUiOpAsDf\nGhJkLzX4cVb\nis bad":           "hf_[redacted] is bad",
		`no JSON: {"access_token":"0fJ7kQ2vLx9RbTn4Zc8Y",`: `no JSON: {"access_token":"[redacted]",`,
		"refresh_token=0fJ7kQ2vLx9RbTn4Zc8Y&scope=a":       "refresh_token=[redacted]&scope=a",
		"dial http://bob:hunter2@proxy:3128: refused":      "dial http://[redacted]@proxy:3128: refused",
		`parse "http://bob:hun ter/2@proxy": bad`:          `parse "http://[redacted]@proxy": bad`,
		"host=db password=hunter2 user=bob":                "host=db password=[redacted] user=bob",
	} {
		got, found := Text(text)
		assert.Equal(t, want, got)
		assert.True(t, found)
	}
}

// A text is cut to 4 KiB, on one line and printable. A secret at the cut is masked.
func TestTextIsBounded(t *testing.T) {
	text, _ := Text(strings.Repeat("ä\x1b[31m\n", 2000))
	assert.LessOrEqual(t, len(text), MaxText+len("…"))
	assert.True(t, strings.HasPrefix(text, "ä[31m ä"), text[:20])
	assert.True(t, strings.HasSuffix(text, "…"))
	for at := MaxText - 40; at <= MaxText; at += 5 {
		text, _ := Text(strings.Repeat(".", at)+shapes["opaque"]+strings.Repeat(".", 2*MaxText), shapes["opaque"])
		assert.NotContains(t, text, shapes["opaque"][:5], at)
		assert.LessOrEqual(t, len(text), MaxText+len("…"))
	}
}

// FuzzText repeats a secret, encoded as how says, in a text. The text that may be told shows no run of
// it.
func FuzzText(f *testing.F) {
	f.Add("the server said ", " to us", "Zk3vQ9xT_r7LmN2pW-8sYbHc4dJfGa1EuRi6", []byte{0})
	f.Add(`{"error":"`, `\`, "sk-proj-A8fK2mQ7wZ_x4RbT9nLc3YvH6jPdS1gUeX5t", []byte{1, 2})
	f.Add("%", "4", "0fJ7/kQ2+vLx9Rb=Tn4Zc8Yw30fJ7/kQ2+vLx9Rb", []byte{3, 4, 5})
	f.Add(`\u00`, "&#", "p@ss&word<with>/1234567890p@ss&word<with>", []byte{6, 0, 1, 1})
	steps := []func(string) string{
		url.QueryEscape, quoted, html.EscapeString, hexOf, base64Of(base64.StdEncoding, ""),
		base64Of(base64.RawURLEncoding, "a"), base64Of(base64.RawStdEncoding, "ab"),
	}
	f.Fuzz(func(t *testing.T, before, after, secret string, how []byte) {
		secret = strings.Map(keyRune, secret)
		body := strings.TrimPrefix(secret, vendors.PublicPrefix(secret))
		if len(body) < 2*run || strings.Contains(secret, "redac") {
			return
		}
		said := secret
		for _, h := range how[:min(len(how), rounds)] {
			said = steps[int(h)%len(steps)](said)
		}
		if len(how) > rounds {
			said = strings.Join(chunks(said, 20), "\n ")
		}
		if len(before)+len(said) > MaxText {
			return
		}
		// Parentheses keep the text around from being read as a part of what is encoded.
		text, found := Text(before+" ("+said+") "+after, secret)
		require.True(t, found)
		require.LessOrEqual(t, len(text), MaxText+len("…"))
		for i := 0; i+run <= len(body); i++ {
			if part := body[i : i+run]; !isDomain([]byte(part)) {
				require.NotContains(t, text, part)
			}
		}
	})
}

func hexOf(s string) string { return hex.EncodeToString([]byte(s)) }

func base64Of(e *base64.Encoding, before string) func(string) string {
	return func(s string) string { return e.EncodeToString([]byte(before + s)) }
}

// keyRune keeps the characters that a secret may have to be sent.
func keyRune(r rune) rune {
	if r > ' ' && r < 0x7f {
		return r
	}
	return -1
}
