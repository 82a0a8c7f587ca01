package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// The proxy has its metrics told what is left of limits, at the provider's address or another one.
func TestProxyReadsLimits(t *testing.T) {
	for name, base := range map[string]string{"the provider's": "", "another": "http://127.0.0.1:9999/v1"} {
		pool := reauth.NewPool()
		c := proxyCmd{}
		c.Provider, c.BaseURL = "grok", base
		pr, err := c.provider(pool)
		require.NoError(t, err, name)
		assert.True(t, pr.ReadLimits, name)
		require.NoError(t, pool.Close())
	}
}
