package reauth

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/reauth-go/reauth/internal/privatefile"
)

// sweepBatch is how many locks are held at once while the files of removed credentials are removed.
const sweepBatch = 100

// sweepLocks removes the locks and notes of credentials that are not in the store any more, if nobody
// holds or waits for them. live returns the names of the locks of those that are there, or false
// when that is not known; it is asked again under the locks.
func (p filePlace) sweepLocks(live func() (map[string]bool, bool)) {
	for _, name := range p.names() {
		dead := deadLocks(locksOf(name), live)
		for len(dead) > 0 {
			n := min(len(dead), sweepBatch)
			sweepBatchOf(locksOf(name), dead[:n], live)
			dead = dead[n:]
		}
	}
}

// deadLocks returns the names of the locks in a folder whose credentials are not there.
func deadLocks(dir string, live func() (map[string]bool, bool)) (dead []string) {
	files, err := os.ReadDir(dir)
	if err != nil || len(files) == 0 {
		return nil
	}
	names, ok := live()
	if !ok {
		return nil
	}
	for _, f := range files {
		if name, isLock := strings.CutSuffix(f.Name(), lockEnding); isLock && !names[name] {
			dead = append(dead, name)
		}
	}
	return dead
}

// sweepBatchOf removes locks that are free, and the notes beside them.
func sweepBatchOf(dir string, dead []string, live func() (map[string]bool, bool)) {
	held := make(map[string]*privatefile.Held, len(dead))
	for _, name := range dead {
		if h := privatefile.TryLock(filepath.Join(dir, name+lockEnding)); h != nil {
			held[name] = h
		}
	}
	names, ok := live() // a credential may have been added before its lock was taken
	for name, h := range held {
		if !ok || names[name] {
			h.Unlock()
			continue
		}
		_ = os.Remove(filepath.Join(dir, name+noteEnding)) // what stays is taken next time
		h.Remove()
	}
}

// lockNames returns the names of the locks of the credentials that are there. ok is false when a
// record does not tell whose it is.
func (x *fileIndex) lockNames() (names map[string]bool, ok bool) {
	names = make(map[string]bool, len(x.records))
	for i := range x.records {
		r := &x.records[i]
		if r.key.provider == "" || r.key.id == "" {
			return nil, false
		}
		if !r.removed {
			names[lockName(r.key)] = true
		}
	}
	return names, true
}
