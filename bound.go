package reauth

import (
	"fmt"
	"strings"
)

// Account-bound requests. A file, a stored response, a batch or a container exists in the account that made it: with another
// credential the provider answers that there is no such thing, which is worse than the refusal that made us switch.

// boundPaths is Provider.BoundPaths as requests use it: whether a segment binds by itself, or only what is below it.
type boundPaths map[string]bool

func newBoundPaths(segments []string) boundPaths {
	if len(segments) == 0 {
		return nil
	}
	b := make(boundPaths, len(segments))
	for _, s := range segments {
		name, below := strings.CutSuffix(s, "/*")
		b[name] = b[name] || !below
	}
	return b
}

// checkBoundPaths says what is wrong with a provider's BoundPaths.
func checkBoundPaths(segments []string) error {
	for _, s := range segments {
		if name := strings.TrimSuffix(s, "/*"); name == "" || strings.ContainsAny(name, "/*?#% ") {
			return fmt.Errorf(`bound path %q: it is one segment of a path, such as "files", or "responses/*" for what is below it`, s)
		}
	}
	return nil
}

// computing are the names below a collection that compute something, and are no object.
func computing(name string) bool {
	switch name {
	case "", "compact", "input_tokens", "count_tokens", "completions":
		return true
	}
	return false
}

// of reports whether a request for the path belongs to one account, and whether its answer may name objects that do.
func (b boundPaths) of(path string) (bound, names bool) {
	if b == nil {
		return false, false
	}
	for path != "" {
		var segment string
		segment, path, _ = strings.Cut(path, "/")
		whole, ok := b[segment]
		if !ok {
			continue
		}
		next, _, _ := strings.Cut(path, "/")
		if whole || !computing(next) {
			return true, true
		}
		names = true
	}
	return false, names
}

// stays reports whether the request must not be switched to another credential.
func (c choice) stays() bool { return c.pinned || c.bound || c.owner != nil }

// Segments of the APIs in the built-in table. What is generated and stored at once ("responses/*") binds only once it exists.
var (
	openAIObjects = []string{
		"files", "uploads", "batches", "containers", "vector_stores", "assistants", "threads", "conversations", "fine_tuning", "evals", "skills",
		"responses/*", "videos/*",
	}
	xaiObjects       = []string{"files", "batches", "collections", "deferred-completion", "responses/*", "videos/*"}
	anthropicObjects = []string{"files", "batches", "skills"}
	googleObjects    = []string{"files", "cachedContents", "batches", "tunedModels", "corpora", "fileSearchStores", "operations"}
	vertexObjects    = []string{"cachedContents", "batchPredictionJobs", "tuningJobs", "operations"}
	mistralObjects   = []string{"files", "batch", "fine_tuning", "libraries", "conversations/*", "agents/*"}
	hostedObjects    = []string{"files", "batches", "fine_tuning", "fine-tunes", "responses/*"}
)
