package testrig

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
)

// Port returns a port of 127.0.0.1 that nothing listens on, for a program that is told where to listen.
// It is below the ports that systems give to connections and to listeners that name none: between this
// call and the program's, nobody else gets it by chance.
func Port(t testing.TB) int {
	t.Helper()
	const first, last = 15_000, 31_999
	var err error
	for range 100 {
		port := first + rand.IntN(last-first+1)
		var l net.Listener
		if l, err = net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatalf("no port is free: %v", err)
	return 0
}
