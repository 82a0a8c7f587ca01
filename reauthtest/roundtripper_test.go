package reauthtest_test

import (
	"net/http"
	"testing"

	"github.com/reauth-go/reauth/reauthtest"
)

func TestRoundTripperOfNothing(t *testing.T) {
	reauthtest.TestRoundTripper(t, func(base http.RoundTripper) http.RoundTripper { return base })
}
