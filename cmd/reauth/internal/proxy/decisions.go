package proxy

import (
	"sync"

	"github.com/reauth-go/reauth"
)

// decisions keeps the last events about credentials for the status page, in a ring buffer. It is
// safe for concurrent use.
type decisions struct {
	mu sync.Mutex
	// ring holds n events. The next one goes to the index next.
	ring [keptDecisions]reauth.Event
	next int
	n    int
}

// keptDecisions is how many events the page shows.
const keptDecisions = 50

// observe keeps an event. It drops successful sends, which would soon fill the ring.
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
		// The added lengths make the index positive: d.next-1-i can be as low as -len(d.ring).
		events = append(events, d.ring[(d.next-1-i+2*len(d.ring))%len(d.ring)])
	}
	return events
}
