package conformance

import (
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"sync"

	"github.com/reauth-go/reauth/reauthtest"
)

// Result is how a peer fared.
type Result struct {
	Peer
	Version     string // of its module; empty for this library's own
	Obligations []reauthtest.Obligation
}

// Broken returns the obligations that were not kept.
func (r *Result) Broken() []reauthtest.Obligation {
	return slices.DeleteFunc(slices.Clone(r.Obligations), func(o reauthtest.Obligation) bool { return len(o.Failures) == 0 })
}

// Run runs the suite on all peers at once, which takes about a minute: what hangs is waited for.
func Run() ([]Result, error) {
	peers, err := Peers()
	if err != nil {
		return nil, err
	}
	results := make([]Result, len(peers))
	var all sync.WaitGroup
	for i, p := range peers {
		results[i] = Result{Peer: p, Version: version(p.Module)}
		all.Go(func() { results[i].Obligations = reauthtest.CheckRoundTripper(p.Wrap) })
	}
	all.Wait()
	return results, nil
}

// Table runs the suite on all peers and returns the table as Markdown.
func Table() (string, error) {
	results, err := Run()
	if err != nil {
		return "", err
	}
	return Markdown(results), nil
}

// version returns the version of a module that this program was built with.
func version(module string) string {
	info, _ := debug.ReadBuildInfo()
	if info == nil || module == ownModule {
		return ""
	}
	for _, m := range info.Deps {
		if m.Path == module {
			return m.Version
		}
	}
	return ""
}

// Markdown writes results as a table of obligations and peers, the peers as they were set up, and why each one falls short.
func Markdown(results []Result) string {
	var b strings.Builder
	b.WriteString("| obligation |")
	for i := range results {
		fmt.Fprintf(&b, " %c |", 'A'+i)
	}
	b.WriteString("\n|---|" + strings.Repeat(":-:|", len(results)) + "\n")
	for row, o := range results[0].Obligations {
		fmt.Fprintf(&b, "| %s |", strings.ReplaceAll(o.Name, "_", " "))
		for _, r := range results {
			fmt.Fprintf(&b, " %s |", r.cell(r.Obligations[row]))
		}
		b.WriteString("\n")
	}
	b.WriteString("| **kept** |")
	for _, r := range results {
		fmt.Fprintf(&b, " **%d/%d** |", len(r.Obligations)-len(r.Broken()), len(r.Obligations))
	}
	b.WriteString("\n\n✓ kept · ✗ broken · ○ not kept by design, as the peer documents or as is its purpose\n\n")
	for i, r := range results {
		fmt.Fprintf(&b, "- **%c** `%s`", 'A'+i, r.Name)
		if r.Version != "" {
			fmt.Fprintf(&b, ", %s %s", r.Module, r.Version)
		}
		fmt.Fprintf(&b, ": %s\n", r.Setup)
		for _, o := range r.Broken() {
			why := r.Reasons[o.Name]
			fmt.Fprintf(&b, "  - %s %s: %s (%s)\n", r.cell(o), strings.ReplaceAll(o.Name, "_", " "), why.Text, why.Where)
		}
	}
	return b.String()
}

func (r *Result) cell(o reauthtest.Obligation) string {
	switch {
	case len(o.Failures) == 0:
		return "✓"
	case r.Reasons[o.Name].ByDesign:
		return "○"
	}
	return "✗"
}
