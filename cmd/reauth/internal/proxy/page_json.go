package proxy

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/reauth-go/reauth/cmd/reauth/internal/build"
	"github.com/reauth-go/reauth/cmd/reauth/internal/statusjson"
)

// The status as JSON, for programs: names and meanings stay. A credential has the form that it has
// in the output of "reauth status --json".
type statusJSON struct {
	Version   string         `json:"version"`
	Started   *time.Time     `json:"started"`
	Stopping  bool           `json:"stopping"`
	Providers []providerJSON `json:"providers"`
}

type providerJSON struct {
	Provider    string           `json:"provider"`
	Upstream    string           `json:"upstream"`
	BaseURLs    []BaseURL        `json:"base_urls"`
	Credentials []credentialJSON `json:"credentials"`
}

// credentialJSON is how a credential stands, with what only a pool at work knows.
type credentialJSON struct {
	statusjson.Credential
	InFlight int                `json:"in_flight"`
	Limits   []statusjson.Limit `json:"limits,omitempty"`
}

// serveStatusJSON serves /-/status.json.
func (p *Proxy) serveStatusJSON(w http.ResponseWriter, _ *http.Request) {
	doc := statusJSON{Version: build.Version(), Started: statusjson.Time(p.started), Stopping: p.draining.Load()}
	for _, s := range p.providers() {
		one := providerJSON{
			Provider: s.Name, Upstream: s.Upstream, BaseURLs: slices.Clone(s.BaseURLs), Credentials: []credentialJSON{},
		}
		if one.BaseURLs == nil {
			one.BaseURLs = []BaseURL{}
		}
		for _, c := range s.Credentials {
			one.Credentials = append(one.Credentials, credentialJSON{
				statusjson.Of(c.CredentialStatus, c.From), c.InFlight, statusjson.Limits(c.Limits),
			})
		}
		doc.Providers = append(doc.Providers, one)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(doc) // a client that has gone needs no answer
}
