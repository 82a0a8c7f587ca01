package reauth

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// callerContext returns a context that ends when the request's context ends or its Cancel is
// closed. stop ends it too, and leaves no goroutine behind.
func TestCallerContextEndsWithCancelAndWithTheContext(t *testing.T) {
	stopped := errors.New("the user pressed stop")
	for name, test := range map[string]struct {
		end   func(cancel chan struct{}, end context.CancelCauseFunc)
		cause error
	}{
		"Cancel":  {func(cancel chan struct{}, _ context.CancelCauseFunc) { close(cancel) }, context.Canceled},
		"context": {func(_ chan struct{}, end context.CancelCauseFunc) { end(stopped) }, stopped},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // the bubble fails if a goroutine is left
				own, end := context.WithCancelCause(t.Context())
				defer end(nil)
				cancel := make(chan struct{})
				req, err := http.NewRequestWithContext(own, http.MethodGet, "https://api.example.com/", nil)
				require.NoError(t, err)
				//lint:ignore SA1019 http.Client sets it for transports that it does not know
				req.Cancel = cancel //nolint:staticcheck // http.Client sets it for transports that it does not know

				unused, stop := callerContext(req)
				stop()
				require.Error(t, unused.Err())

				ctx, stop := callerContext(req)
				defer stop()
				synctest.Wait()
				require.NoError(t, ctx.Err())
				require.False(t, callerLeft(req))
				test.end(cancel, end)
				assert.True(t, callerLeft(req))
				<-ctx.Done()
				require.ErrorIs(t, ctx.Err(), context.Canceled)
				assert.Equal(t, test.cause, context.Cause(ctx))
			})
		})
	}
}

// Without Cancel, callerContext allocates nothing.
func TestCallerContextWithoutCancelIsTheRequestsOwn(t *testing.T) {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://api.example.com/", nil)
	require.NoError(t, err)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		ctx, stop := callerContext(req)
		stop()
		if ctx != req.Context() {
			t.Error("another context")
		}
	}))
	assert.NoError(t, req.Context().Err(), "stop does nothing")
}
