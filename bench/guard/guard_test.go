package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Two runs of one program differ by noise, which is not reported, however large it is. A program that is
// slower than the noise explains is.
func TestJudge(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct {
		name            string
		noise, slowdown float64 // shares of the time
		worse           int     // how often, of 1,000 comparisons, at most (slowdown 0) or at least
	}{
		{"equal, on a quiet machine", 0.01, 0, 0},
		{"equal, on a busy machine", 0.1, 0, 2},
		{"equal, beside other programs", 0.5, 0, 5},
		{"slower by less than the linker does", 0.01, 0.05, 0},
		{"slower by a quarter", 0.02, 0.25, 999},
		{"slower by a half, on a busy machine", 0.1, 0.5, 900},
	} {
		worse := 0
		for range 1000 {
			s := new(samples)
			for range 12 {
				pace := 1e-6 * (1 + r.Float64()) // of the machine in this round
				took := func() float64 { return pace * (1 + c.noise*r.Float64()) }
				s.addBefore(sample{seconds: took()})
				s.addAfter(sample{seconds: took() * (1 + c.slowdown)})
				s.addAgain(sample{seconds: took()})
			}
			if v, _ := s.judge(); v.worse() {
				worse++
			}
		}
		if c.worse > 10 {
			assert.GreaterOrEqual(t, worse, c.worse, c.name)
		} else {
			assert.LessOrEqual(t, worse, c.worse, c.name)
		}
	}
}

// An allocation more is worse when the commit before never had so many.
func TestJudgeAllocations(t *testing.T) {
	for after, want := range map[float64]bool{4: false, 5: false, 6: true} {
		s := new(samples)
		for i := range 12 {
			s.addBefore(sample{1, 4 + float64(i%2)}) // of a map that grows in some runs
			s.addAgain(sample{1, 4})
			s.addAfter(sample{1, after})
		}
		v, ok := s.judge()
		assert.True(t, ok)
		assert.Equal(t, want, v.worse(), "%g", after)
	}
	_, ok := (&samples{before: []sample{{1, 1}}}).judge()
	assert.False(t, ok, "a benchmark of one commit alone is not compared")
}

// repository is a module in a repository of git.
type repository struct {
	t      *testing.T
	folder string
}

func (r repository) git(args ...string) {
	r.t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"},
		args...)...)
	cmd.Dir = r.folder
	out, err := cmd.CombinedOutput()
	require.NoError(r.t, err, "%s", out)
}

func (r repository) write(name, text string) {
	r.t.Helper()
	path := filepath.Join(r.folder, name)
	require.NoError(r.t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(r.t, os.WriteFile(path, []byte(text), 0o600))
}

func (r repository) commit(message string) {
	r.t.Helper()
	r.git("add", ".")
	r.git("commit", "-q", "-m", message)
}

// guard runs the guard, and returns what it printed.
func (r repository) guard() (string, error) {
	g := guard{root: r.folder, bench: "^BenchmarkWork$", each: time.Millisecond, rounds: 8}
	var out bytes.Buffer
	err := g.run(r.t.Context(), &out)
	return out.String(), err
}

func work(turns, allocations int) string {
	return fmt.Sprintf(`package work

var sink []byte

func Work() (sum int) {
	for i := range %d {
		sum += i * sum
	}
	for range %d {
		sink = make([]byte, 64)
	}
	return sum
}
`, turns, allocations)
}

// The whole way, with commits of a module of its own.
func TestGuard(t *testing.T) {
	r := repository{t, t.TempDir()}
	r.git("init", "-q")
	r.write("go.mod", "module example.com/work\n\ngo 1.26\n")
	r.write("work.go", work(10_000, 0))
	r.write("work_test.go", `package work

import "testing"

var sum int

func BenchmarkWork(b *testing.B) {
	b.Run("loop", func(b *testing.B) {
		for b.Loop() {
			sum += Work()
		}
	})
}
`)
	r.commit("work: begin")
	out, err := r.guard()
	require.NoError(t, err)
	assert.Contains(t, out, "HEAD~1 is not in this clone")

	r.write("README.md", "It works.")
	r.write("tools/go.mod", "module example.com/work/tools\n\ngo 1.26\n")
	r.write("tools/tools.go", "package tools\n")
	r.commit("work: tell what it does")
	out, err = r.guard()
	require.NoError(t, err)
	assert.Contains(t, out, "no source of the library differs from HEAD~1")

	r.write("work.go", work(9_999, 0))
	r.commit("work: count one less")
	out, err = r.guard()
	require.NoError(t, err)
	assert.Regexp(t, `BenchmarkWork/loop +\d+\.\d\dx`, out)

	// What is slower is found by its allocations here: a busy machine has a limit for the time that a loop
	// may not reach, which is right. TestJudge has the times.
	r.write("work.go", work(9_999, 1))
	out, err = r.guard()
	require.ErrorContains(t, err, "BenchmarkWork/loop", "what is not committed yet is compared with HEAD")
	assert.Regexp(t, `\+1  worse`, out)
	r.commit("work: allocate\n\nSlower: BenchmarkOther: no")
	_, err = r.guard()
	require.ErrorContains(t, err, `"Slower: NAME: …"`)
	r.git("commit", "-q", "--amend", "-m", "work: allocate\n\nSlower: BenchmarkWork: the result is kept")
	_, err = r.guard()
	require.NoError(t, err, "the message gives the reason")

	r.write("work.go", "package work\n\nfunc Work() {")
	_, err = r.guard()
	require.ErrorContains(t, err, "building the benchmarks")
	r.commit("work: break")
	r.write("work.go", work(9_999, 1))
	out, err = r.guard()
	require.NoError(t, err)
	assert.Contains(t, out, "there is nothing to compare with")
}
