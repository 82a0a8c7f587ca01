package reauth

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"

	"github.com/reauth-go/reauth/internal/privatefile"
)

// fileIndex is what a FileStore remembers of its file: where each record is, and when it changed. It
// holds no token, and never changes.
type fileIndex struct {
	seed      maphash.Seed
	seen      privatefile.Seen // the file that the offsets are of
	version   int              // of its format; 0: there is no file yet
	identity  string
	others    []byte // the members that this version does not know, as lines of JSON
	open, end int    // the list of credentials: behind its "[", and at its "]"
	records   []fileRecord
	broken    []error // what is wrong with those that cannot be read
	counter   int64   // one higher whenever records were seen to differ
	whole     int64   // the counter when a record was gone, which a delta cannot tell
}

// fileRecord is where a record is in the file.
type fileRecord struct {
	key     credentialKey // as far as it is known
	hash    uint64        // of the record's bytes
	changed int64         // the counter when the bytes were seen to differ
	err     error         // why the record cannot be read; nil: it can
	from    uint32        // the file is at most privatefile.MaxSize long
	size    uint32
	removed bool // a tombstone
}

// errSameKey says that a record has the key of one before it.
var errSameKey = errors.New("another record has the same ID; remove one of them")

// parsedEntry is an entry beside its place in the file.
type parsedEntry struct {
	at    int
	entry Entry
}

func newFileIndex() *fileIndex { return &fileIndex{seed: maphash.MakeSeed()} }

// raw returns the bytes of the record at i.
func (x *fileIndex) raw(content []byte, i int) []byte {
	r := &x.records[i]
	return content[r.from : r.from+r.size]
}

// find returns the place of a credential's record; -1 if there is none. A record that cannot be
// read counts.
func (x *fileIndex) find(key credentialKey) int {
	at := -1
	for i := range x.records {
		if r := &x.records[i]; r.key == key && (at < 0 || r.err != nil) {
			at = i
		}
	}
	return at
}

// entry returns the entry at i.
func (x *fileIndex) entry(content []byte, i int) (Entry, error) {
	if err := x.records[i].err; err != nil {
		return Entry{}, err
	}
	return parseFileRecord(x.raw(content, i))
}

// findBroken returns what is wrong with the records that cannot be read.
func (x *fileIndex) findBroken() (list []error) {
	for i := range x.records {
		if err := x.records[i].err; err != nil {
			list = append(list, err)
		}
	}
	return list
}

// changedSince returns the entries that changed after the counter was at since. content is nil if
// none did. parsed has some of the entries.
func (x *fileIndex) changedSince(since int64, content []byte, parsed []parsedEntry) (list []Entry) {
	if content == nil {
		return nil
	}
	for i := range x.records {
		for len(parsed) > 0 && parsed[0].at < i {
			parsed = parsed[1:]
		}
		r := &x.records[i]
		switch {
		case r.err != nil || r.changed <= since:
		case len(parsed) > 0 && parsed[0].at == i:
			list = append(list, parsed[0].entry)
		default:
			if e, err := x.entry(content, i); err == nil { // it was read before
				list = append(list, e)
			}
		}
	}
	return list
}

// emptied returns the index of a store without records, in the place of this one.
func (x *fileIndex) emptied() *fileIndex {
	n := &fileIndex{seed: x.seed, counter: x.counter, whole: x.whole}
	if len(x.records) > 0 {
		n.counter++
		n.whole = n.counter
	}
	return n
}

// read returns the index of another content of the file, and the entries that it had to parse. A
// record whose bytes are known is not parsed again.
func (x *fileIndex) read(file privatefile.File) (*fileIndex, []parsedEntry, error) {
	r := &fileIndexReader{old: x, content: file.Content}
	frame, err := frameFile(file.Content, r.guess)
	if err != nil {
		return nil, nil, err
	}
	n := &fileIndex{
		seed: x.seed, seen: file.Seen, version: frame.version, identity: frame.identity, others: frame.others(),
		open: frame.open, end: frame.end, records: make([]fileRecord, len(frame.records)),
		counter: x.counter + 1, whole: x.whole,
	}
	for i, span := range frame.records {
		if n.records[i], err = r.record(span, n, i); err != nil {
			return nil, nil, brokenFile(file.Content, err)
		}
	}
	n.compare(x)
	n.broken = n.findBroken()
	return n, r.parsed, nil
}

// compare finds records that have the same key, and whether records are gone that were in x.
func (x *fileIndex) compare(old *fileIndex) {
	if old.identity != "" && old.identity != x.identity {
		x.whole = x.counter
	}
	if x.sameKeys(old) {
		return
	}
	places := make(map[credentialKey]int, len(x.records))
	for i := range x.records {
		r := &x.records[i]
		if _, ok := places[r.key]; !ok {
			places[r.key] = i
		} else if r.err == nil {
			r.err = &RecordError{Provider: r.key.provider, ID: r.key.id, Err: errSameKey}
		}
	}
	for i := range old.records {
		if _, ok := places[old.records[i].key]; !ok {
			x.whole = x.counter
			return
		}
	}
}

// sameKeys reports whether both have the same keys in the same order, and each only once.
func (x *fileIndex) sameKeys(old *fileIndex) bool {
	if len(x.records) != len(old.records) {
		return false
	}
	for i := range x.records {
		if x.records[i].key != old.records[i].key || errors.Is(old.records[i].err, errSameKey) {
			return false
		}
	}
	return true
}

// fileIndexReader finds the records of a content in an older index.
type fileIndexReader struct {
	old     *fileIndex
	content []byte
	guessed int // the old record that the next guess is about
	at      int // the old record that comes next, if nothing was put in or taken out
	places  map[uint64]int
	parsed  []parsedEntry
}

// guess says how long the record at an offset is if it is the next one that is known; else 0. Only
// an object tells where it ends, and a record that can be read is one.
func (r *fileIndexReader) guess(from int) int {
	if r.guessed >= len(r.old.records) {
		return 0
	}
	old := &r.old.records[r.guessed]
	r.guessed++
	end := from + int(old.size)
	if old.err != nil || end > len(r.content) || maphash.Bytes(r.old.seed, r.content[from:end]) != old.hash {
		return 0
	}
	return int(old.size)
}

// record returns what the index n keeps of its i-th record. The error says that the record is no
// JSON.
func (r *fileIndexReader) record(span fileSpan, n *fileIndex, i int) (fileRecord, error) {
	raw := r.content[span.from:span.to]
	hash := maphash.Bytes(n.seed, raw)
	rec, ok := r.known(hash)
	if !ok {
		e, err := parseFileRecord(raw)
		if syntax := (*json.SyntaxError)(nil); errors.As(err, &syntax) {
			return fileRecord{}, err
		}
		rec = newFileRecord(e, i, err)
		rec.hash, rec.changed = hash, n.counter
		if err == nil {
			r.parsed = append(r.parsed, parsedEntry{i, e})
		}
	}
	rec.from, rec.size = uint32(span.from), uint32(len(raw)) //nolint:gosec // bounded by privatefile.MaxSize
	return rec, nil
}

// newFileRecord returns what is kept of the i-th record of a file, which is e or, with an error, has
// at most its key.
func newFileRecord(e Entry, i int, err error) fileRecord {
	rec := fileRecord{key: credentialKey{e.Credential.Provider, e.Credential.ID}, removed: e.Removed}
	if err == nil {
		return rec
	}
	if rec.key.provider == "" || rec.key.id == "" {
		err = fmt.Errorf("credentials[%d]: %w", i, err)
	}
	err = fmt.Errorf("%w; mend the record in the file, or take it out and log in again", newRedactedError(err))
	rec.err = &RecordError{Provider: rec.key.provider, ID: rec.key.id, Err: err}
	return rec
}

// known returns what the old index has of a record.
func (r *fileIndexReader) known(hash uint64) (fileRecord, bool) {
	if len(r.old.records) == 0 {
		return fileRecord{}, false
	}
	if r.at >= len(r.old.records) || r.old.records[r.at].hash != hash {
		at, ok := r.place(hash)
		if !ok {
			r.at++ // most likely the old record was replaced
			return fileRecord{}, false
		}
		r.at = at
	}
	rec := r.old.records[r.at]
	r.at++
	return rec, !errors.Is(rec.err, errSameKey) // the other one may be gone
}

// place returns where the old index has a record of that hash.
func (r *fileIndexReader) place(hash uint64) (int, bool) {
	if r.places == nil {
		r.places = make(map[uint64]int, len(r.old.records))
		for i := range r.old.records {
			r.places[r.old.records[i].hash] = i
		}
	}
	at, ok := r.places[hash]
	return at, ok
}
