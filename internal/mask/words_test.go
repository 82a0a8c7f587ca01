package mask

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// messages are errors as they are met: of net/http and net, database/sql and its drivers, the
// operating system, encoding/json, x/oauth2 and the token endpoints.
var messages = []string{
	"dial tcp 127.0.0.1:443: connect: connection refused",
	"dial tcp [::1]:8443: connect: no route to host",
	"dial tcp: lookup auth.openai.com on 127.0.0.53:53: no such host",
	"dial tcp: lookup api.individual.githubcopilot.com: i/o timeout",
	"read tcp 10.0.0.7:51432->104.18.33.45:443: read: connection reset by peer",
	"write tcp 10.0.0.7:51432->104.18.33.45:443: write: broken pipe",
	"proxyconnect tcp: dial tcp 10.1.1.1:3128: connect: connection refused",
	"net/http: TLS handshake timeout",
	"net/http: timeout awaiting response headers",
	"net/http: HTTP/1.x transport connection broken: malformed HTTP response \"\\x15\\x03\\x01\"",
	"http: server gave HTTP response to HTTPS client",
	"http2: server sent GOAWAY and closed the connection; LastStreamID=1999, ErrCode=NO_ERROR, debug=\"\"",
	"http: ContentLength=1024 with Body length 512",
	"context deadline exceeded (Client.Timeout exceeded while awaiting headers)",
	"tls: failed to verify certificate: x509: certificate signed by unknown authority",
	"tls: failed to verify certificate: x509: certificate is valid for *.example.com, not auth.x.ai",
	"x509: certificate has expired or is not yet valid: current time 2026-11-26T19:00:00Z is after 2026-01-01T00:00:00Z",
	`net/http: invalid header field value for "Authorization"`,
	`Post "https://auth.x.ai/oauth2/token": unexpected EOF`,
	"stream error: stream ID 7; INTERNAL_ERROR; received from peer",
	"sql: database is closed",
	"sql: connection is already closed",
	"sql: no rows in result set",
	"driver: bad connection",
	"pq: password authentication failed for user \"reauth\"",
	"FATAL: remaining connection slots are reserved for roles with the SUPERUSER attribute (SQLSTATE 53300)",
	"ERROR: relation \"reauth_records\" does not exist (SQLSTATE 42P01)",
	"ERROR: cannot execute UPDATE in a read-only transaction (SQLSTATE 25006)",
	"ERROR: prepared statement \"stmtcache_5bd9a1f0d2e84c73a6b8e0f1c2d3a4b5\" does not exist (SQLSTATE 26000)",
	"database is locked (5) (SQLITE_BUSY)",
	"attempt to write a readonly database (8) (SQLITE_READONLY)",
	"UNIQUE constraint failed: reauth_records.provider, reauth_records.id",
	"open /home/user/.local/state/reauth/store.json: permission denied",
	"rename /var/lib/reauth/.store.json.tmp-1234567890 /var/lib/reauth/store.json: no space left on device",
	"stat /run/secrets/token: no such file or directory",
	"open \\\\server\\share\\store.json: The process cannot access the file because it is being used by another process.",
	"fork/exec /usr/bin/az: resource temporarily unavailable",
	"exec: \"gcloud\": executable file not found in $PATH",
	"invalid character '<' looking for beginning of value",
	"json: cannot unmarshal string into Go struct field .expires_in of type float64",
	"oauth2: server response missing access_token",
	"oauth2: \"invalid_grant\" \"Token has been expired or revoked.\"",
	"AADSTS700082: The refresh token has expired due to inactivity. The token was issued on 2026-08-01T10:00:00.0000000Z " +
		"and was inactive for 90.00:00:00. Trace ID: 5d0c2f4e-9a1b-4c3d-8e7f-6a5b4c3d2e1f",
	"AADSTS7000218: The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
	"Incorrect API key provided: sk-proj-********************************aBcD. You can find your API key at " +
		"https://platform.openai.com/account/api-keys.",
	"Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid " +
		"authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.",
	"Could not validate your refresh token. Please try signing in again.",
	"invalid_request: refresh_token: a required parameter is missing; access_token=required_but_not_given",
}

// The words of real errors stay as they are, whatever secrets are looked for.
func TestWordsStay(t *testing.T) {
	list := append([]string(nil), messages...)
	require.GreaterOrEqual(t, len(list), 40)
	fixtures, err := filepath.Glob("../../fixtures/token/*/*.http")
	require.NoError(t, err)
	require.Greater(t, len(fixtures), 20)
	for _, name := range fixtures {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		if !strings.Contains(name, "success") { // those hold tokens
			list = append(list, string(b))
		}
	}
	secrets := []string{
		"tid=9f8e7d;exp=1764184000;sku=free;proxy-ep=proxy.individual.githubcopilot.com;8kp=1:f00dfeedf00dfeedf00dfeed",
		"client-secret-of-the-app", "reauth-pw-77",
	}
	for _, s := range shapes {
		secrets = append(secrets, s)
	}
	for _, message := range list {
		got, found := Text(message, secrets...)
		assert.False(t, found, got)
		assert.Equal(t, strings.Fields(message), strings.Fields(got))
	}
}
