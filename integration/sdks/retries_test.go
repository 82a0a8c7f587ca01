package sdks

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/reauth-go/reauth/reauthtest"
)

// refusals are the answers that a pool with one credential meets and cannot recover from. Each test
// runs in a bubble, where an hour takes no time.
var refusals = []struct {
	name  string
	begin func(t testing.TB, r *rig)
}{
	{"429", func(t testing.TB, r *rig) {
		r.login(t)
		r.fake.Exhaust(time.Time{}, r.token)
	}},
	{"429, back in 20 s", func(t testing.TB, r *rig) {
		r.login(t)
		r.fake.Exhaust(time.Now().Add(20*time.Second), r.token)
	}},
	{"429, back in 1 h", func(t testing.TB, r *rig) {
		r.login(t)
		r.fake.Exhaust(time.Now().Add(time.Hour), r.token)
	}},
	{"a key that is refused", func(t testing.TB, r *rig) { r.key(t, "unknown", false) }},
	{"403", func(t testing.TB, r *rig) {
		r.login(t)
		r.fake.Forbid(r.token)
	}},
	{"503", func(t testing.TB, r *rig) {
		r.login(t)
		r.fake.Change(func(p *reauthtest.Provider) {
			p.Refuse = func(*http.Request, string) *reauthtest.Answer {
				return &reauthtest.Answer{Status: 503, Body: `{}`}
			}
		})
	}},
}

// insistent are the clients of the table of retries: one for each code path of a library.
var insistent = []client{
	openaiChat, goOpenAI, anthropicSDK, langchainOpenAI, langchainAnthropic, genaiSDK, genaiRetrying,
	coderWebsocket,
}

// TestRetries finds out how often each client sends a request that cannot succeed, and what
// MarkFinal changes.
func TestRetries(t *testing.T) {
	table := newTable("client")
	for _, c := range insistent {
		for _, k := range refusals {
			t.Run(c.name+"/"+k.name, func(t *testing.T) {
				plain, marked := insist(t, c, k.begin, false), insist(t, c, k.begin, true)
				if marked == plain {
					table.set(c.name, k.name, plain)
				} else {
					table.set(c.name, k.name, plain+"; marked: "+marked)
				}
			})
		}
		t.Run(c.name+"/its time-out", func(t *testing.T) {
			if c.timed == nil {
				table.set(c.name, "its own time-out", "— it has none")
				return
			}
			table.set(c.name, "its own time-out", timedOut(t, c, c.timed, 0))
		})
		t.Run(c.name+"/http.Client.Timeout", func(t *testing.T) {
			if c.sockets {
				table.set(c.name, "`http.Client.Timeout`", "— as a cancelled call")
				return
			}
			open := func(t testing.TB, hc *http.Client, _ time.Duration) calls { return c.open(t, hc) }
			table.set(c.name, "`http.Client.Timeout`", timedOut(t, c, open, time.Second))
		})
	}
	table.compare(t, "retries")
}

// insist makes one call. It tells how many requests the client made of it, and whether it was
// answered. If the client waited for a minute or more, it tells how long.
func insist(t *testing.T, c client, begin func(testing.TB, *rig), final bool) (told string) {
	synctest.Test(t, func(t *testing.T) {
		r := memoryRig(t, c)
		r.transport.MarkFinal = final
		begin(t, r)
		start := time.Now()
		_, err := c.open(t, r.http).ask(context.Background())
		waited := time.Since(start)
		n := r.seen()
		assert.Equal(t, n.calls, n.sends, "each call is sent once")
		assert.Zero(t, n.exchanges)
		told = plural(n.calls, "call")
		if err == nil {
			told += fmt.Sprintf(", the answer after %s", round(waited))
		} else if waited >= time.Minute {
			told += fmt.Sprintf(", refused after %s", round(waited))
		}
	})
	return told
}

func round(d time.Duration) string {
	if d >= time.Hour {
		return fmt.Sprintf("%d h", int(math.Round(d.Hours())))
	}
	return fmt.Sprintf("%d s", int(math.Round(d.Seconds())))
}

// timedOut lets a time-out of a second end in the middle of an exchange of 1.2 s. The exchange is
// not lost: the next try of the client has the new token, or else the next call of the caller.
func timedOut(
	t *testing.T, c client, open func(testing.TB, *http.Client, time.Duration) calls, whole time.Duration,
) (told string) {
	synctest.Test(t, func(t *testing.T) {
		r := memoryRig(t, c)
		r.login(t)
		r.fake.Expire(r.token)
		r.fake.TokenLatency = 1200 * time.Millisecond
		r.http.Timeout = whole
		do := open(t, r.http, time.Second)
		got, err := do.ask(context.Background())
		if err == nil {
			assert.Equal(t, said, got)
			assert.Equal(t, seen{calls: 2, sends: 2, exchanges: 1}, r.seen())
			told = "the answer, by its second try"
			return
		}
		told = "its own error"
		if errors.Is(err, context.DeadlineExceeded) {
			told = "`context.DeadlineExceeded`"
		}
		assert.Equal(t, seen{calls: 1, sends: 1}, r.seen())
		time.Sleep(time.Second)
		got, err = do.ask(context.Background())
		assert.NoError(t, err)
		assert.Equal(t, said, got)
		assert.Equal(t, seen{calls: 2, sends: 2, exchanges: 1}, r.seen())
		told += ", the next call has the new token"
	})
	return told
}
