package reauth

import (
	"context"
	"errors"
	"time"
)

// saveEvery is how often a pool retries to store tokens that serve from its memory only.
const saveEvery = time.Second

// keepSaving retries to store c until the store has it, or newer tokens.
func (m *member) keepSaving(ctx context.Context, c Credential) {
	m.pool.work.startFromWorker(func() {
		ticker := time.NewTicker(saveEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
			case <-m.pool.work.stop:
				return
			}
			if m.save(ctx, c) {
				return
			}
		}
	})
}

// save stores c, and reports whether c need not be saved any more.
func (m *member) save(ctx context.Context, c Credential) bool {
	if m.tokens.Load().digest != digest(c.AccessToken) || m.gone.Load() {
		return true
	}
	claim, stop := context.WithTimeout(ctx, claimTimeout)
	defer stop()
	var newer *Credential
	_, err := m.pool.store.Update(claim, m.provider, m.id, func(old Credential, found bool) (Credential, error) {
		switch {
		case !found:
			return Credential{}, errGone
		case old.RefreshToken == c.RefreshToken || isSpent(c, old.RefreshToken):
			return c, nil
		}
		newer = &old
		return Credential{}, errAdopted
	})
	switch {
	case newer != nil:
		m.adopt(*newer, time.Time{})
		m.emit(ctx, Event{Type: Adopted})
	case errors.Is(err, errGone):
		m.group.drop(m)
	case err != nil:
		m.emit(ctx, Event{Type: StoreFailed, Reason: "persist", Err: err})
		return false
	}
	refreshed := m.saved()
	if err == nil {
		m.shareStanding(ctx, Standing{At: time.Now(), Of: digest(c.AccessToken), LastRefresh: refreshed})
	}
	return true
}
