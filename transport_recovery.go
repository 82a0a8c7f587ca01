package reauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/reauth-go/reauth/internal/sse"

	"github.com/reauth-go/reauth/internal/wait"
)

// recovery is one request after its first answer turned out to be, perhaps, a refusal.
type recovery struct {
	call
	ctx  context.Context //nolint:containedctx // ends when the caller gives the request up, in either way
	stop context.CancelFunc
	body *attempt

	now   turn
	sent  time.Time // when the last send began
	seen  *marks    // those that stood then
	sends int

	tried     []*member
	lacks     evidence // of the credentials to which the request was forbidden
	dead      turn     // of the first credential whose grant turned out to be dead
	asked     bool     // a person has been asked for a new login
	kept      *refusal // what the caller gets if nothing better comes
	penalties []*penalty
	wasServed bool
}

// newRecovery begins the recovery of a call whose body is sent by a. end must be called.
func newRecovery(c *call, a *attempt) *recovery {
	ctx, stop := callerContext(c.req)
	return &recovery{call: *c, ctx: ctx, stop: stop, body: a}
}

// step is what to do after an answer.
type step uint8

const (
	giveUp    step = iota
	sendAgain      // with the tokens of the present turn
)

// run takes an answer and goes on until there is one for the caller.
func (r *recovery) run(resp *http.Response, err error) (*http.Response, error) {
	over := false
	defer func() {
		if !over {
			r.abandon(resp)
		}
	}()
	answer, err := r.answer(&resp, err)
	over = true
	return answer, err
}

// abandon gives up what the recovery has in hand, when a panic of the base, or runtime.Goexit in a
// function of the program, goes through it.
func (r *recovery) abandon(resp *http.Response) {
	if resp != nil && resp.Body != nil {
		_ = resp.Body.Close() // nobody is left who would be told
	}
	r.kept.discard(r.ctx)
}

// answer is run. It keeps the latest answer in resp.
func (r *recovery) answer(latest **http.Response, err error) (*http.Response, error) {
	for {
		resp := *latest
		if err != nil {
			return r.failed(err)
		}
		if !r.now.member.mayRefuse(r.req.Context(), r.provider, resp) {
			return r.success(resp), nil
		}
		ref := r.look(resp)
		if ref.verdict.Kind == Pass {
			return r.passed(ref), nil
		}
		r.keep(ref)
		next, ended := r.decide(ref)
		if next == giveUp && ended == nil {
			next, ended = r.relogin()
		}
		if ended != nil {
			return r.failed(ended)
		}
		if next == giveUp || !r.prepare(ref) {
			return r.refuse(), nil
		}
		*latest = nil // the refusal is kept
		*latest, err = r.send()
	}
}

// look reads the beginning of an answer, of a stream its first event where the provider says so,
// and judges it.
func (r *recovery) look(resp *http.Response) *refusal {
	var ref *refusal
	if r.provider.FirstEvent > 0 && sse.IsStream(resp) {
		ref = peekEvent(r.ctx, resp, r.provider.FirstEvent)
	} else {
		ref = peek(r.ctx, resp)
	}
	if ref.rest != nil {
		r.now.member.tellBody(r.req.Context(), ref.rest.Err())
	}
	ref.verdict, ref.of = r.classify(ref), r.now.member.id
	r.emit(Event{Type: Sent, Status: resp.StatusCode, Duration: time.Since(r.sent)})
	r.emit(Event{Type: Judged, Status: resp.StatusCode, Reason: ref.verdict.label()})
	return ref
}

// send sends the request once more, with the tokens of the present turn.
func (r *recovery) send() (*http.Response, error) {
	r.sent, r.seen = time.Now(), r.now.member.marks.Load()
	r.sends++
	resp, err := r.body.send(r.t.base(), r.now.member, r.now.tokens, r.provider)
	if err == nil {
		r.body.noteLimits(r.provider, r.now.tokens, r.route.about, resp, r.sent)
	}
	return resp, err
}

// classify asks the caller's classifier, then the provider, then the generic rules.
func (r *recovery) classify(ref *refusal) Verdict {
	body := ref.decoded()
	if judge := r.t.Classifier; judge != nil {
		if v, ok := r.now.member.judge(r.req.Context(), "classifier", func() (Verdict, bool) {
			return judge(r.group.name, detached(ref.resp, body), body) //nolint:bodyclose // it is in memory
		}); ok {
			return v
		}
	}
	if judge := r.provider.Classify; judge != nil {
		if v, ok := r.now.member.judge(r.req.Context(), "provider-classify", func() (Verdict, bool) {
			return judge(detached(ref.resp, body), body) //nolint:bodyclose // it is in memory
		}); ok {
			return v
		}
	}
	return classify(r.group.name, ref.resp, body)
}

// decide does what the verdict asks for. Its error is a callerError.
func (r *recovery) decide(ref *refusal) (step, error) {
	v := ref.verdict
	d := because(newRefusal(v, ref.resp))
	if m := r.now.member; m.isCurable(v) || v.Kind == Forbidden && m.canStepUp(r.ctx, r.now.tokens, d) {
		return r.decideRejected(ref, d)
	}
	if v.Kind == Exhausted || v.Kind == Forbidden { // the provider accepted the token as such
		r.now.tokens.accepted.Store(true)
	}
	if v.Kind == Forbidden || v.Kind == Exhausted && v.Scope == OneModel {
		r.readTopic()
	}
	if v.Kind == Forbidden && !r.route.stays() {
		r.lacks.refused = append(r.lacks.refused, forbidden{r.now.member, r.now.tokens, v.Reason, v.cause})
	}
	r.penalize(v, nil)
	return r.switchCredential(v)
}

// readTopic reads what the request is about after an answer that is about that, from what was sent.
func (r *recovery) readTopic() {
	if r.route.about == "" {
		r.route.about = topicOf(modelSent(r.ctx, r.group.pool, r.provider, r.body), r.req)
	}
}

// decideRejected looks for tokens of the same credential that meet the demand before it switches. It
// notes why there are none.
func (r *recovery) decideRejected(ref *refusal, d demand) (step, error) {
	m, sent := r.now.member, r.now.tokens
	if current := r.now.replacement(d); current != nil {
		return r.replayWith(current)
	}
	if !r.maySend() { // new tokens come too late for this request, but not for the next
		ref.failed = r.renewForOthers(ref.verdict, d)
		return giveUp, nil
	}
	if r.now.mustWait(r.sent, d) {
		sent.noteRefusal(time.Now())
		r.now.waited = true
		if !wait.For(r.ctx, proveDelay) {
			return giveUp, newCallerError(r.ctx, "giving fresh tokens of "+m.String()+" time")
		}
		return r.replayWith(m.tokens.Load())
	}
	renewed, err := r.now.renew(r.ctx, d)
	switch {
	case err == nil:
		return r.replayWith(renewed)
	case isCallerError(err):
		return giveUp, err
	}
	ref.failed = err
	r.noteDead(err)
	r.penalize(ref.verdict, err)
	return r.switchCredential(ref.verdict)
}

// noteDead notes that the grant of the present credential turned out to be dead, if err says that.
func (r *recovery) noteDead(err error) {
	if r.dead.member == nil && isPermanent(err) {
		r.dead = r.now
	}
}

// renewForOthers starts a renewal that this request does not wait for. Its error is why the request
// gets its refusal.
func (r *recovery) renewForOthers(v Verdict, d demand) error {
	f := r.now.member.join(r.ctx, r.now.tokens, d)
	if err := f.failedAtOnce(); err != nil {
		r.noteDead(err)
		r.penalize(v, err)
		return err
	}
	return r.whyNotSent()
}

// whyNotSent is the error of a request that may not be sent again.
func (r *recovery) whyNotSent() error {
	if r.sends >= r.t.maxAttempts() {
		return fmt.Errorf("%w: MaxAttempts allows no more than %d; the credential is renewed for the next request",
			errNotReplayed, r.t.maxAttempts())
	}
	return fmt.Errorf("%w: its body has no GetBody, and is above MaxBodyBuffer or did not fit into MaxBodyMemory; "+
		"the credential is renewed for the next request", errNotReplayed)
}

// penalize marks the credential, and remembers the mark until the request ends.
func (r *recovery) penalize(v Verdict, failed error) {
	if p := r.now.member.penalize(r.req.Context(), r.now.tokens, r.seen, v, failed, r.route.about); p != nil {
		r.penalties = append(r.penalties, p)
	}
}

// replayWith sends the request again with other tokens of the same credential, if it may be sent, and
// they are for its host: a new login may name others.
func (r *recovery) replayWith(t *tokens) (step, error) {
	if !r.maySend() || t.cred.AccessToken == "" || !r.now.member.serves(&r.dest) {
		return giveUp, nil
	}
	r.now.tokens = t
	return sendAgain, nil
}

// switchCredential goes on with another credential in good standing, if there is one.
func (r *recovery) switchCredential(v Verdict) (step, error) {
	r.tried = append(r.tried, r.now.member)
	r.now.endTry() // its mark is set
	if r.route.stays() || !r.maySend() || !r.lacks.mayTryAnother(r.group, r.route.about) {
		return giveUp, nil
	}
	for {
		m, try := r.lacks.chooseAnother(r.group, &r.dest, r.route, r.tried)
		if m == nil {
			return giveUp, nil
		}
		t, err := m.ready(r.ctx, m.tokens.Load(), time.Now())
		if isCallerError(err) {
			m.endTry(try)
			return giveUp, err
		}
		if t.cred.AccessToken == "" {
			m.endTry(try)
			r.tried = append(r.tried, m)
			continue
		}
		r.now = turn{member: m, tokens: t, try: try}
		r.lacks.noteOther()
		r.emit(Event{Type: Switched, Reason: v.Reason})
		return sendAgain, nil
	}
}

// relogin asks, once, for a new login in the place of a dead grant when no credential is left: of the
// first that the request has met, else of one that another request has.
func (r *recovery) relogin() (step, error) {
	m, dead, asked := r.dead.member, r.dead.tokens, r.asked
	r.asked = true
	if r.kept.verdict.Kind != Forbidden && !r.route.stays() {
		m, dead = r.group.whomToAsk(m, dead, &r.dest)
	}
	switch {
	case asked || m == nil || !m.mayRelogin():
		return giveUp, nil
	case !r.maySend(): // a new login comes too late for this request, but not for the next
		if r.route.stays() || !r.group.hasAnother(&r.dest, time.Now(), r.route, m) {
			m.joinRelogin(r.ctx, dead)
		}
		return giveUp, nil
	}
	t, err := m.relogin(r.ctx, dead, &r.dest)
	if err == nil {
		r.now = turn{member: m}
		return r.replayWith(t)
	}
	if !isCallerError(err) {
		r.kept.noteRelogin(m.id, err)
		err = nil
	}
	return giveUp, err
}

// maySend reports whether the request may be sent again.
func (r *recovery) maySend() bool {
	return r.sends < r.t.maxAttempts() && r.body.replayable()
}

// keep keeps what the caller gets if nothing better comes: the first Forbidden, else the last
// refusal. The other one is given up.
func (r *recovery) keep(ref *refusal) {
	switch {
	case r.kept == nil:
		r.kept = ref
	case r.kept.verdict.Kind == Forbidden:
		ref.discard(r.ctx)
	default:
		r.kept.discard(r.ctx)
		r.kept = ref
	}
}

// prepare gets the body ready for the replay. A base that may still be sending the first body must
// be stopped before that, so the rest of a long refusal is lost; else the refusal stays open until
// the replay has an answer.
func (r *recovery) prepare(last *refusal) bool {
	if r.body.sending() {
		last.discard(r.ctx)
	}
	err := r.body.rewind(r.ctx)
	if err != nil && last.failed == nil {
		last.failed = fmt.Errorf("%w: %w", errNotReplayed, r.redacted(err))
	}
	return err == nil
}

// success returns an answer whose status cannot be a refusal's.
func (r *recovery) success(resp *http.Response) *http.Response {
	r.accepted()
	r.now.member.served(r.req.Context(), r.now.tokens, resp, r.sent, r.sends, r.route.about)
	r.lacks.served = isSuccess(resp.StatusCode)
	r.group.track(r.provider, r.req, resp, r.now.member)
	r.kept.discard(r.ctx)
	return resp
}

// passed returns an answer that was looked into and is no refusal, such as a 200 in which one might
// have hidden.
func (r *recovery) passed(ref *refusal) *http.Response {
	ref.release()
	r.accepted()
	if s := ref.resp.StatusCode; s >= 200 && s < 300 {
		r.now.member.noteAccepted(r.req.Context(), r.now.tokens, r.sent, r.route.about)
		r.lacks.served = true
	}
	r.group.track(r.provider, r.req, ref.resp, r.now.member)
	r.kept.discard(r.ctx)
	return ref.resp
}

// accepted notes that no refusal is left of this request.
func (r *recovery) accepted() {
	r.wasServed = true
	if r.now.renewed {
		r.now.member.endFutile()
	}
}

// refuse returns the refusal to the caller.
func (r *recovery) refuse() *http.Response {
	ref := r.kept
	if r.t.MarkFinal && isFinal(ref.verdict) {
		if ref.resp.Header == nil {
			ref.resp.Header = make(http.Header)
		}
		ref.resp.Header.Set("X-Should-Retry", "false")
	}
	r.emit(ref.gaveUp())
	ref.release()
	return ref.resp
}

// failed ends a request whose send, or whose wait, brought an error. The end of the caller's own
// context is the request's error; no other error is a reason to withhold a refusal that was
// obtained.
func (r *recovery) failed(err error) (*http.Response, error) {
	if !isCallerError(err) && !isPanic(err) {
		r.now.member.tellBody(r.req.Context(), err)
		r.emit(Event{Type: Sent, Err: r.told(err), Duration: time.Since(r.sent)})
	}
	if r.kept == nil || callerLeft(r.req) {
		r.kept.discard(r.ctx)
		if ended := r.req.Context().Err(); ended != nil && !errors.Is(err, ended) {
			// A base may call the end of the context by another name.
			err = &callerError{"replaying", r.redacted(err), ended}
		}
		return nil, err
	}
	ref := r.kept
	e := ref.gaveUp()
	e.Reason, e.Err = "base-failed", r.told(err)
	r.emit(e)
	ref.release()
	return ref.resp, nil
}

// redacted returns what may be told of an error of the base: it has had the tokens of the present turn.
func (r *recovery) redacted(err error) error {
	if err == nil || r.now.tokens == nil || isCallerError(err) {
		return err
	}
	return newRedactedError(err, secretsOf(r.now.tokens.cred, secretsOfProxy(r.t.base(), r.req)...)...)
}

// end is called when the request has its answer.
func (r *recovery) end() {
	r.stop()
	r.body.release()
	r.now.endTry()
	commitPenalties(r.req.Context(), r.penalties, r.wasServed)
	r.lacks.commit(r.req.Context(), r.group, r.route.about)
}

// told is redacted for an event; nil if nobody is told.
func (r *recovery) told(err error) error {
	if !r.t.Pool.observed() {
		return nil
	}
	return r.redacted(err)
}

// emit adds what all events of a request have.
func (r *recovery) emit(e Event) {
	if !r.t.Pool.observed() {
		return
	}
	e.Provider, e.Attempt = r.group.name, r.sends
	if e.ID == "" && r.now.member != nil {
		e.ID = r.now.member.id
	}
	r.t.Pool.emit(r.req.Context(), e)
}
