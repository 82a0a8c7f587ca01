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
	"github.com/reauth-go/reauth/cmd/reauth/internal/login"
	"github.com/reauth-go/reauth/internal/vendors"
)

// providersCmd lists what is built in.
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

// Run implements the command.
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
		pr, _ := reauth.LookupProvider(name) // it is one of them
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", name, credentialOf(name), refreshable(pr), probeOf(vendors.Of(name)))
	}
	return t.Flush()
}

// credentialOf says what a provider wants: a key, or a login and the flows for it.
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

func refreshable(pr reauth.Provider) string {
	if pr.Refresher == nil {
		return "no"
	}
	return "yes"
}

// probeOf says what request the probe of a provider sends.
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

// versionCmd prints what was built.
type versionCmd struct{}

// Help implements kong.HelpProvider.
func (*versionCmd) Help() string {
	return `Example:

    reauth version
`
}

// Run implements the command.
func (*versionCmd) Run(a *app) error {
	a.printf("reauth %s %s %s/%s\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}

// version is the module's version, or the commit of a checkout.
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
