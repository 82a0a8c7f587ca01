package main

import (
	"strings"

	"github.com/reauth-go/reauth/internal/verdict"
)

// writeScope adds what a limit or a refusal is about, and why something is forbidden.
func writeScope(v verdict.Verdict, row func(name, value string)) {
	scope, cause := scopeAndCause(v)
	if scope != "" {
		row("scope", scope)
	}
	if cause != "" {
		row("cause", cause+" – "+causeMeaning[v.Cause])
	}
}

// scopeAndCause returns both in words: "whole credential", "one model", or "one model: opus" for a
// family. The scope is empty for a verdict for which it does not count, and so is the cause.
func scopeAndCause(v verdict.Verdict) (scope, cause string) {
	switch {
	case v.Kind != verdict.Exhausted && v.Kind != verdict.Forbidden:
		return "", ""
	case !v.OneModel:
		scope = "whole credential"
	case v.Family != "":
		scope = "one model: " + v.Family
	default:
		scope = "one model"
	}
	if v.Kind == verdict.Forbidden {
		cause = v.Cause.String()
	}
	return scope, cause
}

// causeMeaning explains each cause.
var causeMeaning = map[verdict.Cause]string{
	verdict.Unclear:     "the answer does not tell whether another credential may have it",
	verdict.Entitlement: "this account may not have it; another one may",
	verdict.Anyone:      "nobody may have it in this way: the place, the client or the content",
}

// scopeNotes returns the notes Fixture-Scope and Fixture-Cause. They are empty for the whole
// credential, and for a cause that is not understood.
func scopeNotes(v verdict.Verdict) (scope, cause string) {
	if v.OneModel {
		scope = strings.TrimSpace("model " + v.Family)
	}
	if v.Kind == verdict.Forbidden && v.Cause != verdict.Unclear {
		cause = v.Cause.String()
	}
	return scope, cause
}
