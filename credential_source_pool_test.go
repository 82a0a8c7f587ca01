package reauth_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

// countedCommand returns a source that runs a program which prints the content of a file, and a
// function that tells how often it has run. The program is another process, so a bubble's clock
// stands still while it runs.
func countedCommand(t testing.TB, prints string) (source reauth.Refresher, runs func() int) {
	t.Helper()
	log := filepath.Join(t.TempDir(), "runs")
	return commandOf(t, "counted", prints, log), func() int {
		content, err := os.ReadFile(log)
		if os.IsNotExist(err) {
			return 0
		}
		require.NoError(t, err)
		return len(content)
	}
}

// replaceFile writes another text into a file.
func replaceFile(t testing.TB, path, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

// Twenty requests with a refused key run the command once, and all get their answer.
func TestCommandIsRunOnceForAll(t *testing.T) {
	prints := writeSource(t, "key-one")
	source, runs := countedCommand(t, prints)
	r := newRig(t, reauthtest.OpenAI)
	r.fake.AddKey("key-one")
	r.source(t, "vault", source)
	require.Equal(t, map[int]int{200: 20}, r.atOnce(t, 20))
	require.Equal(t, 1, runs(), "the first use")

	r.fake.Expire("key-one")
	r.fake.AddKey("key-two")
	replaceFile(t, prints, "key-two")
	require.Equal(t, map[int]int{200: 20}, r.atOnce(t, 20))
	require.Equal(t, 2, runs(), "the refusal")
	require.Equal(t, map[int]int{200: 20}, r.atOnce(t, 20))
	require.Equal(t, 2, runs(), "never because of a request alone")
	st := r.status(t, "vault")
	assert.Equal(t, fmt.Sprintf("reauth.CommandSource(%q)", os.Args[0]), st.Source)
}

// A key that stays refused costs three runs of the command a minute at most, also when the command
// fails. The refusal reaches the caller, and an event tells what the command said.
func TestCommandOfARefusedKeyRests(t *testing.T) {
	for name, text := range map[string]string{"the same key": "key-one", "no key": ""} {
		t.Run(name, func(t *testing.T) {
			prints := writeSource(t, "key-one")
			source, runs := countedCommand(t, prints)
			bubble(t, reauthtest.OpenAI, func(t *testing.T, r *rig) {
				r.fake.AddKey("key-one")
				r.source(t, "vault", source)
				r.mustPost(t)
				r.fake.Expire("key-one")
				replaceFile(t, prints, text)
				began := runs()
				for range 5 {
					minute := runs()
					for range 60 {
						status, _ := r.mustPost(t)
						require.Equal(t, 401, status)
						time.Sleep(time.Second)
					}
					require.LessOrEqual(t, runs()-minute, 3)
				}
				require.Greater(t, runs()-began, 4, "it is run again and again")
				failed := r.events.all(reauth.RefreshFailed)
				require.NotEmpty(t, failed)
				require.ErrorContains(t, failed[0].Err, fmt.Sprintf("%q", os.Args[0]), "the event names the command")
			})
		})
	}
}

// Close and Remove end the command that a request waits for.
func TestCommandEndsWithItsCredential(t *testing.T) {
	for name, end := range map[string]func(r *rig) error{
		"removed": func(r *rig) error { return r.pool.Remove(context.Background(), r.provider, "vault") },
		"closed":  func(r *rig) error { return r.pool.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			started := filepath.Join(t.TempDir(), "started")
			r := newRigOn(t, reauthtest.OpenAI, reauth.NewPool())
			r.source(t, "vault", commandOf(t, "hang", started))
			waited := make(chan error, 1)
			go func() {
				_, err := r.pool.Token(context.Background(), r.provider)
				waited <- err
			}()
			require.Eventually(t, func() bool { _, err := os.Stat(started); return err == nil }, time.Minute, time.Millisecond)
			require.NoError(t, end(r))
			require.ErrorContains(t, <-waited, name)
			require.NoError(t, r.pool.Close()) // waits for the process; none is left, or goleak would tell
		})
	}
}

// A key in a file: it is read when it is needed, and read anew when it is refused. While it is half
// written, the last good one goes on for as long as the provider takes it.
func TestFileSourceOverAPool(t *testing.T) {
	bubble(t, reauthtest.OpenAI, func(t *testing.T, r *rig) {
		path := writeSource(t, "key-one\n")
		r.fake.AddKey("key-one")
		r.fake.AddKey("key-two")
		r.source(t, "mounted", reauth.FileSource(path))
		serves := func(token string) {
			t.Helper()
			status, _ := r.mustPost(t)
			require.Equal(t, 200, status)
			sent := r.fake.Requests()
			require.Equal(t, token, sent[len(sent)-1].Token)
		}
		serves("key-one")
		replaceFile(t, path, `{"token":"key-t`)
		serves("key-one")

		r.fake.Expire("key-one")
		status, _ := r.mustPost(t)
		require.Equal(t, 401, status, "the refusal, as it came")
		failed := r.events.all(reauth.RefreshFailed)
		require.Len(t, failed, 1)
		require.ErrorContains(t, failed[0].Err, fmt.Sprintf("the file %q: its JSON is cut off", path))

		r.fake.Restore("key-one")
		serves("key-one")
		r.fake.Expire("key-one")
		replaceFile(t, path, `{"token":"key-two"}`)
		time.Sleep(20 * time.Second) // the rest after a failure
		serves("key-two")
		require.NotContains(t, fmt.Sprint(failed), "key-t")
	})
}

// Whatever becomes of a source, the last good token goes on serving while the provider takes it, and
// an event names the source and says what is wrong.
func TestSourceThatGoesBad(t *testing.T) {
	good := func() string {
		return fmt.Sprintf(`{"token":"key-one","expires_at":%q}`, time.Now().Add(time.Hour).Format(time.RFC3339))
	}
	for name, bad := range map[string]string{
		"nothing": "", "two lines": "key-one\nkey-two\n", "HTML": "<html></html>", "JSON without a token": `{"a":1}`,
		"half written": `{"token":"key`, "a line break": `{"token":"key\ntwo"}`, "large": strings.Repeat("x", 64<<10+1),
		"an expired token": `{"token":"key-old","expires_at":"1999-01-02T03:04:05Z"}`,
	} {
		for kind, source := range map[string]func(path string) reauth.Refresher{
			"command": func(path string) reauth.Refresher { s, _ := countedCommand(t, path); return s },
			"file":    reauth.FileSource,
		} {
			t.Run(kind+" with "+name, func(t *testing.T) {
				path := writeSource(t, "")
				source := source(path)
				bubble(t, reauthtest.OpenAI, func(t *testing.T, r *rig) {
					replaceFile(t, path, good())
					r.fake.AddKey("key-one")
					r.source(t, "me", source)
					r.mustPost(t)
					replaceFile(t, path, bad)
					time.Sleep(58 * time.Minute) // the token is about to expire
					for range 3 {
						status, _ := r.mustPost(t)
						require.Equal(t, 200, status)
						synctest.Wait()
					}
					failed := r.events.all(reauth.RefreshFailed)
					require.Len(t, failed, 1)
					require.ErrorContains(t, failed[0].Err, kind)
					require.Contains(t, []string{
						"refresh:source_output", "refresh:source_failed", "refresh:expired_on_arrival",
					}, failed[0].Reason)
					require.NotContains(t, failed[0].Err.Error(), "key-")

					replaceFile(t, path, `{"token":"key-two"}`)
					r.fake.AddKey("key-two")
					time.Sleep(time.Minute)
					r.mustPost(t)
					synctest.Wait()
					status, _ := r.mustPost(t)
					require.Equal(t, 200, status)
					sent := r.fake.Requests()
					require.Equal(t, "key-two", sent[len(sent)-1].Token, "nothing is lost")
				})
			})
		}
	}
}

// Tokens of an identity service are exchanged before they end, and when they are refused: once for
// all who wait.
func TestIdentityServiceOverAPool(t *testing.T) {
	for name, source := range map[string]func(fake *reauthtest.Provider) reauth.Refresher{
		"client credentials": func(fake *reauthtest.Provider) reauth.Refresher {
			fake.AddClient("agent", "cs-EXAMPLE")
			return reauth.ClientCredentialsSource(reauth.OAuth2Config{
				TokenURL: exampleTokenURL, ClientID: "agent", ClientSecret: "cs-EXAMPLE", HTTPClient: inMemory(fake),
			})
		},
		"OpenAI's federation": func(fake *reauthtest.Provider) reauth.Refresher {
			return federated(fake, "OpenAI")
		},
		"Anthropic's federation": func(fake *reauthtest.Provider) reauth.Refresher {
			return federated(fake, "Anthropic")
		},
	} {
		t.Run(name, func(t *testing.T) {
			dialect := reauthtest.OpenAI
			if strings.HasPrefix(name, "Anthropic") {
				dialect = reauthtest.Anthropic
			}
			bubble(t, dialect, func(t *testing.T, r *rig) {
				r.fake.Punctual = true
				r.source(t, "workload", source(r.fake))
				require.Equal(t, map[int]int{200: 20}, r.atOnce(t, 20))
				require.Equal(t, 1, r.fake.Exchanges())

				r.fake.Expire()
				require.Equal(t, map[int]int{200: 20}, r.atOnce(t, 20))
				require.Equal(t, 2, r.fake.Exchanges())

				for range 12 * 60 { // half a day, minute by minute
					status, _ := r.mustPost(t)
					require.Equal(t, 200, status)
					time.Sleep(time.Minute)
				}
				require.Empty(t, r.events.all(reauth.RefreshFailed, reauth.GaveUp))
				require.InDelta(t, 14, r.fake.Exchanges(), 2, "one for each token of an hour")
			})
		})
	}
}

// federated returns a source of that dialect whose subject tokens the fake provider takes.
func federated(fake *reauthtest.Provider, dialect string) reauth.Refresher {
	f := federations[dialect]
	fake.Trust(f.trust)
	cfg := f.config(reauth.RefresherFunc(func(context.Context, reauth.Credential) (reauth.Credential, error) {
		return reauth.Credential{AccessToken: fake.SubjectToken(exampleIssuer, f.trust.Audience, 2*time.Hour)}, nil
	}))
	cfg.HTTPClient = inMemory(fake)
	return reauth.TokenExchangeSource(cfg)
}

// An identity server in trouble costs no request while the token lives.
func TestIdentityServiceInTrouble(t *testing.T) {
	for name, fault := range map[string]reauthtest.Fault{
		"503": reauthtest.Unavailable(), "a page": reauthtest.Page(http.StatusOK), "a broken connection": {Cut: true},
		"400": {Answer: &reauthtest.Answer{Status: 400, Body: `{"error":"invalid_grant"}`}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, reauthtest.OpenAI, func(t *testing.T, r *rig) {
				r.source(t, "workload", federated(r.fake, "OpenAI"))
				r.mustPost(t)
				time.Sleep(57 * time.Minute)
				r.fake.Fail(fault, fault, fault)
				for range 3 {
					status, _ := r.mustPost(t)
					require.Equal(t, 200, status)
					time.Sleep(5 * time.Second)
				}
				failed := r.events.all(reauth.RefreshFailed)
				require.Len(t, failed, 1)
				require.ErrorContains(t, failed[0].Err, "token endpoint https://auth.openai.com/oauth/token")
				time.Sleep(10 * time.Minute)
				status, _ := r.mustPost(t)
				require.Equal(t, 200, status)
				require.Equal(t, reauth.Good, r.status(t, "workload").State)
			})
		})
	}
}
