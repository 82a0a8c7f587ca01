package proxy

import (
	"container/list"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// spare is how many connections are taken beyond the limits, to tell their clients so and to answer
// /healthz. Such a connection ends with its first answer.
const spare = 64

// gate bounds the connections of its listeners, in all and per client. Where one too many comes,
// the connection that has waited longest for a request is closed; one with a request under way
// never is. So nobody keeps others out with connections that do nothing.
type gate struct {
	total, perClient int
	stall            time.Duration

	mu   sync.Mutex
	open map[*conn]bool
	// held counts the open connections of each client, without the spare ones.
	held  map[string]int
	taken int
	// waiting has the connections without a request, and spares those beyond the limits, as *conn,
	// the one that came first in front.
	waiting, spares list.List
}

// newGate returns a gate without listeners.
func newGate(l Limits) *gate {
	return &gate{
		total: l.Connections, perClient: l.PerClient, stall: l.Stall,
		open: make(map[*conn]bool), held: make(map[string]int),
	}
}

// gated is a listener behind a gate.
type gated struct {
	net.Listener
	gate *gate
}

// nobody is the client of connections that count as no client's.
const nobody = ""

// clientOf returns what counts as one client: an IPv4 address, or the /64 of an IPv6 address, as
// one host has all addresses of its /64 (RFC 4291, section 2.5.1). The clients of a socket of the
// file system have no addresses; its mode says who they are.
func clientOf(addr net.Addr) string {
	if isSocket(addr) {
		return nobody
	}
	at, err := netip.ParseAddrPort(addr.String())
	if err != nil {
		return addr.String()
	}
	ip := at.Addr().Unmap().WithZone("")
	bits := ip.BitLen()
	if ip.Is6() {
		bits = 64
	}
	return netip.PrefixFrom(ip, bits).Masked().String()
}

// Accept implements net.Listener.
func (l gated) Accept() (net.Conn, error) {
	raw, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	g := l.gate
	c := newConn(raw, g.stall)
	c.client = clientOf(raw.RemoteAddr())
	c.gone = func() { g.release(c) }
	if out := g.admit(c); out != nil {
		_ = out.cut() // it is gone either way
	}
	return c, nil
}

// admit counts a connection. It returns one to close for it, or nil.
func (g *gate) admit(c *conn) (out *conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	full := g.total > 0 && g.taken >= g.total
	used := g.perClient > 0 && c.client != nobody && g.held[c.client] >= g.perClient
	if full || used {
		if out = g.longest(c.client, used); out == nil {
			return g.admitSpare(c)
		}
		g.forget(out)
	}
	g.open[c] = true
	g.held[c.client]++
	g.taken++
	c.place = g.waiting.PushBack(c)
	return out
}

// longest returns the connection that has waited longest, of the client only if own is set, or nil.
// The caller holds the lock.
func (g *gate) longest(client string, own bool) *conn {
	for e := g.waiting.Front(); e != nil; e = e.Next() {
		if c, ok := e.Value.(*conn); ok && (!own || c.client == client) {
			return c
		}
	}
	return nil
}

// admitSpare counts a connection beyond the limits. Each of them is answered in a moment, so the
// first makes room for the last. The caller holds the lock.
func (g *gate) admitSpare(c *conn) (out *conn) {
	if g.spares.Len() >= spare {
		if out, _ = g.spares.Front().Value.(*conn); out != nil {
			g.forget(out)
		}
	}
	g.open[c] = true
	c.spare = true
	c.place = g.spares.PushBack(c)
	return out
}

// forget takes a connection out of the counts. The caller holds the lock.
func (g *gate) forget(c *conn) {
	if !g.open[c] {
		return
	}
	delete(g.open, c)
	if c.spare {
		g.spares.Remove(c.place)
		return
	}
	g.taken--
	if g.held[c.client]--; g.held[c.client] == 0 {
		delete(g.held, c.client)
	}
	g.busy(c)
}

// busy takes a connection out of those that wait. The caller holds the lock.
func (g *gate) busy(c *conn) {
	if c.place != nil {
		g.waiting.Remove(c.place)
		c.place = nil
	}
}

// release takes a connection that has been closed out of the counts.
func (g *gate) release(c *conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.forget(c)
}

// watch is the ConnState of the server.
func (g *gate) watch(nc net.Conn, state http.ConnState) {
	c := connOf(nc)
	g.mu.Lock()
	defer g.mu.Unlock()
	if c == nil || c.spare || !g.open[c] {
		return
	}
	switch state {
	case http.StateActive, http.StateHijacked:
		g.busy(c)
	// A closed connection may linger: it makes room like one that waits.
	case http.StateIdle, http.StateClosed:
		if c.place == nil {
			c.place = g.waiting.PushBack(c)
		}
	default:
	}
}

// cut closes what is still open when the server has ended: connections that linger.
func (g *gate) cut() {
	g.mu.Lock()
	left := make([]*conn, 0, len(g.open))
	for c := range g.open {
		left = append(left, c)
	}
	g.mu.Unlock()
	for _, c := range left {
		_ = c.cut() // it is gone either way
	}
}
