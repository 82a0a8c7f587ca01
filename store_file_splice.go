package reauth

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"slices"

	"github.com/reauth-go/reauth/internal/privatefile"
)

// fileSplice is the next content of a FileStore's file: the last one with a record put in its place.
// All else stays as it stands, so that one change among many credentials costs little.
type fileSplice struct {
	old     *fileIndex
	base    int64  // the counter of the store's index when this was made
	content []byte // that old is of
	entry   Entry  // as it is stored
	raw     []byte
	at      int // the place of the record; as many as there are: it is new; -1: none changes
	drop    int // the place of a record that goes; -1: none

	identity string // of the next content
	head     string
}

// How the list of credentials is laid out.
const (
	startOfRecord = "\n\t\t"
	endOfList     = "\n\t"
	tail          = "]\n}\n"
)

// newSplice makes the next content, in which e is the record of its key. identity is for a file that
// has none. Everything is checked as it will be read, before anything is written.
func (x *fileIndex) newSplice(content []byte, e Entry, identity string) (*fileSplice, error) {
	if err := e.check(); err != nil {
		return nil, err
	}
	p := &fileSplice{old: x, content: content, at: x.find(canonicalKey(e.Credential.Provider, e.Credential.ID)), drop: -1}
	var was []byte
	if p.at < 0 {
		p.at = len(x.records)
	} else {
		was = x.raw(content, p.at)
	}
	var err error
	if p.raw, err = encodeFileRecord(was, e); err != nil {
		return nil, err
	}
	if p.entry, err = parseFileRecord(p.raw); err != nil {
		return nil, err
	}
	if e.Removed {
		p.drop = x.oldestTombstone(content, p.at)
	}
	p.identity = cmp.Or(x.identity, identity)
	p.head = x.head(p.identity)
	return p, nil
}

// newHead makes the next content, with another identity and the same records.
func (x *fileIndex) newHead(content []byte, identity string) *fileSplice {
	return &fileSplice{old: x, content: content, at: -1, drop: -1, identity: identity, head: x.head(identity)}
}

// head is the beginning of the file, up to the list of credentials.
func (x *fileIndex) head(identity string) string {
	name, _ := json.Marshal(identity) // a string can be encoded
	return fmt.Sprintf("{\n\t\"format\": %q,\n\t\"version\": %d,\n\t\"identity\": %s,\n\t\"stamp\": %q,\n",
		fileFormat, fileVersion, name, rand.Text()) + string(x.others) + "\t\"credentials\": ["
}

// oldestTombstone returns the place of the removal that goes when one more, at the place at, would
// be too many; else -1.
func (x *fileIndex) oldestTombstone(content []byte, at int) int {
	var places []int
	for i := range x.records {
		if x.records[i].removed && i != at {
			places = append(places, i)
		}
	}
	if len(places) < maxTombstones {
		return -1
	}
	oldest, first := -1, Entry{}
	for _, i := range places {
		if e, err := x.entry(content, i); err == nil && (oldest < 0 || e.Login.Before(first.Login)) {
			oldest, first = i, e
		}
	}
	return oldest
}

// fileEdit puts bytes in the place of those from an offset up to another one.
type fileEdit struct {
	from, to int
	with     []byte
}

// edits returns what changes in the list of credentials, in order.
func (p *fileSplice) edits() (list []fileEdit) {
	records := p.old.records
	switch last := len(records) - 1; {
	case p.at < 0:
	case p.at <= last:
		r := records[p.at]
		list = append(list, fileEdit{int(r.from), int(r.from + r.size), p.raw})
	case last < 0:
		list = append(list, fileEdit{p.old.open, p.old.end, slices.Concat([]byte(startOfRecord), p.raw, []byte(endOfList))})
	default:
		end := int(records[last].from + records[last].size)
		list = append(list, fileEdit{end, p.old.end, slices.Concat([]byte(","+startOfRecord), p.raw, []byte(endOfList))})
	}
	switch {
	case p.drop == 0: // with the comma behind it; there are more
		list = append(list, fileEdit{int(records[0].from), int(records[1].from), nil})
	case p.drop > 0: // with the comma before it
		before, r := records[p.drop-1], records[p.drop]
		list = append(list, fileEdit{int(before.from + before.size), int(r.from + r.size), nil})
	}
	slices.SortFunc(list, func(a, b fileEdit) int { return a.from + a.to - b.from - b.to })
	return list
}

// pieces returns the next content in pieces, and refuses one that could not be read again.
func (p *fileSplice) pieces() ([][]byte, error) {
	pieces := [][]byte{[]byte(p.head)}
	if p.old.version == fileVersion1 {
		list, err := p.upgraded()
		if err != nil {
			return nil, err
		}
		pieces = append(pieces, list...)
	} else {
		at := p.old.open
		for _, edit := range p.edits() {
			pieces = append(pieces, p.content[at:edit.from], edit.with)
			at = edit.to
		}
		pieces = append(pieces, p.content[at:p.old.end])
	}
	pieces = append(pieces, []byte(tail))
	size := 0
	for _, piece := range pieces {
		size += len(piece)
	}
	if size > privatefile.MaxSize {
		return nil, fmt.Errorf("the file would have %d bytes; one of more than %d MiB is not read again",
			size, privatefile.MaxSize>>20)
	}
	return pieces, nil
}

// upgraded returns the list of credentials of a file of version 1 in the words of version 2. A record
// that cannot be read stays as it stands.
func (p *fileSplice) upgraded() ([][]byte, error) {
	var list [][]byte
	for i := range p.old.records {
		raw := p.old.raw(p.content, i)
		if i == p.at {
			raw = p.raw
		} else if e, err := p.old.entry(p.content, i); err == nil {
			if raw, err = encodeFileRecord(raw, e); err != nil {
				return nil, err
			}
		}
		list = append(list, []byte(","+startOfRecord), raw)
	}
	if p.at == len(p.old.records) {
		list = append(list, []byte(","+startOfRecord), p.raw)
	}
	if len(list) == 0 {
		return nil, nil
	}
	list[0] = []byte(startOfRecord)
	return append(list, []byte(endOfList)), nil
}

// index returns the index of the next content, as which the file was seen. ok is false when the file
// must be read for it.
func (p *fileSplice) index(seen privatefile.Seen) (n *fileIndex, ok bool) {
	if p.old.version == fileVersion1 || p.at < 0 {
		return nil, false
	}
	next := *p.old
	next.seen, next.version, next.identity, next.counter = seen, fileVersion, p.identity, p.old.counter+1
	if p.drop >= 0 {
		next.whole = next.counter
	}
	next.open = len(p.head)
	next.records, next.end = p.moved()
	rec := newFileRecord(p.entry, p.at, nil)
	rec.hash, rec.changed = maphash.Bytes(next.seed, p.raw), next.counter
	rec.size = uint32(len(p.raw)) //nolint:gosec // bounded by privatefile.MaxSize
	if p.at == len(p.old.records) {
		rec.from = uint32(next.end - len(endOfList) - len(p.raw)) //nolint:gosec // bounded by privatefile.MaxSize
		next.records = append(next.records, rec)
		return &next, true
	}
	at := p.at
	if p.drop >= 0 && p.drop < at {
		at--
	}
	rec.from = next.records[at].from
	next.records[at] = rec
	return &next, true
}

// moved returns the old records where they are in the next content, without one that goes, and where
// the list ends.
func (p *fileSplice) moved() (records []fileRecord, end int) {
	records = make([]fileRecord, 0, len(p.old.records)+1)
	edits, shift := p.edits(), len(p.head)-p.old.open
	for i, r := range p.old.records {
		for len(edits) > 0 && edits[0].to <= int(r.from) {
			shift += edits[0].grows()
			edits = edits[1:]
		}
		if i == p.drop {
			continue
		}
		r.from = uint32(int(r.from) + shift) //nolint:gosec // bounded by privatefile.MaxSize
		records = append(records, r)
	}
	for _, edit := range edits {
		shift += edit.grows()
	}
	return records, p.old.end + shift
}

// grows returns how much longer the content is with the edit.
func (e fileEdit) grows() int { return len(e.with) - (e.to - e.from) }
