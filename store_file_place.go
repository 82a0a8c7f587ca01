package reauth

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/reauth-go/reauth/internal/privatefile"
)

// filePlace is where the path of a FileStore leads at the time of a look: somebody may change a
// link.
type filePlace struct {
	given string // the name as it was given, in a folder that is no link
	real  string // the name of the file itself
}

// resolvePlace follows the links of a path.
func resolvePlace(path string) (filePlace, error) {
	given, err := privatefile.FollowFolder(path)
	if err != nil {
		return filePlace{}, err
	}
	real, err := privatefile.FollowLinks(path)
	return filePlace{given, real}, err
}

// names returns the names by which processes know the file, in the order in which they lock them.
func (p filePlace) names() []string {
	if p.given == p.real {
		return []string{p.real}
	}
	return []string{p.given, p.real}
}

// hasFolder reports whether the folder of the file is there.
func (p filePlace) hasFolder() bool {
	info, err := os.Stat(filepath.Dir(p.real))
	return err == nil && info.IsDir()
}

// locksOf is the folder of the locks of a file.
func locksOf(name string) string { return name + ".locks" }

// Endings of the files in the folder of locks.
const (
	lockEnding = ".lock"
	noteEnding = ".note"
)

// lockName is the name of a credential's files in the folder of locks, without their endings.
func lockName(key credentialKey) string { return digest(key.provider + "\x00" + key.id) }

// lockCredential takes the locks of a credential under all names of the file that the path leads to.
func lockCredential(ctx context.Context, path string, key credentialKey) (filePlace, fileLocks, error) {
	for {
		place, err := resolvePlace(path)
		if err != nil {
			return place, nil, err
		}
		locks, err := place.lock(ctx, key)
		if err != nil {
			return place, nil, err
		}
		again, err := resolvePlace(path)
		if err == nil && again == place {
			return place, locks, nil
		}
		locks.unlock()
		if err != nil || ctx.Err() != nil {
			return place, nil, errors.Join(err, context.Cause(ctx))
		}
	}
}

// lock takes the locks of a credential.
func (p filePlace) lock(ctx context.Context, key credentialKey) (locks fileLocks, err error) {
	for _, name := range p.names() {
		if err := privatefile.CheckLockFolder(locksOf(name)); err != nil {
			locks.unlock()
			return nil, err
		}
		held, err := privatefile.Lock(ctx, filepath.Join(locksOf(name), lockName(key)+lockEnding))
		if err != nil {
			locks.unlock()
			return nil, err
		}
		locks = append(locks, held)
	}
	return locks, nil
}

// fileLocks are the locks of one credential.
type fileLocks []*privatefile.Held

func (l fileLocks) unlock() {
	for _, held := range l {
		held.Unlock()
	}
}

// lost says whether a lock excludes nobody any more, because somebody has removed its file.
func (l fileLocks) lost() error {
	for _, held := range l {
		if err := held.Lost(); err != nil {
			return err
		}
	}
	return nil
}

// lockFile takes the lock under which the file that the path leads to is rewritten.
func lockFile(ctx context.Context, path string) (filePlace, *privatefile.Held, error) {
	for {
		place, err := resolvePlace(path)
		if err != nil {
			return place, nil, err
		}
		held, err := privatefile.Lock(ctx, place.real+lockEnding)
		if err != nil {
			return place, nil, err
		}
		again, err := resolvePlace(path)
		if err == nil && again == place {
			return place, held, nil
		}
		held.Unlock()
		if err != nil || ctx.Err() != nil {
			return place, nil, errors.Join(err, context.Cause(ctx))
		}
	}
}

// fileNote is what a FileStore knows of the newest record of a credential, beside the credential's
// lock. A file that was put back to an older state is behind it.
type fileNote struct {
	Identity   string         `json:"identity,omitempty"`
	Login      time.Time      `json:"login,omitzero"`
	Generation int64          `json:"generation,omitempty"`
	Removed    bool           `json:"removed,omitempty"`
	Spending   storedSpending `json:"spending,omitzero"`
}

// noteOf returns the note of a record.
func noteOf(identity string, e *Entry) fileNote {
	return fileNote{Identity: identity, Login: stamp(e.Login), Generation: e.Generation, Removed: e.Removed}
}

// isAhead reports whether the note is of a newer record than o.
func (n fileNote) isAhead(o fileNote) bool {
	if c := n.Login.Compare(o.Login); c != 0 {
		return c > 0
	}
	return n.Generation > o.Generation
}

// readNote returns the newest of a credential's notes of the store with that identity. One that
// cannot be read is as good as none. A version 1 file has no identity, and is the store that was
// there before.
func (p filePlace) readNote(key credentialKey, identity string) (newest fileNote) {
	for _, name := range p.names() {
		var n fileNote
		b := privatefile.ReadNote(filepath.Join(locksOf(name), lockName(key)+noteEnding))
		if json.Unmarshal(b, &n) != nil || n.Identity != "" && identity != "" && n.Identity != identity {
			continue
		}
		if newest == (fileNote{}) || n.isAhead(newest) {
			newest = n
		}
	}
	return newest
}

// writeNote writes a credential's note. Its claim is held.
func (p filePlace) writeNote(key credentialKey, n fileNote, durably bool) error {
	b, err := json.Marshal(n)
	if err != nil {
		return err
	}
	for _, name := range p.names() {
		path := filepath.Join(locksOf(name), lockName(key)+noteEnding)
		if err := privatefile.WriteNote(path, b, durably); err != nil {
			return err
		}
	}
	return nil
}

// dropNote removes a credential's note, after a better one could not be written.
func (p filePlace) dropNote(key credentialKey) {
	for _, name := range p.names() {
		_ = os.Remove(filepath.Join(locksOf(name), lockName(key)+noteEnding)) // what stays is taken for an older one
	}
}

// identityPath is the file that tells which store a folder of locks belongs to.
func identityPath(name string) string { return filepath.Join(locksOf(name), "identity") }

// knownIdentity returns the identity of the store that was here, by its folder of locks.
func (p filePlace) knownIdentity() string {
	for _, name := range p.names() {
		if identity := strings.TrimSpace(string(privatefile.ReadNote(identityPath(name)))); identity != "" {
			return identity
		}
	}
	return ""
}

// noteIdentity writes the identity of the store into the folders of locks. The file's lock is held.
func (p filePlace) noteIdentity(identity string) error {
	for _, name := range p.names() {
		if strings.TrimSpace(string(privatefile.ReadNote(identityPath(name)))) == identity {
			continue
		}
		if err := privatefile.MakeFolder(locksOf(name)); err != nil {
			return err
		}
		if err := privatefile.WriteNote(identityPath(name), []byte(identity+"\n"), true); err != nil {
			return err
		}
	}
	return nil
}
