package reauth

import (
	"context"
	"errors"
	"time"
)

// guardedStore is the store of a program as a pool calls it: what its errors say is foreign text.
type guardedStore struct{ store Store }

var _ Store = guardedStore{}

// Load implements Store. A store of many credentials may repeat a secret of any.
func (g guardedStore) Load(ctx context.Context, version string) (Snapshot, error) {
	snap, err := g.store.Load(ctx, version)
	for i, broken := range snap.Broken {
		snap.Broken[i] = newRedactedError(broken)
	}
	return snap, newRedactedError(err)
}

// Update implements Store. An error of fn is ours, and returned as it is.
func (g guardedStore) Update(
	ctx context.Context, provider, id string, fn func(Holding) (Entry, error),
) (Entry, error) {
	var secrets []string
	var own error
	e, err := g.store.Update(ctx, provider, id, func(h Holding) (Entry, error) {
		secrets = secretsOf(h.Entry.Credential, secrets...)
		spend := h.Spend
		h.Spend = func(ctx context.Context, s Spending) error { return newRedactedError(spend(ctx, s), secrets...) }
		var made Entry
		made, own = fn(h)
		secrets = secretsOf(made.Credential, secrets...)
		return made, own
	})
	if own != nil && errors.Is(err, own) {
		return e, err
	}
	return e, newRedactedError(err, secrets...)
}

// Mark implements Store.
func (g guardedStore) Mark(ctx context.Context, provider, id, key string, m Mark, seen time.Time) error {
	return newRedactedError(g.store.Mark(ctx, provider, id, key, m, seen))
}
