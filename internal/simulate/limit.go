package simulate

import "time"

// limit is one limit of an account. Its methods are called with times that never go back.
type limit interface {
	// roll ends what has run out by now.
	roll(now time.Time)
	// admits reports whether the limit lets a request of that many tokens through. roll has been
	// called.
	admits(tokens float64) bool
	// take charges a request that was let through.
	take(tokens float64, now time.Time)
}

// window is a limit that is used up and then given back whole at its reset. As Anthropic and Codex
// do it, a request is let through while anything is left, and may use a little more than that.
type window struct {
	span   time.Duration
	size   float64   // tokens
	used   float64   // tokens
	resets time.Time // zero: it has not begun
	opens  bool      // it begins with the first request after its reset, and not at its reset
	left   *Leftover // where the tokens go that are left at its resets
}

func (w *window) roll(now time.Time) {
	for !w.resets.IsZero() && !now.Before(w.resets) {
		w.left.note(w.size-w.used, w.size)
		w.used = 0
		w.resets = w.resets.Add(w.span)
		if w.opens {
			w.resets = time.Time{}
		}
	}
}

func (w *window) admits(float64) bool { return w.used < w.size }

func (w *window) take(tokens float64, now time.Time) {
	if w.resets.IsZero() {
		w.resets = now.Add(w.span)
	}
	w.used += tokens
}

// end is when the window resets, if a request is made now.
func (w *window) end(now time.Time) time.Time {
	if w.resets.IsZero() {
		return now.Add(w.span)
	}
	return w.resets
}

// share is how much of the window is used, 0 to 1 and a little more.
func (w *window) share() float64 { return w.used / w.size }

// Leftover is what was left of limits when their time was over.
type Leftover struct{ Left, Size float64 } // tokens

func (l *Leftover) note(left, size float64) {
	l.Left += max(left, 0)
	l.Size += size
}

// Share is the share that was left; NaN when no limit's time was over.
func (l *Leftover) Share() float64 { return l.Left / l.Size }

// bucket is a limit per minute that fills up evenly, as OpenAI's do: a request must fit into it
// whole.
type bucket struct {
	size float64 // per minute
	free float64
	at   time.Time // when free was right
}

func (b *bucket) roll(now time.Time) {
	b.free = min(b.size, b.free+b.size*now.Sub(b.at).Minutes())
	b.at = now
}

func (b *bucket) admits(amount float64) bool { return b.free >= amount }

func (b *bucket) take(amount float64, _ time.Time) { b.free -= amount }

// fills is how long the bucket takes until that much is free.
func (b *bucket) fills(amount float64) time.Duration {
	if missing := amount - b.free; missing > 0 {
		return time.Duration(missing / b.size * float64(time.Minute))
	}
	return 0
}
