package reauth

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/reauth-go/reauth/internal/sse"
)

// recovery is one request after its first answer turned out to be, perhaps, a refusal.
type recovery struct {
	t     *RecoveringTransport
	req   *http.Request
	group *group
	spec  *spec
	dest  destination
	asked choice
	body  *attempt

	m     *member   // whose tokens were sent last
	h     *held     // those tokens
	sent  time.Time // and when
	sends int

	tried     []*member
	renewed   bool // m has been renewed for this request
	adopted   int  // times somebody else had replaced m's tokens
	graced    bool // m's fresh tokens have been given time
	last      bool // no further credential: one has been tried after a forbidden
	first     *refusal
	kept      *refusal // what the caller gets if nothing better comes
	sentences []*sentence
	served    bool
}

// step is what to do after an answer.
type step uint8

const (
	giveUp step = iota
	replay      // with r.m and r.h
)

// run takes an answer and goes on until there is one for the caller.
func (r *recovery) run(resp *http.Response, err error) (*http.Response, error) {
	for {
		if err != nil {
			return r.failed(err)
		}
		if !r.spec.mayRefuse(resp) {
			return r.success(resp), nil
		}
		ref := r.peek(resp)
		v := r.classify(ref)
		r.emit(Event{Type: Sent, Status: resp.StatusCode, Duration: time.Since(r.sent)})
		r.emit(Event{Type: Judged, Status: resp.StatusCode, Reason: v.label()})
		if v.Kind == Pass {
			ref.release()
			r.noteAccepted(resp)
			r.group.track(r.spec, r.req, resp, r.m)
			return r.deliver(ref), nil
		}
		ref.verdict = v
		r.keep(ref)
		next, err2 := r.decide(v)
		if err2 != nil {
			return r.failed(err2)
		}
		if next == giveUp || !r.prepare() {
			return r.refuse(), nil
		}
		resp, err = r.send(r.m, r.h)
	}
}

// peek looks into an answer: into the first event of a stream where the provider says so.
func (r *recovery) peek(resp *http.Response) *refusal {
	if r.spec.FirstEvent > 0 && sse.IsStream(resp) {
		return peekEvent(r.req.Context(), canceled(r.req), resp, r.spec.FirstEvent)
	}
	return peek(r.req.Context(), canceled(r.req), resp)
}

// send sends once more, with h of m.
func (r *recovery) send(m *member, h *held) (*http.Response, error) {
	r.m, r.h, r.sent = m, h, time.Now()
	r.sends++
	return r.body.send(r.t.base(), m, h, r.spec)
}

// classify asks the caller's classifier, then the provider, then the generic rules.
func (r *recovery) classify(ref *refusal) Verdict {
	body := ref.decoded()
	if judge := r.t.Classifier; judge != nil {
		if v, ok := judge(r.group.name, detached(ref.resp, body), body); ok { //nolint:bodyclose // it is in memory
			return v
		}
	}
	if judge := r.spec.Classify; judge != nil {
		if v, ok := judge(detached(ref.resp, body), body); ok { //nolint:bodyclose // it is in memory
			return v
		}
	}
	return classify(r.group.name, ref.resp, body)
}

// detached is a copy for a classifier that may not know that the body is not its to read.
func detached(resp *http.Response, body []byte) *http.Response {
	c := *resp
	c.Body = bodyOf(body)
	return &c
}

// decide does what the verdict asks for. Its error is the caller's own context.
func (r *recovery) decide(v Verdict) (step, error) {
	if v.Kind == Exhausted || v.Kind == Forbidden { // the token as such was accepted
		r.h.accepted.Store(true)
	}
	if v.Kind == Rejected {
		return r.decideRejected(v)
	}
	r.pass(r.m.sentence(r.req.Context(), r.h, r.sent, v, nil))
	next, err := r.switchTo(v)
	if v.Kind == Forbidden {
		r.last = true
	}
	return next, err
}

// decideRejected looks for other tokens of the same credential before it switches.
func (r *recovery) decideRejected(v Verdict) (step, error) {
	ctx, m := r.req.Context(), r.m
	cur := m.cur.Load()
	if cur.digest != r.h.digest && r.adopted < maxAdopted { // a late refusal: the tokens have been replaced, nobody is to blame
		r.adopted++
		return r.replayWith(cur)
	}
	if !r.maySend() { // new tokens are of no use to this request, but to the next
		if f, _, err := m.join(ctx, r.h, rejected); f == nil && err != nil {
			r.pass(m.sentence(ctx, r.h, r.sent, v, err))
		}
		return giveUp, nil
	}
	if wait := r.grace(); wait > 0 {
		if err := r.sleep(wait); err != nil {
			return giveUp, err
		}
		return r.replayWith(m.cur.Load())
	}
	next, failed := r.renew()
	var own *callerError
	switch {
	case errors.As(failed, &own):
		return giveUp, failed
	case next != nil:
		return r.replayWith(next)
	}
	r.pass(m.sentence(ctx, r.h, r.sent, v, failed))
	return r.switchTo(v)
}

// pass remembers a sentence until the request ends.
func (r *recovery) pass(s *sentence) {
	if s != nil {
		r.sentences = append(r.sentences, s)
	}
}

// maxAdopted bounds how often a request follows tokens that others replace faster than it can use them.
const maxAdopted = 3

// renew returns other tokens of the credential, or why there are none. A request causes one exchange per credential; when
// the tokens of that are refused too, only the store is asked again.
func (r *recovery) renew() (*held, error) {
	if r.renewed {
		r.m.noteVain(r.h)
		if !r.m.isUseless(r.h) {
			return nil, nil
		}
	}
	next, err := r.m.renew(r.req.Context(), canceled(r.req), r.h, rejected)
	switch {
	case err != nil:
		return nil, err
	case next.digest == r.h.digest:
		return nil, errNothingNewer
	case next.minted:
		r.renewed = true
	case r.adopted < maxAdopted:
		r.adopted++
	default:
		return nil, errNothingNewer
	}
	return next, nil
}

// grace returns how long to wait before tokens fresh from an exchange, which nobody has accepted yet, are tried once more.
func (r *recovery) grace() time.Duration {
	if r.graced || !r.m.isUseless(r.h) {
		return 0
	}
	now := time.Now()
	if since := r.h.doubted.Load(); since != 0 && r.sent.After(time.Unix(0, since).Add(graceDelay)) {
		return 0 // they have had their time
	}
	r.h.doubted.CompareAndSwap(0, now.UnixNano())
	r.graced = true
	return graceDelay
}

// sleep waits d, or returns the caller's own context.
func (r *recovery) sleep(d time.Duration) error {
	ctx := r.req.Context()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return &callerError{"giving fresh tokens of " + r.m.String() + " time", context.Cause(ctx), ctx.Err()}
	case <-canceled(r.req):
		return &callerError{"giving fresh tokens of " + r.m.String() + " time", context.Canceled, context.Canceled}
	}
}

func (r *recovery) replayWith(h *held) (step, error) {
	if !r.maySend() || h.cred.AccessToken == "" {
		return giveUp, nil
	}
	r.h = h
	return replay, nil
}

// switchTo goes on with another credential in good standing, if there is one.
func (r *recovery) switchTo(v Verdict) (step, error) {
	r.tried = append(r.tried, r.m)
	if r.last || r.asked.stays() || !r.maySend() {
		return giveUp, nil
	}
	for {
		m := r.group.choose(&r.dest, time.Now(), r.asked, r.tried)
		if m == nil {
			return giveUp, nil
		}
		h, err := m.ready(r.req.Context(), canceled(r.req), m.cur.Load(), time.Now())
		if err != nil {
			return giveUp, err
		}
		if h.cred.AccessToken == "" {
			r.tried = append(r.tried, m)
			continue
		}
		r.m, r.h = m, h
		r.renewed, r.adopted, r.graced = false, 0, false
		r.emit(Event{Type: Switched, Reason: v.Reason})
		return replay, nil
	}
}

// maySend reports whether the request may be sent again.
func (r *recovery) maySend() bool {
	return r.sends < r.t.maxAttempts() && r.body.replayable()
}

// keep remembers a refusal as what the caller gets if nothing better comes; the one before it is given up.
func (r *recovery) keep(ref *refusal) {
	if r.kept != nil && r.kept != r.first {
		r.drop(r.kept)
	}
	r.kept = ref
	if ref.verdict.Kind == Forbidden && r.first == nil {
		r.first = ref
	}
}

// prepare gets the body ready for the replay. A base that may still be sending the first body must be stopped before that:
// then the rest of a long refusal is lost, else the refusal stays open until the replay has an answer.
func (r *recovery) prepare() bool {
	if r.body.sending() && r.kept.rest != nil {
		r.drop(r.kept)
	}
	return r.body.rewind(r.req.Context()) == nil
}

// drop gives a refusal up.
func (r *recovery) drop(ref *refusal) { ref.discard(r.req.Context(), canceled(r.req)) }

// success returns an answer that is none of the kind that may refuse.
func (r *recovery) success(resp *http.Response) *http.Response {
	r.accepted()
	r.t.Pool.served(r.req.Context(), r.m, r.h, resp, r.sent, r.sends)
	r.group.track(r.spec, r.req, resp, r.m)
	r.dropKept(nil)
	return resp
}

// accepted notes that no refusal is left of this request.
func (r *recovery) accepted() {
	r.served = true
	if r.renewed {
		r.m.endVain()
	}
}

// noteAccepted is for answers that were looked into and are no refusal, such as a 200 in which one might have hidden.
func (r *recovery) noteAccepted(resp *http.Response) {
	r.accepted()
	if s := resp.StatusCode; s >= 200 && s < 300 && r.m.acceptedAt(r.h, r.sent) {
		r.t.Pool.mark(r.req.Context(), r.m, Standing{At: time.Now(), Of: r.h.digest})
	}
}

// deliver returns ref to the caller and gives all others up.
func (r *recovery) deliver(ref *refusal) *http.Response {
	r.dropKept(ref)
	ref.release()
	return ref.resp
}

func (r *recovery) dropKept(but *refusal) {
	for _, ref := range []*refusal{r.first, r.kept} {
		if ref != but {
			r.drop(ref)
		}
	}
}

// answer is the refusal the caller gets: the first forbidden one, if any, else the last.
func (r *recovery) answer() *refusal {
	if r.first != nil {
		return r.first
	}
	return r.kept
}

// refuse returns the refusal to the caller.
func (r *recovery) refuse() *http.Response {
	ref := r.answer()
	if r.t.MarkFinal && isFinal(ref.verdict) {
		if ref.resp.Header == nil {
			ref.resp.Header = make(http.Header)
		}
		ref.resp.Header.Set("X-Should-Retry", "false")
	}
	r.emit(Event{Type: GaveUp, Status: ref.resp.StatusCode, Reason: ref.verdict.label()})
	return r.deliver(ref)
}

// isFinal reports whether no quick retry can help.
func isFinal(v Verdict) bool {
	return v.Kind != Exhausted || v.Reset.IsZero() || time.Until(v.Reset) > time.Minute
}

// failed ends a request whose send, or whose wait, brought an error. The caller's own context is an error; anything else
// is no reason to withhold a refusal that was obtained.
func (r *recovery) failed(err error) (*http.Response, error) {
	ctx := r.req.Context()
	left := ctx.Err() != nil // the caller
	select {
	case <-canceled(r.req):
		left = true
	default:
	}
	var own *callerError
	if !errors.As(err, &own) {
		r.emit(Event{Type: Sent, Err: err, Duration: time.Since(r.sent)})
	}
	if r.kept == nil || left {
		r.dropKept(nil)
		if ended := ctx.Err(); ended != nil && !errors.Is(err, ended) {
			err = &callerError{"replaying", err, ended} // a base may call the end of the context by another name
		}
		return nil, err
	}
	ref := r.answer()
	r.emit(Event{Type: GaveUp, Status: ref.resp.StatusCode, Reason: "base-failed", Err: err})
	return r.deliver(ref), nil
}

// end is called when the request has its answer.
func (r *recovery) end() {
	r.body.release()
	settle(r.req.Context(), r.sentences, r.served)
}

// emit adds what all events of a request have.
func (r *recovery) emit(e Event) {
	if !r.t.Pool.observed() {
		return
	}
	e.Provider, e.Attempt = r.group.name, r.sends
	if r.m != nil {
		e.ID = r.m.id
	}
	r.t.Pool.emit(r.req.Context(), e)
}
