package rewind

import "sync/atomic"

// Budget bounds the memory of all bodies that are kept at one time. A body that does not fit into it
// any more is sent all the same, and cannot be rewound. Several goroutines may use a Budget; the zero
// value holds nothing yet.
type Budget struct{ held atomic.Int64 }

// Held is how many bytes the kept bodies take up now.
func (b *Budget) Held() int64 { return b.held.Load() }

// Take reserves n bytes, if no more than most are reserved then.
func (b *Budget) Take(n, most int64) bool {
	if b.held.Add(n) <= most {
		return true
	}
	b.held.Add(-n)
	return false
}

// Give returns n bytes.
func (b *Budget) Give(n int64) { b.held.Add(-n) }
