//go:build unix

package fleettest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// troubleStore brings one trouble after the other over the store.
func (s *soak) troubleStore() error {
	for s.sleep(300*time.Millisecond + rand.N(2*time.Second)) {
		if s.Remember != nil {
			if err := s.Remember(); err != nil {
				return err
			}
		}
		if err := s.trouble(); err != nil {
			return err
		}
	}
	return nil
}

func (s *soak) trouble() error {
	troubles := s.Troubles
	if s.Limited {
		troubles = append(slices.Clone(troubles), s.fullDisk())
	}
	trouble := troubles[rand.IntN(len(troubles))]
	from := time.Now()
	end, err := trouble.Begin()
	if err != nil {
		return fmt.Errorf("%s: %w", trouble.Name, err)
	}
	if end != nil {
		s.sleep(100*time.Millisecond + rand.N(trouble.Most))
		if err := end(); err != nil {
			return fmt.Errorf("the end of %s: %w", trouble.Name, err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spans = append(s.spans, span{trouble, from, time.Now()})
	return nil
}

// fullDisk keeps the workers from writing at all, or from writing more than small files.
func (s *soak) fullDisk() Trouble {
	return Trouble{Name: "filled up", NoNotes: true, Most: 3 * time.Second, Begin: func() (func() error, error) {
		s.limitAll([]int64{0, 600, 2000}[rand.IntN(3)])
		return func() error { s.limitAll(-1); return nil }, nil
	}}
}

func (s *soak) limitAll(size int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limit = size
	for _, m := range s.slots {
		if m != nil {
			m.Tell(fmt.Sprintf("limit %d", size))
		}
	}
}

// kill kills workers, and starts others in their places.
func (s *soak) kill() error {
	var starting sync.WaitGroup
	defer starting.Wait()
	for s.sleep(300*time.Millisecond + rand.N(1500*time.Millisecond)) {
		slot := rand.IntN(soakWorkers)
		s.mu.Lock()
		m := s.slots[slot]
		s.slots[slot] = nil
		s.mu.Unlock()
		if m == nil {
			continue
		}
		if err := m.kill(); err != nil {
			return err
		}
		s.mu.Lock()
		m.died = time.Now()
		s.counts["kills"]++
		s.mu.Unlock()
		starting.Go(func() {
			if err := s.start(slot); err != nil {
				s.t.Errorf("%v", err)
			}
		})
	}
	return nil
}

// kill ends the process at once, and takes the reports that it has left.
func (m *member) kill() error {
	m.living.Lock()
	defer m.living.Unlock()
	if m.process.ProcessState != nil {
		return nil
	}
	err := m.process.Process.Kill()
	<-m.done
	m.read.Wait()
	_ = m.process.Wait() // the error says that the process was killed
	return err
}

// suspend suspends one worker after the other.
func (s *soak) suspend() error {
	for s.sleep(100*time.Millisecond + rand.N(1500*time.Millisecond)) {
		m := s.some()
		if m == nil {
			continue
		}
		from := time.Now()
		if alive, err := m.signal(m.Suspend); !alive || err != nil {
			if err != nil {
				return err
			}
			continue
		}
		s.sleep(50*time.Millisecond + rand.N(s.Longest))
		if _, err := m.signal(m.Continue); err != nil { // it may have been killed meanwhile
			return err
		}
		s.mu.Lock()
		m.suspended = append(m.suspended, span{from: from, to: time.Now()})
		s.counts["suspensions"]++
		s.mu.Unlock()
	}
	return nil
}

// signal sends a signal to the process, unless it was killed.
func (m *member) signal(send func() error) (alive bool, err error) {
	m.living.Lock()
	defer m.living.Unlock()
	if m.process.ProcessState != nil {
		return false, nil
	}
	return true, send()
}
