package reauth

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/reauth-go/reauth/internal/privatefile"
)

// FileStore is a Store in one JSON file, which the processes of one host share. The operating
// system's locks keep them apart: one lock per credential, held over a whole exchange, and one for
// the file, held while it is rewritten. The kernel releases them when a process dies.
//
// The file holds tokens in the clear. It is made with mode 0600, and a file that others can read or
// write, or that another user has made, is refused. It is replaced as a whole, synced to disk first,
// so that a reader finds the old content or the new. The store keeps members that this version does
// not know, and records that it cannot read, and never writes a file that it cannot read. A file
// that an older version wrote is upgraded by the first write; the older version refuses it then.
//
// Beside the file are "<name>.lock" and "<name>.locks/". The folder has a lock and a note for each
// credential: the note tells which exchange is under way, and whether the file was put back to an
// older state. It also knows the identity of the store, so that a file that is gone is not taken
// for an empty store. Do not remove them while a process uses the store. A file that was copied has
// the identity of its original, unless NewIdentity gives it another, and spends the same tokens.
//
// A symbolic link is followed at each look, so that a file may be swapped by its links. The file
// must be on a file system of this host, because the locks of network file systems cannot be relied
// upon; use SQLStore there.
//
// Its methods may be called from several goroutines, and several FileStores of one path may be used
// side by side.
type FileStore struct {
	path   string
	err    error  // why path cannot be used
	nonce  string // the random part of versions
	claims fileClaims

	mu    sync.Mutex
	index *fileIndex      // of the file as it was read or written last; guarded by mu
	known bool            // the file was there once; guarded by mu
	swept bool            // guarded by mu
	told  map[string]bool // what was told of the place; guarded by mu
}

// DefaultStorePath returns the path of the file in which the command reauth keeps its logins:
// reauth/auth.json in $XDG_CONFIG_HOME, else in os.UserConfigDir. A relative $XDG_CONFIG_HOME counts
// as none. It creates nothing, and fails where the system names no such folder.
func DefaultStorePath() (string, error) {
	dir := os.Getenv("XDG_CONFIG_HOME") // it counts on macOS and Windows too, where UserConfigDir ignores it
	if !filepath.IsAbs(dir) {
		var err error
		if dir, err = os.UserConfigDir(); err != nil {
			return "", fmt.Errorf("reauth: there is no folder for settings: %w; name the store", err)
		}
	}
	return filepath.Join(dir, "reauth", "auth.json"), nil
}

// NewFileStore returns a store in the file at path. Nothing is read or created before it is used:
// OpenPool tells whether the file can be read, and the first credential added creates it, and its
// folder with mode 0700.
func NewFileStore(path string) *FileStore {
	s := &FileStore{path: path, nonce: rand.Text(), index: newFileIndex()}
	switch {
	case path == "":
		s.err = errors.New("no path was given")
	case path[0] == '~':
		s.err = errors.New(`the path begins with "~", which only a shell replaces by your home folder; give the whole path`)
	default:
		s.path, s.err = filepath.Abs(path)
	}
	return s
}

var _ Store = (*FileStore)(nil)

// String names the store by its path. It says nothing of the content.
func (s *FileStore) String() string { return "reauth.FileStore(" + redact(s.path) + ")" }

// Format prints String under any verb and flag.
func (s *FileStore) Format(f fmt.State, _ rune) { show(f, s.String()) }

// LogValue is what slog shows.
func (s *FileStore) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Load implements Store. While the file is as it was, it costs one stat(2). The first call tells
// what is wrong with the place, and removes the locks of credentials that are gone.
func (s *FileStore) Load(_ context.Context, version string) (Snapshot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	since, known := s.parseVersion(version)
	content, parsed, err := s.look(false)
	if err == nil && content == nil && (!known || since != s.index.counter) {
		content, parsed, err = s.look(true)
	}
	if err != nil && (errors.Is(err, errMissing) || !errors.Is(err, fs.ErrNotExist)) {
		return Snapshot{}, s.fail(err)
	}
	if known = known && since >= s.index.whole; !known {
		since = -1
	}
	snap := Snapshot{
		Entries: s.index.changedSince(since, content, parsed), Delta: known, Identity: s.index.identity,
		Version: s.nonce + "-" + strconv.FormatInt(s.index.counter, 10),
		Broken:  append(slices.Clone(s.index.broken), s.checkPlace()...),
	}
	s.sweep()
	return snap, nil
}

// parseVersion returns the counter of a version that this store has given.
func (s *FileStore) parseVersion(version string) (since int64, known bool) {
	nonce, number, _ := strings.Cut(version, "-")
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || nonce != s.nonce || n > s.index.counter {
		return -1, false
	}
	return n, true
}

// look brings the index up to date. It returns the file's content, and the entries that it parsed
// for the index, if it had to read the file, or must. The error is fs.ErrNotExist when there is no
// file yet, and errMissing when it is gone. s.mu is held.
func (s *FileStore) look(must bool) (content []byte, parsed []parsedEntry, err error) {
	switch {
	case s.err != nil:
		return nil, nil, s.err
	case !must && privatefile.IsUnchanged(s.path, s.index.seen):
		return nil, nil, nil
	}
	file, err := s.read()
	if errors.Is(err, fs.ErrNotExist) {
		if missing := s.missing(); missing == nil {
			return nil, nil, err
		} else if file, err = s.read(); errors.Is(err, fs.ErrNotExist) { // else another process has made it just now
			err = missing
		}
	}
	if err != nil {
		return nil, nil, err
	}
	next := *s.index
	next.seen = file.Seen
	if s.index.version == 0 || s.index.seen.Sum != file.Sum {
		n, entries, err := s.index.read(file)
		if err != nil {
			return nil, nil, err
		}
		next, parsed = *n, entries
	}
	s.index, s.known = &next, true
	return file.Content, parsed, nil
}

// read returns the file to which the path leads. "Is it ours?" comes before any advice on it. s.mu
// is held.
func (s *FileStore) read() (privatefile.File, error) {
	place, err := resolvePlace(s.path)
	if err != nil {
		return privatefile.File{}, err
	}
	file, err := privatefile.Read(place.real, s.index.seed)
	if err != nil || file.Unfit == nil {
		return file, err
	}
	_, err = frameFile(file.Content, func(int) int { return 0 })
	return privatefile.File{}, cmp.Or(err, file.Unfit)
}

// missing says that the file, which is not there, was there before. It returns nil at a first start.
// The identity beside the locks comes after the file. s.mu is held.
func (s *FileStore) missing() error {
	place, err := resolvePlace(s.path)
	if err != nil {
		return err
	}
	if !s.known && place.knownIdentity() == "" {
		return nil
	}
	return errMissing
}

// missingError says that the file was there and is gone. It matches fs.ErrNotExist.
type missingError struct{}

var errMissing error = missingError{}

func (missingError) Error() string {
	return "the file was there and is gone; nothing is taken for removed. Put it back, or mount its " +
		"folder again. Adding a credential in a program that still runs makes a new file, without what was in the old one; " +
		`to begin anew otherwise, end all programs, and remove the folder of the same name with ".locks" behind it`
}

func (missingError) Is(target error) bool { return target == fs.ErrNotExist }

// checkPlace returns what is wrong with the place of the file and was not told yet. s.mu is held.
func (s *FileStore) checkPlace() (wrong []error) {
	if s.told != nil {
		return nil
	}
	s.told = make(map[string]bool)
	place, err := resolvePlace(s.path)
	if err != nil {
		return nil // reading tells
	}
	for _, name := range place.names() {
		for _, err := range privatefile.CheckPlace(name) {
			if !s.told[err.Error()] {
				s.told[err.Error()] = true
				wrong = append(wrong, s.fail(err))
			}
		}
	}
	return wrong
}

// sweep removes the locks of credentials that are gone, once. s.mu is held.
func (s *FileStore) sweep() {
	if s.swept || s.index.version == 0 {
		return
	}
	place, err := resolvePlace(s.path)
	if err != nil {
		return
	}
	s.swept = true
	place.sweepLocks(func() (map[string]bool, bool) {
		if _, _, err := s.look(false); err != nil {
			return nil, false
		}
		return s.index.lockNames()
	})
}

// fail names the store in an error.
func (s *FileStore) fail(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("reauth: file store %s: %w", redact(s.path), newRedactedError(err))
}

// vet refuses a file that is not the store's before anything is made beside it.
func (s *FileStore) vet() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known && s.err == nil {
		return nil
	}
	_, _, err := s.look(false)
	return err
}

// folderIsGone reports whether the file was there and not even its folder is any more. Nothing is
// made there then, which would be in the way of bringing it back.
func (s *FileStore) folderIsGone() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	place, err := resolvePlace(s.path)
	return err == nil && s.known && !place.hasFolder()
}

// fileRecordNow is the record of a credential as it is under the lock of the file.
type fileRecordNow struct {
	entry    Entry
	found    bool
	identity string
	there    bool // the file is
	missing  error
}

// change rewrites the file under its lock, with what decide makes of a credential's record. It
// returns the entry as it is stored, and the identity of the store.
func (s *FileStore) change(
	ctx context.Context, key credentialKey, decide func(fileRecordNow) (Entry, error),
) (Entry, string, error) {
	place, held, err := lockFile(ctx, s.path)
	if err != nil {
		return Entry{}, "", err
	}
	defer held.Unlock()
	p, err := s.plan(place, key, decide)
	if err == nil {
		err = s.replace(place, p)
	}
	if err != nil {
		return Entry{}, "", err
	}
	return p.entry, p.identity, nil
}

// replace writes the next content of the file. Its lock is held.
func (s *FileStore) replace(place filePlace, p *fileSplice) error {
	pieces, err := p.pieces()
	if err != nil {
		return err
	}
	seen, err := privatefile.Replace(place.real, p.old.seed, pieces...)
	if err != nil {
		return err
	}
	s.written(p, seen)
	_ = place.noteIdentity(p.identity) // the next write tries again
	return nil
}

// plan makes the next content of the file.
func (s *FileStore) plan(
	place filePlace, key credentialKey, decide func(fileRecordNow) (Entry, error),
) (*fileSplice, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	content, _, err := s.look(true)
	now, err := s.recordIn(content, key, err)
	if err != nil {
		return nil, err
	}
	next, err := decide(now)
	if err != nil {
		return nil, err
	}
	index, identity := s.index, rand.Text()
	if now.there {
		identity = cmp.Or(place.knownIdentity(), identity)
	} else {
		index = index.emptied()
	}
	p, err := index.newSplice(content, next, identity)
	if err != nil {
		return nil, err
	}
	p.base = s.index.counter
	return p, nil
}

// record returns a credential's record as it is now. When the file looks as it did, it reads no more
// than the record.
func (s *FileStore) record(key credentialKey) (fileRecordNow, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := s.index.find(key); i >= 0 {
		r := &s.index.records[i]
		raw, ok := privatefile.ReadPart(s.path, s.index.seen, int(r.from), int(r.size))
		if ok && maphash.Bytes(s.index.seed, raw) == r.hash && r.err == nil {
			e, err := parseFileRecord(raw)
			return fileRecordNow{entry: e, found: true, identity: s.index.identity, there: true}, err
		}
	}
	content, _, err := s.look(true)
	return s.recordIn(content, key, err)
}

// recordIn returns a credential's record in the content of the file. err is what look returned.
func (s *FileStore) recordIn(content []byte, key credentialKey, err error) (fileRecordNow, error) {
	now := fileRecordNow{there: err == nil}
	switch {
	case errors.Is(err, errMissing):
		now.missing = err
		return now, nil
	case errors.Is(err, fs.ErrNotExist):
		return now, nil
	case err != nil:
		return now, err
	}
	now.identity = s.index.identity
	if i := s.index.find(key); i >= 0 {
		now.found = true
		now.entry, err = s.index.entry(content, i)
	}
	return now, err
}

// written takes over the index of what was written, unless the file was looked at since.
func (s *FileStore) written(p *fileSplice, seen privatefile.Seen) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known = true
	if s.index.counter != p.base {
		return
	}
	if n, ok := p.index(seen); ok {
		s.index = n
	}
}
