// Package testrig has the parts that the test packages of this module share. It is for tests only.
//
// # Which world a test lives in
//
// Every test of the library runs in one of four worlds. Take the first one that can show what the
// test is about.
//
// A rig is a pool and a transport over a fake provider (reauthtest.Provider) in memory, without
// sockets and files. The tests of package reauth make one with newRig, in rig_test.go. A test can
// read events, requests and standings from it.
//
// A bubble is a rig inside testing/synctest. Waits take no time, the clock is exact, and a
// goroutine that is left behind fails the test. Every test in which something waits or expires
// belongs here. Use bubble in pool_renew_test.go, bubbleOver in pool_share_test.go for a pool over
// a store, and fleet in pool_share_test.go for several pools over one store. internal/stress plays
// random choreographies in bubbles. internal/contract checks the obligations of an
// http.RoundTripper: in a bubble where something waits, and over a server on the loopback interface
// where net/http takes part.
//
// A fleet is several processes over one store and one fake provider, which is served on the
// loopback interface (internal/fleettest). Its workers are the test binary itself, started again,
// so that a test can suspend and kill them. Only here do the tests show what an operating system or
// a database does to a lock. internal/fleettest runs it on a file; the module integration runs it
// on PostgreSQL and SQLite.
//
// internal/recordtest plays random schedules in bubbles, with pools over one store: people log in and
// remove, the store is put back to older states, processes die in the middle of a step. It judges
// whether a login, a removal or a mark was lost.
//
// Beside these worlds, internal/recordtest plays random schedules over a real store: pools that are
// suspended and die, and a store that is put back, away or deleted. It judges what is left.
//
// internal/simulate plays a day of traffic over accounts with real limits, in a bubble, and compares
// the strategies.
//
// reauthtest.TestStore tests the promises of a store, without a pool. Every implementation of
// reauth.Store runs it.
//
// # Sizes
//
// Some tests repeat something: kills, seconds of service, random choreographies and schedules. A
// smaller size repeats less. With -short reauthtest.TestStore skips what writes a thousand records,
// too:
//
//	go test -short ./...                                        the fewest
//	go test ./...                                               what the gate runs
//	go test ./internal/fleettest -fleet=full                    1,000 kills, 20 seconds of service
//	go test ./internal/stress -stress.seeds=5000                5,000 choreographies
//	go test ./internal/recordtest -record=full                  13,000 schedules
//	go test ./internal/recordtest -record=full                  10,000 schedules in memory, 3,000 in a file
//	go test ./internal/simulate -simulate=full                  days of 3, 30 and 300 accounts
//	(cd integration && go test . -fleet=full)                   the same on databases
package testrig
