package reauth_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/fixturetest"
	"github.com/reauth-go/reauth/internal/verdict"
)

// verdictNames are the folders in which a fixture may lie.
var verdictNames = []string{reauth.Pass.String(), reauth.Rejected.String(), reauth.Dead.String(), reauth.Exhausted.String(), reauth.Forbidden.String()}

func TestClassifyFixtures(t *testing.T) {
	for _, f := range fixturetest.Answers(t, "fixtures") {
		t.Run(f.Name, func(t *testing.T) {
			require.Contains(t, verdictNames, f.Want, "the folder is no verdict")
			before := time.Now()
			v := reauth.Classify(f.Provider, f.Resp, f.Body)
			assert.Equal(t, f.Want, v.Kind.String(), "reason %s", v.Reason)
			if f.Want != "pass" {
				assert.NotEmpty(t, v.Reason)
			}
			want := f.WantReset(t, before)
			switch {
			case f.Notes.Get("Fixture-Id") == "" && want.IsZero(): // whether others say when was not recorded
			case want.IsZero():
				assert.Zero(t, v.Reset, "reason %s", v.Reason)
			default:
				assert.WithinDuration(t, want, v.Reset, time.Second)
			}
		})
	}
}

// A row must not rest on what happens to stand in one recording: ids, names, numbers, the order of
// members, the envelope.
func TestClassifyKeepsItsVerdictWhenTheRecordingVaries(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	variants := 0
	for _, f := range fixturetest.Answers(t, "fixtures") {
		for name, body := range variantsOf(f, rng) {
			variants++
			v := reauth.Classify(f.Provider, f.Resp, body)
			if v.Kind.String() != f.Want {
				t.Errorf("%s, %s: %s by %q\n%s", f.Name, name, v.Kind, v.Reason, body)
			}
		}
	}
	require.Greater(t, variants, 2000)
}

// variantsOf makes other recordings of the same answer.
func variantsOf(f *fixturetest.Fixture, rng *rand.Rand) map[string][]byte {
	out := map[string][]byte{
		"other ids":     changeIDs(f.Body, rng),
		"other numbers": changeNumbers(f.Body, rng),
		"more space":    append([]byte(" \r\n\t"), f.Body...),
	}
	var doc any
	if json.Unmarshal(f.Body, &doc) != nil {
		return out
	}
	out["sorted members"] = encode(doc) // encoding/json sorts
	out["indented"], _ = json.MarshalIndent(doc, "", "\t")
	inner := innermost(doc)
	if inner == nil || f.Resp.StatusCode < 300 { // the structure of a failure inside a 2xx is what tells
		return out
	}
	out["reversed members"] = reversed(inner)
	out["nested"] = encode(map[string]any{"error": inner})
	out["root array"] = encode([]any{map[string]any{"error": inner}})
	out["detail"] = encode(map[string]any{"detail": inner})
	out["errors"] = encode(map[string]any{"success": false, "errors": []any{inner}})
	out["flat"] = encode(inner)
	out["request id beside"] = encode(map[string]any{"request_id": "req_" + randomID(rng), "error": inner, "status": f.Resp.StatusCode})
	out["doubly encoded"] = encode(map[string]any{"error": map[string]any{"message": string(encode(map[string]any{"error": inner})), "code": f.Resp.StatusCode}})
	if !bytes.Contains(f.Body, []byte("data:")) {
		out["followed by junk"] = append(encode(map[string]any{"error": inner}), "\n<!-- end -->"...)
	}
	out["truncated"] = bytes.TrimSuffix(encode(map[string]any{"error": inner}), []byte("}"))
	return out
}

func encode(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(v) != nil {
		return nil
	}
	return bytes.TrimSpace(b.Bytes())
}

// innermost returns the object that says something: the value of "error" where that is an object
// without company.
func innermost(doc any) map[string]any {
	switch v := doc.(type) {
	case []any:
		if len(v) == 1 {
			return innermost(v[0])
		}
	case map[string]any:
		if e, ok := v["error"].(map[string]any); ok && (len(v) == 1 || len(v) == 2 && v["type"] == "error") {
			return e
		}
		return v
	}
	return nil
}

// reversed encodes an object with its members in descending order.
func reversed(m map[string]any) []byte {
	names := make([]string, 0, len(m))
	for k := range m {
		names = append(names, k)
	}
	slices.Sort(names)
	slices.Reverse(names)
	parts := make([]string, 0, len(names))
	for _, k := range names {
		parts = append(parts, string(encode(k))+":"+string(encode(m[k])))
	}
	return []byte("{" + strings.Join(parts, ",") + "}")
}

var someID = regexp.MustCompile(`\b(?:req_|org-|user_|proj_|wrk_|chatcmpl-|resp_|ak-)[0-9A-Za-z]{4,}\b|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b|\b[0-9a-f]{24,}\b`)

func changeIDs(body []byte, rng *rand.Rand) []byte {
	return someID.ReplaceAllFunc(body, func(id []byte) []byte {
		i := bytes.IndexAny(id, "-_") + 1
		if i > 8 {
			i = 0
		}
		return append(bytes.Clone(id[:i]), randomID(rng)...)
	})
}

func randomID(rng *rand.Rand) string {
	const letters = "abcdefghijkmnpqrstuvwxyz"
	b := make([]byte, 22)
	for i := range b {
		b[i] = letters[rng.IntN(len(letters))]
	}
	return string(b)
}

// Numbers that are amounts, not codes: standing free in a sentence, and not in brackets.
var amount = regexp.MustCompile(`([ :$~])(\d+)((?:\.\d+)?(?: ?(?:ms|s|h|m|hours?|days?|tokens|credits|calls|min)\b|[ ,]))`)

// changeNumbers changes amounts inside sentences. Codes are numbers too and stay.
func changeNumbers(body []byte, rng *rand.Rand) []byte {
	out := amount.ReplaceAllFunc(body, func(m []byte) []byte {
		s := amount.FindSubmatch(m)
		if len(s[2]) == 3 || s[1][0] == ':' { // a status, or a member's value
			return m
		}
		n := 2 + rng.IntN(7)
		return []byte(fmt.Sprintf("%s%d%s", s[1], n, s[3]))
	})
	return out
}

func TestClassifyDecodesAnnouncedGzip(t *testing.T) {
	for _, f := range fixturetest.Answers(t, "fixtures") {
		if f.Notes.Get("Fixture-Encoding") != "" {
			assert.Equal(t, f.Want, reauth.Classify(f.Provider, f.Resp, f.Wire()).Kind.String())
		}
	}
}

func TestClassifyTakesAnyNameOfAProvider(t *testing.T) {
	resp := &http.Response{StatusCode: 429, Header: http.Header{}}
	body := []byte(`{"error":{"code":"1305","message":"The service may be temporarily slow"}}`) // Z.ai's code for overload
	for _, name := range []string{"zai", "glm", "Z.AI", " zhipu ", "custom:zai"} {
		assert.Equal(t, reauth.Pass, reauth.Classify(name, resp, body).Kind, name)
	}
	assert.Equal(t, reauth.Exhausted, reauth.Classify("unknown", resp, body).Kind)
}

func TestClassifyGates(t *testing.T) {
	const words = `{"error":{"message":"Invalid API key, token expired, insufficient_quota","code":"invalid_api_key","type":"authentication_error"}}`
	for _, c := range []struct {
		name   string
		status int
		header http.Header
		body   string
		want   reauth.Kind
	}{
		{"5xx is never about credentials", 500, nil, words, reauth.Pass},
		{"529", 529, nil, words, reauth.Pass},
		{"proxy", 407, nil, words, reauth.Pass},
		{"success", 200, nil, words, reauth.Pass},
		{"redirect", 302, nil, words, reauth.Pass},
		{"not found", 404, nil, `{"error":{"message":"no such model"}}`, reauth.Pass},
		{"page on 403", 403, nil, "<html><body>Unauthorized: invalid api key</body></html>", reauth.Pass},
		{"page on 401", 401, nil, "<html><body>401</body></html>", reauth.Rejected},
		{"challenge header", 403, http.Header{"Cf-Mitigated": {"challenge"}}, words, reauth.Pass},
		{"unknown 403", 403, nil, `{"error":"no"}`, reauth.Forbidden},
		{"unknown 401", 401, nil, `{"error":"no"}`, reauth.Rejected},
		{"unknown 402", 402, nil, ``, reauth.Exhausted},
		{"unknown 429", 429, nil, ``, reauth.Exhausted},
		{"insufficient_scope on 401", 401, http.Header{"Www-Authenticate": {`Bearer realm="x", error="insufficient_scope"`}}, "", reauth.Forbidden},
		{"invalid_token on 403", 403, http.Header{"Www-Authenticate": {`Bearer error=invalid_token`}}, "", reauth.Rejected},
		{"several challenges", 401, http.Header{"Www-Authenticate": {`Basic realm="a, b"`, `Bearer scope="x", error="insufficient_scope"`}}, "", reauth.Forbidden},
		{"the caller's own words are echoed", 400, nil, `{"error":{"message":"bad request"},"input":"my credit balance is too low and my api key is invalid api key"}`, reauth.Pass},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := c.header
			if h == nil {
				h = http.Header{}
			}
			v := reauth.Classify("openai", &http.Response{StatusCode: c.status, Header: h}, []byte(c.body))
			assert.Equal(t, c.want, v.Kind, v.Reason)
		})
	}
}

func TestClassifyNeedsNeitherHeaderNorRequest(t *testing.T) {
	v := reauth.Classify("", &http.Response{StatusCode: 401}, nil)
	assert.Equal(t, reauth.Rejected, v.Kind)
}

func TestKindString(t *testing.T) {
	for k, want := range map[reauth.Kind]string{
		reauth.Pass: "pass", reauth.Rejected: "rejected", reauth.Dead: "dead", reauth.Exhausted: "exhausted", reauth.Forbidden: "forbidden", 99: "unknown",
	} {
		assert.Equal(t, want, k.String())
	}
}

// The constants are written down twice, in the public package and in the classifier's.
func TestKindsAreTheClassifiers(t *testing.T) {
	for public, internal := range map[reauth.Kind]verdict.Kind{
		reauth.Pass: verdict.Pass, reauth.Rejected: verdict.Rejected, reauth.Dead: verdict.Dead, reauth.Exhausted: verdict.Exhausted, reauth.Forbidden: verdict.Forbidden,
	} {
		assert.EqualValues(t, internal, public)
		assert.Equal(t, internal.String(), public.String())
	}
	assert.Equal(t, "unknown", verdict.Kind(5).String(), "there is no further kind")
}

func TestClassifyCountsFromNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := reauth.Classify("openai", &http.Response{StatusCode: 429, Header: http.Header{"Retry-After": {"42"}}}, nil)
		assert.Equal(t, 42*time.Second, time.Until(v.Reset))
	})
}
