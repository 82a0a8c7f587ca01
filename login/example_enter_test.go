package login_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/reauth-go/reauth/login"
	"github.com/reauth-go/reauth/reauthtest"
)

// In a flow in which the person pastes a code, the program passes on each line until one is of this
// login.
func ExampleSession_Enter() {
	vendor := reauthtest.New(reauthtest.Anthropic) // stands in for Anthropic, and for the person
	vendor.ApproveAfter = time.Nanosecond
	ctx := context.Background()
	s, err := login.Start(ctx, "anthropic", &login.Options{
		Issuer: "https://auth.example.com", Base: vendor.Transport(), // leave both out for Anthropic's own server
	})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	fmt.Fprintln(os.Stderr, s.Prompt().URL, s.Prompt().Hint)
	for _, line := range []string{"a wrong line", consentedAt(vendor, s.Prompt().URL)} {
		if err := s.Enter(line); err != nil {
			fmt.Println(err)
		}
	}
	credential, err := s.Wait(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("logged in:", credential.AccountID)
	// Output:
	// reauth: login anthropic: the code has no state, so nobody knows to which login it belongs; paste all of it
	// logged in: 00000000-0000-4000-8000-000000000001
}

// consentedAt returns what the page at the end of the consent shows.
func consentedAt(vendor *reauthtest.Provider, address string) string {
	req, err := http.NewRequest(http.MethodGet, address, http.NoBody)
	if err != nil {
		log.Fatal(err)
	}
	resp, err := vendor.Transport().RoundTrip(req)
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	to, err := resp.Location()
	if err != nil {
		log.Fatal(err)
	}
	return strings.Join([]string{to.Query().Get("code"), to.Query().Get("state")}, "#")
}
