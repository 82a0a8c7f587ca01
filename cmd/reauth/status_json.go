package main

import (
	"encoding/json"
	"io"
	"strings"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/cmd/reauth/internal/recipe"
	"github.com/reauth-go/reauth/cmd/reauth/internal/statusjson"
	"github.com/reauth-go/reauth/internal/printable"
)

// closedJSON is a credential whose record does not open.
type closedJSON struct {
	Provider string `json:"provider"`
	ID       string `json:"id"`
	Sealed   string `json:"sealed"`
}

// statusDoc is the output of "reauth status --json".
type statusDoc struct {
	Store       string                  `json:"store"`
	Credentials []statusjson.Credential `json:"credentials"`
	Closed      []closedJSON            `json:"closed,omitempty"`
	// Error is why the store could not be read at a look of "reauth watch --json".
	Error string `json:"error,omitempty"`
}

// doc returns the view for programs. An empty list is [], not null, so that "jq .credentials[]"
// works. Closed is absent when every record opens.
func (v view) doc(store string) statusDoc {
	doc := statusDoc{Store: store, Credentials: []statusjson.Credential{}}
	for _, s := range v.list {
		c := statusjson.Of(s, v.source(s))
		c.Sealed = v.seal.of(s.Provider, s.ID)
		doc.Credentials = append(doc.Credentials, c)
	}
	for _, r := range v.closed {
		doc.Closed = append(doc.Closed, closedJSON{r.provider, r.id, r.key})
	}
	return doc
}

// source is what gives the token of a credential; nil: no command and no file does.
func (v view) source(s reauth.CredentialStatus) *statusjson.Source {
	if r, ok := v.recipe(s); ok {
		return sourceOf(r)
	}
	return nil
}

// sourceOf is what the recipe names.
func sourceOf(r recipe.Recipe) *statusjson.Source {
	return &statusjson.Source{Kind: r.Kind(), Of: r.Of()}
}

// writeJSON writes v as indented JSON that is fit for programs and for a terminal.
func writeJSON(w io.Writer, v any) error {
	text, err := jsonText(v, "  ")
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, text)
	return err
}

// jsonLine returns v as a line of JSON, for commands that go on and print several.
func jsonLine(v any) (string, error) { return jsonText(v, "") }

func jsonText(v any, indent string) (string, error) {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	// The output goes into no page: & stays readable.
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	err := enc.Encode(v)
	return printable.JSON(b.String()), err
}
