package reauth

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A driver that panics while a claim is renewed ends the renewing and not the program. The next Load
// tells it.
func TestPanicOfADriverInTheBackground(t *testing.T) {
	s := new(SQLStore)
	stopped := false
	stop := s.inBackground(func() { stopped = true }, func() { panic("the driver's trouble") })
	stop()
	assert.True(t, stopped)
	crash := s.crash.Load()
	require.NotNil(t, crash)
	assert.Equal(t, "reauth: store panicked: a value of type string", crash.Error())
	assert.Contains(t, crash.stack, "TestPanicOfADriverInTheBackground")
}
