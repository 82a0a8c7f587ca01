// Relogin shows an agent whose login dies in the middle of its work. The agent prints a device code in
// its own terminal, waits until its user has consented, and goes on with the turn. It needs no account:
// a fake vendor stands in for the provider, for its authorization server, and for the person.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/login"
	"github.com/reauth-go/reauth/reauthtest"
)

func main() {
	if err := run(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "relogin:", err)
		os.Exit(1)
	}
}

func run(out io.Writer) error {
	vendor := reauthtest.New(reauthtest.XAI)
	vendor.Interval, vendor.ApproveAfter = time.Second, time.Second // the person consents after a second

	pool := reauth.NewPool() // a program keeps its logins: reauth.OpenPool(ctx, reauth.NewFileStore(path))
	// A program for the real provider needs no Use, and has nil in the places of Options and Transport.
	if err := vendor.Use(pool); err != nil {
		return err
	}
	pool.Relogin = askInTerminal(out, &login.Options{Base: vendor.Transport()})
	access, refresh := vendor.Login()
	dead := reauth.Credential{Provider: "xai-oauth", ID: "you", AccessToken: access, RefreshToken: refresh}
	if _, err := pool.Add(context.Background(), dead); err != nil {
		return err
	}
	client := &http.Client{Transport: reauth.NewRecoveringTransport(vendor.Transport(), pool)}
	err := turn(out, client, "https://api.x.ai/v1/chat/completions", func(step int) {
		if step == 2 { // somebody ends the login in the middle of the turn
			vendor.Expire()
			vendor.Revoke(refresh)
		}
	})
	return errors.Join(err, pool.Close())
}

// askInTerminal returns a Pool.Relogin that shows the device code where the agent speaks with its user.
func askInTerminal(
	out io.Writer, opt *login.Options,
) func(context.Context, reauth.CredentialStatus) (reauth.Credential, error) {
	return func(ctx context.Context, s reauth.CredentialStatus) (reauth.Credential, error) {
		fmt.Fprintf(out, "  The login %s/%s has ended (%s).\n", s.Provider, s.ID, s.Reason)
		session, err := login.Start(ctx, s.Provider, opt)
		if err != nil {
			return reauth.Credential{}, err
		}
		defer session.Close()
		p := session.Prompt()
		fmt.Fprintf(out, "  Open %s\n  and enter the code %s there.\n", p.URL, p.Code)
		c, err := session.Wait(ctx)
		if err == nil {
			fmt.Fprintln(out, "  Thank you.")
		}
		return c, err
	}
}

// turn is the agent's work: a few requests, one after the other. It knows nothing of credentials.
func turn(out io.Writer, client *http.Client, url string, before func(step int)) error {
	for step := 1; step <= 3; step++ {
		before(step)
		resp, err := client.Post(url, "application/json", strings.NewReader(`{"model":"example"}`))
		if err != nil {
			return err
		}
		_, _ = io.Copy(io.Discard, resp.Body) // only the status counts here
		_ = resp.Body.Close()
		fmt.Fprintf(out, "step %d of the turn: %d\n", step, resp.StatusCode)
		if resp.StatusCode != http.StatusOK {
			return errors.New("each step was expected to succeed")
		}
	}
	return nil
}
