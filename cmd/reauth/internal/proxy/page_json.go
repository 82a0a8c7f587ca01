package proxy

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/cmd/reauth/internal/build"
	"github.com/reauth-go/reauth/cmd/reauth/internal/statusjson"
)

// The status as JSON, for programs: names and meanings stay. What a credential has in the output of
// "reauth status --json" has the same name here, and but for the source, which is a text, the same
// form. Times are in UTC and whole seconds (RFC 3339); an unknown time is absent.
type statusJSON struct {
	Version   string         `json:"version"`
	Started   *time.Time     `json:"started"`
	Stopping  bool           `json:"stopping"`
	Providers []providerJSON `json:"providers"`
}

type providerJSON struct {
	Provider    string           `json:"provider"`
	Upstream    string           `json:"upstream"`
	BaseURLs    []baseURLJSON    `json:"base_urls"`
	Credentials []credentialJSON `json:"credentials"`
}

// baseURLJSON is a base URL; For names its clients, "" any.
type baseURLJSON struct {
	For string `json:"for,omitempty"`
	URL string `json:"url"`
}

type credentialJSON struct {
	Provider    string             `json:"provider"`
	ID          string             `json:"id"`
	Account     string             `json:"account,omitempty"`
	Fingerprint string             `json:"fingerprint"`
	State       string             `json:"state"`
	Reason      string             `json:"reason,omitempty"`
	Follows     string             `json:"follows,omitempty"`
	Source      string             `json:"source,omitempty"`
	Priority    int                `json:"priority"`
	InFlight    int                `json:"in_flight"`
	Expiry      *time.Time         `json:"expiry,omitempty"`
	AsideUntil  *time.Time         `json:"aside_until,omitempty"`
	LastRefresh *time.Time         `json:"last_refresh,omitempty"`
	Models      []statusjson.Model `json:"models,omitempty"`
	Limits      []limitJSON        `json:"limits,omitempty"`
}

// limitJSON is what is left of a limit of the account: Left is a share, 0 to 1, and Window has
// seconds.
type limitJSON struct {
	Name   string     `json:"name"`
	Left   float64    `json:"left"`
	Window float64    `json:"window_seconds,omitempty"`
	Reset  *time.Time `json:"reset,omitempty"`
}

// serveStatusJSON serves /-/status.json.
func (p *Proxy) serveStatusJSON(w http.ResponseWriter, _ *http.Request) {
	doc := statusJSON{Version: build.Version(), Started: statusjson.Time(p.started), Stopping: p.draining.Load()}
	for _, s := range p.providers() {
		one := providerJSON{
			Provider: s.Name, Upstream: s.Upstream, BaseURLs: []baseURLJSON{}, Credentials: []credentialJSON{},
		}
		for _, b := range s.BaseURLs {
			one.BaseURLs = append(one.BaseURLs, baseURLJSON(b))
		}
		for _, c := range s.Credentials {
			one.Credentials = append(one.Credentials, asJSON(c))
		}
		doc.Providers = append(doc.Providers, one)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(doc) // a client that has gone needs no answer
}

// asJSON returns how a credential stands.
func asJSON(s reauth.CredentialStatus) credentialJSON {
	c := credentialJSON{
		Provider: s.Provider, ID: s.ID, Account: s.AccountID, Fingerprint: s.Fingerprint, State: string(s.State),
		Reason: s.Reason, Follows: s.Follows, Source: s.Source, Priority: s.Priority, InFlight: s.InFlight,
		Expiry: statusjson.Time(s.Expiry), AsideUntil: statusjson.Time(s.AsideUntil), LastRefresh: statusjson.Time(s.LastRefresh), Models: statusjson.Models(s),
	}
	for _, l := range s.Limits {
		c.Limits = append(c.Limits, limitJSON{l.Name, l.Left, l.Window.Seconds(), statusjson.Time(l.Reset)})
	}
	return c
}
