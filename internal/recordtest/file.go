package recordtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/reauth-go/reauth"
)

// File is a place in a file. Every process has a FileStore of its own.
func File() Kind {
	return Kind{Make: func(t testing.TB, _ uint64) Place {
		dir, err := os.MkdirTemp(memoryFolder(), "recordtest-")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		return &filePlace{path: filepath.Join(dir, "store.json")}
	}}
}

// memoryFolder is where files need no disk, so that syncing them takes no time; else "".
func memoryFolder() string {
	const folder = "/dev/shm"
	if info, err := os.Stat(folder); err == nil && info.IsDir() {
		return folder
	}
	return ""
}

type filePlace struct {
	path   string
	holder atomic.Pointer[fileHandle] // the last one that got the claim
}

// fileCopy is a backup of the file.
type fileCopy []byte

// String describes the copy for people.
func (c fileCopy) String() string { return fmt.Sprintf("%d bytes", len(c)) }

// Open implements Place.
func (s *filePlace) Open(testing.TB) Handle {
	return &fileHandle{FileStore: reauth.NewFileStore(s.path), place: s}
}

// Snapshot implements Place.
func (s *filePlace) Snapshot() any {
	content, err := os.ReadFile(s.path)
	if err != nil {
		return nil
	}
	return fileCopy(content)
}

// PutBack implements Place.
func (s *filePlace) PutBack(snapshot any) {
	tmp := s.path + ".restore"
	must(os.WriteFile(tmp, snapshot.(fileCopy), 0o600))
	must(os.Rename(tmp, s.path))
}

// Hide implements Place.
func (s *filePlace) Hide() { s.move(s.path, s.away()) }

// Show implements Place.
func (s *filePlace) Show() { s.move(s.away(), s.path) }

// Delete implements Place.
func (s *filePlace) Delete() {
	if err := os.Remove(s.path); err != nil && !os.IsNotExist(err) {
		panic(err)
	}
}

func (s *filePlace) away() string { return s.path + ".away" }

// move renames the file if it is there.
func (s *filePlace) move(from, to string) {
	if err := os.Rename(from, to); err != nil && !os.IsNotExist(err) {
		panic(err)
	}
}

// must is for what cannot fail in a folder of the test's own.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// fileHandle is the FileStore of a process.
type fileHandle struct {
	*reauth.FileStore
	place *filePlace
	fails atomic.Bool
	dead  atomic.Bool
}

// FailSaves implements Handle.
func (h *fileHandle) FailSaves(fail bool) { h.fails.Store(fail) }

// Update implements reauth.Store. To fail to save, it hands the store a record that cannot be
// stored.
func (h *fileHandle) Update(
	ctx context.Context, provider, id string, fn func(reauth.Holding) (reauth.Entry, error),
) (reauth.Entry, error) {
	var want reauth.Entry
	spoilt := false
	got, err := h.FileStore.Update(ctx, provider, id, func(holding reauth.Holding) (got reauth.Entry, err error) {
		if h.dead.Load() {
			return got, errDead
		}
		h.place.holder.Store(h)
		if got, err = fn(holding); err == nil && h.fails.Load() {
			want, spoilt = got, true
			got.Credential.AccountID = "\x00"
		}
		return got, err
	})
	if spoilt {
		got.Credential.AccountID = want.Credential.AccountID
	}
	return got, err
}

// Kill implements Handle. It frees the lock of the process's claim, as the kernel does.
func (h *fileHandle) Kill() {
	h.dead.Store(true)
	if h.place.holder.CompareAndSwap(h, nil) {
		freeLocks(h.place.path + ".locks")
	}
}

// freeLocks frees the locks that are held on the files of a folder. One process at a time holds the
// claim, so they are all of one process.
func freeLocks(folder string) {
	descriptors, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return // the claim ends with the test
	}
	for _, d := range descriptors {
		path, err := os.Readlink("/proc/self/fd/" + d.Name())
		if err != nil || filepath.Dir(path) != folder || !strings.HasSuffix(path, ".lock") {
			continue
		}
		if info, err := os.ReadFile("/proc/self/fdinfo/" + d.Name()); err == nil && strings.Contains(string(info), "FLOCK") {
			unlock(d.Name())
		}
	}
}
