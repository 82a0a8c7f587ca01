package privatefile

import (
	"bufio"
	"errors"
	"hash/maphash"
	"os"
	"path/filepath"
	"strings"
)

// Replace makes the pieces, one after the other, the content of the file at path, and makes the
// file, with mode 0600, if need be. It syncs the content to disk before the file has its name. The
// file keeps its owner. Replace returns what identifies the file, with its content's hash.
//
// The caller holds a lock that excludes other calls of Replace: temporary files beside the file are
// taken for those of writers that died, and are removed.
func Replace(path string, seed maphash.Seed, pieces ...[]byte) (Seen, error) {
	dir, base := filepath.Split(path)
	prefix := "." + base + "."
	removeLeftovers(dir, prefix)
	tmp, err := os.CreateTemp(dir, prefix+"*.tmp") // with mode 0600
	if err != nil {
		return Seen{}, err
	}
	seen, err := fill(tmp, path, seed, pieces)
	if err == nil {
		err = rename(tmp.Name(), path, dir)
	}
	if err != nil {
		_ = os.Remove(tmp.Name()) // err says more
	}
	return seen, err
}

// fill gives tmp the owner of the file at path, writes its content, and closes it.
func fill(tmp *os.File, path string, seed maphash.Seed, pieces [][]byte) (Seen, error) {
	owner := ownAsFolder(tmp.Name())
	if old, err := os.Stat(path); err == nil {
		owner = keepOwner(tmp.Name(), old)
	}
	if owner != nil {
		return Seen{}, errors.Join(owner, tmp.Close())
	}
	sum, err := writePieces(tmp, seed, pieces)
	if err == nil {
		err = tmp.Sync()
	}
	if err != nil {
		return Seen{}, errors.Join(err, tmp.Close())
	}
	info, err := tmp.Stat()
	return Seen{Sum: sum, info: info}, errors.Join(err, tmp.Close())
}

// writePieces writes the pieces and returns the hash of them all.
func writePieces(f *os.File, seed maphash.Seed, pieces [][]byte) (sum uint64, err error) {
	var h maphash.Hash
	h.SetSeed(seed)
	w := bufio.NewWriterSize(f, 64<<10) // large pieces pass it by
	for _, p := range pieces {
		_, _ = h.Write(p) // never fails
		if _, err := w.Write(p); err != nil {
			return 0, err
		}
	}
	return h.Sum64(), w.Flush()
}

// removeLeftovers removes the temporary files of writers that were killed, because they hold
// tokens.
func removeLeftovers(dir, prefix string) {
	entries, _ := os.ReadDir(dir) // Replace will tell what is wrong with a folder that cannot be read
	for _, e := range entries {
		if name := e.Name(); strings.HasPrefix(name, prefix) && strings.HasSuffix(name, ".tmp") {
			_ = os.Remove(filepath.Join(dir, name)) // a file that stays is removed next time
		}
	}
}
