package verdict_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/internal/fixturetest"
	"github.com/reauth-go/reauth/internal/vendors"
	"github.com/reauth-go/reauth/internal/verdict"
)

// A verdict rests on what an answer says. It does not change with what differs from one answer to the
// next, or with sentences that say nothing.
func TestVerdictDoesNotChangeWithWhatSaysNothing(t *testing.T) {
	changes := map[string]func(sentence string) string{
		"capitals":       strings.ToUpper,
		"small letters":  strings.ToLower,
		"greeting":       func(s string) string { return "Hello.\n" + s },
		"thanks":         func(s string) string { return strings.TrimRight(s, ". ") + ". Thank you." },
		"request id":     func(s string) string { return strings.TrimRight(s, ". ") + " (request id: 20260318061524)" },
		"trace id":       func(s string) string { return "[trace_id: 7f3a9c] " + s },
		"curly quotes":   strings.NewReplacer("'", "’", `"`, "“").Replace,
		"white space":    func(s string) string { return strings.ReplaceAll(s, " ", "\n  ") },
		"another person": func(s string) string { return person.ReplaceAllString(s, "org-q8ZpWmT5") },
	}
	checked := 0
	for _, f := range fixturetest.Answers(t, fixtures) {
		var doc any
		if json.Unmarshal(f.Body, &doc) != nil || f.Resp.StatusCode < 300 {
			continue
		}
		for name, change := range changes {
			body, err := json.Marshal(changed(doc, change))
			require.NoError(t, err)
			checked++
			v := judged(f.Provider, f.Resp, body)
			oneModel, family := f.WantScope()
			if v.Kind.String() != f.Want || v.OneModel != oneModel || v.Family != family {
				t.Errorf("%s, %s: %s by %q, one model %v %q\n%s", f.Name, name, v.Kind, v.Reason, v.OneModel, v.Family, body)
			}
			if want := f.Notes.Get("Fixture-Cause"); want != "" && v.Cause.String() != want {
				t.Errorf("%s, %s: %s, not %s\n%s", f.Name, name, v.Cause, want, body)
			}
		}
	}
	assert.Greater(t, checked, 3000)
}

// person matches ids of organizations, users and projects.
var person = regexp.MustCompile(`\b(?:org|user|proj|team)-[0-9A-Za-z]{4,}\b`)

func judged(provider string, resp *http.Response, body []byte) verdict.Verdict {
	row := vendors.Of(canonical(provider))
	return verdict.Of(verdict.Provider{Name: canonical(provider), Hides: row.Hides, Zone: row.Zone()}, resp, body)
}

// changed returns a document whose sentences for people are changed. A sentence has a space, and stands
// under a name for messages.
func changed(doc any, change func(string) string) any {
	switch v := doc.(type) {
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = changed(v[i], change)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			s, ok := e.(string)
			if ok && strings.Contains(s, " ") && !strings.ContainsAny(s, "{<[|%") && (k == "message" || k == "detail" || k == "msg" || k == "error") {
				out[k] = change(s)
			} else {
				out[k] = changed(e, change)
			}
		}
		return out
	}
	return doc
}
