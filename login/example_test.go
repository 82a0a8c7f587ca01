package login_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/login"
	"github.com/reauth-go/reauth/reauthtest"
)

// logIn shows a device code in the terminal of an agent, and goes on when its user has consented.
func logIn(ctx context.Context, pool *reauth.Pool, opt *login.Options) error {
	s, err := login.Start(ctx, "xai-oauth", opt) // nil: the defaults
	if err != nil {
		return err
	}
	defer s.Close()
	p := s.Prompt()
	fmt.Fprintf(os.Stderr, "Open %s and enter %s there.\n", p.URL, p.Code)
	credential, err := s.Wait(ctx)
	if err != nil {
		return err
	}
	_, err = pool.Add(ctx, credential)
	return err
}

// An agent in a terminal logs its user in, and adds the login to its pool.
func Example() {
	vendor := reauthtest.New(reauthtest.XAI) // stands in for auth.x.ai, and for the person
	vendor.Interval, vendor.ApproveAfter = time.Second, time.Millisecond
	server := vendor.Start()
	defer server.Close()
	pool := reauth.NewPool()
	defer pool.Close()

	if err := logIn(context.Background(), pool, &login.Options{
		Issuer: server.URL, // leave it out for the vendor's own server
		Note:   func(text string) { fmt.Fprintln(os.Stderr, text) },
	}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(pool.Status()[0].ID)
	// Output: user-1
}
