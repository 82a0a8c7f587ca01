//go:build unix

package privatefile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

const openWithoutWaiting = syscall.O_NONBLOCK // opening a FIFO waits for a writer otherwise

// checkPrivate refuses a file that somebody else has made, and one that others can read or write.
func checkPrivate(path string, info fs.FileInfo) error {
	if err := checkOwner(path, info); err != nil {
		return err
	}
	if perm := info.Mode().Perm(); perm&0o077 != 0 {
		return fmt.Errorf("others can read or write it (mode %04o), and it holds tokens; run: chmod 600 %q", perm, path)
	}
	return nil
}

// checkSecret is checkPrivate for a file that root may provide.
func checkSecret(path string, info fs.FileInfo) error {
	if uid := ownerOf(info); uid != 0 || os.Geteuid() == 0 {
		if err := checkOwner(path, info); err != nil {
			return err
		}
	}
	return checkSecretMode(ownerOf(info), os.Geteuid(), path, info.Mode().Perm())
}

// checkSecretMode refuses the mode of a file of owner that the user me is to read.
func checkSecretMode(owner, me int, path string, perm fs.FileMode) error {
	theirs, way := fs.FileMode(0o077), fmt.Sprintf("run: chmod 600 %q, or mount it with mode 0400", path)
	if owner == 0 && me != 0 {
		theirs, way = 0o037, "let root give it mode 0400 or 0440, where it is mounted too"
	}
	if perm&theirs != 0 {
		return fmt.Errorf("others can read or write it (mode %04o); %s", perm, way)
	}
	return nil
}

// checkTrusted refuses a file of another user than this process's or root, and one that others can read or
// write.
func checkTrusted(path string, info fs.FileInfo) error {
	uid, me := ownerOf(info), os.Geteuid()
	if uid != me && uid != 0 {
		return fmt.Errorf("it belongs to another user (uid %d; this process is uid %d), who could have anything run; "+
			"run as that user, or remove it", uid, me)
	}
	return checkSecretMode(uid, me, path, info.Mode().Perm())
}

// checkTrustedFolder refuses a folder of another user than this process's or root, and one to which others
// may write. In one that is above the file's own they may, if each can remove only what is his.
func checkTrustedFolder(dir string, info fs.FileInfo, above bool) error {
	if uid, me := ownerOf(info), os.Geteuid(); uid != me && uid != 0 {
		return fmt.Errorf("its folder %s belongs to another user (uid %d; this process is uid %d), who could have "+
			"anything run; run as that user, or choose a store in a folder of your own", dir, uid, me)
	}
	if writableByOthers(info) && (!above || info.Mode()&fs.ModeSticky == 0) {
		return fmt.Errorf("others may write to its folder %s (mode %04o), so they could have anything run; "+
			"run: chmod go-w %q, or choose a store in a folder of your own", dir, info.Mode().Perm(), dir)
	}
	return nil
}

// checkOwner refuses a file of another user, who could read what is written there. Root may use the
// file of a user in a folder that is that user's alone: a command may be run as root.
func checkOwner(path string, info fs.FileInfo) error {
	uid, me := ownerOf(info), os.Geteuid()
	if uid == me {
		return nil
	}
	if dir, err := os.Stat(filepath.Dir(path)); err == nil && me == 0 && ownerOf(dir) == uid && !writableByOthers(dir) {
		return nil
	}
	return fmt.Errorf("it belongs to another user (uid %d; this process is uid %d), who could read the tokens; "+
		"choose another path, or run as that user", uid, me)
}

// CheckLockFolder refuses a folder for locks that another user has made, who could put links in
// there. Root may use the one of the user whose folder it is in.
func CheckLockFolder(dir string) error {
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	uid, me := ownerOf(info), os.Geteuid()
	if uid == me {
		return nil
	}
	if parent, err := os.Stat(filepath.Dir(dir)); err == nil && me == 0 && ownerOf(parent) == uid {
		return nil
	}
	return fmt.Errorf("the folder %s belongs to another user (uid %d; this process is uid %d); choose another path",
		dir, uid, me)
}

// ownerOf returns the user to whom a file belongs; -1 if that is not known.
func ownerOf(info fs.FileInfo) int {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return -1
}

func sameOwner(a, b fs.FileInfo) bool { return ownerOf(a) == ownerOf(b) }

// writableByOthers reports whether others than its owner may write to the folder.
func writableByOthers(dir fs.FileInfo) bool { return dir.Mode().Perm()&0o022 != 0 }

// keepOwner gives the file at path, which a process of root made, to the owner of another file. A
// command that is run as root must not lock the user out of his own store.
func keepOwner(path string, as fs.FileInfo) error {
	st, ok := as.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 || st.Uid == 0 {
		return nil
	}
	return os.Lchown(path, int(st.Uid), int(st.Gid))
}

// rename makes tmp the file at path. It syncs the folder, so that the file has its new content also
// after a loss of power.
func rename(tmp, path, dir string) error {
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	return syncFolder(dir)
}

// syncFolder brings the names of the files in a folder to disk.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		err = nil // some file systems cannot sync a folder
	}
	return errors.Join(err, d.Close())
}

// removeLocked removes the file of a lock while the lock is held. Whoever waits for the lock finds
// that the file is not the one at its path.
func removeLocked(path string, unlock func()) {
	_ = os.Remove(path)
	unlock()
}
