package main

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"net/http"
	"runtime"
	"strings"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/cmd/reauth/internal/build"
	"github.com/reauth-go/reauth/internal/vendors"
	"github.com/reauth-go/reauth/login"
)

// providersCmd lists the built-in providers, or describes one.
type providersCmd struct {
	Name string `arg:"" optional:"" help:"Tell about this one; an alias does."`
	Wide bool   `help:"List the probe of each too, in lines as long as it takes."`
	JSON bool   `name:"json" help:"Print JSON, for programs."`
}

// Help implements kong.HelpProvider.
func (*providersCmd) Help() string {
	return `Examples:

    reauth providers
    reauth providers claude
    reauth providers --json | jq -r '.providers[] | select(.logins) | .name'
`
}

// Run prints the table of providers, or the description of the one that is named.
func (c *providersCmd) Run(a *app) error {
	names := reauth.ProviderNames()
	if c.Name != "" {
		pr, err := lookup(c.Name)
		if err != nil {
			return err
		}
		names = []string{pr.Name}
	}
	switch {
	case c.JSON:
		return writeProvidersJSON(a.stdout, names)
	case c.Name != "":
		return c.describe(a, names[0])
	}
	return c.list(a, names)
}

// describe writes a line for each fact of a provider.
func (c *providersCmd) describe(a *app, name string) error {
	pr, _ := reauth.LookupProvider(name) // the name was looked up
	row, flush := facts(a.stdout, a.width())
	vendor := vendors.Of(name)
	row("name", named(name, c.Name))
	if len(vendor.Aliases) > 0 {
		row("also called", strings.Join(vendor.Aliases, ", "))
	}
	row("credential", credentialOf(name))
	row("refreshed", refreshable(pr))
	row("hosts", cmp.Or(strings.Join(pr.Hosts, " "), "none"))
	row("probe", probeOf(vendor))
	row("get one in", wayIn(name))
	return flush()
}

// list writes a row for each provider.
func (c *providersCmd) list(a *app, names []string) error {
	width, header := a.width(), []string{"PROVIDER", "CREDENTIAL", "REFRESHED"}
	if c.Wide {
		width, header = math.MaxInt, append(header, "PROBE")
	}
	row, flush := columns(a.stdout, width)
	row(header...)
	for _, name := range names {
		pr, _ := reauth.LookupProvider(name) // the name is from the list, so it is known
		cells := []string{name, credentialOf(name), refreshable(pr)}
		if c.Wide {
			cells = append(cells, probeOf(vendors.Of(name)))
		}
		row(cells...)
	}
	return flush()
}

// providerJSON is a provider in the output of --json. Programs parse it: names and meanings stay.
type providerJSON struct {
	Name    string   `json:"name"`
	Aliases []string `json:"aliases,omitempty"`
	// Logins are the flows of a login, the default one first; absent: a key alone.
	Logins    []string `json:"logins,omitempty"`
	Refreshed bool     `json:"refreshed"`
	Hosts     []string `json:"hosts,omitempty"`
	// BaseURL is that of the API where all accounts have the same.
	BaseURL string `json:"base_url,omitempty"`
}

// writeProvidersJSON writes the providers as JSON.
func writeProvidersJSON(w io.Writer, names []string) error {
	doc := struct {
		Providers []providerJSON `json:"providers"`
	}{Providers: []providerJSON{}}
	for _, name := range names {
		pr, _ := reauth.LookupProvider(name) // the names are known
		vendor := vendors.Of(name)
		one := providerJSON{
			Name: name, Aliases: vendor.Aliases, Refreshed: pr.Refresher != nil, Hosts: pr.Hosts, BaseURL: vendor.API.BaseURL(),
		}
		for _, f := range login.Flows(name) {
			one.Logins = append(one.Logins, string(f))
		}
		doc.Providers = append(doc.Providers, one)
	}
	return writeJSON(w, doc)
}

// credentialOf returns the column CREDENTIAL: a key, or also a login with the flows for it.
func credentialOf(provider string) string {
	flows := login.Flows(provider)
	if flows == nil {
		return "key"
	}
	words := make([]string, 0, len(flows))
	for _, f := range flows {
		words = append(words, string(f))
	}
	return "login (" + strings.Join(words, "/") + ") or key"
}

// refreshable returns the column REFRESHED: whether the library refreshes the provider's tokens.
func refreshable(pr reauth.Provider) string {
	if pr.Refresher == nil {
		return "no"
	}
	return "yes"
}

// probeOf returns the column PROBE: the method, the URL and the body of the provider's probe.
func probeOf(row vendors.Vendor) string {
	if row.Probe.Method == "" {
		return "none: " + whyNoBase(row)
	}
	s := row.Probe.Method + " " + cmp.Or(row.ProbeBase(), "BASE-URL") + row.Probe.Path
	if row.Probe.Method == http.MethodPost {
		s += " {}"
	}
	return s
}

// versionCmd prints the version of the command, of Go and of the platform.
type versionCmd struct {
	JSON bool `name:"json" help:"Print JSON, for programs."`
}

// versionJSON is the output of --json. Programs parse it: names and meanings stay. System and Arch
// are Go's names.
type versionJSON struct {
	Version string `json:"version"`
	Go      string `json:"go"`
	System  string `json:"system"`
	Arch    string `json:"arch"`
}

// Help implements kong.HelpProvider.
func (*versionCmd) Help() string {
	return `Example:

    reauth version
`
}

// Run prints the versions on one line.
func (c *versionCmd) Run(a *app) error {
	if c.JSON {
		return writeJSON(a.stdout, versionJSON{build.Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH})
	}
	a.printf("%s\n", versionLine())
	return nil
}

// versionLine has the versions of the command, of Go and of the platform.
func versionLine() string {
	return fmt.Sprintf("reauth %s %s %s/%s", build.Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
