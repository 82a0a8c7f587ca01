package reauth

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// sealedRecords are records with each part, with none, and with lists at their longest.
func sealedRecords() []sealedRecord {
	long := sealedRecord{Pepper: "P"}
	for i := range maxSpent {
		long.Spent = append(long.Spent, digest(strings.Repeat("x", i+1)))
	}
	return []sealedRecord{
		{},
		long,
		{storedCredential: storedCredential{AccessToken: "ghu_" + strings.Repeat("B", 36), RefreshToken: "ya29.a0_-..x"}},
		{storedCredential: storedCredential{AccessToken: "eyJ.eyJhbGciOiJub25lIn.", RefreshToken: "not/base64+url="}},
		{
			storedCredential: storedCredential{
				AccessToken: "at", RefreshToken: strings.Repeat("r", maxToken), AccountID: "acc", ClientID: "client",
				Expiry: time.Date(2026, 11, 27, 1, 2, 3, 456789, time.UTC), Hosts: []string{"api.x.ai", ""}, Priority: -3,
				Metadata: map[string]string{"note": "ü", "": "", "empty": ""},
			},
			Spent: []string{
				digest("a"), loginPrefix + digest("b"), "", loginPrefix, "no digest", strings.ToUpper(digest("c")),
				digest("d")[:30], loginPrefix + digest("e") + "00",
			},
			Pepper: "PEPPER",
		},
	}
}

func TestSealedRecordIsReadAsItWasWritten(t *testing.T) {
	for _, r := range sealedRecords() {
		b := r.bytes()
		got, err := parseSealedRecord(b)
		require.NoError(t, err)
		require.Equal(t, r, got)
		for _, cut := range []int{0, 1, len(b) / 2, len(b) - 1} {
			_, err := parseSealedRecord(b[:cut])
			require.Equal(t, errEnvelope, err, "cut at %d", cut)
		}
		_, err = parseSealedRecord(append(b, 0))
		require.Equal(t, errEnvelope, err)
	}
}

// Whatever opens is a record or an error, and what is a record stays the same.
func FuzzRecordInEnvelope(f *testing.F) {
	for _, r := range sealedRecords() {
		f.Add(r.bytes())
	}
	f.Add([]byte("\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\x7f"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseSealedRecord(b)
		if err != nil {
			return
		}
		again, err := parseSealedRecord(r.bytes())
		require.NoError(t, err)
		require.Equal(t, r, again)
	})
}
