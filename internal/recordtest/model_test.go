package recordtest_test

import (
	"testing"

	"github.com/reauth-go/reauth/internal/recordtest"
)

func TestRecordInMemory(t *testing.T) {
	recordtest.Run(t, recordtest.Memory(), recordtest.Sized(30, 300, 10_000))
}

func TestRecordInFile(t *testing.T) {
	recordtest.Run(t, recordtest.File(), recordtest.Sized(10, 100, 3_000))
}
