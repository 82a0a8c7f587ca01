package reauth

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Provider is everything the package knows about one provider of an API. The fields must not change
// after Register.
type Provider struct {
	// Name is what credentials, events and metrics call the provider. Names are compared trimmed
	// and in lower case.
	Name string
	// Hosts are the patterns of the URLs that get this provider's credentials: a host ("api.x.ai"),
	// perhaps with a port ("gateway.corp:8443") and a path prefix that ends at a segment
	// ("opencode.ai/zen/go"). The longest match wins. A "*" stands for one label or a part of one,
	// never for a dot, and not in the last two labels ("bedrock-runtime.*.amazonaws.com"). Without
	// a port a pattern means https's default, on loopback any. Plain http is for loopback, and for
	// a pattern that says so with its exact port ("http://litellm:4000"). A path that a server may
	// read as another one matches no path prefix: with "..", with an encoded slash, or with what can
	// be decoded once more ("%252e").
	Hosts []string
	// BaseURL is where the provider documents its OpenAI-compatible API, or else its own, to be:
	// what a program gives its SDK. LookupProvider sets it; it is empty where each customer has
	// their own. The pool does not use it.
	BaseURL string
	// Authorize puts c on the header of a request about to be sent, and removes the headers that
	// would rival it, such as the placeholder that an SDK was given. It is called with a header of
	// its own for each send. nil sets "Authorization: Bearer <access token>" and removes the other
	// headers that carry keys.
	Authorize func(h http.Header, c Credential)
	// Classify judges an answer before the generic rules do. If it returns false, they judge; nil
	// always returns false.
	Classify func(resp *http.Response, body []byte) (Verdict, bool)
	// MayRefuse reports, by status and header alone, whether an answer may be a refusal; only the
	// bodies of such answers are read. nil: 400 to 404, 410, 412 and 429.
	MayRefuse func(resp *http.Response) bool
	// Refresher obtains new tokens. nil: the credentials are static keys; after a rejection the
	// pool reads the store again, then switches.
	Refresher Refresher
	// Strategy says which of several credentials in good standing is used. The zero value is
	// FillFirst.
	Strategy Strategy

	// Model returns the model that a request is for, by which the limits of one model are kept apart;
	// empty: it names none. body is the beginning of the request's body, at most 1 MiB, and must not be
	// kept; of a body without GetBody it is what was sent of it when the answer came. req has no body
	// to read. The pool asks only where it matters: when a credential has a mark about a model, or is
	// refused for one, and with ReadLimits where each model has limits of its own. A name is printable,
	// without white space, and has at most 128 bytes, or it counts as none.
	// nil: the segment of the path where the built-in table says so, else the member "model" of a JSON
	// body, or that field of a form.
	Model func(req *http.Request, body []byte) string

	// FirstEvent is for providers that answer 200 and refuse in the first event of the stream: it
	// is how long the transport waits for that event before it returns the answer. It recovers from
	// a refusal there as from any other. It never reads later events or compressed streams, and
	// never changes a byte. 0: it reads no event stream.
	FirstEvent time.Duration
	// BoundPaths are the segments of the API's paths under which objects of one account live:
	// "files" for that segment and all below it, "responses/*" only for the paths below it. A
	// request for one is refreshed, never switched: another account would not find the object.
	// Without WithCredential it goes to the first credential in good standing, whatever the
	// Strategy.
	BoundPaths []string
	// TrackObjects is how many such objects the pool remembers, each with the credential whose
	// answer named it. Requests that mention one of these objects, in the path or in a JSON body
	// with GetBody, go to the credential that owns it. To learn the names, the transport reads the
	// bodies of successes as they pass by. The memory is this process's; the oldest object is
	// forgotten first. 0: none.
	TrackObjects int

	// ReadLimits reads the headers of all answers for what is left of the account's limits, as far as
	// the provider is known to tell it; of a provider that is not built in, the headers of all of them
	// are read. CredentialStatus.Limits has the result. It is this process's, and is forgotten when the
	// credential is removed or gets the tokens of another login. At a provider where each model has
	// limits of its own (Anthropic's API, Azure, Groq, OpenAI's API, xAI), the model of each request is
	// read, as for the marks of models. The Strategy MostHeadroom implies it. Without either the header
	// of a success is not looked at.
	ReadLimits bool
	// MaxInFlight is how many requests of this pool may wait for a response header with one credential
	// before others are preferred: those of the same priority, then those of the next. It is soft.
	// Nobody waits for it: when all have as many, the Strategy chooses as if there were no bound, and
	// requests that come at the same instant may exceed it. WithCredential, WithAffinity and requests
	// about objects of one account go before it. 0: there is no bound; less is an error of Register.
	MaxInFlight int
}

// Strategy is how a pool chooses among the credentials of a provider that are in good standing and
// share the best priority.
type Strategy uint8

// The strategies.
const (
	FillFirst     Strategy = iota // the first one, until it is put aside
	RoundRobin                    // each in turn
	LeastInFlight                 // the one with the fewest requests waiting for a response header
	Random                        // any

	// MostHeadroom chooses by what is left of each account's limits, by the last answer's headers, so that
	// little is lost when windows end and little is refused. A window of an hour or more is on pace while
	// the share that is left of it is at least 70 % of the share of its time that is left. Of the
	// credentials all of whose windows are on pace, it is the one whose tightest window, of which the
	// smallest share is left, ends soonest, because what is left of that would be lost; when none is, the
	// one that is least behind. Paces that differ by up to 0.05, where 1 is on pace, and less than twofold,
	// count as equal. Of a shorter window, and of a token bucket, the share that is left counts as its
	// pace. A credential with less than 5 % left of a window comes after one that has twice as much, and
	// one with nothing left comes last.
	//
	// Each request in flight counts as one percentage point, so that a burst is spread before an answer
	// comes, or as what the requests before it took on average, where the provider's limits are token
	// buckets. Such a bucket fills up meanwhile. A window that has passed is full and on pace, but begins
	// with a request and loses nothing until then: it comes after those that run. So does a credential of
	// which nothing is known, but of 16 requests one goes to such a one, so that nobody starves. A limit of
	// one model, or of a family of models, counts for the requests about that model. In a large pool a
	// choice looks at 64 credentials, from a start that moves on, and at 1,024 while none of them has
	// anything left. When none is in good standing, the one with the most left of its buckets is tried,
	// because those that were refused may have been larger; and a request that did not fit into a bucket is
	// tried with another credential only where more is left.
	MostHeadroom
)

// String returns the strategy's name.
func (s Strategy) String() string {
	names := [...]string{"fill-first", "round-robin", "least-in-flight", "random", "most-headroom"}
	if int(s) < len(names) {
		return names[s]
	}
	return "unknown"
}

// mayRefuse is the default of Provider.MayRefuse.
func mayRefuse(resp *http.Response) bool {
	switch s := resp.StatusCode; {
	case s < 400:
		return false
	default:
		return s <= 404 || s == 410 || s == 412 || s == 429
	}
}

// maxHiddenRefusal is the longest answer, in bytes, that may be a refusal although it says 200.
const maxHiddenRefusal = 8 << 10

// mayHide is the MayRefuse of providers that refuse in a 200 too. It leaves event streams alone,
// and answers that are too long to be a refusal: a success must not wait until its body has been
// read.
func mayHide(resp *http.Response) bool {
	if resp.StatusCode != http.StatusOK {
		return mayRefuse(resp)
	}
	kind := resp.Header.Get("Content-Type")
	return (kind == "" || strings.Contains(kind, "json")) && resp.ContentLength <= maxHiddenRefusal
}

// boundPaths is Provider.BoundPaths, made for lookups. The value of a segment says whether it binds
// by itself; if not, only the paths below it do. An object (a file, a stored response, a batch, a
// container) exists in the account that made it: with another credential the provider answers that
// there is no such object, which is worse than the refusal.
type boundPaths map[string]bool

// newBoundPaths reads Provider.BoundPaths. nil means that no path binds.
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

// checkMaxInFlight returns an error that says what is wrong with a provider's MaxInFlight.
func checkMaxInFlight(n int) error {
	if n < 0 {
		return fmt.Errorf("MaxInFlight %d: it is a number of requests, or 0 for no bound", n)
	}
	return nil
}

// checkBoundPaths returns an error that says what is wrong with a provider's BoundPaths.
func checkBoundPaths(segments []string) error {
	for _, s := range segments {
		name := strings.TrimSuffix(s, "/*")
		if name != "" && !strings.ContainsAny(name, "/*?#% ") {
			continue
		}
		const want = `it is one segment of a path, such as "files", or "responses/*" for what is below it`
		return fmt.Errorf("bound path %q: %s", s, want)
	}
	return nil
}

// of reports whether a request for the path belongs to one account, and whether its answer may name
// objects that do.
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
		if whole || !isOperation(next) {
			return true, true
		}
		names = true
	}
	return false, names
}

// isOperation reports whether the segment below a collection names an operation (or nothing)
// instead of an object.
func isOperation(name string) bool {
	switch name {
	case "", "compact", "input_tokens", "count_tokens", "completions":
		return true
	}
	return false
}
