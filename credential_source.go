package reauth

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/reauth-go/reauth/internal/loosejson"
)

// A source gives a credential its tokens when that is no refresh token: a command, a file, an identity
// service. Here is what they share: the reading of what was printed or written.

// The codes of a source's *RefreshError.
const (
	codeSourceFailed = "source_failed"      // it could not be asked
	codeSourceOutput = "source_output"      // no token can be read in what it gave
	codeExpired      = "expired_on_arrival" // the token that it gave had expired
)

// maxSourceText bounds what a source prints or writes, in bytes.
const maxSourceText = 64 << 10

// leastSecret is how many characters a token has at least. What is shorter may be a word.
const leastSecret = 12

// sourceText is what a source gave.
type sourceText struct {
	what string // names it to people
	text []byte
	at   time.Time // when it was written: expires_in counts from then
}

// credential returns the token in the text and when it expires. A token that has expired comes beside
// an error: a clock may be wrong, so the pool lets the provider decide.
func (s sourceText) credential(provider string) (Credential, error) {
	got, err := readSourceText(s.text, s.at)
	switch {
	case err != nil:
		return Credential{}, &RefreshError{
			Provider: provider, Code: codeSourceOutput, Description: s.what + ": " + err.Error(),
		}
	case !got.Expiry.IsZero() && !got.Expiry.After(time.Now()):
		return got, &RefreshError{
			Provider: provider, Code: codeExpired,
			Description: fmt.Sprintf("%s: the token has expired at %s; what renews it has stopped, or a clock is wrong",
				s.what, got.Expiry.UTC().Format(time.RFC3339)),
		}
	}
	return got, nil
}

// readSourceText reads a token alone on its line, or a JSON object. Its errors say what is wrong, and
// tell nothing of the text.
func readSourceText(text []byte, at time.Time) (Credential, error) {
	s := strings.TrimSpace(strings.TrimPrefix(string(text), "\ufeff")) // some editors write a byte order mark
	switch {
	case s == "":
		return Credential{}, errors.New("there is nothing in it")
	case strings.HasPrefix(s, "\xff\xfe"), strings.HasPrefix(s, "\xfe\xff"):
		return Credential{}, errors.New("it is UTF-16; write it as UTF-8")
	case s[0] == '<':
		return Credential{}, errors.New("it is a page of HTML, and no token")
	case s[0] == '[':
		return Credential{}, errors.New("it is a JSON array; a token stands alone on its line, or in a JSON object")
	case s[0] == '{':
		return readSourceObject(s, at)
	case strings.Contains(s, "\n"):
		return Credential{}, fmt.Errorf("it has %d lines; a token stands alone on its line, or in a JSON object",
			strings.Count(s, "\n")+1)
	}
	return Credential{AccessToken: s}, checkSourceToken(s)
}

// checkSourceToken refuses what can be no token. Its error tells nothing of it.
func checkSourceToken(token string) error {
	switch {
	case token == "null", token == "undefined", token == "None": // as jq, node and Python print what is not there
		return fmt.Errorf("it is %q, which stands for no value; look whether the name of the member is right", token)
	case !isFit(token):
		return errors.New("the token holds a control character, such as a line break in the middle, or is no valid UTF-8")
	case schemeOf(token) == "" && strings.ContainsAny(token, " \t"):
		return errors.New("it holds white space, so it is no token but words")
	}
	return checkTokenShape("the token", token, true)
}

// The members of a JSON object in which a token, and its expiry, are looked for, in this order. The
// names are those of RFC 6749 §5.1, "az account get-access-token", "azd auth token", "gcloud auth
// print-access-token", AWS and many key commands.
func tokenMembers() []string {
	return []string{"access_token", "accessToken", "token", "key", "api_key", "apiKey"}
}

func lifetimeMembers() []string { return []string{"expires_in", "expiresIn"} }

// expiresOn is the last, because az writes it in local time and expires_on beside it.
func expiryMembers() []string {
	return []string{"expires_at", "expiresAt", "expires_on", "expiry", "expiration", "expiresOn"}
}

// members are those of a JSON object.
type members map[string]json.RawMessage

// readSourceObject reads a JSON object. Kubernetes' ExecCredential has the token in its status
// (client.authentication.k8s.io/v1).
func readSourceObject(s string, at time.Time) (Credential, error) {
	m, err := decodeObject(s)
	if err != nil {
		return Credential{}, err
	}
	var status members
	_ = json.Unmarshal(m["status"], &status) // no object: no members
	token := cmp.Or(m.first(tokenMembers()), loosejson.Text(status["token"]))
	if token = strings.TrimSpace(token); token == "" {
		return Credential{}, m.withoutToken()
	}
	expiry := m.expiry(at)
	if expiry.IsZero() {
		expiry = readInstant(status["expirationTimestamp"], nil)
	}
	return Credential{AccessToken: token, Expiry: expiry}, checkSourceToken(token)
}

// decodeObject decodes a text that is one JSON object and nothing else.
func decodeObject(s string) (m members, err error) {
	dec := json.NewDecoder(strings.NewReader(s))
	switch err = dec.Decode(&m); {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, errors.New("its JSON is cut off, as of a file that is half written")
	case err != nil:
		return nil, errors.New("it begins as JSON, and is none")
	}
	if _, err = dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something stands behind its JSON object; a source gives one object alone")
	}
	return m, nil
}

// first returns the first of the members that is a text, and not empty.
func (m members) first(names []string) string {
	for _, name := range names {
		if s := loosejson.Text(m[name]); s != "" {
			return s
		}
	}
	return ""
}

const maxErrorCode = 40 // characters; the longest of RFC 6749 and 8693 has 25

// withoutToken says that there is no token, and the code of the error that stands there instead. What
// is no code may be anything, and is not told.
func (m members) withoutToken() error {
	a := tokenAnswer{raw: m}
	a.readError()
	if len(a.Code) < maxErrorCode && isVariable(a.Code) && redact(a.Code) == a.Code {
		return fmt.Errorf("its JSON object has no token and says %q", a.Code)
	}
	return fmt.Errorf("its JSON object has no token: none of the members %s is a text", strings.Join(tokenMembers(), ", "))
}

// expiry is when the token expires: so long after at, or at the instant that is named. Zero: it does
// not say, or says what is no plausible time.
func (m members) expiry(at time.Time) time.Time {
	for _, name := range lifetimeMembers() {
		if n, ok := loosejson.Number(m[name]); ok {
			seconds := max(min(n, maxLifetime.Seconds()), 0)
			return at.Add(time.Duration(seconds * float64(time.Second)))
		}
	}
	for _, name := range expiryMembers() {
		var zone *time.Location
		if name == "expiresOn" {
			zone = time.Local
		}
		if t := readInstant(m[name], zone); !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}

// Instants are plausible from 1973 on: in seconds, and in milliseconds, to the year 5138. A smaller number
// would be of seconds from now, as in expires_in.
const (
	leastInstant = 1e8
	mostSeconds  = 1e11
	mostMillis   = 1e14
)

// readInstant reads a number of seconds or milliseconds since 1970, or a time by RFC 3339. One without
// an offset is of that zone; nil: it is none.
func readInstant(raw json.RawMessage, zone *time.Location) time.Time {
	if n, ok := loosejson.Number(raw); ok {
		switch {
		case n < leastInstant, n >= mostMillis:
			return time.Time{}
		case n < mostSeconds:
			return unixSeconds(n)
		}
		return time.UnixMilli(int64(n))
	}
	s := strings.Replace(loosejson.Text(raw), " ", "T", 1)
	t, err := time.Parse(time.RFC3339, s)
	if err != nil && zone != nil {
		t, err = time.ParseInLocation("2006-01-02T15:04:05", s, zone)
	}
	if err != nil || t.Unix() < leastInstant {
		return time.Time{}
	}
	return t
}

// withoutPath drops the path from an error: the message names the file or the command.
func withoutPath(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}
