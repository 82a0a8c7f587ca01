package reauth

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// The marks of a credential as they count for a request about a topic.

// standing returns the mark in force that ends last: of those about the whole credential, and those
// about the topic.
func (s *marks) standing(about topic, now time.Time) *mark {
	if s == nil {
		return nil
	}
	worst := s.worst
	if !worst.holds(now) {
		worst = nil
	}
	if !s.topical || about == "" {
		return worst
	}
	for _, k := range s.list {
		if isTopical(k.key) && k.mark.holds(now) && topic(k.key).covers(about) &&
			(worst == nil || k.mark.recovers().After(worst.recovers())) {
			worst = k.mark
		}
	}
	return worst
}

// overdue returns a mark that has ended while no request has shown since that the credential serves
// again; nil: there is none about the topic or the whole credential.
func (s *marks) overdue(about topic, now time.Time) *mark {
	if s == nil {
		return nil
	}
	if s.worst != nil && !s.worst.holds(now) {
		return s.worst
	}
	if !s.topical || about == "" {
		return nil
	}
	for _, k := range s.list {
		if isTopical(k.key) && !k.mark.lifts() && !k.mark.holds(now) && topic(k.key).covers(about) {
			return k.mark
		}
	}
	return nil
}

// models returns how the marks about models that are in force say it stands, sorted by name.
func (s *marks) models(now time.Time) (list []ModelStatus) {
	if s == nil || !s.topical {
		return nil
	}
	for _, k := range s.list {
		if name, host := topic(k.key).model(); name != "" && k.mark.holds(now) {
			list = append(list, ModelStatus{name, host, Aside, k.mark.reason, k.mark.until.Round(0)})
		}
	}
	slices.SortFunc(list, func(a, b ModelStatus) int {
		return cmp.Or(strings.Compare(a.Model, b.Model), strings.Compare(a.Host, b.Host))
	})
	return list
}
