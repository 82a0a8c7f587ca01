package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestByteSize(t *testing.T) {
	for text, want := range map[string]byteSize{
		"0": 0, "17": 17, "64KiB": 64 << 10, "256MiB": 256 << 20, "2 GiB": 2 << 30,
	} {
		var s byteSize
		require.NoError(t, s.UnmarshalText([]byte(text)), text)
		assert.Equal(t, want, s, text)
	}
	for _, text := range []string{"", "-1", "MiB", "1MB", "9223372036854775807KiB", "1.5GiB"} {
		var s byteSize
		assert.ErrorContains(t, s.UnmarshalText([]byte(text)), "no size", text)
	}
}
