package privatefile

import (
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"io/fs"
	"os"
	"time"
)

// MaxSize is the size of the largest file that Read reads, in bytes.
const MaxSize = 64 << 20

const settledAfter = 2 * time.Second // the coarsest time stamps of file systems in use

// Seen is what identifies a file as it was read or written. The zero value is for none.
type Seen struct {
	Sum uint64 // hash of the content

	info    fs.FileInfo
	settled bool // the file was old enough that any later change shows in its time stamp
}

// File is a file as Read found it.
type File struct {
	Seen

	Content []byte
	// Unfit is why the content must not be used: others can read or write the file, or somebody
	// else has made it. The content tells whose file it is.
	Unfit error
}

// IsUnchanged reports whether the file at path surely is as it was seen. It costs one stat(2).
func IsUnchanged(path string, seen Seen) bool {
	if !seen.settled {
		return false
	}
	info, err := os.Stat(path)
	return err == nil && sameFile(seen.info, info)
}

// sameFile reports whether a file is, by all that stat(2) tells, as it was.
func sameFile(was, is fs.FileInfo) bool {
	return os.SameFile(was, is) && was.Mode() == is.Mode() && sameOwner(was, is) &&
		was.Size() == is.Size() && was.ModTime().Equal(is.ModTime())
}

// Read returns the content of the file at path, with its hash. The error is fs.ErrNotExist when
// there is no file. Read never waits for anybody: it refuses what is no regular file, and a file of
// more than MaxSize bytes.
func Read(path string, seed maphash.Seed) (File, error) {
	f, info, err := openRegular(path, MaxSize)
	if err != nil {
		return File{}, err
	}
	defer f.Close()
	return read(path, f, info, seed)
}

// openRegular opens a regular file of at most most bytes, and tells what it is by the descriptor:
// another process may give the name to another file meanwhile.
func openRegular(path string, most int64) (*os.File, fs.FileInfo, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	if err := checkKind(info, most); err != nil {
		return nil, nil, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|openWithoutWaiting, 0) // it may be a FIFO by now
	if err != nil {
		return nil, nil, err
	}
	if info, err = f.Stat(); err == nil {
		err = checkKind(info, most)
	}
	if err != nil {
		_ = f.Close() // nothing was written
		return nil, nil, err
	}
	return f, info, nil
}

// read reads the content of the file, and what identifies it.
func read(path string, f *os.File, info fs.FileInfo, seed maphash.Seed) (File, error) {
	content := make([]byte, info.Size()+1) // the last byte is for the end of the file
	n, err := io.ReadFull(f, content)
	switch {
	case err == nil:
		return File{}, errGrows
	case !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF):
		return File{}, err
	}
	content = content[:n]
	return File{
		Content: content,
		Seen: Seen{
			Sum:     maphash.Bytes(seed, content),
			info:    info,
			settled: time.Since(info.ModTime()) > settledAfter,
		},
		Unfit: checkPrivate(path, info),
	}, nil
}

var errGrows = errors.New("it grows while it is read")

// ReadForeign returns the content of a file that another program writes, of at most most bytes, and
// when it was changed. Links are followed, and others may read the file. It never waits for anybody.
func ReadForeign(path string, most int64) (content []byte, changed time.Time, err error) {
	f, info, err := openRegular(path, most)
	if err != nil {
		return nil, time.Time{}, err
	}
	defer f.Close()
	content, err = io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(content)) > most {
		err = errGrows
	}
	if err != nil {
		return nil, time.Time{}, err
	}
	return content, info.ModTime(), nil
}

// ReadPart returns a part of the file at path, if by all that stat(2) tells it is the one that was
// seen. A file that was seen young may have changed all the same: the caller knows the part's hash.
func ReadPart(path string, seen Seen, from, size int) (part []byte, ok bool) {
	if seen.info == nil {
		return nil, false
	}
	f, err := os.OpenFile(path, os.O_RDONLY|openWithoutWaiting, 0)
	if err != nil {
		return nil, false
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !sameFile(seen.info, info) {
		return nil, false
	}
	part = make([]byte, size)
	_, err = f.ReadAt(part, int64(from))
	return part, err == nil
}

// checkKind refuses what is no file, and a file that is too large.
func checkKind(info fs.FileInfo, most int64) error {
	kind := ""
	switch mode := info.Mode(); {
	case mode.IsDir():
		kind = "a folder"
	case mode&fs.ModeNamedPipe != 0:
		kind = "a pipe"
	case mode&fs.ModeSocket != 0:
		kind = "a socket"
	case mode&fs.ModeDevice != 0:
		kind = "a device"
	case !mode.IsRegular():
		kind = "something else"
	case info.Size() > most:
		return fmt.Errorf("it is larger than %s; it may be another program's file", size(most))
	default:
		return nil
	}
	return fmt.Errorf("it is no regular file but %s; choose another path", kind)
}

// size tells a number of bytes.
func size(n int64) string {
	if n >= 1<<20 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d KiB", n>>10)
}
