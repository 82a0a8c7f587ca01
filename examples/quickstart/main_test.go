package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestQuickstartTellsTheWholeStory(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(&out), "%s", &out)
	for _, want := range []string{
		`request sent with "you": 403`, "verdict: rejected:xai:bad-credentials", `refreshed "you": one exchange`,
		`request replayed with "you": 200`, `the program sees 200: …"Hello from the fake provider."…`,
		"a stream of 7 events", "answers by status: map[200:100], exchanges: 1",
		"verdict: exhausted:xai:spending-limit:billing", `switched to "spare key"`,
	} {
		assert.Contains(t, out.String(), want)
	}
}
