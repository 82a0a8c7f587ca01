package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/cmd/reauth/internal/build"
	"github.com/reauth-go/reauth/cmd/reauth/internal/recording"
	"github.com/reauth-go/reauth/cmd/reauth/internal/story"
	"github.com/reauth-go/reauth/internal/printable"
	"github.com/reauth-go/reauth/internal/vendors"
)

// probeCmd sends a request to a provider and tells whether it accepts the credential.
type probeCmd struct {
	Provider string        `arg:"" help:"The provider, such as xai-oauth."`
	ID       string        `arg:"" optional:"" help:"The credential; without it, the one that any request would get."`
	Timeout  time.Duration `help:"How long to wait for all of it." default:"1m"`
	JSON     bool          `name:"json" help:"Print JSON, for programs, in place of the story."`
	endpoints
}

// Help implements kong.HelpProvider.
func (*probeCmd) Help() string {
	return `The request asks who is there, or for the list of models, or for a completion of nothing: it spends nothing. It is sent through the
transport as a program's would be, so a token that has expired is refreshed and stored. The limits of the account that the answer tells
in its headers are told too.

Examples:

    reauth probe xai-oauth
    reauth probe anthropic work || [ $? != 3 ] || reauth login anthropic
`
}

// Run sends the probe through the transport and prints each event of it.
func (c *probeCmd) Run(a *app) error {
	p, err := a.pool()
	if err != nil {
		return err
	}
	told := &probeStory{app: a, mute: c.JSON}
	p.Observe = told.tell
	pr, err := c.provider(p)
	if err != nil {
		return err
	}
	list, err := a.chosen(p, c.Provider, c.ID, exitLogin)
	if err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(a.ctx, c.Timeout)
	defer stop()
	req, err := c.request(ctx, a, vendors.Of(pr.Name), list)
	if err != nil {
		return err
	}
	told.say("%s %s\n", req.Method, req.URL.Redacted())
	told.begin = time.Now()
	base := &witness{RoundTripper: http.DefaultTransport}
	resp, err := reauth.NewRecoveringTransport(base, p).RoundTrip(req)
	if err != nil {
		return fmt.Errorf("reauth: probe %s: %w", pr.Name, noBody(err))
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10)) // after an error the part that was read is enough
	err = c.conclude(p, pr, told, resp, base.remove(body))
	left := limitsOf(p, pr.Name, told.last())
	if c.JSON {
		return writeProbeJSON(a.stdout, pr.Name, told, resp, body, left, err)
	}
	told.tellLimits(left, time.Now())
	return err
}

// provider registers the provider, whose answers are read for limits too.
func (c *probeCmd) provider(p *reauth.Pool) (reauth.Provider, error) {
	pr, err := c.apply(p, c.Provider)
	if err != nil {
		return pr, err
	}
	pr.ReadLimits = true
	return pr, p.Register(pr)
}

// request returns the provider's probe. If the arguments name a credential, the request uses that
// one.
func (c *probeCmd) request(
	ctx context.Context, a *app, row vendors.Vendor, list []reauth.CredentialStatus,
) (*http.Request, error) {
	u, err := c.base(row)
	switch {
	case err != nil && row.OwnHost:
		u, err = ownBase(ctx, a, row, list)
	case err == nil && c.BaseURL == "":
		u.Host, err = hostFor(ctx, a, row, list, u.Host)
	}
	if err != nil {
		return nil, err
	}
	if row.Probe.Method == "" {
		return nil, usagef("%s cannot be probed: %s", row.Name, whyNoBase(row))
	}
	if c.ID != "" {
		ctx = reauth.WithCredential(ctx, row.Name, c.ID)
	}
	var body io.Reader
	if row.Probe.Method == http.MethodPost {
		body = strings.NewReader("{}")
	}
	target := strings.TrimRight(u.String(), "/") + row.Probe.Path
	req, err := http.NewRequestWithContext(ctx, row.Probe.Method, target, body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if name, value, ok := strings.Cut(row.Probe.Header, ": "); ok {
		req.Header.Set(name, value)
	}
	req.Header.Set("User-Agent", "reauth/"+build.Version())
	return req, nil
}

// ownBase returns the base URL at the host that the first credential of the list names. Its path is
// that of the row's example.
func ownBase(ctx context.Context, a *app, row vendors.Vendor, list []reauth.CredentialStatus) (*url.URL, error) {
	c, err := storedCredential(ctx, a, list[0])
	if err != nil {
		return nil, err
	}
	if len(c.Hosts) == 0 {
		return nil, usagef("%s", whyNoBase(row))
	}
	example, err := url.Parse(row.Own.Example)
	if err != nil {
		return nil, err
	}
	return url.Parse("https://" + c.Hosts[0] + example.Path)
}

// hostFor returns the host to which the first credential of the list may be sent: usual, or the
// first of the provider's hosts that does not refuse its login.
func hostFor(
	ctx context.Context, a *app, row vendors.Vendor, list []reauth.CredentialStatus, usual string,
) (string, error) {
	if row.Auth == nil {
		return usual, nil // a key is good at all of them, for all that is known
	}
	c, err := storedCredential(ctx, a, list[0])
	if err != nil {
		return "", err
	}
	hostOf := func(pattern string) string { host, _, _ := strings.Cut(pattern, "/"); return host }
	refused := row.RefusedBy(c.Metadata, c.RefreshToken != "")
	if !slices.ContainsFunc(refused, func(h string) bool { return hostOf(h) == usual }) {
		return usual, nil
	}
	for _, h := range row.Hosts {
		if !slices.Contains(refused, h) {
			return hostOf(h), nil
		}
	}
	return usual, nil
}

// storedCredential returns a credential as the store, or its recipe, has it. It is empty when there
// is none any more.
func storedCredential(ctx context.Context, a *app, of reauth.CredentialStatus) (reauth.Credential, error) {
	if r, ok := a.recipeOf(of); ok {
		return r.Credential(), nil
	}
	s, err := a.open()
	if err != nil {
		return reauth.Credential{}, err
	}
	snap, err := s.Load(ctx, "")
	if err != nil {
		return reauth.Credential{}, err
	}
	for _, e := range snap.Entries {
		if e.Credential.Provider == of.Provider && e.Credential.ID == of.ID {
			return e.Credential, nil
		}
	}
	return reauth.Credential{}, nil
}

// conclude prints whether the provider accepted the credential. Its error decides the exit code:
// exitLogin if only a new login helps.
func (c *probeCmd) conclude(
	p *reauth.Pool, pr reauth.Provider, told *probeStory, resp *http.Response, body []byte,
) error {
	if err := told.unsent(); err != nil {
		return &exitError{exitLogin, fmt.Errorf("reauth: probe %s: there is no token to send: %w\n%s",
			pr.Name, err, wayOut(p, pr.Name, told.last()))}
	}
	if !told.sent() {
		return fmt.Errorf("reauth: probe %s: no credential was put on the request: none is for the host %s",
			pr.Name, resp.Request.URL.Host)
	}
	v := reauth.Classify(pr.Name, resp, body)
	switch {
	case v.Kind == reauth.Pass && resp.StatusCode < 400:
		told.say("%s accepts the credential\n", named(pr.Name, c.Provider))
		return nil
	case v.Kind == reauth.Pass && resp.StatusCode < 500 && vendors.Of(pr.Name).Probe.Method == http.MethodPost:
		told.say("%s does not refuse the credential: it answers %d to a request that asks for nothing\n",
			named(pr.Name, c.Provider), resp.StatusCode)
		return nil
	}
	said := excerpt(body)
	kind := v.Kind.String()
	if v.Kind == reauth.Pass {
		kind = "which is " + meaning[v.Kind]
	}
	err := fmt.Errorf("reauth: probe %s: %d, %s (%s)%s", pr.Name, resp.StatusCode, kind, v.Reason, said)
	switch {
	case v.Kind == reauth.Rejected && told.temporary() != nil:
		return fmt.Errorf("%w\n%s", err, afterFailure(told.temporary()))
	case v.Kind == reauth.Rejected, v.Kind == reauth.Dead:
		return &exitError{exitLogin, fmt.Errorf("%w\n%s", err, wayOut(p, pr.Name, told.last()))}
	}
	return err
}

// wayOut tells the person how to get a credential that the provider accepts. Only its own program
// renews a login that is followed.
func wayOut(p *reauth.Pool, provider, id string) string {
	s, ok := find(p.Status(), provider, id)
	switch {
	case ok && s.Follows != "":
		return "it is the login of " + programName(s.Follows) + ": use that program, or log in there again"
	case ok && s.Source != "":
		return "only its source renews it, which reauth status names: see to it that it gives a token that is good"
	}
	return wayIn(provider)
}

// witness is a transport that remembers the secrets it sends. The provider's answer may repeat one,
// and the command prints the answer without it.
type witness struct {
	http.RoundTripper
	mu   sync.Mutex
	sent []string // secrets, without "Bearer "
}

// RoundTrip implements http.RoundTripper.
func (w *witness) RoundTrip(req *http.Request) (*http.Response, error) {
	w.mu.Lock()
	for _, name := range []string{"Authorization", "X-Api-Key", "Api-Key", "X-Goog-Api-Key"} {
		if v := strings.TrimPrefix(req.Header.Get(name), "Bearer "); v != "" {
			w.sent = append(w.sent, v)
		}
	}
	w.mu.Unlock()
	return w.RoundTripper.RoundTrip(req)
}

// remove returns body with each secret that was sent replaced.
func (w *witness) remove(body []byte) []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, secret := range w.sent {
		body = bytes.ReplaceAll(body, []byte(secret), []byte("EXAMPLE"))
	}
	return body
}

// excerpt returns a colon and the first 300 characters of a provider's answer, without secrets and
// names of accounts. It returns "" for an empty answer.
func excerpt(body []byte) string {
	text := strings.Join(strings.Fields(printable.Line(recording.Redact(string(body)))), " ")
	if text == "" {
		return ""
	}
	if r := []rune(text); len(r) > 300 {
		text = string(r[:300]) + "…"
	}
	return ": " + text
}

// noBody returns the cause of an error of net/http, whose own text repeats the URL.
func noBody(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		return ue.Err
	}
	return err
}

// probeStory prints the events of the pool, with the time since begin.
type probeStory struct {
	app   *app
	mute  bool      // nothing is printed
	begin time.Time // when the command sent the probe

	mu     sync.Mutex
	sends  int    // how often a credential was sent
	failed error  // why the last refresh failed
	id     string // of the credential that was last sent, or whose refresh failed
}

// tell prints an event. It is the observer of the pool.
func (s *probeStory) tell(_ context.Context, e reauth.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch e.Type {
	case reauth.Sent:
		s.sends++
		s.id = e.ID
	case reauth.RefreshFailed:
		s.failed, s.id = e.Err, e.ID
	default:
	}
	s.say("%s", printable.Prose(story.Line(time.Since(s.begin), story.Of(e))))
}

// say prints a line of the story.
func (s *probeStory) say(format string, args ...any) {
	if !s.mute {
		s.app.printf(format, args...)
	}
}

// sent reports whether a credential was sent.
func (s *probeStory) sent() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sends > 0
}

// temporary returns the error of the failed refresh, if a later try may not meet it, and else nil.
func (s *probeStory) temporary() *reauth.RefreshError {
	s.mu.Lock()
	defer s.mu.Unlock()
	var refused *reauth.RefreshError
	if errors.As(s.failed, &refused) && !refused.Permanent {
		return refused
	}
	return nil
}

// unsent returns the error of the failed refresh that left no token to send. It returns nil if a
// credential was sent or no refresh failed.
func (s *probeStory) unsent() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sends > 0 {
		return nil
	}
	return s.failed
}

// last returns the ID of the credential that was last sent, or whose refresh failed.
func (s *probeStory) last() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.id
}
