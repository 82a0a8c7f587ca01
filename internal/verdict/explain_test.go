package verdict

import (
	"math/bits"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestExplain(t *testing.T) {
	resp := &http.Response{StatusCode: 403, Header: http.Header{}}
	x := Explain(Provider{}, resp, []byte(`{"error":{"code":"permission_denied","message":"Your account has an overdue balance. The key is fine."}}`))
	assert.Equal(t, Exhausted, x.Verdict.Kind)
	assert.Equal(t, "the words", x.Decided)
	assert.Equal(t, []string{"permission_denied"}, x.Codes)
	if assert.Len(t, x.Said, 2) {
		assert.Equal(t, Said{Exhausted, "billing", "money", "overdue", "overdue balance", false}, x.Said[0])
		assert.Equal(t, Said{Forbidden, "scope", "a permission", "denied", "permission_denied", true}, x.Said[1])
	}
	assert.Equal(t, []Stage{
		{"who answered", ""},
		{"somebody else's trouble", ""},
		{"this vendor's codes and words", ""},
		{"codes of any vendor", ""},
		{"a bad request", ""},
		{"the words", "exhausted, billing"},
		{"the status", "forbidden, status:403"},
	}, x.Stages)

	x = Explain(Provider{Name: "zai"}, resp, []byte(`{"error":{"code":"1113","message":"x"}}`))
	assert.Equal(t, "the rule zai:balance:billing", x.Decided)
	x = Explain(Provider{}, &http.Response{StatusCode: 200}, []byte(`{}`))
	assert.Equal(t, "nothing: it is no failure", x.Decided)
	assert.Equal(t, x, Explain(Provider{}, nil, nil))
}

func TestEachConceptHasAName(t *testing.T) {
	assert.Len(t, conceptNames, bits.OnesCount64(uint64(anyWho|anyWhat)))
	assert.Len(t, stageNames, len(before))
	assert.Equal(t, "money, needed", (money | needed | good).names())
}
