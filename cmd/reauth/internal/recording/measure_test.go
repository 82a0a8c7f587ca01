package recording

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/internal/verdict"
)

// Alphabets of secrets.
const (
	lower     = "abcdefghijklmnopqrstuvwxyz"
	upper     = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits    = "0123456789"
	alnum     = lower + upper + digits
	urlSafe   = alnum + "-_"
	consonant = "BCDFGHJKLMNPQRSTVWXZ" // of user codes (RFC 8628 §6.1)
)

// source draws secrets.
type source struct{ *rand.Rand }

// text returns so many characters of an alphabet.
func (s source) text(alphabet string, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[s.IntN(len(alphabet))]
	}
	return string(b)
}

// bytes returns so many bytes.
func (s source) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(s.Uint32())
	}
	return b
}

// one returns one of the texts.
func (s source) one(texts ...string) string { return texts[s.IntN(len(texts))] }

// jwt returns an unsigned JWT.
func (s source) jwt() string {
	enc := base64.RawURLEncoding.EncodeToString
	return enc([]byte(`{"alg":"RS256"}`)) + "." + enc([]byte(`{"sub":"`+s.text(lower, 12)+`"}`)) + "." + enc(s.bytes(64))
}

// uuid returns a UUID.
func (s source) uuid() string {
	h := hex.EncodeToString(s.bytes(16))
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}

// shapes are the forms in which secrets reach an answer: how one is drawn, and texts in which %s is
// the secret. Those of the last group are short, and letters alone: only what stands in front of
// one tells that it is a secret.
var shapes = []struct {
	name string
	draw func(s source) string
	in   []string
}{
	{"hf_ key", func(s source) string { return "hf_" + s.text(s.one(lower, lower+upper, alnum), 34) }, []string{
		`{"error":"Invalid credentials in %s"}`, "User Access Token %s expired", `{"error":"line\n%s"}`, `{'error': '%s'}`,
	}},
	{"sk- key", func(s source) string {
		return s.one("sk-", "sk-proj-", "sk-ant-api03-", "sk-or-v1-") + s.text(s.one(lower, alnum, urlSafe), 16+s.IntN(32))
	}, []string{
		`{"error":{"message":"Incorrect API key provided: %s. You can find your API key at https://platform.openai.com."}}`,
		"no such key: %s", `{"error":{"message":"{\"key\":\"%s\"}"}}`, "<p>%s</p>",
	}},
	{"letters", func(s source) string { return s.text(s.one(lower, upper, lower+upper), 20+s.IntN(28)) }, []string{
		`{"error":{"message":"The value %s is not known here"}}`, "%s is not valid", `{"data":["%s"]}`, "rejected (%s)",
	}},
	{"device code", func(s source) string {
		return s.one(s.text(consonant, 4)+"-"+s.text(consonant, 4), s.text(consonant, 8), s.text(alnum, 32))
	}, []string{
		`{"user_code":"%s","interval":5}`, `{"device_code":"%s"}`, `{"message":"Enter the code %s at the page"}`,
		"your code is %s, enter it", `{"code":"%s"}`,
	}},
	{"JWT", source.jwt, []string{
		`{"error":"token %s is expired"}`, `{"raw":"%s"}`, "%s", "https://x.example/cb#id_token=%s",
	}},
	{"base64url", func(s source) string { return s.text(urlSafe, 43) }, []string{
		`{"error":"no such grant: %s"}`, `{"state":"%s"}`, "seen %s before", `{"a":"b\t%s"}`,
	}},
	{"hex", func(s source) string { return hex.EncodeToString(s.bytes(16 + s.IntN(17))) }, []string{
		`{"error":"unknown: %s"}`, "hash %s", `{"id":"%s"}`, `{"a":{"b":"\n\n%s"}}`,
	}},
	{"UUID", source.uuid, []string{
		`{"error":"unknown: %s"}`, "request %s failed", `{"trace":"%s"}`, "ref=%s",
	}},
	{"camelCase member", func(s source) string { return s.text(s.one(lower, lower+upper, alnum), 8+s.IntN(8)) }, []string{
		`{"accessToken":"%s"}`, `{"clientSecret" : "%s"}`, `{"deviceCode":"%s"}`, `{"codeVerifier":"%s","x":1}`,
		`{"a":"{\"refreshToken\":\"%s\"}"}`, `{'apiKey': '%s'}`, `{"a":"{\\\"authCode\\\": \\\"%s\\\"}"}`,
		`{"x-api-key":"%s"}`, `{"id_token_hint":"%s"}`, `{"client_secret":"a b %s"}`,
	}},
	{"header value", func(s source) string { return s.text(s.one(lower, upper, alnum), 8+s.IntN(24)) }, []string{
		"X-Api-Key: %s", "you sent api-key: %s", "<SessionToken>%s</SessionToken>", `{"tokens":["%s"]}`, `{"error":"header x-goog-api-key: '%s' is bad"}`,
		`{"headers":{"X-Auth-Token":"%s"}}`, "Authorization: %s", "Proxy-Authorization: Negotiate %s",
	}},
	{"userinfo of a URL", func(s source) string { return s.text(s.one(lower, alnum), 8+s.IntN(16)) }, []string{
		"cannot reach https://jane:%s@proxy.example:8080/v1", `{"error":"https://%s@x.example/ is down"}`,
		`{"url":"http:\/\/u:%s@x.example"}`, "postgres://u:%s/x@db.example/y",
	}},
	{"parameter", func(s source) string { return s.text(s.one(lower, alnum, urlSafe), 8+s.IntN(32)) }, []string{
		"https://x.example/v1/models?key=%s", `{"url":"https://x.example/?a=b\u0026access_token=%s"}`,
		"POST /token grant_type=refresh_token&refresh_token=%s&scope=x", "https://x.example/cb?code=%s&state=1",
		"https://x.example/?X-Amz-Signature=%s", "code_verifier=%s",
	}},
	{"bearer", func(s source) string { return s.text(s.one(lower, alnum, urlSafe), 8+s.IntN(32)) }, []string{
		"Authorization: Bearer %s", `{"error":"got 'bearer %s'"}`, "curl -H 'Authorization: Bearer %s' failed", "Token %s",
	}},
	{"cookie", func(s source) string { return s.text(s.one(lower, alnum, urlSafe), 8+s.IntN(32)) }, []string{
		"Cookie: a=%s", "Set-Cookie: sid=%s; path=/", `{"error":"cookie: theme=dark; uid=%s"}`, "__session=%s",
	}},
	{"basic", func(s source) string {
		return base64.StdEncoding.EncodeToString([]byte("u:" + s.text(alnum, 8+s.IntN(24))))
	}, []string{
		"Authorization: Basic %s", `{"error":"basic %s was refused"}`, "-H 'authorization: basic %s'", "Basic %s",
	}},
}

// survives returns a part of a secret that stands in a text, and "" if there is none. Six
// characters are more than chance leaves, and so is a group of four.
func survives(secret, text string) string {
	for _, part := range parts(secret) {
		n := min(6, max(4, len(part)))
		for i := 0; i+n <= len(part); i++ {
			if strings.Contains(text, part[i:i+n]) {
				return part[i : i+n]
			}
		}
	}
	return ""
}

// What the rules look for stays, as a code and in a sentence.
func TestVocabularySurvives(t *testing.T) {
	texts := verdict.Vocabulary()
	slices.Sort(texts)
	texts = slices.Compact(texts)
	require.Greater(t, len(texts), 500)
	for some := range slices.Chunk(texts, 100) {
		var body strings.Builder
		for _, text := range some {
			text = strings.Trim(text, "*^")
			fmt.Fprintf(&body, `{"error":{"code":%q,"type":%[1]q,"message":"It says: %[1]s. Sorry"}}`+"\nError: %[1]s\n", text)
		}
		assert.Equal(t, body.String(), Redact(body.String()))
	}
}

// Of 200 random secrets of each shape, none survives in the body of a fixture. Ten stand in a body.
func TestNoSecretSurvives(t *testing.T) {
	s := source{rand.New(rand.NewPCG(1, 2))}
	for _, shape := range shapes {
		alive := map[string]string{}
		for range 20 {
			var drawn, lines []string
			for i := range 10 {
				drawn = append(drawn, shape.draw(s))
				lines = append(lines, fmt.Sprintf(shape.in[i%len(shape.in)], drawn[i]))
			}
			clean := redacted(t, "HTTP/1.1 401 Unauthorized\n\n"+strings.Join(lines, "\n"))
			for i, secret := range drawn {
				if part := survives(secret, string(clean.Body)); part != "" {
					alive[lines[i]] = part
				}
			}
		}
		assert.Empty(t, alive, "%s: %d of 200 survive", shape.name, len(alive))
	}
}

// The header, and what the person says of the source, go through the same function as the body. It
// changes nothing of its own.
func TestNoSecretSurvivesElsewhere(t *testing.T) {
	s := source{rand.New(rand.NewPCG(3, 4))}
	for _, shape := range shapes {
		for _, in := range shape.in {
			secret := shape.draw(s)
			text := fmt.Sprintf(in, secret)
			clean := redacted(t, "HTTP/1.1 401 Unauthorized\n"+
				"Www-Authenticate: Bearer error_description=\""+strings.ReplaceAll(text, `"`, `'`)+"\"\n"+
				"X-Password-Reset-Token: "+secret+"\nSet-Cookie: a="+secret+"\n\n"+text)
			file := string(clean.File(Fixture{Source: text, Host: "api.x.ai"}))
			assert.Empty(t, survives(secret, file), "%s: %s", text, file)
			again, _ := clean.Redacted()
			assert.Equal(t, clean, again)
		}
	}
}

// redacted parses a recording and redacts it.
func redacted(t *testing.T, raw string) *Response {
	t.Helper()
	r, err := Parse([]byte(raw))
	require.NoError(t, err)
	clean, _ := r.Redacted()
	return clean
}
