package reauth

import (
	"net/http"
	"slices"
	"strings"
	"unicode"
)

// topic is what a request is about, as far as a provider may refuse that and serve the credential
// otherwise: its model, or, where it names none, its method and the beginning of its path. It is the
// key of marks about it. Empty: not known.
type topic string

// pathMark begins the key of a mark about requests without a model. Such marks stay in this process.
const pathMark = "path:"

// familyEnd ends the key of a mark about a family of models.
const familyEnd = "*"

// topicOf returns the topic of a request for a model; empty: it names none.
func topicOf(model string, req *http.Request) topic {
	if model != "" {
		return topic(modelMark + model)
	}
	segments := strings.SplitN(strings.TrimPrefix(req.URL.Path, "/"), "/", 3)
	return topic(pathMark + req.Method + " /" + strings.Join(segments[:min(len(segments), 2)], "/"))
}

// String is what events and errors call the topic.
func (t topic) String() string {
	s := strings.TrimPrefix(string(t), modelMark)
	return strings.TrimPrefix(s, pathMark)
}

// ofVerdict returns the topic that a mark for v is about: the family of models that the answer names,
// if the model is of it or not known, else the request's. It is empty where that has none.
func (t topic) ofVerdict(v Verdict) topic {
	isModel := strings.HasPrefix(string(t), modelMark)
	family := topic(modelMark + v.family + familyEnd)
	switch {
	case v.family != "" && (!isModel || family.covers(t)):
		return family
	case isModel:
		return t
	}
	return ""
}

// isTopical reports whether a mark under the key is about a topic, and not about the whole credential.
func isTopical(key string) bool {
	return strings.HasPrefix(key, modelMark) || strings.HasPrefix(key, pathMark)
}

// covers reports whether a mark about t is one about a request of that topic: of the same one, or of a
// model of the family. A model is of a family when its name has the family's words in a row:
// "claude-opus-4-1" is of "opus".
func (t topic) covers(of topic) bool {
	family, isFamily := strings.CutSuffix(string(t), familyEnd)
	if !isFamily {
		return t == of
	}
	model, isModel := strings.CutPrefix(string(of), modelMark)
	if !isModel {
		return false
	}
	words, want := wordsOf(model), wordsOf(strings.TrimPrefix(family, modelMark))
	for i := 0; len(want) > 0 && i+len(want) <= len(words); i++ {
		if slices.Equal(words[i:i+len(want)], want) {
			return true
		}
	}
	return false
}

// wordsOf splits a name at everything that is no letter and no digit.
func wordsOf(name string) []string {
	return strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}
