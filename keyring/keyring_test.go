package keyring_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	system "github.com/zalando/go-keyring"
	"go.uber.org/goleak"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/testrig"
	"github.com/reauth-go/reauth/keyring"
)

// A program has one connection to its session, so each test asks the keyring from processes of their
// own: this test binary, with a part and the name of a service in its environment.
const (
	part    = "REAUTH_TEST_PART"
	service = "REAUTH_TEST_SERVICE"
)

// parts are what such a process does. It prints what it returns.
var parts = map[string]func(ctx context.Context, service string) (string, error){
	"key": func(ctx context.Context, service string) (string, error) {
		key, err := keyring.Key(ctx, service)
		return hex.EncodeToString(key), err
	},
	"keys": func(ctx context.Context, service string) (string, error) { // in twenty goroutines
		var all errgroup
		keys := make([]string, 20)
		for i := range keys {
			all.Go(func() error {
				key, err := keyring.Key(ctx, service)
				keys[i] = hex.EncodeToString(key)
				return err
			})
		}
		err := all.Wait()
		return strings.Join(slices.Compact(keys), " "), err
	},
	"make": func(_ context.Context, service string) (string, error) {
		return "", system.Set(service, "sealing key", base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("k"), 32)))
	},
	"occupy": func(_ context.Context, service string) (string, error) {
		return "", system.Set(service, "sealing key", "c2VjcmV0")
	},
	"pool": func(ctx context.Context, path string) (string, error) { // in the place of a service
		pool, err := openSealed(ctx, path)
		if err != nil {
			return "", err
		}
		c := reauth.Credential{Provider: "groq", ID: "me", AccessToken: "gsk_0123456789abcdef"}
		if _, err := pool.Add(ctx, c); err != nil {
			return "", err
		}
		c, err = pool.Token(ctx, "groq")
		return c.AccessToken, errors.Join(err, pool.Close())
	},
	"occupied": func(_ context.Context, service string) (string, error) { return system.Get(service, "sealing key") },
}

// errgroup waits for goroutines, and returns all their errors.
type errgroup struct {
	sync.WaitGroup
	mu  sync.Mutex
	err error
}

func (g *errgroup) Go(f func() error) {
	g.WaitGroup.Go(func() {
		err := f()
		g.mu.Lock()
		defer g.mu.Unlock()
		g.err = errors.Join(g.err, err)
	})
}

func (g *errgroup) Wait() error {
	g.WaitGroup.Wait()
	return g.err
}

func TestMain(m *testing.M) {
	do, ok := parts[os.Getenv(part)]
	if !ok {
		goleak.VerifyTestMain(m)
		return
	}
	ctx, stop := context.WithTimeout(context.Background(), waits)
	defer stop()
	text, err := do(ctx, os.Getenv(service))
	if err != nil {
		fmt.Print(err)
		os.Exit(1)
	}
	fmt.Print(text)
}

// waits is how long a program waits, on a busy machine, for what must come.
const waits = 30 * time.Second

// program is a process of a user.
type program struct {
	home, session string
	path          string // where it finds programs; empty: as the test
}

// ask asks for the key of a service.
func (p program) ask(name string) (key string, err error) { return p.do("key", name) }

// do does a part.
func (p program) do(what, name string) (text string, err error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	counts, err := os.MkdirTemp("", "coverage")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(counts) }() // what is left there does no harm
	cmd := exec.Command(self)
	cmd.Env = []string{
		"HOME=" + p.home, "PATH=" + cmp.Or(p.path, os.Getenv("PATH")), part + "=" + what, service + "=" + name,
		"GORACE=atexit_sleep_ms=20",
		"GOCOVERDIR=" + counts, // with -cover, a program without it complains to standard error
	}
	if p.session != "" {
		cmd.Env = append(cmd.Env, "DBUS_SESSION_BUS_ADDRESS="+p.session)
	}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	switch err = cmd.Run(); {
	case errs.Len() > 0:
		return "", errors.New("it panicked: " + errs.String())
	case err != nil:
		return "", errors.New(out.String())
	}
	return out.String(), nil
}

// A key is made on first use and stays. Each service has its own.
func TestKeyIsKept(t *testing.T) {
	t.Parallel()
	p := program{home: t.TempDir(), session: testrig.SecretService(t)}
	name := "reauth " + rand.Text()
	key, err := p.ask(name)
	require.NoError(t, err)
	require.Len(t, key, 64)
	again, err := p.ask(name)
	require.NoError(t, err)
	require.Equal(t, key, again)
	other, err := p.ask(name + " 2")
	require.NoError(t, err)
	require.NotEqual(t, key, other)
}

// A pool over a store that is sealed with the key is open to the next process too.
func TestPoolOverASealedFile(t *testing.T) {
	t.Parallel()
	p := program{home: t.TempDir(), session: testrig.SecretService(t)}
	path := filepath.Join(t.TempDir(), "auth.json")
	for range 2 {
		token, err := p.do("pool", path)
		require.NoError(t, err)
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		require.NotContains(t, string(content), token)
		require.Contains(t, string(content), "reauth-sealed")
	}
}

// Processes that make the key at once end with one key, whatever their homes are.
func TestProcessesThatMakeTheKeyAtOnce(t *testing.T) {
	for name, homes := range map[string]int{"of one home": 1, "of several homes": 4, "without a home": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			name := "reauth " + rand.Text()
			keys := make([]string, 4)
			home := ""
			if homes == 1 {
				home = t.TempDir()
			}
			var all sync.WaitGroup
			for i := range keys {
				p := program{home: home, session: testrig.SecretService(t)}
				if homes > 1 {
					p.home = t.TempDir()
				}
				all.Go(func() {
					var err error
					keys[i], err = p.ask(name)
					assert.NoError(t, err)
				})
			}
			all.Wait()
			for _, key := range keys {
				assert.Equal(t, keys[0], key)
				assert.Len(t, key, 64)
			}
			after, err := program{session: testrig.SecretService(t)}.ask(name)
			require.NoError(t, err)
			assert.Equal(t, keys[0], after)
		})
	}
}

// lockName is the name on the bus that a process owns while it makes a service's key.
func lockName(service string) string {
	sum := sha256.Sum256([]byte(service))
	return "io.github.reauth_go.Keyring.s" + hex.EncodeToString(sum[:6])
}

// A process that found no key waits for the one that makes it, and takes the key of that. When the maker
// dies without one, the next makes it.
func TestProcessThatMakesTheKeyExcludesOthers(t *testing.T) {
	t.Parallel()
	for name, made := range map[string]bool{"it has made one": true, "it dies": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			name := "reauth " + rand.Text()
			maker, err := dbus.Connect(testrig.SecretService(t))
			require.NoError(t, err)
			defer maker.Close()
			reply, err := maker.RequestName(lockName(name), 0)
			require.NoError(t, err)
			require.Equal(t, dbus.RequestNameReplyPrimaryOwner, reply)

			p := program{home: t.TempDir(), session: testrig.SecretService(t)}
			var key string
			asked := make(chan error, 1)
			go func() {
				got, err := p.ask(name)
				key = got
				asked <- err
			}()
			require.Eventually(t, func() bool {
				var queue []string
				err := maker.BusObject().Call("org.freedesktop.DBus.ListQueuedOwners", 0, lockName(name)).Store(&queue)
				assert.NoError(t, err)
				return len(queue) > 1 || len(asked) > 0
			}, waits, 5*time.Millisecond)
			require.Empty(t, asked, "it did not wait")
			if made {
				_, err := p.do("make", name)
				require.NoError(t, err)
			}
			require.NoError(t, maker.Close())
			require.NoError(t, <-asked)
			require.Len(t, key, 64)
			if made {
				require.Equal(t, strings.Repeat("6b", 32), key)
			}
			after, err := p.ask(name)
			require.NoError(t, err)
			require.Equal(t, after, key)
		})
	}
}

// Where the bus gives no lock, no key is made. One that is there is used.
func TestNoLock(t *testing.T) {
	t.Parallel()
	p := program{home: t.TempDir(), session: "unix:path=" + ownService(t) + "/bus"}
	_, err := p.ask("refused")
	require.ErrorContains(t, err, "does not let this program own the name "+lockName("refused"))
	require.ErrorContains(t, err, "--seal env:NAME")
	_, err = p.do("occupied", "refused")
	require.ErrorContains(t, err, "not found")
	_, err = p.do("make", "refused")
	require.NoError(t, err)
	_, err = p.ask("refused")
	require.NoError(t, err)
}

// A locked keyring on a machine without a display asks nobody. The error says what to do, and a key
// that is there is not made anew.
func TestLockedKeyring(t *testing.T) {
	t.Parallel()
	folder := ownService(t)
	p := program{home: t.TempDir(), session: "unix:path=" + folder + "/bus"}
	_, err := p.ask("reauth")
	require.NoError(t, err)
	out, err := exec.Command(os.Getenv("REAUTH_TEST_SECRET_SERVICE_CTL"), "lock", folder).CombinedOutput()
	require.NoError(t, err, "%s", out)
	for _, name := range []string{"reauth", "another"} {
		_, err = p.ask(name)
		require.ErrorContains(t, err, "unlock it")
		require.ErrorContains(t, err, "--seal env:NAME")
	}
}

// isAtADesktop reports whether the user has a session, which programs find without a variable.
func isAtADesktop() bool {
	found, _ := filepath.Glob("/run/user/" + strconv.Itoa(os.Getuid()) + "/*bus*") // the pattern is good
	return len(found) > 0
}

// Without a session, and in a session without a Secret Service, the error says so and names the way out.
// No bus is started by dbus-launch.
func TestNoKeyring(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	launched := filepath.Join(folder, "launched")
	script := "#!/bin/sh\n/bin/touch " + launched + "\n"
	require.NoError(t, os.WriteFile(filepath.Join(folder, "dbus-launch"), []byte(script), 0o700))
	bus := ownService(t)
	pid, err := os.ReadFile(filepath.Join(bus, "keyring.pid"))
	require.NoError(t, err)
	require.NoError(t, exec.Command("kill", strings.TrimSpace(string(pid))).Run())
	waitForNoService(t, "unix:path="+bus+"/bus")
	for name, c := range map[string]struct {
		session string
		want    string
	}{
		"no session":             {"", "no session of D-Bus"},
		"a session that is gone": {"unix:path=" + filepath.Join(folder, "none"), "does not give the key"},
		"autolaunch":             {"autolaunch:", "no session of D-Bus"},
		"no Secret Service":      {"unix:path=" + bus + "/bus", "does not give the key"},
	} {
		if c.want == "no session of D-Bus" && isAtADesktop() {
			continue // the keyring of whoever tests is no place for tests
		}
		_, err := program{home: folder, session: c.session, path: folder}.ask("reauth")
		require.ErrorContains(t, err, c.want, name)
		require.ErrorContains(t, err, "--seal env:NAME", name)
		require.ErrorContains(t, err, `keyring: service "reauth"`, name)
	}
	require.NoFileExists(t, launched)
}

// A session that does not answer keeps nobody longer than his context allows.
func TestKeyringThatDoesNotAnswer(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "bus")
	silent, err := net.Listen("unix", socket)
	require.NoError(t, err)
	var held []net.Conn
	accepted := make(chan struct{})
	go func() {
		defer close(accepted)
		for {
			c, err := silent.Accept()
			if err != nil {
				return
			}
			held = append(held, c)
		}
	}()
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path="+socket)
	gone := errors.New("the user has gone")
	for _, want := range []string{"the keyring has not answered", "while another call waits for the keyring"} {
		ctx, leave := context.WithCancelCause(t.Context())
		timer := time.AfterFunc(50*time.Millisecond, func() { leave(gone) })
		_, err := keyring.Key(ctx, "reauth")
		require.ErrorIs(t, err, gone)
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "--seal env:NAME")
		timer.Stop()
	}
	require.NoError(t, silent.Close())
	<-accepted
	for _, c := range held {
		require.NoError(t, c.Close())
	}
	// The goroutine ends with the session, and the next call has its turn.
	_, err = keyring.Key(t.Context(), "reauth")
	require.ErrorContains(t, err, "does not give the key")
}

func TestNamesOfServices(t *testing.T) {
	for name, want := range map[string]string{
		"": "is empty", strings.Repeat("x", 201): "has 201 bytes", "a\nb": "not printable", "a\xffb": "not printable",
	} {
		_, err := keyring.Key(t.Context(), name)
		require.ErrorContains(t, err, want)
	}
}

// What is in the keyring under the name and is no key is not overwritten.
func TestItemThatIsNoKey(t *testing.T) {
	t.Parallel()
	p := program{home: t.TempDir(), session: testrig.SecretService(t)}
	name := "reauth " + rand.Text()
	_, err := p.do("occupy", name)
	require.NoError(t, err)
	_, err = p.ask(name)
	require.ErrorContains(t, err, "is no key, and is left as it is")
	require.NotContains(t, err.Error(), "c2VjcmV0")
	got, err := p.do("occupied", name)
	require.NoError(t, err)
	require.Equal(t, "c2VjcmV0", got)
}

// The goroutines of one process get one key.
func TestGoroutines(t *testing.T) {
	t.Parallel()
	key, err := program{home: t.TempDir(), session: testrig.SecretService(t)}.do("keys", "reauth "+rand.Text())
	require.NoError(t, err)
	require.Len(t, key, 64)
}
