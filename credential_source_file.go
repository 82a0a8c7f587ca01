package reauth

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"

	"github.com/reauth-go/reauth/internal/privatefile"
)

// FileSource is a source that reads a file which somebody else keeps fresh: a Kubernetes projected
// token, what an agent or a CI job has left, a secret that a platform mounts. The content is what
// CommandSource says. In a JSON object expires_in counts from the time at which the file was changed.
//
// The file is read at each call, as it is then. Links are followed, so a file that is rotated by
// replacing a link, as Kubernetes does, is read anew. A path that is not absolute is one of the
// process's folder; a "~" is not expanded. A file of more than 64 KiB and what is no regular file are
// refused.
//
// The errors of Refresh are those of CommandSource; they match fs.ErrNotExist, fs.ErrPermission, and
// the other causes of the operating system. A file that is half written is an error too, as far as
// that can be seen: JSON that is cut off.
func FileSource(path string) Refresher { return &fileSource{path: path} }

// fileSource is a FileSource.
type fileSource struct{ path string }

func (s *fileSource) String() string { return fmt.Sprintf("reauth.FileSource(%q)", redact(s.path)) }

// Format prints String under any verb and flag.
func (s *fileSource) Format(f fmt.State, _ rune) { show(f, s.String()) }

// LogValue is what slog shows.
func (s *fileSource) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Refresh implements Refresher.
func (s *fileSource) Refresh(ctx context.Context, c Credential) (Credential, error) {
	what := fmt.Sprintf("the file %q", redact(s.path))
	content, changed, err := privatefile.ReadForeign(s.path, maxSourceText)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return Credential{}, &RefreshError{
			Provider: c.Provider, Code: codeSourceFailed,
			Description: what + " cannot be read" + s.wayOut(err), Err: withoutPath(err),
		}
	}
	return sourceText{what: what, text: content, at: changed}.credential(c.Provider)
}

// wayOut says what to do about a file that cannot be read.
func (s *fileSource) wayOut(err error) string {
	switch {
	case s.path == "":
		return "; FileSource wants the path of a file"
	case errors.Is(err, fs.ErrNotExist) && strings.HasPrefix(s.path, "~"):
		return "; a \"~\" is not expanded: give the path that it stands for"
	case errors.Is(err, fs.ErrNotExist):
		return "; look at its path, and whether what writes it runs"
	case errors.Is(err, fs.ErrPermission):
		return "; let this process's user read it"
	}
	return ""
}
