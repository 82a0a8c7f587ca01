package proxy

import (
	"bytes"
	"cmp"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/cmd/reauth/internal/build"
	"github.com/reauth-go/reauth/cmd/reauth/internal/statusjson"
	"github.com/reauth-go/reauth/cmd/reauth/internal/story"
)

// pageFiles has the templates, the style and the script.
//
//go:embed page
var pageFiles embed.FS

// page is the status page. The server renders all of it. The script only fetches the part that
// changes, /-/status, and puts it in place, so the page also works without the script.
type page struct{ templates *template.Template }

// newPage parses the templates. They are part of the binary, so an error is a bug and panics.
func newPage() *page {
	funcs := template.FuncMap{"when": when, "ago": ago, "clock": clock, "stamp": stamp, "percent": percent}
	return &page{template.Must(template.New("").Funcs(funcs).ParseFS(pageFiles, "page/*.html"))}
}

// contentSecurity is the Content-Security-Policy of the page. It lets the page load its own style
// and script and fetch from the proxy, and nothing else: text from a provider that got past the
// template's escaping could run nothing and send nothing away. data: is for the empty icon.
const contentSecurity = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; " +
	"img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// status is what the page shows: the state of the proxy at one moment. It holds no secret.
type status struct {
	// Now is when the page was rendered. Relative times on it count from Now.
	Now, Started time.Time
	Version      string // of the command
	// Stopping: running requests finish, and the page says so.
	Stopping  bool
	Providers []providerStatus
	Counters  []counter
	// Decisions are the last events, the newest first.
	Decisions []decision
}

// Title names the providers.
func (s status) Title() string {
	names := make([]string, 0, len(s.Providers))
	for _, p := range s.Providers {
		names = append(names, p.Name)
	}
	return strings.Join(names, ", ")
}

// Several reports whether there is more than one provider, so that a decision has to say of which
// it is.
func (s status) Several() bool { return len(s.Providers) > 1 }

// providerStatus is what the page shows of a provider.
type providerStatus struct {
	Name     string
	Upstream string // its origin
	BaseURLs []BaseURL
	// Credentials are in the order in which they want attention.
	Credentials []credentialStatus
}

// credentialStatus is what the page shows of a credential.
type credentialStatus struct {
	reauth.CredentialStatus
	From *statusjson.Source // what gives its token; nil: no command and no file
	// Ended: the token has expired, and nothing renews it.
	Ended bool
	// Renewal says what becomes of a token that has expired. It is empty for another one.
	Renewal string
}

// standing returns what the page shows of a credential.
func (p *Proxy) standing(s reauth.CredentialStatus, now time.Time) credentialStatus {
	c := credentialStatus{CredentialStatus: s, Ended: story.HasEnded(s, now)}
	if s.Source != "" && p.source != nil {
		c.From = p.source(s)
	}
	if story.HasExpired(s, now) {
		c.Renewal = story.Renewal(s)
	}
	return c
}

// counter is the sum of a metric since the start of the proxy.
type counter struct {
	Name  string
	Value string
}

// decision is an event with a text for the column "More": an error, an end, or a duration.
type decision struct {
	reauth.Event
	Text string
}

// status collects what the page shows.
func (p *Proxy) status() status {
	s := status{Now: time.Now(), Started: p.started, Version: build.Version(), Stopping: p.draining.Load()}
	s.Providers = p.providers()
	// The registry is the only place where numbers are kept: the page and /metrics agree.
	for _, c := range []struct{ name, metric string }{
		{"Requests", "reauth_proxy_requests_total"},
		{"In flight", "reauth_proxy_requests_in_flight"},
		{"Refreshes", "reauth_refreshes_total"},
		{"Switches", "reauth_switches_total"},
		{"Denied", "reauth_proxy_denied_total"},
	} {
		s.Counters = append(s.Counters, counter{c.name, fmt.Sprintf("%.0f", total(p.registry, c.metric))})
	}
	for _, e := range p.decisions.last() {
		s.Decisions = append(s.Decisions, decision{e, more(e)})
	}
	return s
}

// providers returns how the providers stand.
func (p *Proxy) providers() []providerStatus {
	all, now := p.pool.Status(), time.Now()
	list := make([]providerStatus, 0, len(p.backends))
	for _, b := range p.backends {
		s := providerStatus{
			Name: b.Provider.Name, Upstream: b.Upstream.Scheme + "://" + b.Upstream.Host, BaseURLs: b.BaseURLs,
		}
		for _, c := range all {
			if c.Provider == s.Name {
				s.Credentials = append(s.Credentials, p.standing(c, now))
			}
		}
		slices.SortStableFunc(s.Credentials, func(a, b credentialStatus) int {
			return cmp.Compare(attention(b), attention(a))
		})
		list = append(list, s)
	}
	return list
}

// attention says how much of it a credential wants.
func attention(s credentialStatus) int {
	switch {
	case s.State == reauth.Retired:
		return 3
	case s.State == reauth.Aside, s.Ended:
		return 2
	case len(s.Models) > 0:
		return 1
	}
	return 0
}

// more returns the text of the column "More" of an event.
func more(e reauth.Event) string {
	switch {
	// Err is one of ours or of the library, without secrets: see upstreamError and
	// reauth.RefreshError.
	case e.Err != nil:
		return e.Err.Error()
	case !e.Until.IsZero():
		return strings.TrimSpace(e.About + " until " + clock(e.Until))
	case e.Duration > 0:
		return "took " + e.Duration.Round(time.Millisecond).String()
	}
	return ""
}

func (p *Proxy) servePage(w http.ResponseWriter, _ *http.Request)   { p.render(w, "page.html") }
func (p *Proxy) serveStatus(w http.ResponseWriter, _ *http.Request) { p.render(w, "status.html") }

// render writes the template of that name with the current status. It renders into a buffer first,
// so that an error does not leave half a page behind.
func (p *Proxy) render(w http.ResponseWriter, name string) {
	var out bytes.Buffer
	if err := p.page.templates.ExecuteTemplate(&out, name, p.status()); err != nil {
		p.log.Error("the status page could not be made", "err", err.Error())
		writeDenial(w, &denial{
			http.StatusInternalServerError, "page_failed", "the status page could not be made; see the log",
		})
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", contentSecurity)
	// Links on the page must not tell other hosts where the proxy listens.
	h.Set("Referrer-Policy", "no-referrer")
	// A browser that has gone needs no answer.
	_, _ = w.Write(out.Bytes())
}

// serveAsset serves the style and the script of the page, and answers 404 to any other path below
// /-/. It has a list of the files: the templates must not be served.
func (*page) serveAsset(w http.ResponseWriter, r *http.Request) {
	types := map[string]string{
		"status.css": "text/css; charset=utf-8",
		"status.js":  "text/javascript; charset=utf-8",
	}
	name := strings.TrimPrefix(r.URL.Path, "/-/")
	kind, ok := types[name]
	if !ok {
		writeDenial(w, &denial{
			http.StatusNotFound, "not_found", "the proxy has no such page; what begins with /-/ is never forwarded",
		})
		return
	}
	content, err := pageFiles.ReadFile("page/" + name)
	if err != nil {
		// The file is part of the binary: its absence is a bug.
		panic(err)
	}
	w.Header().Set("Content-Type", kind)
	_, _ = w.Write(content)
}

// when says how far t is from now: "in 12 min", "3 h ago", or "–" when t is unknown.
func when(t, now time.Time) string {
	switch d := t.Sub(now); {
	case t.IsZero():
		return "–"
	case d < 0:
		return span(-d) + " ago"
	default:
		return "in " + span(d)
	}
}

// ago says how long ago t was, without the word "ago", as in "up for 3 h".
func ago(t, now time.Time) string { return span(now.Sub(t)) }

// span formats a duration in one unit, rounded down.
func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// clock formats a time for people, in local time. Only a time more than 12 h away has its date.
func clock(t time.Time) string {
	if time.Until(t).Abs() < 12*time.Hour {
		return t.Local().Format("15:04:05")
	}
	return t.Local().Format("2006-01-02 15:04")
}

// percent says a share in whole percent, rounded down: what is almost used up is not shown as left.
func percent(share float64) string { return fmt.Sprintf("%d\u00a0%%", int(share*100)) }

// stamp formats a time in UTC (RFC 3339): for the datetime attribute, and for the title that a
// browser shows when the user points at the time.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
