package reauth

import (
	"slices"
	"time"

	"github.com/reauth-go/reauth/internal/wait"
)

// What is in doubt: see doubts.

const (
	doubtRest  = time.Minute
	doubtStays = 5 * time.Minute // who was tried is remembered
	maxDoubts  = 64              // topics; the oldest go
)

// get returns the doubt about the topic, as long as it is remembered. d.mu is held.
func (d *doubts) get(about topic, now time.Time) *doubt {
	x := d.list[about]
	if x != nil && !wait.Ahead(x.until.Add(doubtStays), now) {
		d.drop(about)
		return nil
	}
	return x
}

// drop forgets a topic. d.mu is held.
func (d *doubts) drop(about topic) {
	delete(d.list, about)
	d.active.Store(int32(len(d.list))) //nolint:gosec // at most maxDoubts
}

// routed returns the credential that gets requests of that topic for now; nil: any may.
func (d *doubts) routed(about topic, now time.Time) *member {
	if about == "" || d.active.Load() == 0 {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if x := d.get(about, now); x != nil && wait.Ahead(x.until, now) && !x.member.gone.Load() {
		return x.member
	}
	return nil
}

// drawn returns the credentials that were drawn in before, and whether one more may be.
func (d *doubts) drawn(about topic, now time.Time) (tried []*member, more bool) {
	if d.active.Load() == 0 {
		return nil, true
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	x := d.get(about, now)
	if x == nil {
		return nil, true
	}
	return slices.Clone(x.tried), !wait.Ahead(x.until, now)
}

// note remembers that a request of the topic was forbidden to those credentials.
func (d *doubts) note(about topic, members []*member, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	x := d.get(about, now)
	if x != nil && wait.Ahead(x.until, now) {
		return // only time draws another one in
	}
	if x == nil {
		x = new(doubt)
		if d.list == nil {
			d.list = make(map[topic]*doubt)
		}
		d.makeRoom(now)
		d.list[about] = x
		d.active.Store(int32(len(d.list))) //nolint:gosec // at most maxDoubts
	}
	x.until, x.member = wait.ByBoth(now.Add(doubtRest), now), members[0]
	for _, m := range members {
		if !slices.Contains(x.tried, m) {
			x.tried = append(x.tried, m)
		}
	}
}

// makeRoom forgets what has ended, and the oldest of too many. d.mu is held.
func (d *doubts) makeRoom(now time.Time) {
	oldest := topic("")
	for about := range d.list {
		if x := d.get(about, now); x != nil && (oldest == "" || x.until.Before(d.list[oldest].until)) {
			oldest = about
		}
	}
	if len(d.list) >= maxDoubts {
		d.drop(oldest)
	}
}

// clear forgets the topic: a request of it was served.
func (d *doubts) clear(about topic) {
	if about == "" || d.active.Load() == 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.list[about] != nil {
		d.drop(about)
	}
}
