package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/cmd/reauth/internal/sealkey"
)

// keys gets the keys that --seal or REAUTH_SEAL names. The first seals, and all open; none: nothing
// is sealed.
func (a *app) keys() ([][]byte, error) {
	sources, err := sealkey.Parse(a.seal)
	if err != nil {
		return nil, usagef("%w", err)
	}
	keys := make([][]byte, 0, len(sources))
	for _, s := range sources {
		key, err := s.Key(a.ctx)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// mustHaveKeys is keys for a command that needs one.
func (a *app) mustHaveKeys() ([][]byte, error) {
	keys, err := a.keys()
	if err == nil && len(keys) == 0 {
		err = usagef("say which key: --seal keyring, env:NAME, file:PATH or command:PROGRAM, or REAUTH_SEAL; " +
			"reauth store key prints a fresh one")
	}
	return keys, err
}

// giveKeys is the way out for records whose key is missing.
const giveKeys = "give the key of each sealed record with --seal or REAUTH_SEAL; reauth store check tells of each"

// tellBroken tells of the records that cannot be read, and reports whether there are sealed ones
// among them.
func (a *app) tellBroken(snap reauth.Snapshot) (sealed bool) {
	for _, broken := range snap.Broken {
		a.notef("%s\n", broken)
		sealed = sealed || errors.Is(broken, reauth.ErrSealed)
	}
	for _, e := range snap.Entries { // of a store without keys
		if id := e.SealedWith(); id != "" {
			sealed = true
			a.notef("reauth: record %s/%s: it is sealed with the key %s\n", e.Credential.Provider, e.Credential.ID, id)
		}
	}
	if sealed {
		a.notef("reauth: %s\n", giveKeys)
	}
	return sealed
}

// keyless is a store with sealed records that was opened without a key. Those that are in the clear
// stay so, and no other one is put beside the sealed ones.
type keyless struct{ reauth.Store }

// Update implements reauth.Store.
func (s keyless) Update(
	ctx context.Context, provider, id string, fn func(reauth.Holding) (reauth.Entry, error),
) (reauth.Entry, error) {
	return s.Store.Update(ctx, provider, id, func(h reauth.Holding) (reauth.Entry, error) {
		if !h.Found {
			return reauth.Entry{}, fmt.Errorf("what is added would be in the clear among sealed records; %s", giveKeys)
		}
		return fn(h)
	})
}

// sealing tells with which key each credential of the store is sealed.
type sealing struct {
	records []sealedAs
	any     bool // at least one is sealed
}

// sealedAs is a credential with the id of the key that seals it; empty: it is in the clear.
type sealedAs struct{ provider, id, key string }

// sealing reads how the credentials are sealed. An error of the store has been told where it was
// opened.
func (a *app) sealing() (found sealing) {
	_, snap, err := a.asItIs()
	if err != nil {
		return found
	}
	for _, e := range snap.Entries {
		if !e.Removed {
			found.records = append(found.records, sealedAs{e.Credential.Provider, e.Credential.ID, e.SealedWith()})
			found.any = found.any || e.SealedWith() != ""
		}
	}
	return found
}

// of returns the id of the key that seals a credential; empty: none does.
func (f sealing) of(provider, id string) string {
	for _, r := range f.records {
		if r.provider == provider && r.id == id {
			return r.key
		}
	}
	return ""
}

// unopened returns the sealed credentials that are not in the list, which is of the given provider,
// or of all: they did not open.
func (f sealing) unopened(list []reauth.CredentialStatus, provider string) []sealedAs {
	if pr, ok := reauth.LookupProvider(provider); ok {
		provider = pr.Name
	}
	var closed []sealedAs
	for _, r := range f.records {
		if _, open := find(list, r.provider, r.id); r.key != "" && !open && (provider == "" || r.provider == provider) {
			closed = append(closed, r)
		}
	}
	return closed
}

// words says how a credential that opened is sealed; empty: nothing in the store is.
func (f sealing) words(provider, id string) string {
	switch key := f.of(provider, id); {
	case !f.any:
		return ""
	case key == "":
		return "in the clear"
	default:
		return "sealed with " + key
	}
}

// asItIs returns the store and its records, with sealed records as they are.
func (a *app) asItIs() (reauth.Store, reauth.Snapshot, error) {
	s, err := a.bare()
	if err != nil {
		return nil, reauth.Snapshot{}, err
	}
	snap, err := s.Load(a.ctx, "")
	return s, snap, err
}

// removeSealed removes a record that does not open with the keys that are given.
func (a *app) removeSealed(provider, id string, tell tell) error {
	given := provider
	if pr, ok := reauth.LookupProvider(provider); ok { // else a provider of some other program
		provider = pr.Name
	}
	if id == "" {
		return usagef("--lost-key wants the credential too; reauth store check tells which records do not open")
	}
	keys, err := a.keys()
	if err != nil {
		return err
	}
	bare, snap, err := a.asItIs()
	if err != nil {
		return err
	}
	shut, err := a.closed(snap, keys)
	if err != nil {
		return err
	}
	if shut[[2]string{provider, id}] == nil {
		return usagef("%s/%s is no sealed record that does not open; reauth store check tells which ones there are",
			provider, id)
	}
	_, err = bare.Update(a.ctx, provider, id, func(h reauth.Holding) (reauth.Entry, error) {
		if h.Entry.SealedWith() == "" { // replaced meanwhile
			return reauth.Entry{}, errors.New("it is not sealed any more; leave out --lost-key")
		}
		login := h.Now
		if !login.After(h.Entry.Login) {
			login = h.Entry.Login.Add(1)
		}
		return reauth.Entry{Login: login, Removed: true, Generation: h.Entry.Generation}, nil
	})
	if err != nil {
		return fmt.Errorf("reauth: remove %s/%s: %w", provider, id, err)
	}
	tell(outcome{Provider: provider, ID: id, Result: resultRemoved}, "removed %s\n", called(provider, id, given))
	return nil
}
