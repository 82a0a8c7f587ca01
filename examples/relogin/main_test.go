package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRelogin(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(&out), out.String())
	require.Equal(t, 1, strings.Count(out.String(), "and enter the code"), out.String())
	require.Contains(t, out.String(), "step 3 of the turn: 200")
}
