package login_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/login"
	"github.com/reauth-go/reauth/reauthtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// person is somebody who logs in, and the program around the login.
type person struct {
	visit func(address, code string) // consents or refuses; nil: does neither
	lines []string                   // that the person pastes, one after the other

	mu    sync.Mutex
	shown []string // address, code and hint of each prompt
	notes []string
	waits []time.Duration
	wrong []string // why Enter has refused a line
}

// meets shows a prompt to the person, and passes on what the person pastes.
func (p *person) meets(s *login.Session) {
	prompt := s.Prompt()
	p.mu.Lock()
	p.shown = append(p.shown, prompt.URL, prompt.Code, prompt.Hint)
	p.mu.Unlock()
	if p.visit != nil {
		p.visit(prompt.URL, prompt.Code)
	}
	for _, line := range p.lines {
		if err := s.Enter(line); err != nil {
			p.wrong = append(p.wrong, err.Error())
		}
	}
}

func (p *person) waiting(left time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waits = append(p.waits, left)
}

func (p *person) note(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.notes = append(p.notes, text)
}

// all returns every text that the person was told.
func (p *person) all() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(slices.Concat(p.shown, p.notes, p.wrong), "\n")
}

// wire is a transport that records the requests, and may answer instead of base.
type wire struct {
	base   http.RoundTripper
	answer func(req *http.Request) (*http.Response, error) // if it is nil or returns two nils, base answers

	mu      sync.Mutex
	asked   []string    // method and address of each request
	at      []time.Time // time of each request
	headers []http.Header
	bodies  []string
}

func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	body := ""
	if req.GetBody != nil {
		r, err := req.GetBody()
		if err != nil {
			return nil, err
		}
		b, err := io.ReadAll(r)
		if err != nil {
			return nil, err
		}
		body = string(b)
	}
	w.mu.Lock()
	w.asked = append(w.asked, req.Method+" "+req.URL.String())
	w.at = append(w.at, time.Now())
	w.headers = append(w.headers, req.Header.Clone())
	w.bodies = append(w.bodies, body)
	w.mu.Unlock()
	if w.answer != nil {
		if resp, err := w.answer(req); resp != nil || err != nil {
			return resp, err
		}
	}
	return w.base.RoundTrip(req)
}

// gaps returns the times between the requests to addresses that end in suffix.
func (w *wire) gaps(suffix string) (gaps []time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var last time.Time
	for i, asked := range w.asked {
		if strings.HasSuffix(asked, suffix) {
			if !last.IsZero() {
				gaps = append(gaps, w.at[i].Sub(last))
			}
			last = w.at[i]
		}
	}
	return gaps
}

// says returns a response with a JSON body.
func says(status int, body string) *http.Response {
	h := http.Header{"Content-Type": {"application/json"}}
	return &http.Response{
		StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
}

// rig is a login at a fake provider, without network.
type rig struct {
	fake     *reauthtest.Provider
	wire     *wire
	person   *person
	provider string
	opt      login.Options
}

// newRig returns a login whose person consents to a device code 12 seconds after the visit.
func newRig(t *testing.T, provider string) *rig {
	t.Helper()
	// The clock of a synctest bubble starts in the year 2000. The milliseconds since 1970 are then
	// below 1e12, and the login would read them as seconds.
	if now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC); time.Now().Before(now) {
		time.Sleep(time.Until(now))
	}
	r := &rig{fake: reauthtest.New(reauthtest.OpenAI), person: &person{}, provider: provider}
	r.wire = &wire{base: r.fake.Transport()}
	r.person.visit = func(_, code string) {
		time.AfterFunc(12*time.Second, func() { _ = r.fake.Approve(code) })
	}
	r.opt = login.Options{Base: r.wire, Note: r.person.note, Waiting: r.person.waiting}
	if provider == "qwen-oauth" { // as if its vendor had not ended its logins
		r.opt.EvenIfEnded = true
		r.opt.Note = func(text string) {
			if !strings.HasPrefix(text, "The vendor has ended") {
				r.person.note(text)
			}
		}
	}
	return r
}

// start begins the login, and shows its prompt to the person.
func (r *rig) start(ctx context.Context) (*login.Session, error) {
	s, err := login.Start(ctx, r.provider, &r.opt)
	if err == nil {
		r.person.meets(s)
	}
	return s, err
}

// runIn runs the login to its end.
func (r *rig) runIn(ctx context.Context) (reauth.Credential, error) {
	s, err := r.start(ctx)
	if err != nil {
		return reauth.Credential{}, err
	}
	defer s.Close()
	return s.Wait(ctx)
}

// run runs the login to its end.
func (r *rig) run(t *testing.T) (reauth.Credential, error) {
	t.Helper()
	return r.runIn(t.Context())
}

// fails runs a login that must fail and return no credential. It returns the text of the error.
func (r *rig) fails(t *testing.T, ctx context.Context) string {
	t.Helper()
	c, err := r.runIn(ctx)
	require.Error(t, err)
	require.Equal(t, reauth.Credential{}, c, "a login that failed has no credential")
	return err.Error()
}

// errCut is the error of a request whose connection broke.
var errCut = errors.New("connection reset by peer")
