package limits

import (
	"fmt"
	"strings"
	"time"
)

const (
	codexPrefix = "X-Codex-"
	maxMinutes  = 366 * 24 * 60
)

// codex reads a window of a ChatGPT account. It is named by its length, and not by its position:
// with a plan that has a weekly window only, that one is the primary. A model may have windows of its
// own (X-Codex-Bengalfox-Primary-Used-Percent); they get the names of Anthropic's, "7d_bengalfox". A
// window without length is none: so the backend tells that there is no second one.
func (r *reader) codex(rest string) (Limit, bool) {
	name, ok := strings.CutSuffix(rest, "-Used-Percent")
	if !ok {
		return Limit{}, false
	}
	family, ok := strings.CutSuffix(name, "Primary")
	if !ok {
		if family, ok = strings.CutSuffix(name, "Secondary"); !ok {
			return Limit{}, false
		}
	}
	at := codexPrefix + name
	used, fine := number(r.get(at+"-Used-Percent"), 100*maxUsed)
	minutes, whole := number(r.get(at+"-Window-Minutes"), maxMinutes)
	if !fine || !whole || minutes < 1 {
		return Limit{}, false
	}
	reset := r.get(at + "-Reset-At")
	if reset == "" {
		reset = r.get(at + "-Reset-After-Seconds")
	}
	named := nameOf(int(minutes))
	if family != "" {
		named += "_" + strings.TrimSuffix(family, "-")
	}
	return r.limit(named, 1-used/100, time.Duration(int(minutes))*time.Minute, reset)
}

// nameOf returns the name of a window of so many minutes: "5h", "7d", "90m".
func nameOf(minutes int) string {
	switch {
	case minutes%(24*60) == 0:
		return fmt.Sprintf("%dd", minutes/(24*60))
	case minutes%60 == 0:
		return fmt.Sprintf("%dh", minutes/60)
	}
	return fmt.Sprintf("%dm", minutes)
}
