package mask_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/reauth-go/reauth/internal/mask"
)

func TestStrangerMasksWhatLooksLikeASecret(t *testing.T) {
	for text, want := range map[string]string{
		"no oauth token found for github.com":                                             "no oauth token found for github.com",
		"ERROR: Please run 'az login' to setup account.":                                  "ERROR: Please run 'az login' to setup account.",
		"open /home/me/.config/gcloud/application_default_credentials.json: no such file": "open /home/me/.config/gcloud/application_default_credentials.json: no such file",
		"Post https://login.microsoftonline.com/organizations/oauth2/v2.0/token: EOF":     "Post https://login.microsoftonline.com/organizations/oauth2/v2.0/token: EOF",
		"AADSTS700082: The refresh token has expired due to inactivity.":                  "AADSTS700082: The refresh token has expired due to inactivity.",
		"at 2026-11-26T22:27:00Z on linux-6.1.0-x86_64":                                   "at 2026-11-26T22:27:00Z on linux-6.1.0-x86_64",

		"bad token 4f9aQ2kLm0xVb7RtY1zP here":                                   "bad token [redacted] here",
		"key=abcdefgh1jklmnopqrstuvwx, try again":                               "key=[redacted], try again",
		"got eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0x.c2lnbmF0dXJl":                 "got eyJ[redacted]",
		"said QWxhZGRpbjpvcGVuIHNlc2FtZQ/k3J+s/9a== twice":                      "said [redacted]== twice",
		"letters " + strings.Repeat("abcdefgh", 4):                              "letters [redacted]",
		"Trace ID: 6e1b6a52-7a2d-4b7c-8a4e-2f1f0f1d1e00 end":                    "Trace ID: [redacted] end",
		"GET https://vault.example:8200/v1/auth/hvs1CAESIJ1aaaaaaaaa/x said no": "GET https://vault.example:8200/v1/auth/[redacted]/x said no",
		"Authorization: Bearer sk-ant-EXAMPLE-1234567890":                       "Authorization: Bearer sk-ant-[redacted]",
	} {
		assert.Equal(t, want, mask.Stranger(text), text)
	}
}

// What is known to be a secret is masked, too, however short it is.
func TestStrangerMasksSecrets(t *testing.T) {
	assert.Equal(t, "the key [redacted] is refused", mask.Stranger("the key hunter-two is refused", "hunter-two"))
	assert.LessOrEqual(t, len(mask.Stranger(strings.Repeat("word ", 10_000))), mask.MaxText+len("…"))
}
