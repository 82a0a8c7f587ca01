package reauthtest_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

// authorizer is the transport that many programs write for themselves.
type authorizer struct {
	base  http.RoundTripper
	token string
}

func (a *authorizer) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("Authorization", "Bearer "+a.token)
	return a.base.RoundTrip(req)
}

func ExampleTestRoundTripper() {
	// func TestTransport(t *testing.T)
	_ = func(t *testing.T) {
		reauthtest.TestRoundTripper(t, func(base http.RoundTripper) http.RoundTripper {
			return reauth.NewRecoveringTransport(base, reauth.NewPool())
		})
	}
}

func ExampleCheckRoundTripper() {
	obligations := reauthtest.CheckRoundTripper(func(base http.RoundTripper) http.RoundTripper {
		return &authorizer{base: base, token: "at-EXAMPLE"}
	})
	for _, o := range obligations {
		if len(o.Failures) > 0 {
			fmt.Println(o.Name)
			fmt.Println("  " + o.Failures[0])
		}
	}
	// Output:
	// credential_is_not_put_back_after_a_redirect
	//   302: the other host is sent an Authorization header
	// trailers_filled_while_the_body_is_read_arrive
	//   HTTP/1.1/GetBody: the server got the trailer "", the caller had set "sum"
	// idle_connections_are_closed
	//   the base's CloseIdleConnections is not called
}
