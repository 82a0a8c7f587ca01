package reauth

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/reauth-go/reauth/internal/limits"
	"github.com/reauth-go/reauth/internal/models"
	"github.com/reauth-go/reauth/internal/rewind"
)

// What a request is about is read only where it can matter: when a credential of the provider has a mark
// about a topic, when an answer is about one, or when the limits that answers tell are to be read and each
// model has its own.

// maxModelBody is how much of a body Provider.Model gets.
const maxModelBody = 1 << 20

// asksTopic reports whether it matters what a request is about: to the choice, or to whose limits its
// answer tells.
func (g *group) asksTopic(p *registered, now time.Time) bool {
	return g.candidates(now).topical || g.doubts.active.Load() > 0 || p != nil && p.readsLimits && p.limits.Buckets
}

// noteLimits remembers what an answer tells of the limits of its sender's account, if the provider is to
// be listened to. The body of a request without GetBody, which could not be read before, is here by now
// as far as it was sent.
func (a *attempt) noteLimits(p *registered, t *tokens, about topic, resp *http.Response, sent time.Time) {
	if p == nil || !p.readsLimits {
		return
	}
	h := hearing{now: time.Now(), asked: sent, took: isSuccess(resp.StatusCode)}
	told := limits.Read(resp.Header, p.limits, h.now)
	if len(told) == 0 {
		return
	}
	h.model, _ = about.model()
	if p.limits.Buckets && about == "" && a.kept != nil {
		h.model = modelIn(a.sender.group.pool, p, a.caller, a.kept.SoFar())
	}
	a.sender.noteLimits(told, t, h)
}

// readTopic returns what a request that is not sent yet is about; empty: that cannot be told before its
// body is sent, because it has no GetBody. If it has read the body, it returns the one to send instead.
func readTopic(pool *Pool, p *registered, req *http.Request) (about topic, body io.ReadCloser) {
	model := modelInPath(p, req)
	if model == "" && rewind.HasBody(req) {
		if req.GetBody == nil {
			return "", nil
		}
		model, body = modelInBody(pool, p, req)
	}
	return topicOf(model, req), body
}

// modelInBody reads the model: of a body in memory without moving it, of another through GetBody. Then it
// returns the body to send instead.
func modelInBody(pool *Pool, p *registered, req *http.Request) (model string, body io.ReadCloser) {
	if p.Model == nil && !models.Readable(req.Header) {
		return "", nil
	}
	if left := rewind.InMemory(req); left != nil {
		return modelIn(pool, p, req, left), nil
	}
	again := guardGetBody(pool, req)
	copied, err := again()
	if err != nil {
		return "", nil
	}
	model = modelIn(pool, p, req, copied)
	_ = copied.Close() // it was read as far as needed
	fresh, err := again()
	return model, rewind.InPlaceOf(req.Body, fresh, err)
}

// modelSent returns the model of a request that was sent, as far as its body can be had.
func modelSent(ctx context.Context, pool *Pool, p *registered, a *attempt) string {
	if model := modelInPath(p, a.caller); model != "" {
		return model
	}
	sent := a.sentSoFar(ctx)
	defer func() { _ = sent.Close() }() // it was read as far as needed
	return modelIn(pool, p, a.caller, sent)
}

// modelIn returns the model of a request whose body is given.
func modelIn(pool *Pool, p *registered, req *http.Request, body io.Reader) string {
	if p.Model == nil {
		return models.InBody(req.Header, body)
	}
	beginning, _ := io.ReadAll(io.LimitReader(body, maxModelBody)) // what can be read counts
	return pool.askModel(p, req, beginning)
}

// modelInPath returns the model that the path of the request names; for a provider that the program has
// given a function, that decides.
func modelInPath(p *registered, req *http.Request) string {
	if p.Model != nil || len(p.modelPaths) == 0 {
		return ""
	}
	return models.InPath(req.URL.Path, p.modelPaths)
}

// askModel calls Provider.Model. When that panics, the request has no model.
func (p *Pool) askModel(r *registered, req *http.Request, body []byte) (model string) {
	defer func() {
		if failed := recover(); failed != nil {
			_ = p.crashed(req.Context(), credentialKey{provider: r.Name}, "model", failed) // told
			model = ""
		}
	}()
	asked := *req
	asked.Body, asked.GetBody = http.NoBody, nil
	return models.Clean(r.Model(&asked, body))
}
