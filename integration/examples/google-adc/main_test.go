package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

func TestGoogleByItself(t *testing.T) {
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "") // put back what it was
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out), "%s", &out)
	assert.Equal(t, `the first request gets a token:
  Google gave a token
  sent with it: OK
the token is revoked:
  sent with it: Unauthorized
  Google gave a token
  sent with it: OK
`, out.String())
}

// What is wrong with the credentials is told, and a token endpoint that refuses them too.
func TestGoogleSourceFails(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing.json")
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", missing)
	_, err := googleSource(cloudPlatform).Refresh(t.Context(), reauth.Credential{})
	require.ErrorIs(t, err, os.ErrNotExist)

	g, err := newGoogle()
	require.NoError(t, err)
	defer func() { require.NoError(t, g.close()) }()
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", g.keyFile)
	_, err = googleSource("https://www.googleapis.com/auth/another").Refresh(t.Context(), reauth.Credential{})
	require.ErrorContains(t, err, "invalid_grant")
}
