package reauth_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

// counted is the headers of a provider that counts tokens by the minute, of which a share is left.
func counted(left string) []string { return bucket(left, "40s") }

// bucket is the headers of a bucket of 100 tokens that is full after some time.
func bucket(left, full string) []string {
	return []string{"X-Ratelimit-Limit-Tokens", "100", "X-Ratelimit-Remaining-Tokens", left, "X-Ratelimit-Reset-Tokens", full}
}

// teach lets each credential answer a request for each model with those headers.
func (r *rig) teach(t *testing.T, l *telling, told map[string]map[string][]string) {
	t.Helper()
	for id, models := range told {
		for model, headers := range models {
			l.of("key-"+id, headers...)
			require.Equal(t, http.StatusOK, r.askOne(t, id, model))
		}
		l.of("key-" + id)
	}
}

// taught adds a key for each ID, and teaches the pool what answers to it tell.
func (r *rig) taught(t *testing.T, told map[string]map[string][]string) *telling {
	t.Helper()
	for _, id := range slices.Sorted(maps.Keys(told)) {
		r.key(t, id, "key-"+id)
	}
	l := r.tell()
	r.teach(t, l, told)
	return l
}

// askOne sends a request for the model with the credential of that ID.
func (r *rig) askOne(t *testing.T, id, model string) (status int) {
	t.Helper()
	ctx := reauth.WithCredential(context.Background(), r.provider, id)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, strings.NewReader(`{"model":"`+model+`"}`))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	_, status = r.asked(t, req)
	return status
}

// Where each model has limits of its own, what an answer tells is of the request's model, with GetBody
// and without.
func TestLimitsTellTheirModel(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		r.register(t, readLimits)
		r.key(t, "a", "key-a")
		l := r.tell()
		send := func(body io.Reader) {
			req, err := http.NewRequest(http.MethodPost, r.url, body)
			require.NoError(t, err)
			req.Header.Set("Content-Type", "application/json")
			_, _, err = r.do(req)
			require.NoError(t, err)
		}
		l.of("key-a", counted("10")...)
		send(strings.NewReader(`{"messages":[],"model":"grok-4"}`))
		l.of("key-a", counted("80")...)
		send(io.MultiReader(strings.NewReader(`{"model":"grok-mini","messages":[]}`))) // no GetBody
		l.of("key-a", counted("50")...)
		send(strings.NewReader(`{}`))
		reset := time.Now().Round(0).Add(40 * time.Second)
		assert.Equal(t, []reauth.Limit{
			{Name: "tokens", Left: 0.5, Window: time.Minute, Reset: reset},
			{Name: "tokens", Left: 0.1, Window: time.Minute, Reset: reset, Model: "grok-4"},
			{Name: "tokens", Left: 0.8, Window: time.Minute, Reset: reset, Model: "grok-mini"},
		}, r.status(t, "a").Limits)
		l.of("key-a", counted("5")...)
		send(strings.NewReader(`{"model":"grok-4"}`))
		assert.InDelta(t, 0.05, r.status(t, "a").Limits[1].Left, 1e-9)
		assert.Len(t, r.status(t, "a").Limits, 3)
	})
}

// A subscription's windows are of all models, and so is what a provider tells of whose limits nothing
// is known.
func TestLimitsOfAllModels(t *testing.T) {
	bubble(t, reauthtest.Anthropic, func(t *testing.T, r *rig) {
		r.register(t, readLimits)
		r.key(t, "a", "key-a")
		l := r.tell()
		r.transport.Base = withKeyHeader(r.transport.Base)
		r.teach(t, l, map[string]map[string][]string{"a": {"claude-opus-4-6": {
			"Anthropic-Ratelimit-Unified-5h-Utilization", "0.5", "Anthropic-Ratelimit-Requests-Limit", "50",
			"Anthropic-Ratelimit-Requests-Remaining", "10",
		}}})
		assert.Equal(t, []reauth.Limit{
			{Name: "5h", Left: 0.5, Window: 5 * time.Hour},
			{Name: "requests", Left: 0.2, Window: time.Minute, Model: "claude-opus-4-6"},
		}, r.status(t, "a").Limits)
	})
	bubble(t, reauthtest.OpenAI, func(t *testing.T, r *rig) {
		r.provider, r.url = "own", "https://llm.corp.example/v1"
		require.NoError(t, r.pool.Register(reauth.Provider{Name: "own", Hosts: []string{"llm.corp.example"}, ReadLimits: true}))
		r.key(t, "a", "key-a")
		r.teach(t, r.tell(), map[string]map[string][]string{"a": {"example": counted("10")}})
		assert.Empty(t, r.status(t, "a").Limits[0].Model)
	})
}

// withKeyHeader shows the test's base, which looks at Authorization, a key that is in x-api-key.
func withKeyHeader(base http.RoundTripper) http.RoundTripper {
	return roundTripFunc(func(req *http.Request) (*http.Response, error) {
		again := req.Clone(req.Context())
		if key := req.Header.Get("X-Api-Key"); key != "" {
			again.Header.Set("Authorization", "Bearer "+key)
		}
		return base.RoundTrip(again)
	})
}

// MostHeadroom chooses by what is left for the request's model. A credential with nothing left for one
// model is a good one for another.
func TestMostHeadroomOfAModel(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		r.strategy(t, reauth.MostHeadroom)
		r.taught(t, map[string]map[string][]string{
			"a": {"grok-4": counted("2"), "grok-mini": counted("90")},
			"b": {"grok-4": counted("60"), "grok-mini": counted("1")},
		})
		for model, want := range map[string]string{"grok-4": "key-b", "grok-mini": "key-a"} {
			for range 3 {
				token, _ := r.ask(t, model)
				assert.Equal(t, want, token, model)
			}
		}
	})
}

// The window of a family of models counts for the models of the family.
func TestMostHeadroomOfAFamily(t *testing.T) {
	bubble(t, reauthtest.Anthropic, func(t *testing.T, r *rig) {
		r.strategy(t, reauth.MostHeadroom)
		r.key(t, "a", "key-a")
		r.key(t, "b", "key-b")
		l := r.tell()
		r.transport.Base = withKeyHeader(r.transport.Base)
		const week, opus = "Anthropic-Ratelimit-Unified-7d-Utilization", "Anthropic-Ratelimit-Unified-7d_opus-Utilization"
		r.teach(t, l, map[string]map[string][]string{
			"a": {"claude-opus-4-6": {week, "0.2", opus, "0.99"}}, "b": {"claude-opus-4-6": {week, "0.6", opus, "0.3"}},
		})
		for model, want := range map[string]string{"claude-opus-4-6": "key-b", "claude-sonnet-4-6": "key-a"} {
			for range 3 {
				token, _ := r.ask(t, model)
				assert.Equal(t, want, token, model)
			}
		}
	})
}

// What is remembered of the limits of models is bounded. What ends first is forgotten, and not what was
// told last.
func TestLimitsOfManyModels(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		r.register(t, readLimits)
		r.key(t, "a", "key-a")
		l := r.tell()
		for i := range 200 {
			l.of("key-a", bucket("10", fmt.Sprint(100+i, "s"))...)
			_, status := r.ask(t, fmt.Sprintf("grok-%03d", i))
			require.Equal(t, http.StatusOK, status)
		}
		l.of("key-a", bucket("10", "1s")...)
		_, _ = r.ask(t, "a-last")
		var models []string
		for _, limit := range r.status(t, "a").Limits {
			models = append(models, limit.Model)
		}
		require.Len(t, models, 64)
		assert.Equal(t, []string{"a-last", "grok-137", "grok-199"}, []string{models[0], models[1], models[63]})
	})
}

// A bucket fills up while its credential rests. One whose provider's limits are windows does not.
func TestMostHeadroomOfBucketsThatFillUp(t *testing.T) {
	for provider, want := range map[string]string{"xai-oauth": "a", "own": "b"} {
		bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
			if provider == "own" {
				r.provider, r.url = "own", "https://llm.corp.example/v1"
				own := reauth.Provider{Name: "own", Hosts: []string{"llm.corp.example"}, Strategy: reauth.MostHeadroom}
				require.NoError(t, r.pool.Register(own))
			} else {
				r.strategy(t, reauth.MostHeadroom)
			}
			r.taught(t, map[string]map[string][]string{
				"a": {"m": bucket("0", "40s")}, "b": {"m": bucket("30", "10m")},
			})
			token, _ := r.ask(t, "m")
			assert.Equal(t, "key-b", token, provider)
			time.Sleep(20 * time.Second)
			token, _ = r.ask(t, "m")
			assert.Equal(t, "key-"+want, token, provider)
		})
	}
}

// Each request in flight counts as what the ones before it have taken of the bucket on average.
func TestMostHeadroomKnowsWhatARequestTakes(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		r.strategy(t, reauth.MostHeadroom)
		r.taught(t, map[string]map[string][]string{"a": {"example": bucket("75", "15s")}, "b": {"example": bucket("65", "21s")}})
		assert.Equal(t, map[string]int{"a": 1, "b": 1}, r.inFlightOf(t, "example", 2),
			"a has 75 %, less the 25 % that a request takes")
	})
}

// A request in flight counts for a bucket that is full, too. What it takes is not forgotten, nor taken for
// less when requests are refused: those take nothing.
func TestMostHeadroomRemembersWhatARequestTakes(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		r.strategy(t, reauth.MostHeadroom)
		l := r.taught(t, map[string]map[string][]string{"a": {"m": bucket("60", "24s")}, "b": {"m": bucket("70", "10h")}})
		l.of("key-a", bucket("60", "24s")...)
		for range 8 {
			r.fake.Exhaust(time.Now().Add(time.Second), "key-a")
			require.NotEqual(t, http.StatusOK, r.askOne(t, "a", "m"))
			time.Sleep(2 * time.Second)
		}
		l.of("key-a")
		require.Equal(t, http.StatusOK, r.askOne(t, "a", "m"), "it is in good standing again")
		time.Sleep(50 * time.Minute)
		r.teach(t, l, map[string]map[string][]string{"a": {"other": bucket("99", "1s")}})
		time.Sleep(time.Second)
		assert.Equal(t, map[string]int{"a": 1, "b": 1}, r.inFlightOf(t, "m", 2), "a is full, less the 40 % that a request takes")
	})
}

// An answer that was overtaken by the one to a later request tells what a bucket, or a window, had before
// that.
func TestAnswerThatWasOvertakenTellsNothing(t *testing.T) {
	for name, c := range map[string]struct {
		dialect reauthtest.Dialect
		left    func(percent int) []string
	}{
		"bucket": {reauthtest.XAI, func(percent int) []string { return bucket(fmt.Sprint(percent), "40s") }},
		"window": {reauthtest.OpenAI, func(percent int) []string { return codex(300, 100-percent, time.Hour) }},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, c.dialect, func(t *testing.T, r *rig) {
				r.register(t, readLimits)
				r.key(t, "a", "key-a")
				l := r.tell()
				fake := r.transport.Base
				r.transport.Base = roundTripFunc(func(req *http.Request) (*http.Response, error) {
					resp, err := fake.RoundTrip(req)
					if req.Header.Get("X-Slow") != "" {
						time.Sleep(5 * time.Second)
					}
					return resp, err
				})
				ask := func(slow string) {
					req, err := http.NewRequest(http.MethodPost, r.url, strings.NewReader(`{"model":"m"}`))
					require.NoError(t, err)
					req.Header.Set("Content-Type", "application/json")
					req.Header.Set("X-Slow", slow)
					_, _, err = r.do(req)
					require.NoError(t, err)
				}
				left := func() float64 { return r.status(t, "a").Limits[0].Left }
				var asking sync.WaitGroup
				l.of("key-a", c.left(80)...)
				asking.Go(func() { ask("yes") })
				time.Sleep(time.Second)
				l.of("key-a", c.left(30)...)
				ask("")
				asking.Wait()
				assert.InDelta(t, 0.3, left(), 1e-9)
				time.Sleep(time.Second)
				l.of("key-a", c.left(50)...)
				ask("")
				assert.InDelta(t, 0.5, left(), 1e-9)
			})
		})
	}
}

// When all are put aside for a model, because a large request did not fit into any bucket, a smaller one
// goes to the credential with the most left, and not to the one whose rest ends first. A key that was
// refused as such is no choice.
func TestMostHeadroomWhenNoneIsInGoodStanding(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		r.strategy(t, reauth.MostHeadroom)
		r.taught(t, map[string]map[string][]string{
			"a": {"m": bucket("10", "54s")}, "b": {"m": bucket("40", "36s")}, "c": {"m": bucket("90", "6s")},
		})
		r.fake.Expire("key-c")
		for id, rest := range map[string]time.Duration{"a": 5 * time.Second, "b": 20 * time.Second} {
			r.fake.Exhaust(time.Now().Add(rest), "key-"+id)
			_, _, err := r.post(reauth.WithCredential(context.Background(), r.provider, id))
			require.NoError(t, err)
		}
		_, _, err := r.post(reauth.WithCredential(context.Background(), r.provider, "c"))
		require.NoError(t, err)
		for _, s := range r.pool.Status() {
			require.Equal(t, reauth.Aside, s.State, s.ID)
		}
		token, _ := r.ask(t, "m")
		assert.Equal(t, "key-b", token)
		r.strategy(t, reauth.RoundRobin)
		token, _ = r.ask(t, "m")
		assert.Equal(t, "key-a", token, "without the strategy, the one that recovers soonest")
	})
}

// A request that did not fit into one bucket is tried with another credential only where more is left.
// When the refusal tells of no bucket, or of one with plenty left, it had another reason.
func TestRefusedRequestIsTriedWhereMoreIsLeft(t *testing.T) {
	for name, c := range map[string]struct {
		told  []string // with the refusal of c
		tried []string
	}{
		"a bucket that was short": {bucket("15", "51s"), []string{"key-c", "key-a"}},
		"no bucket":               {nil, []string{"key-c", "key-a", "key-b"}},
		"a bucket that was not":   {bucket("80", "12s"), []string{"key-c", "key-a", "key-b"}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
				r.strategy(t, reauth.MostHeadroom)
				l := r.taught(t, map[string]map[string][]string{
					"a": {"m": bucket("20", "10m")}, "b": {"m": bucket("10", "10m")}, "c": {"m": bucket("90", "6s")},
				})
				time.Sleep(2 * time.Second) // what was told before the refusals is no reason of theirs
				l.of("key-c", c.told...)
				r.fake.Change(func(p *reauthtest.Provider) {
					p.Refuse = func(*http.Request, string) *reauthtest.Answer {
						return &reauthtest.Answer{
							Status: 429, Header: http.Header{"Retry-After": {"9"}},
							Body: `{"error":{"message":"Rate limit reached for m on tokens per min (TPM): Limit 100, Used 85, Requested 70.",` +
								`"type":"tokens","code":"rate_limit_exceeded"}}`,
						}
					}
				})
				before := len(r.fake.Requests())
				_, status := r.ask(t, "m")
				assert.Equal(t, 429, status)
				var tried []string
				for _, sent := range r.fake.Requests()[before:] {
					tried = append(tried, sent.Token)
				}
				assert.Equal(t, c.tried, tried)
			})
		})
	}
}
