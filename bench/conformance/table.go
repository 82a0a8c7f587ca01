package conformance

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync"

	"github.com/reauth-go/reauth/reauthtest"
)

// Result is what the suite found out about one peer.
type Result struct {
	Peer
	Version     string // of its module; empty for this library's own
	Obligations []reauthtest.Obligation
}

// Broken returns the obligations that the peer did not keep.
func (r *Result) Broken() []reauthtest.Obligation {
	return slices.DeleteFunc(slices.Clone(r.Obligations),
		func(o reauthtest.Obligation) bool { return len(o.Failures) == 0 })
}

// Run runs the suite on all peers at once. It takes about a minute, because some cases wait for a
// peer that hangs. It has to run in this module, and needs the go command to find out the versions.
func Run() ([]Result, error) {
	peers, err := Peers()
	if err != nil {
		return nil, err
	}
	known, err := versions(peers)
	if err != nil {
		return nil, err
	}
	results := make([]Result, len(peers))
	var all sync.WaitGroup
	for i, p := range peers {
		results[i] = Result{Peer: p, Version: known[p.Module]}
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

// versions returns the version of each peer's module. It asks go list, because a test binary does
// not know the versions of its dependencies.
func versions(peers []Peer) (map[string]string, error) {
	args := []string{"list", "-m", "-f", "{{.Path}} {{.Version}}"}
	for _, p := range peers {
		if p.Module != ownModule {
			args = append(args, p.Module)
		}
	}
	out, err := exec.Command("go", args...).Output()
	if err != nil {
		return nil, fmt.Errorf("conformance: go list -m: %w", err)
	}
	m := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) == 2 {
			m[f[0]] = f[1]
		}
	}
	return m, nil
}

// Markdown writes results as a table of obligations and peers. Below the table it tells how each
// peer was set up, and why it breaks obligations.
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
	b.WriteString("\n\n✓ kept · ✗ broken · " +
		"○ not kept by design, as the peer documents or as is its purpose\n\n")
	for i, r := range results {
		fmt.Fprintf(&b, "- **%c** `%s`", 'A'+i, r.Name)
		if r.Version != "" {
			fmt.Fprintf(&b, ", %s %s", r.Module, r.Version)
		}
		fmt.Fprintf(&b, ": %s\n", r.Setup)
		for _, o := range r.Broken() {
			why := r.Reasons[o.Name]
			fmt.Fprintf(&b, "  - %s %s: %s (%s)\n",
				r.cell(o), strings.ReplaceAll(o.Name, "_", " "), why.Text, why.Where)
		}
	}
	return b.String()
}

// cell returns the sign of an obligation in the table: kept, broken, or not kept by design.
func (r *Result) cell(o reauthtest.Obligation) string {
	switch {
	case len(o.Failures) == 0:
		return "✓"
	case r.Reasons[o.Name].ByDesign:
		return "○"
	}
	return "✗"
}
