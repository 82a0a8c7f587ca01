package logins

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"time"

	"github.com/reauth-go/reauth/internal/process"
)

// The login keychain of macOS is read by the system's program security(1): an item may be read by
// the programs that its owner trusts, and that is the one which Claude Code writes its item with.

// security is the path of that program. It is empty where the system has no keychain.
var security = securityOn(system) //nolint:gochecknoglobals // tests put a stand-in in its place

func securityOn(system string) string {
	if system == macOS {
		return "/usr/bin/security"
	}
	return ""
}

// UseSecurity reads the keychain by another program from now on, on any system. It is for tests.
func UseSecurity(path string) (restore func()) {
	before := security
	security = path
	return func() { security = before }
}

const (
	maxItem = 1 << 20
	// keychainTimeout leaves a person some time to answer the system's question whether security
	// may read the item.
	keychainTimeout = 10 * time.Second
)

// item is a password in the login keychain. Several may have one service, of different accounts.
type item struct{ service, account string }

// claudeVariable names the folder of Claude Code's settings, and with it another item.
const claudeVariable = "CLAUDE_CONFIG_DIR"

// claudeItem is where Claude Code keeps on macOS what is in its file elsewhere. An item of another
// account has other logins, such as those of MCP servers alone.
func claudeItem() item {
	i := item{service: "Claude Code-credentials", account: os.Getenv("USER")}
	if folder := os.Getenv(claudeVariable); folder != "" {
		sum := sha256.Sum256([]byte(folder))
		i.service += "-" + hex.EncodeToString(sum[:4])
	}
	if me, err := user.Current(); err == nil {
		i.account = cmp.Or(i.account, me.Username)
	}
	return i
}

// String names the item for people.
func (i item) String() string {
	return fmt.Sprintf("item %q of %s in the login keychain", i.service, i.account)
}

// read returns the password. It starts a process, without a shell, and ends it after the timeout.
// Nothing that the process prints gets into an error.
func (i item) read(timeout time.Duration) ([]byte, error) {
	ctx, stop := context.WithTimeout(context.Background(), timeout)
	defer stop()
	out, err := process.Run(ctx, maxItem, security, "find-generic-password", "-s", i.service, "-a", i.account, "-w")
	exit, exited := errors.AsType[*exec.ExitError](err)
	switch {
	case errors.Is(err, process.ErrTooMuch):
		return nil, fmt.Errorf("it is larger than %d MiB; it may be another program's", maxItem>>20)
	case errors.Is(err, context.DeadlineExceeded):
		return nil, fmt.Errorf("security did not read it within %v; allow it to, or log in with reauth instead", timeout)
	case exited && exit.Exited():
		return nil, refused(exit.ExitCode())
	case err != nil:
		return nil, fmt.Errorf("security, which reads it, failed: %w", err)
	}
	return decodePassword(out.Stdout), nil
}

// absentError says that there is neither a file nor an item.
type absentError struct{}

// Error names neither: the caller names the item.
func (absentError) Error() string { return "there is no such item, and no file in its place" }

// Is makes it the same as a file that does not exist.
func (absentError) Is(target error) bool { return target == fs.ErrNotExist }

// refused explains an exit status of security: the last byte of Security.framework's OSStatus
// (SecBase.h).
func refused(status int) error {
	switch status {
	case 44: // errSecItemNotFound, -25300
		return absentError{}
	case 36: // errSecInteractionNotAllowed, -25308
		return errors.New("the keychain is locked; unlock it by: security unlock-keychain")
	case 51, 128: // errSecAuthFailed, -25293; userCanceledErr, -128
		return errors.New("security was not allowed to read it; allow it when the system asks")
	}
	return fmt.Errorf("security could not read it: exit status %d", status)
}

// decodePassword returns a password as the item holds it. security prints one with a character
// outside of ASCII, or a line break, in hexadecimal digits.
func decodePassword(printed []byte) []byte {
	printed = bytes.TrimSpace(printed)
	plain := make([]byte, hex.DecodedLen(len(printed)))
	if _, err := hex.Decode(plain, printed); err == nil {
		return plain
	}
	return printed
}
