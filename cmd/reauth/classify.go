package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/cmd/reauth/internal/pattern"
	"github.com/reauth-go/reauth/cmd/reauth/internal/recording"
	"github.com/reauth-go/reauth/internal/verdict"
)

// classifyCmd says what the library makes of a recorded response. With --fixture it also writes
// that response as a test case of the rules.
type classifyCmd struct {
	File     string `arg:"" optional:"" default:"-" help:"A response as curl -i prints it; - or nothing is standard input." placeholder:"FILE"`
	Provider string `short:"p" help:"The provider that answered. Without it a file of the fixtures tells by its name; else the generic rules alone decide." placeholder:"NAME"`
	JSON     bool   `name:"json" help:"Print JSON, for programs."`
	Explain  bool   `help:"Show what was read of the answer, and what each stage of the classifier makes of it."`

	Fixture bool   `help:"Write it as a fixture: a file for the tests of the rules, without secrets, addresses and ids."`
	Dir     string `help:"The folder of fixtures." default:"fixtures" placeholder:"DIR"`
	Name    string `help:"What the fixture is called behind provider and status; by default the rule that decided." placeholder:"WHAT"`
	Source  string `help:"Where the answer is told of: the URL of an issue, say." default:"recorded by a user" placeholder:"URL"`
}

// Help implements kong.HelpProvider.
func (*classifyCmd) Help() string {
	return `Examples:

    curl -i https://api.x.ai/v1/models -H "Authorization: Bearer $TOKEN" |
        reauth classify -p xai
    reauth classify fixtures/rejected/xai-403-wke-bad-credentials.http
    reauth classify --explain fixtures/exhausted/groq-*.http
    reauth classify -p openai --fixture --name key-revoked answer.txt
`
}

// judged is a response with the verdict on it.
type judged struct {
	resp *recording.Response
	// provider is the canonical name, and pr the provider of that name. Both are zero when the
	// provider is unknown; then the generic rules alone decide.
	provider string
	pr       reauth.Provider
	verdict  reauth.Verdict
}

// Run implements the command.
func (c *classifyCmd) Run(a *app) error {
	j, err := c.judge(a)
	if err != nil {
		return err
	}
	if c.JSON {
		err = j.writeJSON(a.stdout)
	} else {
		err = j.write(a.stdout, a.width(), c.Explain)
	}
	if err != nil || !c.Fixture {
		return err
	}
	return c.writeFixture(a, j)
}

// judge reads and parses the response, finds its provider and classifies it.
func (c *classifyCmd) judge(a *app) (*judged, error) {
	j := new(judged)
	// An unknown name is a usage error; without one, guess tries.
	if c.Provider != "" {
		pr, err := lookup(c.Provider)
		if err != nil {
			return nil, err
		}
		j.provider, j.pr = pr.Name, pr
	}
	b, err := c.read(a)
	if err != nil {
		return nil, fmt.Errorf("reauth: classify: %w", err)
	}
	if j.resp, err = recording.Parse(b); err != nil {
		return nil, fmt.Errorf("reauth: classify: %w", err)
	}
	if j.provider == "" {
		c.guess(j)
	}
	j.verdict = j.resp.Verdict(j.provider)
	return j, nil
}

// read returns the content of the file or of standard input, of at most recording.Max bytes.
func (c *classifyCmd) read(a *app) ([]byte, error) {
	in := a.stdin
	if c.File != "" && c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	return io.ReadAll(io.LimitReader(in, recording.Max))
}

// fixtureFile matches the name of a fixture, PROVIDER-STATUS-WHAT.http, and captures PROVIDER.
var fixtureFile = pattern.Lazy(`^(.+?)-\d{3}-[a-z0-9-]+\.http$`)

// guess sets the provider when the user has not named it: from the name of a fixture file, else
// from its note Fixture-Host. It leaves the provider empty when neither names a built-in one.
func (c *classifyCmd) guess(j *judged) {
	guesses := []string{}
	if m := fixtureFile().FindStringSubmatch(filepath.Base(c.File)); m != nil {
		guesses = append(guesses, m[1])
	}
	// A zero pool knows the hosts of the built-in providers.
	if u, err := url.Parse("https://" + j.resp.Notes.Get("Fixture-Host")); err == nil {
		if pr, ok := new(reauth.Pool).ProviderFor(u); ok {
			guesses = append(guesses, pr.Name)
		}
	}
	for _, guess := range guesses {
		if pr, ok := reauth.LookupProvider(guess); ok {
			j.provider, j.pr = pr.Name, pr
			return
		}
	}
}

// write prints the verdict for people, a line for each fact; with stages also how it came about.
func (j *judged) write(w io.Writer, width int, stages bool) error {
	row, flush := facts(w, width)
	status := cmp.Or(http.StatusText(j.resp.Status), "(no standard status)")
	row("answer", fmt.Sprintf("%d %s", j.resp.Status, status)+j.remarks())
	row("provider", cmp.Or(j.provider, "not named: the generic rules alone"))
	row("verdict", j.verdict.Kind.String()+" – "+meaning[j.verdict.Kind])
	row("rule", cmp.Or(j.verdict.Reason, "none: it is no failure"))
	x := j.explanation()
	writeScope(x.Verdict, row)
	if j.verdict.Kind == reauth.Exhausted {
		row("reset", j.reset(time.Now()))
	}
	row("transport", j.does())
	writeReading(x, row)
	if stages {
		writeStages(x, row)
	}
	return flush()
}

// remarks adds to the status line what the recording says about itself: other responses in front of
// this one, the encoding of its body, and whether that could be decoded.
func (j *judged) remarks() string {
	var s string
	if j.resp.Skipped > 0 {
		s += fmt.Sprintf(", the last of %d answers", j.resp.Skipped+1)
	}
	if j.resp.Encoding != "" && j.resp.Encoding != "identity" {
		s += ", " + j.resp.Encoding
	}
	if j.resp.Opaque {
		s += "; the body cannot be decoded, so status and header decide"
	}
	return s
}

// reset returns the time at which the provider says that the quota recovers, in UTC.
func (j *judged) reset(now time.Time) string {
	r := j.verdict.Reset
	if r.IsZero() {
		return "not told by the provider"
	}
	return r.UTC().Format(time.RFC3339) + " (" + in(r, now) + ")"
}

// meaning explains each kind of verdict. The wording follows the documentation of reauth.Kind.
var meaning = map[reauth.Kind]string{
	reauth.Pass:      "not about the credential",
	reauth.Rejected:  "the credential is not accepted now: expired, invalid or revoked",
	reauth.Dead:      "the account or key is gone for good",
	reauth.Exhausted: "quota, billing, rate or spending limit of this credential",
	reauth.Forbidden: "identity accepted, not entitled; a refresh cannot help",
}

// does describes what RecoveringTransport does with such a response, as the package documentation
// of reauth promises it.
func (j *judged) does() string {
	looks := j.pr.MayRefuse
	if looks == nil {
		looks = func(r *http.Response) bool {
			s := r.StatusCode
			// These are the statuses that the documentation of Provider.MayRefuse names for nil.
			return s >= 400 && s <= 404 || s == 410 || s == 412 || s == 429
		}
	}
	v, resp := j.verdict, j.resp.HTTP()
	// The rules may judge a status that the transport never shows them. The transport wins.
	if v.Kind != reauth.Pass && !looks(&resp) {
		return "returns it as it came: it does not look into answers with this status"
	}
	switch v.Kind {
	case reauth.Rejected:
		// A provider without a Refresher has static keys only. Of an unknown one nothing is known.
		if j.provider != "" && j.pr.Refresher == nil {
			return "takes a newer key from the store and replays once; " +
				"else puts the key aside and switches to the next one"
		}
		return "takes a newer token from the store, or refreshes once for all requests that wait, and replays once; " +
			"else puts the credential aside and switches to the next one"
	case reauth.Dead:
		return "retires the credential and switches to the next one"
	case reauth.Exhausted:
		what := "puts the credential aside for "
		if v.Scope == reauth.OneModel {
			what = "puts the credential aside for this model alone, for "
		}
		return what + asideFor(v) + " and switches to the next one"
	case reauth.Forbidden:
		return triesFor(j.explanation().Verdict.Cause) + ". It does not refresh"
	case reauth.Pass:
	}
	return "returns it as it came"
}

// triesFor says how many other credentials the transport tries for a Forbidden answer.
func triesFor(cause verdict.Cause) string {
	switch cause {
	case verdict.Entitlement:
		return "tries up to two other credentials; else returns it as it came"
	case verdict.Anyone:
		return "returns it as it came, and tries no other credential"
	case verdict.Unclear:
	}
	return "tries one other credential once, and no further one for a minute; else returns it as it came"
}

// asideFor returns how long the transport puts an exhausted credential aside. The documentation of
// Verdict.Reason promises these times.
func asideFor(v reauth.Verdict) string {
	switch {
	case !v.Reset.IsZero():
		return "as long as the provider says"
	case strings.Contains(v.Reason, "billing"):
		return "an hour"
	case strings.Contains(v.Reason, "rate"):
		return "60 s"
	}
	return "15 min"
}

// writeJSON prints the verdict for programs, which rely on these names. The reset time is in UTC
// and whole seconds (RFC 3339).
func (j *judged) writeJSON(w io.Writer) error {
	scope, cause := scopeAndCause(j.explanation().Verdict)
	doc := struct {
		Status    int        `json:"status"`
		Provider  string     `json:"provider,omitempty"`
		Verdict   string     `json:"verdict"`
		Rule      string     `json:"rule,omitempty"`
		Scope     string     `json:"scope,omitempty"`
		Cause     string     `json:"cause,omitempty"`
		Reset     *time.Time `json:"reset,omitempty"`
		Transport string     `json:"transport"`
	}{j.resp.Status, j.provider, j.verdict.Kind.String(), j.verdict.Reason, scope, cause, nil, j.does()}
	if r := j.verdict.Reset; !r.IsZero() {
		// Below a second there is only the time that this process took.
		r = r.UTC().Truncate(time.Second)
		doc.Reset = &r
	}
	return writeJSON(w, doc)
}

// notInName matches what the file name of a fixture must not contain.
var notInName = pattern.Lazy(`[^a-z0-9]+`)

// writeFixture writes the response, without secrets and personal data, to
// DIR/VERDICT/PROVIDER-STATUS-WHAT.http, where the tests of the rules find it. It never overwrites
// a file.
//
// It first classifies what is left after the redaction. If the rules now decide otherwise, the
// redaction has removed what they read, and the fixture would test something else: writeFixture
// returns an error and writes nothing.
func (c *classifyCmd) writeFixture(a *app, j *judged) error {
	clean, dropped := j.resp.Redacted()
	v := clean.Verdict(j.provider)
	scope, cause := scopeNotes((&judged{resp: clean, provider: j.provider}).explanation().Verdict)
	wantScope, wantCause := scopeNotes(j.explanation().Verdict)
	if v.Kind != j.verdict.Kind || v.Reason != j.verdict.Reason || scope != wantScope || cause != wantCause {
		return fmt.Errorf("reauth: classify: without what was redacted the rules say %s (%s), "+
			"so no fixture was written; write it by hand, as docs/fixtures.md tells", v.Kind, cmp.Or(v.Reason, "no rule"))
	}
	what := strings.ToLower(cmp.Or(c.Name, j.verdict.Reason, "success"))
	what = strings.Trim(notInName().ReplaceAllString(what, "-"), "-")
	if what == "" {
		return usagef("--name wants letters or digits")
	}
	// No provider has this name, so the tests apply the generic rules to such a fixture.
	provider := cmp.Or(j.provider, "generic")
	path := filepath.Join(c.Dir, v.Kind.String(), fmt.Sprintf("%s-%d-%s.http", provider, clean.Status, what))
	host := j.resp.Notes.Get("Fixture-Host")
	content := clean.File(recording.Fixture{
		Source: c.Source, Host: host, Reset: resetNote(j.provider, clean, v), Scope: scope, Cause: cause,
	})
	if err := create(path, content); err != nil {
		return err
	}
	a.printf("\nfixture:    %s\n", path)
	if len(dropped) > 0 {
		a.printf("left out:   %s\n", strings.Join(dropped, ", "))
	}
	// The redaction works by patterns. Only a person recognizes a name in a sentence.
	a.printf("Read it before you publish it: a name inside a sentence is not recognized.\n")
	return nil
}

// create writes a new file and the folders above it. O_EXCL makes an existing file an error, also
// when another process has created it just now. Until a person has read it, the file may hold what
// is nobody else's to know, hence the modes.
func create(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("reauth: classify: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("reauth: classify: %s is there already and was not touched; "+
			"give the new one another --name", path)
	}
	if err != nil {
		return fmt.Errorf("reauth: classify: %w", err)
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}

// resetNote returns the note Fixture-Reset: "after 42s" for a provider that names a duration, "at"
// with a Unix time for one that names an instant, and nothing without a reset time.
//
// To find out which of the two it is, resetNote classifies the response once more with a Date two
// minutes back. A duration counts from Date, so its reset time moves along; an instant stays.
func resetNote(provider string, r *recording.Response, v reauth.Verdict) string {
	if v.Reset.IsZero() {
		return ""
	}
	now := time.Now()
	// earlier shares the body with r, which the rules only read. Its header is a copy.
	earlier := *r
	earlier.Header = r.Header.Clone()
	earlier.Header.Set("Date", now.Add(-2*time.Minute).UTC().Format(http.TimeFormat))
	moved := v.Reset.Sub(earlier.Verdict(provider).Reset)
	// Rules may round to seconds, so half of the two minutes is the limit.
	if moved > time.Minute {
		return "after " + v.Reset.Sub(now).Round(time.Second).String()
	}
	return fmt.Sprintf("at %d", v.Reset.Unix())
}
