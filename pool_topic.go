package reauth

import (
	"net/http"
	"slices"
	"strings"
	"unicode"
)

// topic is what a request is about, as far as a provider may refuse that and serve the credential
// otherwise: its model and host, or, where it names no model, its method, host and the beginning of its
// path. Empty: not known. A mark about a topic has it as its key; such a mark may leave out the host, or
// name a family of models.
type topic string

const (
	// pathMark begins the key of a mark about requests without a model. Such marks stay in this process.
	pathMark  = "path:"
	familyEnd = "*" // ends the name of a family of models
	hostSep   = " " // between the model and the host; no name holds a blank
)

// topicOf returns the topic of a request for a model; empty: it names none.
func topicOf(model string, req *http.Request) topic {
	if model != "" {
		return topic(modelMark + model + hostSep + req.URL.Host)
	}
	segments := strings.SplitN(strings.TrimPrefix(req.URL.Path, "/"), "/", 3)
	return topic(pathMark + req.Method + " " + req.URL.Host + "/" + strings.Join(segments[:min(len(segments), 2)], "/"))
}

// model returns the model, or family, and the host; empty: the topic has none.
func (t topic) model() (name, host string) {
	name, isModel := strings.CutPrefix(string(t), modelMark)
	if !isModel {
		return "", ""
	}
	name, host, _ = strings.Cut(name, hostSep)
	return name, host
}

// String is what events and errors call the topic.
func (t topic) String() string {
	if name, host := t.model(); host != "" {
		return name + " at " + host
	} else if name != "" {
		return name
	}
	return strings.TrimPrefix(string(t), pathMark)
}

// ofVerdict returns the topic that a mark for v is about: the family of models that the answer names, if
// the model is of it or not known, else the model. It is empty where the request names none.
func (t topic) ofVerdict(v Verdict) topic {
	name, _ := t.model()
	family := topic(modelMark + v.family + familyEnd)
	switch {
	case v.family != "" && (name == "" || family.covers(t)):
		return family
	case name != "":
		return topic(modelMark + name)
	}
	return ""
}

// isTopical reports whether a mark under the key is about a topic, and not about the whole credential.
func isTopical(key string) bool {
	return strings.HasPrefix(key, modelMark) || strings.HasPrefix(key, pathMark)
}

// covers reports whether a mark about t is one about a request of that topic: of the same model, or one
// of the family, and of the same host if the mark names it. A model is of a family when its name has the
// family's words in a row: "claude-opus-4-1" is of "opus".
func (t topic) covers(of topic) bool {
	name, host := t.model()
	model, at := of.model()
	family, isFamily := strings.CutSuffix(name, familyEnd)
	switch {
	case name == "" || model == "":
		return t == of
	case host != "" && host != at:
		return false
	case !isFamily:
		return name == model
	}
	words, want := wordsOf(model), wordsOf(family)
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
