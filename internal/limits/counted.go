package limits

import (
	"strings"
	"time"
)

const countedPrefix = "X-Ratelimit-"

// counted reads a limit of which the provider counts what is left: X-Ratelimit-Remaining-Tokens beside
// X-Ratelimit-Limit-Tokens and X-Ratelimit-Reset-Tokens. Without a name (X-Ratelimit-Remaining) it is
// of requests.
func (r *reader) counted(rest string) (Limit, bool) {
	name, named := strings.CutPrefix(rest, "-")
	if !named {
		if rest != "" {
			return Limit{}, false
		}
		name = "requests"
	}
	return r.count(name, countedPrefix+"Remaining"+rest, countedPrefix+"Limit"+rest, countedPrefix+"Reset"+rest)
}

// count reads a limit from the names of its three headers. The last may be missing.
func (r *reader) count(name, remaining, limit, reset string) (Limit, bool) {
	left, ok := number(r.get(remaining), maxCount)
	most, known := number(r.get(limit), maxCount)
	if !ok || !known || most == 0 { // Azure says -1 when it does not know
		return Limit{}, false
	}
	l, ok := r.limit(name, left/most, r.window(name), r.get(reset))
	if r.of.Buckets {
		l.Size = most
	}
	return l, ok
}

// window returns the window of a limit that counts: the one that the name ends with ("Tokens-Minute",
// "Requests-1h"), else the one that the provider documents.
func (r *reader) window(name string) time.Duration {
	name = strings.ToLower(name)
	last := name[strings.LastIndexByte(name, '-')+1:]
	if d := periodOf(last); d > 0 {
		return d
	}
	if d, ok := windowOf(last); ok {
		return d
	}
	switch {
	case strings.HasSuffix(name, "requests"):
		return r.of.Requests
	case strings.HasSuffix(name, "tokens"):
		return r.of.Tokens
	}
	return 0
}

// periodOf returns the length of the period of that name, or 0.
func periodOf(name string) time.Duration {
	switch name {
	case "second":
		return time.Second
	case "minute":
		return time.Minute
	case "hour":
		return time.Hour
	case "day":
		return 24 * time.Hour
	case "month":
		return 30 * 24 * time.Hour
	}
	return 0
}
