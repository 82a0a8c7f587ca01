package loosejson

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// visits returns what Walk visits, each as "depth within/key=value".
func visits(b string) (list []string, read int, err error) {
	read, err = Walk([]byte(b), func(within, key string, depth int, tok json.Token) {
		value := fmt.Sprintf("%T %v", tok, tok)
		if _, ok := tok.(Name); ok {
			value = "name"
		}
		list = append(list, fmt.Sprintf("%d %s/%s=%s", depth, within, key, value))
	})
	return list, read, err
}

func TestWalkVisitsNamesAndValuesInOrder(t *testing.T) {
	list, read, err := visits(`{"a":"x","b":{"c":[1,[true],{"d":null}]}} trailing`)
	require.NoError(t, err)
	assert.Equal(t, len(`{"a":"x","b":{"c":[1,[true],{"d":null}]}}`), read)
	assert.Equal(t, []string{
		"1 /a=name", "1 /a=string x",
		"1 /b=name", "2 b/c=name",
		"3 b/c=json.Number 1", "4 b/c=bool true",
		"4 c/d=name", "4 c/d=<nil> <nil>",
	}, list)
}

func TestWalkOfARootThatIsNoObject(t *testing.T) {
	for in, want := range map[string][]string{
		`"x"`: {"0 /=string x"}, `[["x"]]`: {"2 /=string x"}, `1e999`: {"0 /=json.Number 1e999"}, `[]`: nil, `{}`: nil,
	} {
		list, _, err := visits(in)
		require.NoError(t, err, in)
		assert.Equal(t, want, list, in)
	}
}

// What stands before a cut or a mistake has been visited, and the rest can be read on its own.
func TestWalkOfATextThatIsCutOff(t *testing.T) {
	for _, c := range []struct {
		in   string
		last string
		rest string
	}{
		{`{"id":"x","name":"a long sen`, "1 /name=name", `"a long sen`},
		{`{"id":"x","name`, "1 /id=string x", `"name`},
		{`{"id":"x"`, "1 /id=string x", ``},
		{`{"id":"x" oops}`, "1 /id=string x", `oops}`},
		{``, "", ``},
		{`{"reasons":`, "1 /reasons=name", ``},
	} {
		list, read, err := visits(c.in)
		require.Error(t, err, c.in)
		if c.last != "" {
			assert.Equal(t, c.last, list[len(list)-1], c.in)
		}
		assert.Equal(t, c.rest, strings.TrimPrefix(c.in[read:], ":"), c.in)
	}
}

func TestWalkIsBoundedInDepth(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("[", n) + `"x"` + strings.Repeat("]", n) }
	list, _, err := visits(deep(MaxDepth + 1))
	require.NoError(t, err)
	assert.Len(t, list, 1)
	list, _, err = visits(deep(MaxDepth + 2))
	require.ErrorIs(t, err, errTooDeep)
	assert.Empty(t, list)
}

func TestReadersOfMembers(t *testing.T) {
	for raw, want := range map[string]struct {
		text    string
		number  float64
		isNum   bool
		present bool
	}{
		``:                                   {},
		`null`:                               {},
		`""`:                                 {},
		`{}`:                                 {},
		`[]`:                                 {},
		`"x"`:                                {text: "x", present: true},
		`{"a":1}`:                            {present: true},
		`false`:                              {present: true},
		`3600`:                               {number: 3600, isNum: true, present: true},
		`0`:                                  {isNum: true, present: true},
		`"3600.5"`:                           {text: "3600.5", number: 3600.5, isNum: true, present: true},
		`"an hour"`:                          {text: "an hour", present: true},
		`"` + strings.Repeat("9", 400) + `"`: {text: strings.Repeat("9", 400), present: true},
	} {
		assert.Equal(t, want.text, Text(json.RawMessage(raw)), raw)
		assert.Equal(t, want.present, Present(json.RawMessage(raw)), raw)
		n, ok := Number(json.RawMessage(raw))
		assert.Equal(t, want.isNum, ok, raw)
		if ok {
			assert.InDelta(t, want.number, n, 0, raw)
		}
	}
	_, ok := Number(json.RawMessage(`"NaN"`))
	assert.False(t, ok)
}

func TestObject(t *testing.T) {
	members, ok := Object([]byte(` {"a":{"b":1}} and more`))
	require.True(t, ok)
	assert.JSONEq(t, `{"b":1}`, string(members["a"]))
	for _, b := range []string{``, `null`, `[]`, `"x"`, `{"a":1`, `x`} {
		_, ok := Object([]byte(b))
		assert.False(t, ok, b)
	}
}
