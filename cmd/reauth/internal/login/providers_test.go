package login

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/reauth-go/reauth/internal/vendors"
)

// Every flow that a row names is implemented, and no other.
func TestEveryFlowIsImplemented(t *testing.T) {
	for row := range vendors.All() {
		if row.Auth == nil {
			continue
		}
		runs := dialects()[row.Auth.Dialect]
		assert.Len(t, runs, len(row.Auth.Flows), row.Name)
		for _, f := range Flows(row.Name) {
			assert.NotNil(t, runs[f], "%s: %s", row.Name, f)
		}
	}
}
