package sdks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/reauthtest"
)

// cases are the columns of the table. Each case returns what the caller saw.
var cases = []struct {
	name string
	run  func(t *testing.T, c client) string
}{
	{"expired", expired},
	{"storm of 100", storm},
	{"exhausted", exhausted},
	{"forbidden", forbidden},
	{"cancelled", cancelled},
	{"upload", uploaded},
	{"stream", streamed},
}

// TestClients runs each client through each case, and compares what the callers saw with the table
// in sdks.md.
func TestClients(t *testing.T) {
	table := newTable("client")
	for _, c := range clients {
		for _, k := range cases {
			if why := c.lacks[k.name]; why != "" {
				table.set(c.name, k.name, "— "+why)
				continue
			}
			t.Run(c.name+"/"+k.name, func(t *testing.T) { table.set(c.name, k.name, k.run(t, c)) })
		}
	}
	table.compare(t, "clients")
}

// expired: the token was refused, and the caller does not notice it.
func expired(t *testing.T, c client) string {
	r := newRig(t, c)
	r.login(t)
	r.fake.Expire(r.token)
	got, err := c.open(t, r.http).ask(bounded(t))
	require.NoError(t, err)
	assert.Equal(t, said, got)
	assert.Equal(t, seen{calls: 1, sends: 2, exchanges: 1}, r.seen())
	assert.Zero(t, r.fake.Reuses())
	return "the answer; " + r.seen().String()
}

// streamed: the token was refused, and the caller gets the whole stream.
func streamed(t *testing.T, c client) string {
	r := newRig(t, c)
	r.login(t)
	r.fake.Expire(r.token)
	got, err := c.open(t, r.http).stream(bounded(t))
	require.NoError(t, err)
	assert.Equal(t, said, got)
	assert.Equal(t, seen{calls: 1, sends: 2, exchanges: 1}, r.seen())
	return "the whole stream; " + r.seen().String()
}

// storm: a hundred requests are refused at once, and one exchange serves them all.
func storm(t *testing.T, c client) string {
	const n = 100
	r := newRig(t, c)
	r.login(t)
	r.gather(n)
	r.fake.Expire(r.token)
	do, ctx := c.open(t, r.http), bounded(t)
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			got, err := do.ask(ctx)
			assert.NoError(t, err)
			assert.Equal(t, said, got)
		})
	}
	wg.Wait()
	assert.Equal(t, seen{calls: n, sends: 2 * n, exchanges: 1}, r.seen())
	assert.Equal(t, 1, r.fake.TokenRequests())
	assert.Zero(t, r.fake.Reuses())
	return fmt.Sprintf("%d answers; %s", n, r.seen())
}

// exhausted: with a second credential, the caller does not notice the refusal. Without one it gets
// the refusal of the provider. The client sends again as often as it insists, and only once with
// MarkFinal.
func exhausted(t *testing.T, c client) string {
	two := newRig(t, c)
	two.login(t)
	two.fake.Exhaust(time.Time{}, two.token)
	two.key(t, "second", true)
	got, err := c.open(t, two.http).ask(bounded(t))
	require.NoError(t, err)
	assert.Equal(t, said, got)
	assert.Equal(t, seen{calls: 1, sends: 2}, two.seen())

	cell := "one of two: the answer; " + two.seen().String()
	for _, final := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			one := memoryRig(t, c)
			one.transport.MarkFinal = final
			one.login(t)
			one.fake.Exhaust(time.Time{}, one.token)
			_, err := c.open(t, one.http).ask(bounded(t))
			require.Error(t, err)
			status := one.statuses()[0]
			told := one.told(t, c, err, status, exhaustedMessage[c.provider])
			calls := 1
			if status == http.StatusTooManyRequests && !final {
				calls += c.retries
			}
			assert.Equal(t, seen{calls: calls, sends: calls}, one.seen())
			switch {
			case !final:
				cell += fmt.Sprintf(". All: %s; %s", told, one.seen())
			case c.retries > 0 && status == http.StatusTooManyRequests:
				cell += fmt.Sprintf(", %d with `MarkFinal`", calls)
			}
		})
	}
	return cell
}

// These are the messages of the providers, as the fake provider has them.
var (
	exhaustedMessage = map[string]string{
		"openai-api": "You exceeded your current quota", "xai-oauth": "You have run out of credits",
		"anthropic": "exceed your account's rate limit",
		"gemini":    "You exceeded your current quota",
	}
	forbiddenMessage = map[string]string{
		"openai-api": "Project does not have access to model gpt-example",
		"xai-oauth":  "Access to the chat endpoint is denied.",
		"anthropic":  "OAuth token does not meet scope requirement user:inference",
		"gemini":     "The caller does not have permission",
	}
)

// forbidden: the message of the provider reaches the caller once, as the client's own error, and no
// exchange is made.
func forbidden(t *testing.T, c client) string {
	r := newRig(t, c)
	r.login(t)
	r.fake.Forbid(r.token)
	_, err := c.open(t, r.http).ask(bounded(t))
	require.Error(t, err)
	told := r.told(t, c, err, http.StatusForbidden, forbiddenMessage[c.provider])
	assert.Equal(t, seen{calls: 1, sends: 1}, r.seen())
	assert.NotContains(t, fmt.Sprintf("%v %+v", err, err), r.token)
	return told + "; " + r.seen().String()
}

// told checks what the client's error says about a refusal. If the error leaves something out, the
// client had got it all the same.
func (r *rig) told(t *testing.T, c client, err error, status int, message string) string {
	t.Helper()
	assert.Contains(t, r.handed, message)
	told := c.refused(err)
	assert.Equal(t, c.mute, told.message == "", "the error is %v", err)
	if !c.mute {
		assert.Contains(t, told.message, message)
	}
	switch {
	case told.status == 0 && c.mute:
		return told.as + " without the status or the message, which it was given"
	case c.mute:
		assert.Equal(t, status, told.status)
		return fmt.Sprintf("%s with the %d, without the message, which it was given", told.as, status)
	}
	assert.Equal(t, status, told.status)
	return fmt.Sprintf("%s with the %d and the message", told.as, status)
}

// cancelled: a caller that leaves in the middle of an exchange returns at once. The exchange serves
// the next caller.
func cancelled(t *testing.T, c client) string {
	r := newRig(t, c)
	r.login(t)
	r.fake.Expire(r.token)
	g := r.hold()
	do := c.open(t, r.http)
	ctx, cancel := context.WithCancel(bounded(t))
	defer cancel()
	left := make(chan error, 1)
	go func() {
		_, err := do.ask(ctx)
		left <- err
	}()
	<-g.entered
	cancel()
	err := <-left // the exchange still waits
	require.Error(t, err)
	cell := "its own error"
	if errors.Is(err, context.Canceled) {
		cell = "`context.Canceled`"
	}
	assert.Equal(t, seen{calls: 1, sends: 1}, r.seen(), "the client does not repeat a call that its caller gave up")

	close(g.leave)
	<-r.refreshed
	got, err := do.ask(bounded(t))
	require.NoError(t, err)
	assert.Equal(t, said, got)
	assert.Equal(t, seen{calls: 2, sends: 2, exchanges: 1}, r.seen())
	return cell + " at once; the next call has the new token"
}

// uploaded: the transport sends a whole file again.
func uploaded(t *testing.T, c client) string {
	r := newRig(t, c)
	r.login(t)
	r.fake.Expire(r.token)
	r.record = true
	content := bytes.Repeat([]byte("0123456789abcde\n"), 1<<15) // 512 KiB
	size, err := c.open(t, r.http).upload(bounded(t), content)
	require.NoError(t, err)
	assert.GreaterOrEqual(t, size, int64(len(content)))
	assert.Equal(t, r.bodies[0], r.bodies[1], "the same body twice")
	assert.True(t, bytes.Contains(r.bodies[len(r.bodies)-1], content), "the file arrived")
	for i, status := range r.statuses() {
		assert.Equal(t, i > 0, status == http.StatusOK)
	}
	assert.Equal(t, 1, r.fake.Exchanges())
	assert.Zero(t, r.bodyless.Load(), "all bodies have GetBody")
	return "the receipt; " + r.seen().String() + piped(t, c)
}

// piped: the caller sends a body without GetBody to an endpoint that the client does not know. The
// provider refuses after it has read the body, or before.
func piped(t *testing.T, c client) string {
	var cell string
	for _, early := range []bool{false, true} {
		r := newRig(t, c)
		r.fake.Change(func(p *reauthtest.Provider) { p.RefuseEarly = early })
		r.login(t)
		r.fake.Expire(r.token)
		do := c.open(t, r.http)
		if do.post == nil {
			return ""
		}
		content := bytes.Repeat([]byte("0123456789abcde\n"), 1<<17) // 2 MiB
		body, w := io.Pipe()
		form := multipart.NewWriter(w)
		go func() {
			file, err := form.CreateFormFile("file", "upload.txt")
			if err == nil {
				_, err = file.Write(content)
			}
			_ = w.CloseWithError(errors.Join(err, form.Close())) // a pipe closes without error
		}()
		require.NoError(t, do.post(bounded(t), "files", form.FormDataContentType(), body))
		assert.EqualValues(t, 1, r.bodyless.Load())
		assert.Equal(t, seen{calls: 1, sends: 2, exchanges: 1}, r.seen())
		all := r.fake.Requests()
		assert.Greater(t, all[1].Bytes, int64(len(content)))
		assert.Equal(t, early, all[0].Bytes < all[1].Bytes)
		cell = ". A pipe, without `GetBody`: " + r.seen().String()
	}
	return cell
}
