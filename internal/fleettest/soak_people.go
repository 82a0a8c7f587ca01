//go:build unix

package fleettest

import (
	"math/rand/v2"
	"strings"
	"time"
)

// expire makes access tokens expire that have served.
func (s *soak) expire() error {
	for s.sleep(50*time.Millisecond + rand.N(300*time.Millisecond)) {
		s.mu.Lock()
		l := s.people[soakIDs()[rand.IntN(len(soakIDs()))]].login
		s.mu.Unlock()
		access, _, served := s.Provider.Newest(l.access, l.refresh)
		if served {
			s.Provider.Expire(access)
			s.count("expiries")
		}
	}
	return nil
}

// livePeople logs in where a login was lost, and now and then removes a credential, or logs in anew.
func (s *soak) livePeople() error {
	next := time.Now().Add(2 * time.Second)
	for s.sleep(150 * time.Millisecond) {
		if err := s.replaceLost(); err != nil {
			return err
		}
		if time.Now().Before(next) {
			continue
		}
		next = time.Now().Add(time.Second + rand.N(4*time.Second))
		id := soakIDs()[rand.IntN(len(soakIDs()))]
		err := s.decide(id)
		if err != nil {
			return err
		}
	}
	return nil
}

// decide removes a credential, or logs in anew.
func (s *soak) decide(id string) error {
	p := s.people[id]
	switch {
	case p.removed || p.asked:
		return s.logIn(id)
	case rand.IntN(2) == 0:
		return s.remove(id)
	}
	s.count("logins of choice")
	return s.logIn(id)
}

// replaceLost logs in with credentials whose login has ended.
func (s *soak) replaceLost() error {
	for _, id := range soakIDs() {
		p := s.people[id]
		if p.removed || p.asked || s.Provider.Alive(p.login.refresh) && !p.login.at.IsZero() {
			continue
		}
		if err := s.logIn(id); err != nil {
			return err
		}
	}
	return nil
}

// logIn makes a new login, through a random worker. It may fail while the store has trouble.
func (s *soak) logIn(id string) error {
	access, refresh := s.Provider.Login()
	l := &login{id: id, access: access, refresh: refresh}
	s.mu.Lock()
	s.logins = append(s.logins, l)
	s.people[id].login = l
	s.mu.Unlock()
	m := s.some()
	if m == nil {
		return nil
	}
	err := m.ask(patience, "add", id, access, refresh)
	s.mu.Lock()
	l.by = m
	defer s.mu.Unlock()
	switch {
	case err == nil:
		l.at = time.Now()
		s.people[id].removed, s.people[id].asked = false, false
		s.counts["logins"]++
	case isHang(err):
		return err
	default:
		s.people[id].removed, s.people[id].asked = false, true // nobody knows; the next try tells
		s.counts["logins that failed"]++
	}
	return nil
}

func isHang(err error) bool { return strings.Contains(err.Error(), "hangs") }

// remove removes a credential, through a random worker.
func (s *soak) remove(id string) error {
	m := s.some()
	if m == nil {
		return nil
	}
	err := m.ask(patience, "remove", id)
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.people[id]
	switch {
	case err == nil:
		p.removed, p.asked, p.removal = true, false, telling{at: time.Now(), by: m}
		s.counts["removals"]++
	case isHang(err):
		return err
	default:
		p.asked = true
		s.counts["removals that failed"]++
	}
	return nil
}
