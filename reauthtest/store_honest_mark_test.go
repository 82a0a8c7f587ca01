package reauthtest_test

import (
	"context"
	"maps"
	"time"

	"github.com/reauth-go/reauth"
)

func (s *store) Mark(ctx context.Context, provider, id, key string, m reauth.Mark, seen time.Time) error {
	if err := checkMark(key, m); err != nil && !s.bad("any key of a mark") {
		return err
	}
	name := s.key(provider, id)
	if s.bad("marks wait for the claim") {
		release, err := s.enter(ctx, name)
		if err != nil {
			return err
		}
		defer release(false)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.find(name)
	if r == nil && s.bad("a mark makes a record") {
		r = &row{key: name}
		s.rows = append(s.rows, r)
	}
	if r == nil || !binds(r.entry, m.Of) && !s.bad("writes void marks") {
		return nil
	}
	if stands, ok := r.entry.Marks[key]; ok && !s.replaces(r, stands, m, seen) {
		return reauth.ErrMarked
	}
	before := r.entry
	if s.bad("compares before it writes") || s.bad("a mark writes the record back") {
		s.unlocked()
	}
	if s.bad("a mark writes the record back") {
		r.entry = before
	}
	s.writeMark(r, key, m)
	return nil
}

// replaces reports whether a mark may be written over one that stands.
func (s *store) replaces(r *row, stands, m reauth.Mark, seen time.Time) bool {
	switch {
	case s.bad("the later mark wins"):
		return m.At.After(stands.At)
	case s.bad("void marks stand"):
		return stands.At.Equal(seen)
	}
	return stands.At.Equal(seen) || !binds(r.entry, stands.Of)
}

func (s *store) writeMark(r *row, key string, m reauth.Mark) {
	early := s.version + 1
	if s.bad("numbers a change before it is made") {
		s.version = early
		s.unlocked()
	}
	marks := make(map[string]reauth.Mark)
	if !s.bad("one mark of a record") {
		maps.Copy(marks, r.entry.Marks)
	}
	marks[key] = m
	for len(marks) > 64 && !s.bad("any number of marks") {
		var first string
		for k, m := range marks {
			if k != key && (k != "token" && k != "login" || s.bad("any mark may go")) &&
				(first == "" || m.Until.Before(marks[first].Until)) {
				first = k
			}
		}
		delete(marks, first)
	}
	r.entry.Marks = marks
	if s.bad("numbers a change before it is made") {
		r.version = max(r.version, early)
		return
	}
	s.changed(r)
}

// unlocked lets others in for a moment.
func (s *store) unlocked() {
	s.mu.Unlock()
	time.Sleep(3 * time.Millisecond)
	s.mu.Lock()
}
