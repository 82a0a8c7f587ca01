package login

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/reauth-go/reauth/internal/vendors"
)

// dialects implements every flow that a row names, and no other.
func TestEveryFlowIsImplemented(t *testing.T) {
	for row := range vendors.All() {
		if row.Login() == nil {
			continue
		}
		runs := dialects()[row.Login().Dialect]
		assert.Len(t, runs, len(row.Login().Flows), row.Name)
		for _, f := range Flows(row.Name) {
			assert.NotNil(t, runs[f], "%s: %s", row.Name, f)
		}
	}
}
