package login_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/internal/testrig"
	"github.com/reauth-go/reauth/login"
	"github.com/reauth-go/reauth/reauthtest"
)

func TestCloseEndsAWait(t *testing.T) {
	eachDevice(t, func(t *testing.T, r *rig, polls string, every time.Duration) {
		r.person.visit = nil
		for _, silent := range []bool{false, true} { // between two polls; while the server does not answer
			r.wire.answer = func(req *http.Request) (*http.Response, error) {
				if silent && req.URL.String() == polls {
					<-req.Context().Done()
					return nil, req.Context().Err()
				}
				return nil, nil
			}
			s, err := r.start(t.Context())
			require.NoError(t, err)
			start := time.Now()
			closes := every + time.Second
			time.AfterFunc(closes, func() { assert.NoError(t, s.Close()) })
			c, err := s.Wait(t.Context())
			require.ErrorIs(t, err, login.ErrClosed)
			assert.Empty(t, c)
			assert.Equal(t, closes, time.Since(start))
			_, err = s.Wait(t.Context())
			require.ErrorIs(t, err, login.ErrClosed)
			require.NoError(t, s.Close(), "again")
		}
	})
}

func TestCloseWithinWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "nous")
		var s *login.Session
		r.opt.Waiting = func(left time.Duration) {
			if left < 14*time.Minute+50*time.Second {
				assert.NoError(t, s.Close())
			}
		}
		var err error
		s, err = login.Start(t.Context(), "nous", &r.opt)
		require.NoError(t, err)
		_, err = s.Wait(t.Context())
		require.ErrorIs(t, err, login.ErrClosed)
	})
}

func TestCloseBeforeWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "anthropic")
		r.person.visit = nil
		s, err := r.start(t.Context())
		require.NoError(t, err)
		require.NoError(t, s.Close())
		require.ErrorIs(t, s.Enter("x#y"), login.ErrClosed)
		_, err = s.Wait(t.Context())
		require.ErrorIs(t, err, login.ErrClosed)
		assert.Empty(t, r.wire.asked)
	})
}

func TestEnterWaitAndCloseMeet(t *testing.T) {
	for range 50 {
		r := &rig{fake: reauthtest.New(reauthtest.Anthropic), person: &person{}, provider: "anthropic"}
		r.wire = &wire{base: r.fake.Transport()}
		r.opt = login.Options{Base: r.wire, Issuer: "https://auth.corp.example"}
		s, err := r.start(t.Context())
		require.NoError(t, err)
		line := pasteOf("anthropic", consents(t, r.fake, s.Prompt().URL, "approve"))
		var all sync.WaitGroup
		all.Go(func() { _ = s.Enter(line) })
		all.Go(func() {
			c, err := s.Wait(t.Context())
			assert.Equal(t, err == nil, c.RefreshToken != "")
			if err != nil {
				assert.ErrorIs(t, err, login.ErrClosed)
			}
		})
		all.Go(func() { assert.NoError(t, s.Close()) })
		all.Wait()
	}
}

func TestBrowserComesBackBetweenTwoWaits(t *testing.T) {
	r := newRig(t, "openai-codex")
	r.person.visit = nil
	r.opt.Flow, r.opt.Port, r.opt.Issuer = login.Browser, testrig.Port(t), "https://auth.corp.example"
	s, err := r.start(t.Context())
	require.NoError(t, err)
	defer s.Close()
	ctx, stop := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, stop)
	_, err = s.Wait(ctx)
	require.ErrorIs(t, err, context.Canceled)

	to := consents(t, r.fake, s.Prompt().URL, "approve")
	came := make(chan int, 1)
	connected := make(chan struct{})
	go func() {
		conn, err := net.Dial("tcp4", "127.0.0.1:"+strconv.Itoa(r.opt.Port))
		if !assert.NoError(t, err) {
			close(connected)
			return
		}
		defer conn.Close()
		close(connected)
		_, err = fmt.Fprintf(conn, "GET %s HTTP/1.0\r\nHost: %s\r\n\r\n", to.RequestURI(), to.Host)
		assert.NoError(t, err)
		var status int
		_, err = fmt.Fscanf(conn, "HTTP/1.0 %d", &status)
		assert.NoError(t, err)
		came <- status
	}()
	<-connected
	got, err := s.Wait(t.Context())
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, <-came)
	assert.True(t, r.fake.Current(got.RefreshToken))
	l, err := net.Listen("tcp4", "127.0.0.1:"+strconv.Itoa(r.opt.Port))
	require.NoError(t, err, "the port is free again")
	require.NoError(t, l.Close())
}

func TestCloseGivesUpThePort(t *testing.T) {
	for _, waits := range []bool{false, true} {
		r := newRig(t, "anthropic")
		r.opt.Flow, r.opt.Port, r.person.visit = login.Browser, testrig.Port(t), nil
		s, err := r.start(t.Context())
		require.NoError(t, err)
		_, err = net.Listen("tcp4", "127.0.0.1:"+strconv.Itoa(r.opt.Port))
		require.Error(t, err, "it is held from Start on")
		if waits {
			time.AfterFunc(10*time.Millisecond, func() { assert.NoError(t, s.Close()) })
			_, err = s.Wait(t.Context())
			require.ErrorIs(t, err, login.ErrClosed)
		} else {
			require.NoError(t, s.Close())
		}
		l, err := net.Listen("tcp4", "127.0.0.1:"+strconv.Itoa(r.opt.Port))
		require.NoError(t, err)
		require.NoError(t, l.Close())
	}
}

func TestConnectionsEndWithTheWait(t *testing.T) {
	r := newRig(t, "anthropic")
	r.opt.Flow, r.opt.Port = login.Browser, testrig.Port(t)
	ctx, stop := context.WithCancel(t.Context())
	conns := make(chan net.Conn, 1)
	r.person.visit = func(string, string) {
		go func() {
			defer stop()
			conn, err := net.Dial("tcp4", "127.0.0.1:"+strconv.Itoa(r.opt.Port))
			if !assert.NoError(t, err) {
				return
			}
			conns <- conn
			_, err = fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
			assert.NoError(t, err)
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			assert.NoError(t, err)
			assert.Equal(t, 404, resp.StatusCode)
			assert.False(t, resp.Close, "it is kept alive")
		}()
	}
	s, err := r.start(t.Context())
	require.NoError(t, err)
	defer s.Close()
	_, err = s.Wait(ctx)
	require.ErrorIs(t, err, context.Canceled)
	conn := <-conns
	defer conn.Close()
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(time.Minute)))
	_, err = io.Copy(io.Discard, conn)
	var timeout net.Error
	assert.False(t, errors.As(err, &timeout) && timeout.Timeout(), "it is still open")
}

func TestNothingIsLeftOverARealServer(t *testing.T) {
	fake := reauthtest.New(reauthtest.OpenAI)
	fake.Interval = time.Second
	server := fake.Start()
	defer server.Close()
	start := func() *login.Session {
		s, err := login.Start(t.Context(), "nous", &login.Options{Issuer: server.URL})
		require.NoError(t, err)
		return s
	}
	start() // and nobody waits
	s := start()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	_, err := s.Wait(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, fake.Approve(s.Prompt().Code))
	_, err = s.Wait(t.Context())
	require.NoError(t, err)
}
