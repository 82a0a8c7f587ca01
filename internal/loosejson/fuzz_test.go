package loosejson

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzScan compares Scan with the decoder of encoding/json: what is visited, how far is read, and
// whether there is an error.
func FuzzScan(f *testing.F) {
	for _, s := range []string{
		``, ` `, `{`, `[`, `"`, `{}`, `[]`, `{"a":1}`, `{"a":1,}`, `[1,]`, `[1 2]`, `{"a" "b"}`, `{,}`, `[}`, `{]`, `{"a":}`, `{"a"`, `{"a":`, `{1:2}`,
		`0`, `-0`, `01`, `-`, `1.`, `1.5e+3`, `1e`, `.5`, `+1`, `1E9`, `1x`, `[1.]`, `tru`, `truex`, `[true,false,null]`, `nul`, `nan`,
		`"a\nb\u00e9\ud83d\ude00"`, `"\ud83d"`, `"\ud83dx"`, `"\ud83d\u0041"`, `"\ude00\ud83d"`, `"\u12"`, `"\x"`, `"\`, `"\u"`, "\"\x01\"", "\"a\xffb\xc3\"", "\"\xe2\x82\\n\"", "\"\u2028\"", `"\/\b\f\r\t\""`,
		"{\"\xff\":\"\\\\\"}", "\xef\xbb\xbf{}", `{"error":{"message":"{\"error\":{\"code\":\"inner\"}}"}}`, `[[[[[["x"]]]]]] {"b":2}`, strings.Repeat("[", 30), strings.Repeat(`{"a":`, 25) + "1" + strings.Repeat("}", 25), "\x00", "1\x00", "[1\x00]",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var want, got []string
		wantRead, wantErr := walkWithDecoder(s, func(seen string) { want = append(want, seen) })
		gotRead, gotErr := Walk([]byte(s), func(within, key string, depth int, tok json.Token) {
			got = append(got, fmt.Sprintf("%q %q %d %T %v", within, key, depth, tok, tok))
		})
		require.Equal(t, want, got)
		require.Equal(t, wantErr != nil, gotErr != nil, "%v, %v", wantErr, gotErr)
		require.Equal(t, strings.TrimSpace(s[wantRead:]), strings.TrimSpace(s[gotRead:]))
		compareMembers(t, s)
	})
}

// walkWithDecoder is Walk by means of encoding/json.
func walkWithDecoder(s string, see func(string)) (read int, err error) {
	dec := json.NewDecoder(strings.NewReader(s))
	dec.UseNumber()
	err = decodeValue(dec, "", "", 0, see)
	return min(int(dec.InputOffset()), len(s)), err
}

func decodeValue(dec *json.Decoder, within, key string, depth int, see func(string)) error {
	tok, err := dec.Token()
	if err != nil {
		return err
	}
	open, ok := tok.(json.Delim)
	if !ok {
		see(fmt.Sprintf("%q %q %d %T %v", within, key, depth, tok, tok))
		return nil
	}
	if depth > MaxDepth {
		return errTooDeep
	}
	for dec.More() {
		inside, name := within, key
		if open == '{' {
			tok, err := dec.Token()
			if err != nil {
				return err
			}
			inside = key
			name, _ = tok.(string)
			see(fmt.Sprintf("%q %q %d %T %v", inside, name, depth+1, Name{}, Name{}))
		}
		if err := decodeValue(dec, inside, name, depth+1, see); err != nil {
			return err
		}
	}
	_, err = dec.Token()
	return err
}

// compareMembers compares Members with encoding/json, and the readers of members too.
func compareMembers(t *testing.T, s string) {
	if strings.Count(s, "{")+strings.Count(s, "[") > maxSkip {
		return
	}
	want, ok := Object([]byte(s))
	got := make(map[string]json.RawMessage)
	whole := Members(s, func(name, raw string) { got[name] = json.RawMessage(raw) })
	require.Equal(t, ok, whole)
	if ok {
		require.Equal(t, want, got)
	}
	var text string
	if json.Unmarshal([]byte(s), &text) != nil {
		text = ""
	}
	require.Equal(t, text, Text(s))
	require.True(t, bytes.Equal([]byte(text), []byte(Text([]byte(s)))))
}
