// Quickstart shows a recovery from beginning to end, without an account. It sends requests with an
// expired token to a fake provider with a token endpoint, and prints what happens then.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

func main() {
	if err := run(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

func run(out io.Writer) error {
	fake := reauthtest.New(reauthtest.XAI)
	fake.TokenLatency = 200 * time.Millisecond

	pool := reauth.NewPool()
	story := &story{out: out}
	pool.Observe = story.tell
	// A program for the real provider needs no Use, and has nil in the place of fake.Transport.
	if err := fake.Use(pool); err != nil {
		return err
	}
	access, refresh := fake.Login()
	login := reauth.Credential{Provider: "xai-oauth", ID: "you", AccessToken: access, RefreshToken: refresh}
	if _, err := pool.Add(context.Background(), login); err != nil {
		return err
	}
	client := &http.Client{Transport: reauth.NewRecoveringTransport(fake.Transport(), pool)}
	p := &program{client: client, url: "https://api.x.ai/v1/chat/completions", fake: fake, story: story}

	err := errors.Join(p.completion(), p.stream(), p.storm(100), p.switching(pool))
	if err == nil {
		_, err = fmt.Fprint(out, closing)
	}
	return errors.Join(err, pool.Close())
}

// closing says what the story has shown, and how to go on.
const closing = `
What you saw
  The program never saw a refusal. An expired token made one request slower.
  A hundred requests with it led to one exchange of the refresh token. When
  the quota of one credential was used up, the next one served the request.

Go on with
  go run ./examples/relogin             an agent asks its user to log in again
  go run ./cmd/reauth login xai-oauth   log in with an account of your own
  go run ./cmd/reauth probe xai-oauth   one request that spends nothing, told
`

// program stands for a user's program: it makes requests and knows nothing of credentials.
type program struct {
	client *http.Client
	url    string
	fake   *reauthtest.Provider
	story  *story
}

// post sends a request with a placeholder where the credential belongs.
func (p *program) post(body string) (*http.Response, error) {
	req, err := http.NewRequest(http.MethodPost, p.url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer set by the transport")
	req.Header.Set("Content-Type", "application/json")
	return p.client.Do(req)
}

// completion asks for one answer with an expired token.
func (p *program) completion() error {
	p.story.chapter("A chat completion with an expired token")
	p.fake.Expire()
	resp, err := p.post(`{"model":"example","messages":[{"role":"user","content":"Hello"}]}`)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	p.story.line("the program sees %d: …%q…", resp.StatusCode, middle(string(body)))
	return check(resp.StatusCode == http.StatusOK && p.fake.Exchanges() == 1, "one refresh and a 200 were expected")
}

// middle returns the text of a completion.
func middle(s string) string {
	_, after, _ := strings.Cut(s, `"content":"`)
	text, _, _ := strings.Cut(after, `"`)
	return text
}

// stream asks for an answer as a stream of events, with an expired token.
func (p *program) stream() error {
	p.story.chapter("A streamed completion with an expired token")
	p.fake.Expire()
	resp, err := p.post(`{"model":"example","stream":true,"messages":[{"role":"user","content":"Hello"}]}`)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var events int
	var done bool
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			events++
			done = data == "[DONE]"
		}
	}
	p.story.line("the program sees %d and a stream of %d events", resp.StatusCode, events)
	served := resp.StatusCode == http.StatusOK && done && p.fake.Exchanges() == 2
	return check(served, "one refresh and a whole stream were expected")
}

// storm sends n requests at once with the same expired token.
func (p *program) storm(n int) error {
	p.story.chapter(fmt.Sprintf("A storm: %d requests at once with an expired token", n))
	p.story.quiet(true)
	p.fake.Expire()
	before := p.fake.Exchanges()
	var mu sync.Mutex
	answers := make(map[int]int)
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			status := 0
			if resp, err := p.post(`{"model":"example"}`); err == nil {
				status = resp.StatusCode
				_, _ = io.Copy(io.Discard, resp.Body) // only the status counts here
				_ = resp.Body.Close()
			}
			mu.Lock()
			defer mu.Unlock()
			answers[status]++
		})
	}
	wg.Wait()
	p.story.quiet(false)
	made := p.fake.Exchanges() - before
	p.story.line("%d of %d answers are 200", answers[http.StatusOK], n)
	p.story.line("%d exchange, %d refresh tokens used twice", made, p.fake.Reuses())
	served := answers[http.StatusOK] == n && made == 1 && p.fake.Reuses() == 0
	return check(served, "one refresh and nothing but 200 were expected")
}

// switching sends a request while the quota of the first credential is used up.
func (p *program) switching(pool *reauth.Pool) error {
	p.story.chapter("An exhausted credential, and another one in the pool")
	p.fake.AddKey("xai-EXAMPLE")
	spare := reauth.Credential{Provider: "xai", ID: "spare key", AccessToken: "xai-EXAMPLE", Priority: 1}
	if _, err := pool.Add(context.Background(), spare); err != nil {
		return err
	}
	current, err := pool.Token(context.Background(), "xai")
	if err != nil {
		return err
	}
	p.fake.Exhaust(time.Time{}, current.AccessToken)
	resp, err := p.post(`{"model":"example"}`)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	p.story.line("the program sees %d", resp.StatusCode)
	for _, s := range pool.Status() {
		p.story.line("%s: %s", s.ID, strings.TrimSpace(fmt.Sprint(s.State, " ", s.Reason)))
	}
	switched := resp.StatusCode == http.StatusOK && pool.Status()[0].State == reauth.Aside
	return check(switched, "a switch and a 200 were expected")
}

func check(ok bool, want string) error {
	if ok {
		return nil
	}
	return errors.New(want)
}

// story prints the pool's events, with the time since the chapter began.
type story struct {
	mu     sync.Mutex
	out    io.Writer
	begin  time.Time
	silent bool
}

func (s *story) chapter(title string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begin = time.Now()
	_, _ = fmt.Fprintf(s.out, "\n%s\n", title) // a broken terminal cannot be reported anywhere
}

// quiet turns the events of the pool off or on. A storm would print too many.
func (s *story) quiet(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.silent = on
}

func (s *story) line(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ms := float64(time.Since(s.begin).Microseconds()) / 1000
	_, _ = fmt.Fprintf(s.out, "  %7.1f ms  %s\n", ms, fmt.Sprintf(format, args...)) // like chapter
}

func (s *story) isQuiet() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.silent
}

// tell is the pool's observer.
func (s *story) tell(_ context.Context, e reauth.Event) {
	if s.isQuiet() {
		return
	}
	ms := fmt.Sprintf("%.1f ms", float64(e.Duration.Microseconds())/1000)
	switch e.Type {
	case reauth.Sent:
		what := "sent"
		if e.Attempt > 1 {
			what = "replayed"
		}
		s.line("request %s with %q: %d after %s", what, e.ID, e.Status, ms)
	case reauth.Judged:
		s.line("verdict: %s", e.Reason)
	case reauth.Refreshing:
		s.line("the refresh token of %q goes to the token endpoint", e.ID)
	case reauth.Refreshed:
		s.line("refreshed %q: one exchange of %s", e.ID, ms)
	case reauth.Switched:
		s.line("switched to %q", e.ID)
	case reauth.PutAside:
		s.line("put aside %q until %s", e.ID, e.Until.Format(time.TimeOnly))
	case reauth.NotDurable:
		// The quickstart keeps its pool in memory. docs/keep-a-login.md tells how to keep them.
	default:
		s.line("%s %q %s", e.Type, e.ID, e.Reason)
	}
}
