package proxy

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/reauth-go/reauth"
)

//go:embed page
var pageFiles embed.FS

// page is the status page: rendered here, and only kept fresh by its script.
type page struct{ templates *template.Template }

func newPage() *page {
	funcs := template.FuncMap{"when": when, "ago": ago, "clock": clock, "stamp": stamp}
	return &page{template.Must(template.New("").Funcs(funcs).ParseFS(pageFiles, "page/*.html"))}
}

// contentSecurity lets the page load its own two files and nothing else.
const contentSecurity = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// status is what the page shows.
type status struct {
	Now, Started time.Time
	Provider     string
	Upstream     string
	Version      string
	Stopping     bool
	BaseURLs     []BaseURL
	Counters     []counter
	Credentials  []reauth.CredentialStatus
	Decisions    []decision
}

type counter struct {
	Name  string
	Value string
}

type decision struct {
	reauth.Event
	Text string // what more there is to say
}

func (p *Proxy) status() status {
	s := status{
		Now: time.Now(), Started: p.started, Provider: p.provider.Name, Upstream: p.upstream.Scheme + "://" + p.upstream.Host,
		Version: version(), Stopping: p.draining.Load(), BaseURLs: p.baseURLs,
	}
	for _, c := range []struct{ name, metric string }{
		{"Requests", "reauth_proxy_requests_total"},
		{"In flight", "reauth_proxy_requests_in_flight"},
		{"Refreshes", "reauth_refreshes_total"},
		{"Switches", "reauth_switches_total"},
		{"Denied", "reauth_proxy_denied_total"},
	} {
		s.Counters = append(s.Counters, counter{c.name, fmt.Sprintf("%.0f", p.metrics.total(c.metric))})
	}
	for _, c := range p.pool.Status() {
		if c.Provider == p.provider.Name {
			s.Credentials = append(s.Credentials, c)
		}
	}
	for _, e := range p.decisions.last() {
		d := decision{Event: e}
		switch {
		case e.Err != nil:
			d.Text = e.Err.Error()
		case !e.Until.IsZero():
			d.Text = "until " + clock(e.Until)
		case e.Duration > 0:
			d.Text = "took " + e.Duration.Round(time.Millisecond).String()
		}
		s.Decisions = append(s.Decisions, d)
	}
	return s
}

func (p *Proxy) servePage(w http.ResponseWriter, _ *http.Request)   { p.render(w, "page.html") }
func (p *Proxy) serveStatus(w http.ResponseWriter, _ *http.Request) { p.render(w, "status.html") }

func (p *Proxy) render(w http.ResponseWriter, name string) {
	var out bytes.Buffer // whole or not at all
	if err := p.page.templates.ExecuteTemplate(&out, name, p.status()); err != nil {
		p.log.Error("the status page could not be made", "err", err.Error())
		writeDenial(w, &denial{http.StatusInternalServerError, "page_failed", "the status page could not be made; see the log"})
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", contentSecurity)
	h.Set("Referrer-Policy", "no-referrer")
	_, _ = w.Write(out.Bytes()) // a browser that has gone needs no answer
}

// serveAsset serves the page's style and script.
func (*page) serveAsset(w http.ResponseWriter, r *http.Request) {
	types := map[string]string{"status.css": "text/css; charset=utf-8", "status.js": "text/javascript; charset=utf-8"}
	name := strings.TrimPrefix(r.URL.Path, "/-/")
	kind, ok := types[name]
	if !ok {
		writeDenial(w, &denial{http.StatusNotFound, "not_found", "the proxy has no such page; what begins with /-/ is never forwarded"})
		return
	}
	content, err := pageFiles.ReadFile("page/" + name)
	if err != nil {
		panic(err) // it is built in
	}
	w.Header().Set("Content-Type", kind)
	_, _ = w.Write(content) // a browser that has gone needs no answer
}

// when tells a time from now, for people: "in 12 min", "3 h ago".
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

// ago is when without a word, for a duration that goes on.
func ago(t, now time.Time) string { return span(now.Sub(t)) }

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

// clock is a time of the day, with the date when it is another one's.
func clock(t time.Time) string {
	if time.Until(t).Abs() < 12*time.Hour {
		return t.Local().Format("15:04:05")
	}
	return t.Local().Format("2006-01-02 15:04")
}

// stamp is a time for machines, and for those who point at it.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
