package reauth

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/internal/verdict"
)

// Every reason that the package gives begins with one of ReasonNames.
func TestReasonNames(t *testing.T) {
	names := ReasonNames()
	assert.True(t, slices.IsSorted(names))
	assert.Equal(t, slices.Compact(slices.Clone(names)), names)
	reasons := append(literalReasons(t), verdict.Reasons()...)
	for _, err := range []error{
		&followedError{follower: &follower{kind: "codex"}}, &RefreshError{Code: "invalid_grant"}, &RefreshError{Status: 500},
		ErrNotRefreshable, errUnproven, errRefusedAgain, errClosed, errGone, errors.New("any"),
	} {
		reasons = append(reasons, failureReason(err))
	}
	for k := Pass; k <= Forbidden; k++ {
		reasons = append(reasons, Verdict{Kind: k}.label(), Verdict{Kind: k, Reason: "x"}.label())
	}
	for _, reason := range []string{"no-credential", "redirected", "exhausted", "xai", "status", "base-failed", "record"} {
		assert.Contains(t, names, reason)
	}
	require.Greater(t, len(reasons), 100)
	for _, reason := range reasons {
		name, _, _ := strings.Cut(reason, ":")
		assert.Contains(t, names, name, reason)
	}
}

// literalReasons returns the texts that the package's files give a field Reason.
func literalReasons(t *testing.T) (list []string) {
	t.Helper()
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	found := func(name, value ast.Expr) {
		field, ok := name.(*ast.Ident)
		if sel, isSel := name.(*ast.SelectorExpr); isSel {
			field, ok = sel.Sel, true
		}
		text, isText := value.(*ast.BasicLit)
		if ok && isText && field.Name == "Reason" {
			reason, err := strconv.Unquote(text.Value)
			require.NoError(t, err)
			list = append(list, reason)
		}
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		require.NoError(t, err)
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.KeyValueExpr:
				found(n.Key, n.Value)
			case *ast.AssignStmt:
				for i := range min(len(n.Lhs), len(n.Rhs)) {
					found(n.Lhs[i], n.Rhs[i])
				}
			}
			return true
		})
	}
	require.Greater(t, len(list), 10)
	return list
}
