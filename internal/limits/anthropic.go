package limits

import (
	"strconv"
	"strings"
	"time"
)

const (
	anthropicPrefix = "Anthropic-Ratelimit-"
	unifiedPrefix   = "Unified-"
	// maxUsed is the largest used share that makes sense: a window may be overdrawn, by 8 % in a
	// recording.
	maxUsed = 10
)

// anthropic reads the limits of a subscription, which tell the used share of each window
// (Anthropic-Ratelimit-Unified-5h-Utilization), and those of an API key, which count
// (Anthropic-Ratelimit-Tokens-Remaining).
func (r *reader) anthropic(rest string) (Limit, bool) {
	if name, ok := strings.CutPrefix(rest, unifiedPrefix); ok {
		return r.unified(name)
	}
	name, ok := strings.CutSuffix(rest, "-Remaining")
	if !ok {
		return Limit{}, false
	}
	at := anthropicPrefix + name
	return r.count(name, at+"-Remaining", at+"-Limit", at+"-Reset")
}

// unified reads a window of a subscription. "Overage" has a used share too, and is no window: it is
// what may be bought beyond them. A rejected window has nothing left, whatever else is told of it.
func (r *reader) unified(rest string) (Limit, bool) {
	name, byShare := strings.CutSuffix(rest, "-Utilization")
	if !byShare {
		var byStatus bool
		if name, byStatus = strings.CutSuffix(rest, "-Status"); !byStatus {
			return Limit{}, false
		}
	}
	at := anthropicPrefix + unifiedPrefix + name
	window, ok := windowOf(name)
	rejected := r.get(at+"-Status") == "rejected"
	if !ok || !byShare && (!rejected || r.get(at+"-Utilization") != "") {
		return Limit{}, false
	}
	used := 1.0
	if byShare {
		if used, ok = number(r.get(at+"-Utilization"), maxUsed); !ok {
			return Limit{}, false
		}
	}
	if rejected {
		used = 1
	}
	return r.limit(name, 1-used, window, r.get(at+"-Reset"))
}

// windowOf returns the length with which the name of a window begins: "5h", "7d_opus".
func windowOf(name string) (time.Duration, bool) {
	size, _, _ := strings.Cut(strings.ReplaceAll(name, "-", "_"), "_")
	if size == "" {
		return 0, false
	}
	n, err := strconv.ParseUint(size[:len(size)-1], 10, 16)
	unit := unitOf(size[len(size)-1])
	return time.Duration(n) * unit, err == nil && n > 0 && unit > 0
}

// unitOf returns the unit of time that a letter stands for, or 0.
func unitOf(letter byte) time.Duration {
	switch letter {
	case 's':
		return time.Second
	case 'm':
		return time.Minute
	case 'h':
		return time.Hour
	case 'd':
		return 24 * time.Hour
	}
	return 0
}
