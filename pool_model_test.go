package reauth_test

import (
	"bytes"
	"context"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

// limit limits what the credential with the token gets: requests that hold the text are refused, until
// lift is called.
func (r *rig) limit(token, text string, v reauth.Verdict) (lift func()) {
	free := r.transport.Base
	r.transport.Base = roundTripFunc(func(req *http.Request) (*http.Response, error) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		_ = req.Body.Close() // it was read to its end
		again := *req
		again.Body = io.NopCloser(bytes.NewReader(body))
		resp, err := free.RoundTrip(&again)
		if err == nil && strings.HasSuffix(req.Header.Get("Authorization"), token) && strings.Contains(string(body), text) {
			_ = resp.Body.Close() // it is replaced
			resp = answer(req, 429, "capped")
		}
		return resp, err
	})
	r.transport.Classifier = func(_ string, _ *http.Response, body []byte) (reauth.Verdict, bool) {
		return v, string(body) == "capped"
	}
	return func() { r.transport.Base = free }
}

// ask sends a body for a model, and returns which credential has served it; the status if none has.
func (r *rig) ask(t testing.TB, model string) (token string, status int) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, r.url, strings.NewReader(`{"messages":[],"model":"`+model+`"}`))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	return r.asked(t, req)
}

func (r *rig) asked(t testing.TB, req *http.Request) (token string, status int) {
	t.Helper()
	status, _, err := r.do(req)
	require.NoError(t, err)
	sent := r.fake.Requests()
	return sent[len(sent)-1].Token, status
}

// oneModel is a limit of one model.
var oneModel = reauth.Verdict{Kind: reauth.Exhausted, Reason: "usage", Scope: reauth.OneModel}

// A limit of one model puts the credential aside for that model, and for no other one.
func TestLimitOfAModel(t *testing.T) {
	bubbleOver(t, func(t *testing.T, r *rig, store *watchedStore) {
		a, _ := r.login(t, "a")
		b, _ := r.login(t, "b")
		lift := r.limit(a, "opus", oneModel)
		for _, want := range []struct{ model, token string }{
			{"sonnet", a}, {"opus", b}, {"opus", b}, {"sonnet", a}, {"haiku", a}, {"opus", b},
		} {
			token, status := r.ask(t, want.model)
			require.Equal(t, 200, status)
			require.Equal(t, want.token, token, want.model)
		}
		require.Len(t, r.fake.Requests(), 7, "one send was wasted")
		s := r.status(t, "a")
		require.Equal(t, reauth.Good, s.State)
		require.Equal(t, []reauth.ModelStatus{
			{Model: "opus", State: reauth.Aside, Reason: "usage", AsideUntil: s.Models[0].AsideUntil},
		}, s.Models)
		require.Equal(t, "opus", r.events.last(reauth.PutAside).About)
		synctest.Wait()

		other := newRigOn(t, reauthtest.XAI, openOn(t, store.Store))
		other.fake, other.transport.Base = r.fake, r.fake.Transport()
		require.Equal(t, s.Models, other.status(t, "a").Models, "other processes know it")
		token, _ := other.ask(t, "opus")
		require.Equal(t, b, token)
		require.NoError(t, other.pool.Close())

		time.Sleep(15 * time.Minute)
		lift()
		token, _ = r.ask(t, "opus")
		require.Equal(t, a, token)
		require.Empty(t, r.status(t, "a").Models)
	})
}

// openOn opens a pool over a store.
func openOn(t testing.TB, s reauth.Store) *reauth.Pool {
	t.Helper()
	pool, err := reauth.OpenPool(context.Background(), s)
	require.NoError(t, err)
	return pool
}

// Reset ends the marks of models too, and so does a request for the model that was served all the same.
func TestMarkOfAModelEnds(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		a, _ := r.login(t, "a")
		lift := r.limit(a, "opus", oneModel)
		capped := func() bool { return len(r.status(t, "a").Models) > 0 }
		_, status := r.ask(t, "opus")
		require.Equal(t, 429, status)
		require.True(t, capped())
		require.NoError(t, r.pool.Reset(t.Context(), r.provider, "a"))
		require.False(t, capped())

		_, status = r.ask(t, "opus")
		require.Equal(t, 429, status)
		lift()
		_, status = r.ask(t, "sonnet")
		require.Equal(t, 200, status)
		require.True(t, capped(), "another model was served")
		_, status = r.ask(t, "opus")
		require.Equal(t, 200, status, "the only credential is sent all the same")
		require.False(t, capped())
	})
}

// The model is found wherever the API of the provider has it, and whether the body can be read before it
// is sent or not.
func TestWhichModel(t *testing.T) {
	form := func(model string) (string, string) {
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		require.NoError(t, w.WriteField("model", model))
		require.NoError(t, w.Close())
		return w.FormDataContentType(), b.String()
	}
	for name, c := range map[string]struct {
		provider, base string
		request        func(model string) (path, kind, body string)
		noGetBody      bool
		own            func(*http.Request, []byte) string
	}{
		"json": {"openai", "https://api.openai.com", func(m string) (string, string, string) {
			return "/v1/responses", "application/json", `{"input":"x","model":"` + m + `"}`
		}, false, nil},
		"json without GetBody": {"openai", "https://api.openai.com", func(m string) (string, string, string) {
			return "/v1/responses", "application/json", `{"input":"x","model":"` + m + `"}`
		}, true, nil},
		"form": {"openai", "https://api.openai.com", func(m string) (string, string, string) {
			kind, body := form(m)
			return "/v1/audio/transcriptions", kind, body
		}, false, nil},
		"gemini": {"gemini", "https://generativelanguage.googleapis.com", func(m string) (string, string, string) {
			return "/v1beta/models/" + m + ":generateContent", "application/json", `{}`
		}, false, nil},
		"vertex": {"vertex", "https://us-east5-aiplatform.googleapis.com", func(m string) (string, string, string) {
			return "/v1/projects/p/locations/l/publishers/google/models/" + m + ":predict", "application/json", `{}`
		}, false, nil},
		"bedrock": {"bedrock", "https://bedrock-runtime.us-east-1.amazonaws.com", func(m string) (string, string, string) {
			return "/model/" + m + "/converse", "application/json", `{}`
		}, false, nil},
		"a function of the program": {"openai", "https://api.openai.com", func(m string) (string, string, string) {
			return "/v1/engines/run", "application/json", `{"engine":"` + m + `"}`
		}, false, func(req *http.Request, body []byte) string {
			_, rest, _ := strings.Cut(string(body), `"engine":"`)
			return strings.TrimSuffix(rest, `"}`)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			pool := reauth.NewPool()
			p, _ := reauth.LookupProvider(c.provider)
			p.Model = c.own
			require.NoError(t, pool.Register(p))
			for _, id := range []string{"a", "b"} {
				_, err := pool.Add(t.Context(), reauth.Credential{Provider: c.provider, ID: id, AccessToken: "key-" + id})
				require.NoError(t, err)
			}
			var last string
			transport := reauth.NewRecoveringTransport(roundTripFunc(func(req *http.Request) (*http.Response, error) {
				last = req.Header.Get("Authorization") + req.Header.Get("X-Goog-Api-Key")
				body, err := io.ReadAll(req.Body)
				require.NoError(t, err)
				require.NotEmpty(t, body)
				if strings.HasSuffix(last, "key-a") && strings.Contains(req.URL.Path+string(body), "opus") {
					return answer(req, 429, "capped"), nil
				}
				return answer(req, 200, `{}`), nil
			}), pool)
			transport.Classifier = func(_ string, _ *http.Response, body []byte) (reauth.Verdict, bool) {
				return oneModel, string(body) == "capped"
			}
			send := func(model string) string {
				path, kind, body := c.request(model)
				req, err := http.NewRequest(http.MethodPost, c.base+path, strings.NewReader(body))
				require.NoError(t, err)
				if c.noGetBody {
					req.GetBody = nil
				}
				req.Header.Set("Content-Type", kind)
				resp, err := transport.RoundTrip(req)
				require.NoError(t, err)
				require.Equal(t, 200, resp.StatusCode)
				require.Same(t, req, resp.Request)
				require.NoError(t, resp.Body.Close())
				return last[len(last)-1:]
			}
			for _, want := range []struct{ model, id string }{
				{"claude-opus", "b"}, {"claude-sonnet", "a"}, {"claude-opus", "b"}, {"claude-sonnet", "a"},
			} {
				require.Equal(t, want.id, send(want.model), want.model)
			}
			list := pool.Status()
			require.Len(t, list[0].Models, 1)
			require.Equal(t, "claude-opus", list[0].Models[0].Model)
			require.NoError(t, pool.Close())
		})
	}
}

// A panic of Provider.Model is told, and the limit is one of the whole credential.
func TestModelThatPanics(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		r.register(t, func(p *reauth.Provider) { p.Model = func(*http.Request, []byte) string { panic("no") } })
		a, _ := r.login(t, "a")
		r.limit(a, "opus", oneModel)
		_, status := r.ask(t, "opus")
		require.Equal(t, 429, status)
		require.Equal(t, reauth.Aside, r.status(t, "a").State)
		require.Equal(t, "model", r.events.last(reauth.Panicked).Reason)
	})
}

// A success without marks of models costs nothing more than it did.
func TestModelIsNotReadWithoutNeed(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		r.register(t, func(p *reauth.Provider) {
			p.Model = func(*http.Request, []byte) string {
				assert.Fail(t, "it was asked")
				return ""
			}
		})
		a, _ := r.login(t, "a")
		r.login(t, "b")
		r.fake.Exhaust(time.Now().Add(time.Hour), a)
		for range 3 {
			_, status := r.ask(t, "opus")
			require.Equal(t, 200, status)
		}
	})
}

// last returns the last event of a type.
func (l *eventLog) last(kind reauth.EventType) (e reauth.Event) {
	if all := l.all(kind); len(all) > 0 {
		e = all[len(all)-1]
	}
	return e
}
