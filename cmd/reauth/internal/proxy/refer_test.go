package proxy

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// headed answers with a header.
type headed struct{ name, value string }

func (h headed) RoundTrip(req *http.Request) (*http.Response, error) {
	resp := says(req, strings.NewReader("{}"))
	resp.Header[h.name] = []string{h.value}
	return resp, nil
}

// The targets of Link lead through the proxy as a Location does, and what is a parameter stays as
// it is.
func TestLinksLeadThroughTheProxy(t *testing.T) {
	for link, want := range map[string]string{
		`<https://openrouter.ai/api/v1/models?page=2>; rel="next"`: `<$/api/v1/models?page=2>; rel="next"`,
		`<?page=2>; rel=next, </api/v1/models?page=9>; rel=last`:   `<$/api/v1/models?page=2>; rel=next, <$/api/v1/models?page=9>; rel=last`,
		`<https://docs.example/limits>; rel="help"`:                `<https://docs.example/limits>; rel="help"`,
		`</a>; title="see </b>, \"</c>\""; rel=x, </d>`:            `<$/a>; title="see </b>, \"</c>\""; rel=x, <$/d>`,
		`</a,b>; rel=x`: `<$/a,b>; rel=x`,
		`<%zz>`:         `<%zz>`,
		`</open`:        `</open`,
		`"</open`:       `"</open`,
		`\`:             `\`,
		``:              ``,
	} {
		for _, prefix := range []string{"", "/openrouter"} {
			p := newProxy(t, "openrouter", reauth.Credential{AccessToken: "theirs"}, headed{"Link", link})
			w := serve(p, http.MethodGet, prefix+"/api/v1/models")
			require.Equal(t, http.StatusOK, w.Code)
			assert.Equal(t, []string{strings.ReplaceAll(want, "$", prefix)}, w.Header()["Link"], link)
		}
	}
}

// Azure's clients want the whole URL of an operation. It is that of the proxy, as the client has
// called it.
func TestOperationsLeadThroughTheProxy(t *testing.T) {
	for _, name := range []string{"Operation-Location", "Azure-Asyncoperation"} {
		for value, want := range map[string]string{
			"https://openrouter.ai/api/operations/1?v=2": "http://127.0.0.1:8787$/api/operations/1?v=2",
			"/api/operations/1":                          "http://127.0.0.1:8787$/api/operations/1",
			"https://elsewhere.example/1":                "https://elsewhere.example/1",
		} {
			for _, prefix := range []string{"", "/openrouter"} {
				p := newProxy(t, "openrouter", reauth.Credential{AccessToken: "theirs"}, headed{name, value})
				w := serve(p, http.MethodGet, prefix+"/api/v1/models")
				assert.Equal(t, []string{strings.ReplaceAll(want, "$", prefix)}, w.Header()[name], value)
			}
		}
	}
}

func FuzzLinkTargets(f *testing.F) {
	f.Add(`</a>; title="see </b>, \"</c>\""; rel=x, </d>`)
	f.Fuzz(func(t *testing.T, link string) {
		assert.Equal(t, link, withTargets(link, func(target string) string { return target }), "nothing else changes")
	})
}
