package main

import (
	"cmp"
	"fmt"
	"net/http"
	"runtime"
	"runtime/debug"
	"strings"
	"text/tabwriter"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/vendors"
	"github.com/reauth-go/reauth/login"
)

// providersCmd lists the built-in providers, or describes one.
type providersCmd struct {
	Name string `arg:"" optional:"" help:"Tell about this one; an alias does."`
}

// Help implements kong.HelpProvider.
func (*providersCmd) Help() string {
	return `Examples:

    reauth providers
    reauth providers claude
`
}

// Run prints the table of providers, or the description of the one that is named.
func (c *providersCmd) Run(a *app) error {
	t := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	if c.Name != "" {
		pr, err := lookup(c.Name)
		if err != nil {
			return err
		}
		for _, row := range [][2]string{
			{"name", pr.Name},
			{"credential", credentialOf(pr.Name)},
			{"refreshed", refreshable(pr)},
			{"hosts", cmp.Or(strings.Join(pr.Hosts, " "), "none")},
			{"probe", probeOf(vendors.Of(pr.Name))},
			{"get one in", wayIn(pr.Name)},
		} {
			_, _ = fmt.Fprintf(t, "%s:\t%s\n", row[0], row[1]) // Flush returns the error
		}
		return t.Flush()
	}
	_, _ = fmt.Fprintln(t, "PROVIDER\tCREDENTIAL\tREFRESHED\tPROBE") // Flush returns the error
	for _, name := range reauth.ProviderNames() {
		pr, _ := reauth.LookupProvider(name) // the name is from the list, so it is known
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", name, credentialOf(name), refreshable(pr), probeOf(vendors.Of(name)))
	}
	return t.Flush()
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
type versionCmd struct{}

// Help implements kong.HelpProvider.
func (*versionCmd) Help() string {
	return `Example:

    reauth version
`
}

// Run prints the versions on one line.
func (*versionCmd) Run(a *app) error {
	a.printf("reauth %s %s %s/%s\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}

// version returns the module's version. For a build from a checkout without a version it returns
// the commit.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && v == "(devel)" {
			return "devel-" + s.Value[:min(len(s.Value), 12)]
		}
	}
	return strings.Trim(cmp.Or(v, "unknown"), "()")
}
