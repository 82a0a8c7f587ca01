package privatefile

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// sizeOfNote is the least size of a note, in bytes. A note of that size is one sector, which disks
// write as a whole.
const sizeOfNote = 512

// WriteNote makes content the content of a small file without secrets, and makes the file if need
// be. It is written in place, because a note is written for each exchange: a loss of power may leave
// one that is torn. Durably: the content is on disk when WriteNote returns. The caller holds a lock
// that excludes other calls for path, and ReadNote.
func WriteNote(path string, content []byte, durably bool) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	made := errors.Is(err, fs.ErrNotExist)
	if made {
		f, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	}
	if err != nil {
		return err
	}
	padding := max(0, sizeOfNote-len(content))
	content = append(bytes.Clone(content), bytes.Repeat([]byte(" "), padding)...)
	_, err = f.WriteAt(content, 0)
	if err == nil {
		err = f.Truncate(int64(len(content)))
	}
	if err == nil && durably {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if made {
		err = errors.Join(err, ownAsFolder(path))
	}
	if made && durably {
		err = errors.Join(err, syncFolder(filepath.Dir(path)))
	}
	return err
}

// ReadNote returns the content of a note, with white space behind it; nil if there is none that can
// be read.
func ReadNote(path string) []byte {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	return b
}
