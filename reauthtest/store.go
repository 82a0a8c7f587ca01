package reauthtest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/reauth-go/reauth"
)

// TestStore checks that a reauth.Store keeps the promises of the interface, on which pools rely for
// the tokens of their users:
//
//	func TestMyStore(t *testing.T) {
//		folder := t.TempDir()
//		reauthtest.TestStore(t, func(t *testing.T, place string) reauth.Store {
//			return NewMyStore(filepath.Join(folder, place))
//		})
//	}
//
// place names a place for credentials: a file, a schema of a database, a key of a map. It has
// lower-case letters and digits only, and begins with a letter. A name that was not used before is
// that of an empty place. Each call of open opens the place as another process would, if the kind of
// store allows that. A store that lives in memory is the same store for the same place. TestStore
// calls open many times, one call at a time, in the goroutine of the subtest that it passes.
//
// Each promise is a subtest of its own. A failure says what the store broke, and quotes the promise.
// Run the test with the race detector, which finds further faults.
//
// TestStore takes some seconds. With -short it leaves out the one subtest that writes a thousand
// records. If a store hangs or panics, the subtest fails.
//
// TestStore does not check what a store does when its place fails, is put back to an older state,
// or vanishes, nor what becomes of a claim whose holder died. Only the store's own tests can make
// that happen.
//
// only names the subtests to run, for a store that is tested under many settings; without a name all
// run. An unknown name fails the test.
func TestStore(t *testing.T, open func(t *testing.T, place string) reauth.Store, only ...string) {
	t.Helper()
	promises := storePromises()
	for _, name := range only {
		if !slices.ContainsFunc(promises, func(p storePromise) bool { return p.name == name }) {
			t.Errorf("there is no subtest %q", name)
		}
	}
	promises = slices.DeleteFunc(promises, func(p storePromise) bool {
		return len(only) > 0 && !slices.Contains(only, p.name)
	})
	testPromises(t, promises, open, nil)
}

// TestStoreMembers checks a store that keeps a JSON object for each record: members that a newer
// version of the store has added stay, and a record that cannot be read hides no other. It comes
// beside TestStore, which gives open its meaning.
//
// edit calls change with the members of the object that place has for a credential, and writes them
// back. change may add, change and remove members.
func TestStoreMembers(
	t *testing.T, open func(t *testing.T, place string) reauth.Store,
	edit func(t *testing.T, place, provider, id string, change func(members map[string]any)),
) {
	t.Helper()
	testPromises(t, memberPromises(), open, edit)
}

// storePatience is how long one promise may take. It takes milliseconds in memory and a second on a
// database, the long one a minute on a busy machine: the limit only ends a test that would hang for
// ever.
const storePatience = 5 * time.Minute

// StorePromises returns the names of TestStore's subtests, for a caller that runs some of them only.
func StorePromises() (names []string) {
	for _, p := range storePromises() {
		names = append(names, p.name)
	}
	return names
}

// storePromise is something that a store has to do.
type storePromise struct {
	name  string // of the subtest
	text  string // the promise, as package reauth gives it
	long  bool   // it takes long on a database
	check func(*storeCheck)
}

// storePromises returns the promises of all stores, in the order of their subtests.
func storePromises() []storePromise {
	return slices.Concat(loadPromises(), updatePromises(), resultPromises(), boundPromises(), markPromises(),
		spendPromises(), borderPromises())
}

// storeSuite is a run of promises over one kind of store.
type storeSuite struct {
	open     func(place string) reauth.Store
	edit     func(place, provider, id string, change func(members map[string]any))
	patience time.Duration
}

// testPromises runs one subtest for each promise.
func testPromises(
	t *testing.T, promises []storePromise, open func(*testing.T, string) reauth.Store,
	edit func(*testing.T, string, string, string, func(map[string]any)),
) {
	t.Helper()
	for _, p := range promises {
		t.Run(p.name, func(t *testing.T) {
			t.Helper()
			if p.long && testing.Short() {
				t.Skip("it takes long on a database")
			}
			s := &storeSuite{
				open: func(place string) reauth.Store { return open(t, place) },
				edit: func(place, provider, id string, change func(map[string]any)) {
					edit(t, place, provider, id, change)
				},
				patience: storePatience,
			}
			if failures := s.run(p); len(failures) > 0 {
				t.Errorf("%s\npromise: %s", strings.Join(failures, "\n"), p.text)
			}
		})
	}
}

// run checks one promise and returns how the store broke it, in a fixed order. The check has a
// goroutine of its own, so that a store that hangs or panics does not end the test. open and edit
// run here, because only the goroutine of a test may end it.
func (s *storeSuite) run(p storePromise) []string {
	c := newStoreCheck(s)
	defer c.end() // open may end this goroutine
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.guard(func(*check) {
			c.a, c.b = c.opened(c.place), c.opened(c.place)
			p.check(c)
		})
	}()
	for {
		select {
		case call := <-c.calls:
			call()
		case <-ended:
			c.record.mu.Lock()
			defer c.record.mu.Unlock()
			failures := slices.Clone(c.record.failures)
			slices.Sort(failures)
			return slices.Compact(failures)
		}
	}
}
