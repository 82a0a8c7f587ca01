package proxy

import (
	"sync"

	"github.com/reauth-go/reauth"
)

// decisions keeps the last events that say something about credentials, for the page.
type decisions struct {
	mu   sync.Mutex
	ring [keptDecisions]reauth.Event
	next int
	n    int
}

const keptDecisions = 50

// observe keeps an event, unless it is about a request that simply worked.
func (d *decisions) observe(e reauth.Event) {
	if e.Type == reauth.Sent && e.Err == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ring[d.next] = e
	d.next = (d.next + 1) % len(d.ring)
	d.n = min(d.n+1, len(d.ring))
}

// last returns the events kept, the newest first.
func (d *decisions) last() []reauth.Event {
	d.mu.Lock()
	defer d.mu.Unlock()
	events := make([]reauth.Event, 0, d.n)
	for i := range d.n {
		events = append(events, d.ring[(d.next-1-i+2*len(d.ring))%len(d.ring)])
	}
	return events
}
