// Package keyring keeps the key that seals a store in the keyring of the operating system: the Secret
// Service on Linux and the BSDs (GNOME Keyring, KWallet, KeePassXC), the login keychain on macOS, the
// Credential Manager on Windows. It is a module of its own, for the sake of what it requires.
//
//	key, err := keyring.Key(ctx, "my-program")
//	if err != nil { … }
//	store, err := reauth.NewSealedStore(reauth.NewFileStore(path), key)
//	if err != nil { … }
//	pool, err := reauth.OpenPool(ctx, store)
package keyring

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	system "github.com/zalando/go-keyring"
)

const (
	account  = "sealing key" // of the item, beside the service
	keySize  = 32
	patience = 2 * time.Minute // a person may have to type a password
)

// Key returns the key of 32 bytes that the keyring of the user has under the service's name, such as
// "reauth". If there is none, it makes one of random bytes and keeps it there. Processes that do so at
// once get the same one, in whatever homes they run: one makes it, and the others wait. Where a process
// cannot exclude the others, as in a sandbox that forbids it, Key makes none. Whoever removes the key
// from the keyring loses what is sealed with it: the next call makes another one.
//
// The keyring may ask a person to unlock it. Key waits until ctx ends, and for two minutes at most. A
// keyring that does not answer keeps one goroutine of the process, for which later calls wait in vain.
//
// On a machine without a keyring, such as a server on which nobody is logged in, the error says so.
// There a deployment gives the key itself, in a variable or a file. No error holds a key.
func Key(ctx context.Context, service string) ([]byte, error) {
	key, err := bounded(ctx, service)
	if err != nil {
		return nil, fmt.Errorf("reauth: keyring: service %q: %w", service, err)
	}
	return key, nil
}

// turn is held by the one goroutine that talks to the keyring.
var turn = make(chan struct{}, 1) //nolint:gochecknoglobals // the keyring is the user's, whoever asks

// answer is what the keyring had.
type answer struct {
	key []byte
	err error
}

// bounded asks the keyring in a goroutine: no call of go-keyring can be ended.
func bounded(ctx context.Context, service string) ([]byte, error) {
	if err := checkService(service); err != nil {
		return nil, err
	}
	ctx, stop := context.WithTimeoutCause(ctx, patience, errors.New("two minutes have passed"))
	defer stop()
	select {
	case turn <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("%w while another call waits for the keyring; %s", context.Cause(ctx), wayOut)
	}
	given := make(chan answer, 1) // of size one: nobody may be there to take it
	go func() {
		defer func() { <-turn }()
		key, err := recovered(ctx, service)
		given <- answer{key, err}
	}()
	select {
	case got := <-given:
		return got.key, got.err
	case <-ctx.Done():
		return nil, fmt.Errorf("%w, and the keyring has not answered; it may wait for somebody to unlock it; %s",
			context.Cause(ctx), wayOut)
	}
}

// wayOut is where a key can be instead.
const wayOut = "where there is no keyring, give the key in a variable or in a file with mode 0600 " +
	"(the command reauth takes --seal env:NAME and --seal file:PATH)"

// checkService refuses a name that a keyring may keep as another one.
func checkService(service string) error {
	switch {
	case service == "":
		return errors.New("the name of the service is empty; name it after the program")
	case len(service) > 200:
		return fmt.Errorf("the name has %d bytes; at most 200 are kept everywhere", len(service))
	case !utf8.ValidString(service), strings.ContainsFunc(service, func(r rune) bool { return !unicode.IsPrint(r) }):
		return errors.New("the name holds a character that is not printable")
	}
	return nil
}

// recovered is get. A panic, as about an answer that is none of the Secret Service's, is an error.
func recovered(ctx context.Context, service string) (key []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			key, err = nil, fmt.Errorf("asking the keyring panicked (%T); %s", r, wayOut)
		}
	}()
	if err := available(); err != nil {
		return nil, fmt.Errorf("%w; %s", err, wayOut)
	}
	return get(ctx, service)
}

// get reads the key, or makes one.
func get(ctx context.Context, service string) ([]byte, error) {
	key, err := read(service)
	if !errors.Is(err, system.ErrNotFound) {
		return key, err
	}
	unlock, err := lock(ctx, service)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if key, err = read(service); !errors.Is(err, system.ErrNotFound) { // another process has made one
		return key, err
	}
	return makeKey(ctx, service)
}

// read returns the key that is in the keyring. Without one its error matches ErrNotFound.
func read(service string) ([]byte, error) {
	text, err := system.Get(service, account)
	switch {
	case errors.Is(err, system.ErrNotFound):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("the keyring does not give the key (%w); unlock it; %s", err, wayOut)
	}
	key, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(key) != keySize {
		return nil, fmt.Errorf("the item of account %q is no key, and is left as it is; take another name for the service, "+
			"or remove the item", account)
	}
	return key, nil
}

// makeKey puts a new key into the keyring, and returns what is there then. A keyring has no way to put
// only what is not there yet, so the caller holds the lock: a key that replaces another one makes
// unreadable what is sealed with that.
func makeKey(ctx context.Context, service string) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	made := make([]byte, keySize)
	_, _ = rand.Read(made) // never fails
	if err := system.Set(service, account, base64.StdEncoding.EncodeToString(made)); err != nil {
		return nil, fmt.Errorf("the keyring does not take a new key (%w); unlock it; %s", err, wayOut)
	}
	key, err := read(service)
	if errors.Is(err, system.ErrNotFound) {
		return nil, fmt.Errorf("the keyring has not kept the new key; somebody may have refused it; %s", wayOut)
	}
	return key, err
}

// digest stands for the service in the name of its lock.
func digest(service string) string {
	sum := sha256.Sum256([]byte(service))
	return hex.EncodeToString(sum[:6])
}
