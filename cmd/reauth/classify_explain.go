package main

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/reauth-go/reauth/cmd/reauth/internal/recording"
	"github.com/reauth-go/reauth/internal/vendors"
	"github.com/reauth-go/reauth/internal/verdict"
)

// explanation tells why the response got its verdict.
func (j *judged) explanation() verdict.Explanation {
	row, resp := vendors.Of(j.provider), j.resp.HTTP()
	return verdict.Explain(verdict.Provider{Name: j.provider, Hides: row.Hides, Zone: row.Zone()}, &resp, j.resp.Body)
}

// writeReading adds what the words of the answer say: what counted most, and what the verdict would
// have been else.
func writeReading(x verdict.Explanation, row func(name, value string)) {
	row("decided by", x.Decided)
	for i, said := range x.Said {
		name := "words"
		if i > 0 {
			name = "otherwise"
		}
		row(name, inWords(said))
	}
}

// inWords says what some words of the answer say. They may hold a secret.
func inWords(said verdict.Said) string {
	kind := "a sentence"
	if said.Code {
		kind = "a code"
	}
	return fmt.Sprintf("%q in %s: %s, %s; that is %s, %s", recording.Redact(said.Words), kind,
		cmp.Or(said.Who, "nobody named"), cmp.Or(said.What, "named only"), said.Kind, said.Reason)
}

// writeStages adds what was read of the answer, and what each stage makes of it.
func writeStages(x verdict.Explanation, row func(name, value string)) {
	row("codes", cmp.Or(recording.Redact(strings.Join(x.Codes, " ")), "none"))
	for _, s := range x.Sentences {
		row("sentence", recording.Redact(s))
	}
	for _, s := range x.Stages {
		row("stage", s.Name+": "+cmp.Or(s.Found, "nothing"))
	}
}
