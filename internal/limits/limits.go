// Package limits reads from the header of an answer what is left of the limits of the account that the
// request was counted against.
package limits

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/reauth-go/reauth/internal/vendors"
)

// Limit is what is left of one limit.
type Limit struct {
	Name   string        // as the provider calls it, in lower case: "5h", "7d_opus", "input-tokens"
	Left   float64       // the share that is left, 0 to 1
	Window time.Duration // 0: not known
	Reset  time.Time     // when all of it is left again; zero: not known
	// Size is that of a bucket, which fills up steadily until Reset, in requests or tokens; 0: it is a
	// window, which is given back at once.
	Size float64
}

const (
	// maxLimits bounds how many limits one answer tells. Anthropic tells six at once.
	maxLimits = 16
	// maxReset bounds how far ahead a reset may lie: the longest period of a provider is a month.
	maxReset = 35 * 24 * time.Hour
	maxName  = 64 // bytes
)

// Read returns the limits that a header tells, sorted by name, and nil if it tells none. of is what is
// known of the provider's headers; now is when the answer came.
//
// A limit is left out when a header of it makes no sense: a number that is negative, infinite or none at
// all, a share far above one, a reset more than 35 days ahead. A window whose reset has passed is full.
func Read(h http.Header, of vendors.Limits, now time.Time) []Limit {
	r := reader{header: h, of: of, now: now}
	var list []Limit
	for name := range h {
		for i := range dialects {
			d := &dialects[i]
			rest, ours := strings.CutPrefix(name, d.prefix)
			if !ours || of.Dialect != "" && of.Dialect != d.name {
				continue
			}
			if l, ok := d.read(&r, rest); ok {
				list = append(list, l)
			}
		}
	}
	return sorted(list)
}

// dialects are the families of headers. read gets what follows the prefix. One header of each limit
// leads to the limit, the one that tells what is left.
//
//nolint:gochecknoglobals // a table
var dialects = [...]struct {
	name   vendors.LimitDialect
	prefix string
	read   func(r *reader, rest string) (Limit, bool)
}{
	{vendors.LimitsAnthropic, anthropicPrefix, (*reader).anthropic},
	{vendors.LimitsCodex, codexPrefix, (*reader).codex},
	{vendors.LimitsCounted, countedPrefix + "Remaining", (*reader).counted},
}

// sorted sorts limits by name. Of two with one name the tighter one counts.
func sorted(list []Limit) []Limit {
	slices.SortFunc(list, func(a, b Limit) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Left, b.Left))
	})
	list = slices.CompactFunc(list, func(a, b Limit) bool { return a.Name == b.Name })
	return list[:min(len(list), maxLimits)]
}

// reader reads one header.
type reader struct {
	header http.Header
	of     vendors.Limits
	now    time.Time
}

// get returns the first value of a header whose name is canonical.
func (r *reader) get(name string) string {
	if v := r.header[name]; len(v) > 0 {
		return strings.TrimSpace(v[0])
	}
	return ""
}

// limit makes a limit of what its headers say. reset is a header's value, or empty.
func (r *reader) limit(name string, left float64, window time.Duration, reset string) (Limit, bool) {
	l := Limit{Name: strings.ToLower(name), Left: max(0, min(left, 1)), Window: window}
	if !isName(l.Name) {
		return Limit{}, false
	}
	if reset == "" {
		return l, true
	}
	at, ok := r.instant(reset)
	switch {
	case !ok || at.After(r.now.Add(maxReset)):
		return Limit{}, false
	case !at.After(r.now):
		l.Left = 1
	default:
		l.Reset = at
	}
	return l, true
}

// isName reports whether a name may be told: of a header that somebody else has made up.
func isName(name string) bool {
	return name != "" && len(name) <= maxName && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_-.") == ""
}
