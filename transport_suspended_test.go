package reauth_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/reauth-go/reauth"
)

// sendAndJudge is a program that sends a request, and prints the verdict on the answer.
func sendAndJudge(args []string) {
	url := args[0]
	pool := reauth.NewPool()
	if err := pool.Register(reauth.Provider{Name: "local", Hosts: []string{strings.TrimPrefix(url, "http://")}}); err != nil {
		fmt.Println(err)
		return
	}
	pool.Observe = func(_ context.Context, e reauth.Event) {
		if e.Type == reauth.Judged {
			fmt.Println(e.Reason)
		}
	}
	_, err := pool.Add(context.Background(), reauth.Credential{Provider: "local", AccessToken: "key"})
	if err != nil {
		fmt.Println(err)
		return
	}
	client := &http.Client{Transport: reauth.NewRecoveringTransport(nil, pool)}
	resp, err := client.Post(url, "application/json", strings.NewReader("{}"))
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = resp.Body.Close()
}
