package reauth

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/reauth-go/reauth/internal/mask"
	"github.com/reauth-go/reauth/internal/process"
)

// CommandSource is a source that runs a command and reads the token that it prints:
//
//	reauth.CommandSource("gh", "auth", "token")
//	reauth.CommandSource("az", "account", "get-access-token", "--resource", "https://ai.azure.com")
//	reauth.CommandSource("vault", "read", "-field=key", "secret/openai")
//
// The output is the token alone on its line, or a JSON object. The object has the token in
// access_token, accessToken, token, key, api_key or apiKey, and may say when it expires: expires_in in
// seconds, or an instant in expires_at, expires_on, expiresOn, expiry or expiration (also expiresIn and
// expiresAt). An instant is RFC 3339, or a number of seconds or of milliseconds since 1970, as a number
// or as a text; one that is none of them counts as absent. Kubernetes' ExecCredential, which has both in
// its status, is read too. What else is in the object does not matter.
//
// There is no shell: name is looked for in PATH, and args are passed as they are. Where a shell is
// wanted, name it: CommandSource("sh", "-c", "…"). The command has this process's environment and
// folder, and an empty standard input. It may print 64 KiB; one that prints more is ended. When the
// context of Refresh ends, or a second before its deadline, the command is killed with all processes of
// its process group (on Windows the command alone). A process that the command leaves behind when it
// ends by itself goes on. Nothing is kept between two calls: a pool calls it when it needs a token.
//
// An error of Refresh is a *RefreshError, and never Permanent. Its Code is source_failed when the
// command could not be run, was ended, or failed: it then matches exec.ErrNotFound, fs.ErrNotExist,
// fs.ErrPermission, context.DeadlineExceeded, the cause of the context or *exec.ExitError. The Code is
// source_output when no token can be read in the output, and expired_on_arrival when the token has
// expired; Refresh returns that token beside the error. An error tells the end of what the command wrote
// to its standard error, without what looks like a secret. Of the standard output it tells at most the
// code of an error that stands there in JSON in place of a token, and of args nothing.
func CommandSource(name string, args ...string) Refresher {
	return &commandSource{name: name, args: slices.Clone(args)}
}

// commandSource is a CommandSource.
type commandSource struct {
	name string
	args []string // may hold a secret: nobody is told
}

// String names the command without its arguments.
func (s *commandSource) String() string {
	return fmt.Sprintf("reauth.CommandSource(%q)", redact(s.name))
}

// Format prints String under any verb and flag.
func (s *commandSource) Format(f fmt.State, _ rune) { show(f, s.String()) }

// LogValue is what slog shows.
func (s *commandSource) LogValue() slog.Value { return slog.StringValue(s.String()) }

// answerIn is how long before the deadline of its context a command is killed: those who wait for it
// get its error, and not that it hangs.
const answerIn = time.Second

// Refresh implements Refresher.
func (s *commandSource) Refresh(ctx context.Context, c Credential) (Credential, error) {
	if deadline, ok := ctx.Deadline(); ok {
		earlier, stop := context.WithDeadline(ctx, deadline.Add(-min(answerIn, time.Until(deadline)/2)))
		defer stop()
		ctx = earlier
	}
	began := time.Now()
	out, err := process.Run(ctx, maxSourceText, s.name, s.args...)
	if err != nil {
		if ctx.Err() != nil {
			return Credential{}, s.ended(c, out, err, time.Since(began))
		}
		return Credential{}, s.failure(c, out, err)
	}
	got, err := sourceText{what: "the output of " + s.what(), text: out.Stdout, at: time.Now()}.credential(c.Provider)
	if re, ok := errors.AsType[*RefreshError](err); ok && re.Code == codeSourceOutput {
		re.Description += s.said(c, out) // such as why there is no token
	}
	return got, err
}

// what names the command to people.
func (s *commandSource) what() string { return fmt.Sprintf("the command %q", redact(s.name)) }

// ended is the error of a command that did not end before its context.
func (s *commandSource) ended(c Credential, out process.Output, err error, ran time.Duration) error {
	how := ""
	if errors.Is(err, context.DeadlineExceeded) {
		how = "; run it by hand to see what it waits for" + s.said(c, out)
	}
	return &RefreshError{
		Provider: c.Provider, Code: codeSourceFailed, Err: err,
		Description: fmt.Sprintf("%s was ended after %s%s", s.what(), ran.Round(time.Second/10), how),
	}
}

// failure is the error of a command that gave nothing, and how to go on.
func (s *commandSource) failure(c Credential, out process.Output, err error) error {
	re := &RefreshError{Provider: c.Provider, Code: codeSourceFailed, Err: withoutPath(err)}
	var exit *exec.ExitError
	switch {
	case s.name == "":
		re.Description = "CommandSource wants the name of a command"
	case errors.Is(err, process.ErrTooMuch):
		re.Code = codeSourceOutput
		re.Description = fmt.Sprintf("%s was ended after %d KiB; a source prints the token alone, or a JSON object",
			s.what(), maxSourceText>>10)
	case errors.As(err, &exit):
		re.Description = s.what() + " failed; run it by hand to see more" + s.said(c, out)
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		re.Description = s.what() + " does not exist; install it, or name it by its path"
	case errors.Is(err, fs.ErrPermission):
		re.Description = s.what() + " may not be executed; make it executable"
	default:
		re.Description = s.what() + " could not be run"
	}
	return re
}

// said tells what the command wrote to its standard error. What it printed before is kept out of it,
// because that may be a token, and what may be a secret of its arguments.
func (s *commandSource) said(c Credential, out process.Output) string {
	secrets := secretsOf(c)
	for word := range strings.FieldsFuncSeq(strings.Join(s.args, " "), isBetweenWords) {
		if len(word) >= leastSecret/2 && strings.ContainsAny(word, "0123456789") {
			secrets = append(secrets, word)
		}
	}
	for word := range strings.FieldsFuncSeq(string(out.Stdout), isBetweenWords) {
		if len(word) >= leastSecret && len(secrets) < maxSecrets {
			secrets = append(secrets, word)
		}
	}
	if words := strings.TrimSpace(mask.Stranger(out.Stderr, secrets...)); words != "" {
		return "; it said: " + words
	}
	return ""
}

const maxSecrets = 100 // each of them is looked for

// isBetweenWords reports whether r stands between the words of an output, and in no token.
func isBetweenWords(r rune) bool { return r <= ' ' || strings.ContainsRune("\"'`,:;{}[]()<>=", r) }
