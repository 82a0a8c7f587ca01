package privatefile

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

const (
	maxFile      = 64 << 20        // bytes
	settledAfter = 2 * time.Second // the coarsest time stamps of file systems in use
)

// NoFile is the digest of a file that is not there.
const NoFile = "none"

// Snapshot is the content of a file at the time it was read. The zero value is for a file that was
// not read yet.
type Snapshot struct {
	Content []byte // nil: there was no file
	Digest  string // of the content

	info    fs.FileInfo
	settled bool // the file was old enough that any later change shows in its time stamp
}

// Read returns the content of the file at path. While the file is as it was when last was read,
// Read returns last, and costs one stat(2).
//
// It refuses a file that others can read or write, one that is no regular file, and one of more
// than 64 MiB.
func Read(path string, last Snapshot) (Snapshot, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Snapshot{Digest: NoFile}, nil
	case err != nil:
		return Snapshot{}, err
	case last.settled && sameFile(last.info, info):
		return last, nil
	}
	return readFile(path)
}

// sameFile reports whether a file is, by all that stat(2) tells, as it was.
func sameFile(was, is fs.FileInfo) bool {
	return os.SameFile(was, is) && was.Mode() == is.Mode() &&
		was.Size() == is.Size() && was.ModTime().Equal(is.ModTime())
}

// readFile reads the content of the file, and what identifies it, through one descriptor: another
// process may give the name to another file meanwhile.
func readFile(path string) (Snapshot, error) {
	f, err := os.Open(path)
	if err != nil {
		return Snapshot{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Snapshot{}, err
	}
	switch {
	case !info.Mode().IsRegular():
		return Snapshot{}, errors.New("it is no regular file")
	case info.Size() > maxFile:
		return Snapshot{}, fmt.Errorf("it is larger than %d MiB; it may be another program's file", maxFile>>20)
	}
	if err := checkPrivate(path, info); err != nil {
		return Snapshot{}, err
	}
	content, err := io.ReadAll(f) // of an empty file not nil
	if err != nil {
		return Snapshot{}, err
	}
	sum := sha256.Sum256(content)
	return Snapshot{
		Content: content,
		Digest:  hex.EncodeToString(sum[:]),
		info:    info,
		settled: time.Since(info.ModTime()) > settledAfter,
	}, nil
}
