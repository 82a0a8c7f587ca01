package recipe

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/reauth-go/reauth/internal/privatefile"
)

// File is the file with the recipes of one store.
type File struct {
	Path  string
	store string // the database; empty for a file, which the name of File tells
}

// prefix begins the name of each file of recipes. It stands in front of the store's name, because
// what begins with that name belongs to the store.
const prefix = "sources-"

// Beside returns the file of recipes of a store that is a file: in the folder of what the path
// leads to, so that a link and its target have the same.
func Beside(store string) (File, error) {
	store, err := filepath.Abs(store)
	if err == nil {
		store, err = privatefile.FollowLinks(store)
	}
	if err != nil {
		return File{}, err
	}
	dir, base := filepath.Split(store)
	return File{Path: filepath.Join(dir, prefix+base)}, nil
}

// ForDatabase returns the file of recipes of a store that is a database, in a folder of the user's.
// name tells the database, without a password.
func ForDatabase(folder, name string) (File, error) {
	folder, err := filepath.Abs(folder)
	if err == nil {
		folder, err = privatefile.FollowLinks(folder)
	}
	sum := sha256.Sum256([]byte(name))
	return File{Path: filepath.Join(folder, prefix+hex.EncodeToString(sum[:6])+".json"), store: name}, err
}

const (
	maxSize = 1 << 20 // bytes
	version = 1
)

// content is what the file holds.
type content struct {
	Version int      `json:"version"`
	Store   string   `json:"store,omitempty"` // for a person who looks at the file
	Sources []Recipe `json:"sources"`
}

// Load reads the recipes. There are none without a file. A file that another user could have
// written is an error, as is one that is not in order: nothing of it may be used then.
func (f File) Load() ([]Recipe, error) {
	text, err := privatefile.ReadTrusted(f.Path, maxSize)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var list []Recipe
	if err == nil {
		list, err = decode(text)
	}
	if err != nil {
		return nil, fmt.Errorf("reauth: the sources in %s are refused, and nothing in it is run: %w", f.Path, err)
	}
	return list, nil
}

// Change replaces the recipes by those that fn returns for them, whole, and one process at a time.
// When fn fails nothing is changed.
func (f File) Change(ctx context.Context, fn func([]Recipe) ([]Recipe, error)) error {
	dir := filepath.Dir(f.Path)
	err := privatefile.MakeFolder(dir)
	if err == nil {
		err = privatefile.CheckTrustedFolder(dir)
	}
	if err != nil {
		return fmt.Errorf("reauth: %s cannot keep sources: %w", f.Path, err)
	}
	held, err := privatefile.Lock(ctx, f.Path+".lock")
	if err != nil {
		return fmt.Errorf("reauth: lock %s: %w", f.Path, err)
	}
	defer held.Unlock()
	list, err := f.Load()
	if err != nil {
		return err
	}
	if list, err = fn(slices.Clone(list)); err != nil {
		return err
	}
	return f.save(list)
}

// save writes the recipes. The caller holds the lock.
func (f File) save(list []Recipe) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(content{Version: version, Store: f.store, Sources: append([]Recipe{}, list...)})
	switch {
	case err != nil:
	case b.Len() > maxSize:
		err = fmt.Errorf("it would be larger than %d MiB", maxSize>>20)
	default:
		_, err = privatefile.Replace(f.Path, maphash.MakeSeed(), b.Bytes())
	}
	if err != nil {
		return fmt.Errorf("reauth: write %s: %w", f.Path, err)
	}
	return nil
}

// decode reads the text of a file. Its errors repeat nothing of it: an argument may be a secret.
func decode(text []byte) ([]Recipe, error) {
	var is struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(text, &is); err != nil {
		return nil, illegible(text, err)
	}
	if is.Version != version {
		return nil, fmt.Errorf("it is of version %d, and this program knows version %d; use the newer program",
			is.Version, version)
	}
	var c content
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields() // a member that is not understood may forbid to run the rest
	if err := dec.Decode(&c); err != nil {
		return nil, illegible(text, err)
	}
	return c.Sources, checkAll(c.Sources)
}

// illegible says where a text is not what it should be.
func illegible(text []byte, err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	what, at := "it has a member that is not known", int64(-1)
	switch {
	case errors.As(err, &syntax):
		what, at = "it is no JSON", syntax.Offset
	case errors.As(err, &kind):
		what, at = "a member is of the wrong kind", kind.Offset
	}
	if at >= 0 {
		line := 1 + bytes.Count(text[:min(int(at), len(text))], []byte("\n"))
		what = fmt.Sprintf("%s (line %d)", what, line)
	}
	return fmt.Errorf("%s; mend it, or remove it and add the sources anew", what)
}
