package login

import (
	"context"
	"fmt"
	"strings"

	"github.com/reauth-go/reauth/internal/vendors"
)

// starter begins one flow of one dialect.
type starter func(ctx context.Context, s *Session) (course, error)

// dialects returns the implementation of each flow that a row of the built-in table names. The rows
// hold the addresses, client IDs and scopes, and Options can replace each of them.
func dialects() map[vendors.Dialect]map[Flow]starter {
	return map[vendors.Dialect]map[Flow]starter{
		vendors.Anthropic:  {Paste: anthropicPaste, Browser: anthropicBrowser},
		vendors.Codex:      {Device: codexDevice, Browser: codexBrowser, Paste: codexPaste},
		vendors.Copilot:    {Device: copilotDevice},
		vendors.Kimi:       {Device: kimiDevice},
		vendors.MiniMax:    {Device: miniMaxDevice},
		vendors.Nous:       {Device: deviceFlow},
		vendors.Qwen:       {Device: deviceFlow},
		vendors.OpenRouter: {Browser: openRouterBrowser, Paste: openRouterPaste},
		vendors.XAI:        {Device: xaiDevice},
	}
}

// Providers returns the names of the providers that have a login, sorted.
func Providers() []string {
	var names []string
	for row := range vendors.All() {
		if row.Login() != nil {
			names = append(names, row.Name)
		}
	}
	return names
}

// Flows returns the flows of a provider, its default first. It returns nil for a provider without a
// login.
func Flows(name string) []Flow {
	row, err := find(name)
	if err != nil {
		return nil
	}
	flows := make([]Flow, 0, len(row.Login().Flows))
	for _, f := range row.Login().Flows {
		flows = append(flows, Flow(f.Name))
	}
	return flows
}

// find returns the row of the provider of that name or alias. Without a login of that provider it
// returns an error that matches ErrUnsupported.
func find(name string) (vendors.Vendor, error) {
	row := vendors.Of(name)
	switch {
	case row.Name == "":
		return row, fmt.Errorf("%w: %s", ErrUnsupported,
			vendors.Unknown(vendors.Canonical(name), "those with a login are "+strings.Join(Providers(), ", ")))
	case row.Login() == nil:
		return row, fmt.Errorf("a login at %s is %w: it takes API keys only; those with a login are %s",
			row.Name, ErrUnsupported, strings.Join(Providers(), ", "))
	}
	return row, nil
}

// flowOf returns the flow of that name, or the provider's default if the name is empty. If the
// provider does not have the flow, it returns an error that matches ErrUnsupported.
func flowOf(row vendors.Vendor, name Flow) (vendors.Flow, error) {
	if name == "" {
		return row.Login().Flows[0], nil
	}
	var names []string
	for _, f := range row.Login().Flows {
		if f.Name == string(name) {
			return f, nil
		}
		names = append(names, f.Name)
	}
	return vendors.Flow{}, fmt.Errorf("the flow %q is %w here; there is %s", name, ErrUnsupported, strings.Join(names, ", "))
}
