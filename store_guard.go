package reauth

import (
	"context"
	"errors"
	"time"
)

// guardedStore is the store of a program as a pool calls it. What its errors say is foreign text, and
// its panic is an error.
type guardedStore struct {
	store   Store
	crashed func(ctx context.Context, key credentialKey, what string, r any, secrets ...string) error
	known   func(key credentialKey) []string // the secrets of a credential; of none: of all
}

var _ Store = guardedStore{}

// Load implements Store. A store of many credentials may repeat a secret of any.
func (g guardedStore) Load(ctx context.Context, version string) (snap Snapshot, err error) {
	defer g.recover(ctx, credentialKey{}, nil, &err)
	snap, err = g.store.Load(ctx, version)
	if err == nil && len(snap.Broken) == 0 {
		return snap, nil
	}
	secrets := g.known(credentialKey{})
	for i, broken := range snap.Broken {
		snap.Broken[i] = newRedactedError(broken, secrets...)
	}
	return snap, newRedactedError(err, secrets...)
}

// Update implements Store. An error of fn is ours, and returned as it is.
func (g guardedStore) Update(
	ctx context.Context, provider, id string, fn func(Holding) (Entry, error),
) (e Entry, err error) {
	var secrets []string
	var own error
	defer g.recover(ctx, credentialKey{provider, id}, &secrets, &err)
	e, err = g.store.Update(ctx, provider, id, func(h Holding) (made Entry, _ error) {
		secrets = secretsOf(h.Entry.Credential, secrets...)
		h.Spend = g.spend(h.Spend, credentialKey{provider, id}, secrets)
		made, own = fn(h)
		secrets = secretsOf(made.Credential, secrets...)
		return made, own
	})
	if own != nil && errors.Is(err, own) {
		return e, err
	}
	if err != nil {
		secrets = append(secrets, g.known(credentialKey{provider, id})...)
	}
	return e, newRedactedError(err, secrets...)
}

// spend is the Holding's Spend, guarded.
func (g guardedStore) spend(
	spend func(context.Context, Spending) error, key credentialKey, secrets []string,
) func(context.Context, Spending) error {
	return func(ctx context.Context, s Spending) (err error) {
		defer g.recover(ctx, key, &secrets, &err)
		return newRedactedError(spend(ctx, s), secrets...)
	}
}

// Mark implements Store.
func (g guardedStore) Mark(
	ctx context.Context, provider, id, key string, m Mark, seen time.Time,
) (err error) {
	defer g.recover(ctx, credentialKey{provider, id}, nil, &err)
	if err = g.store.Mark(ctx, provider, id, key, m, seen); err == nil {
		return nil
	}
	return newRedactedError(err, g.known(credentialKey{provider, id})...)
}

// recover makes a panic the error of a deferring method.
func (g guardedStore) recover(ctx context.Context, key credentialKey, secrets *[]string, err *error) {
	r := recover()
	if r == nil {
		return
	}
	var known []string
	if secrets != nil {
		known = *secrets
	}
	*err = g.crashed(ctx, key, "store", r, known...)
}
