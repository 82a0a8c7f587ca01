//go:build unix

package fleettest

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// start starts the worker of a slot.
func (s *soak) start(slot int) error {
	s.mu.Lock()
	job := s.Job
	job.Worker, job.Limit = fmt.Sprintf("worker-%d-%d", slot, s.begun), s.limit
	s.begun++
	s.mu.Unlock()
	w, err := s.launch(job)
	if err != nil {
		return err
	}
	m := &member{Worker: w, answers: make(chan string, 1), done: make(chan struct{})}
	s.mu.Lock()
	s.all = append(s.all, m)
	s.mu.Unlock()
	ready := make(chan struct{})
	go s.listen(m, ready)
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-ready:
	case <-m.done:
		return fmt.Errorf("worker %s has ended at its start: %s", m.Name, m.stderr)
	case <-timer.C:
		return fmt.Errorf("worker %s does not get ready", m.Name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slots[slot] = m
	if job.Limit != s.limit {
		m.Tell(fmt.Sprintf("limit %d", s.limit))
	}
	return nil
}

// listen takes the reports of a worker until it ends.
func (s *soak) listen(m *member, ready chan struct{}) {
	defer close(m.done)
	for r := range m.Reports {
		switch r.Did {
		case "ready":
			close(ready)
		case "done":
			s.mu.Lock()
			m.ended = true
			s.mu.Unlock()
		case "note":
			if r.Note.What == noteAnswered {
				m.answers <- r.Note.Text
				continue
			}
			s.mu.Lock()
			m.notes = append(m.notes, *r.Note)
			s.mu.Unlock()
		}
	}
}

// errNoAnswer says that the worker died before it answered.
var errNoAnswer = errors.New("the worker has ended")

// ask gives the worker a command and waits for its end. A worker may be suspended meanwhile.
func (m *member) ask(within time.Duration, words ...string) error {
	m.commands.Lock()
	defer m.commands.Unlock()
	m.Tell(strings.Join(words, " "))
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case text := <-m.answers:
		if text != "" {
			return errors.New(text)
		}
		return nil
	case <-m.done:
		return errNoAnswer
	case <-timer.C:
		return fmt.Errorf("worker %s hangs: it does not end %q", m.Name, words[0])
	}
}
