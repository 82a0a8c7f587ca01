package sdks

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/openai/openai-go/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

// A program that has only its client's error can ask what the error means.
func TestClassifyErrorKnowsTheClientsErrors(t *testing.T) {
	for _, c := range clients {
		if c.mute {
			continue // its error has nothing to judge
		}
		for _, k := range []struct {
			kind  reauth.Kind
			begin func(r *rig)
		}{
			{reauth.Rejected, func(r *rig) { r.key(t, "unknown", false) }},
			{reauth.Exhausted, func(r *rig) { r.login(t); r.fake.Exhaust(time.Now().Add(time.Hour), r.token) }},
			{reauth.Forbidden, func(r *rig) { r.login(t); r.fake.Forbid(r.token) }},
			{reauth.Dead, func(r *rig) { r.login(t); r.fake.Block(r.token) }},
		} {
			t.Run(c.name+"/"+k.kind.String(), func(t *testing.T) {
				r := newRig(t, c)
				r.transport.MarkFinal = true
				k.begin(r)
				_, err := c.open(t, r.http).ask(bounded(t))
				require.Error(t, err)
				assert.Equal(t, k.kind, reauth.ClassifyError(err).Kind, "%T: %v", err, err)
			})
		}
	}
}

// The errors of the official SDKs can print the request and the response in full, for debugging.
// The credential that the transport put on the request is not in them.
func TestErrorDumpsHoldNoCredential(t *testing.T) {
	dump := func(err error) string {
		if e, ok := errors.AsType[*openai.Error](err); ok {
			return string(e.DumpRequest(true)) + string(e.DumpResponse(true))
		}
		if e, ok := errors.AsType[*anthropic.Error](err); ok {
			return string(e.DumpRequest(true)) + string(e.DumpResponse(true))
		}
		return ""
	}
	for _, c := range []client{openaiChat, anthropicSDK} {
		r := newRig(t, c)
		r.login(t)
		r.fake.Forbid(r.token)
		_, err := c.open(t, r.http).ask(bounded(t))
		require.Error(t, err)
		text := dump(err)
		assert.Contains(t, text, "POST /v1/")
		assert.Contains(t, text, forbiddenMessage[c.provider])
		assert.NotContains(t, text+fmt.Sprintf("%v %+v %#v", err, err, err), r.token)
	}
}

// A token may expire between the steps of an upload to Gemini.
func TestUploadWhoseTokenExpiresHalfWay(t *testing.T) {
	r := newRig(t, genaiSDK)
	r.login(t)
	r.fake.Change(func(p *reauthtest.Provider) {
		p.Refuse = func(req *http.Request, token string) *reauthtest.Answer {
			if token == r.token && req.Header.Get("X-Goog-Upload-Command") != "start" {
				return &reauthtest.Answer{
					Status: 401,
					Body: `{"error":{"code":401,"message":"Request had invalid authentication credentials.",` +
						`"status":"UNAUTHENTICATED"}}`,
				}
			}
			return nil
		}
	})
	size, err := genaiSDK.open(t, r.http).upload(bounded(t), []byte("Hello"))
	require.NoError(t, err)
	assert.EqualValues(t, 5, size)
	assert.Equal(t, []int{200, 401, 200}, r.statuses())
	assert.Equal(t, seen{calls: 2, sends: 3, exchanges: 1}, r.seen())
}

// A caller that leaves a recovered stream in the middle gets the error of its context, and no
// goroutine is left.
func TestStreamThatIsLeft(t *testing.T) {
	for _, c := range clients {
		if c.lacks["stream"] != "" {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, c)
			r.login(t)
			r.fake.Expire(r.token)
			ctx, cancel := context.WithCancel(bounded(t))
			defer cancel()
			r.halt = cancel
			_, err := c.open(t, r.http).stream(ctx)
			if c.name != langchainOpenAI.name { // sometimes it returns a half without an error
				assert.ErrorIs(t, err, context.Canceled)
			}
			assert.Equal(t, seen{calls: 1, sends: 2, exchanges: 1}, r.seen())
		})
	}
}
