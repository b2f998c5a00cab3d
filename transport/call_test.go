package transport_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/transport"
	"github.com/valyala/fasthttp"
)

const bothRoles = ais.RoleProxy | ais.RoleTarget

// echoMux answers calls on /echo with what came, with the asker's node in front.
func echoMux() *transport.Mux {
	mux := transport.NewMux()
	mux.Handle("/echo", transport.Rule{}, func(_ context.Context, from transport.Peer, b []byte) ([]byte, error) {
		return append([]byte(from.Node.String()+" "), b...), nil
	})
	return mux
}

func TestCall(t *testing.T) {
	networks(t, func(t *testing.T, n network) {
		a, _, _ := n.start(t, peer(1, bothRoles), options(nil))
		_, host, _ := n.start(t, peer(2, bothRoles), options(echoMux()))
		for _, size := range []int{0, 1, 4095, 4096, 4097, 70_000, 1 << 20} {
			request := bytes.Repeat([]byte{byte(size)}, size)
			reply, err := a.Call(t.Context(), transport.Address{Node: 2, Host: host}, "/echo", request)
			if want := "0000000000000001 " + string(request); err != nil || string(reply) != want {
				t.Fatalf("call with %d bytes: got %d bytes, %v; want %d", size, len(reply), err, len(want))
			}
		}
		if got := a.Counts().Dialed; got != 1 {
			t.Errorf("connections for one call after the other: got %d, want 1", got)
		}
	})
}

func TestCallsAtOnce(t *testing.T) {
	networks(t, func(t *testing.T, n network) {
		o := options(nil)
		o.Config.Pool = 4
		a, _, _ := n.start(t, peer(1, bothRoles), o)
		_, host, _ := n.start(t, peer(2, bothRoles), options(echoMux()))
		var all sync.WaitGroup
		for i := range 64 {
			all.Go(func() {
				request := fmt.Sprint(i)
				reply, err := a.Call(t.Context(), transport.Address{Host: host}, "/echo", []byte(request))
				if want := "0000000000000001 " + request; err != nil || string(reply) != want {
					t.Errorf("call %d: got %q, %v; want %q", i, reply, err, want)
				}
			})
		}
		all.Wait()
		if got := a.Counts().Dialed; got > 4 {
			t.Errorf("connections: got %d, want at most 4, the size of the pool", got)
		}
	})
}

// TestErrors: what a handler answers keeps its kind, noun and message.
func TestErrors(t *testing.T) {
	networks(t, func(t *testing.T, n network) {
		mux := transport.NewMux()
		mux.Handle("/fail", transport.Rule{}, func(_ context.Context, _ transport.Peer, b []byte) ([]byte, error) {
			if string(b) == "plain" {
				return nil, errors.New("plain")
			}
			return nil, fmt.Errorf("layer: %w", ais.NounErrorf(ais.Kind(b[0]), ais.NounBucket, "no %s", strings.Repeat("x", 9000)))
		})
		a, _, _ := n.start(t, peer(1, bothRoles), options(nil))
		_, host, _ := n.start(t, peer(2, bothRoles), options(mux))
		for k := ais.Internal; k <= ais.Canceled; k++ {
			_, err := a.Call(t.Context(), transport.Address{Host: host}, "/fail", []byte{byte(k)})
			if err == nil || ais.KindOf(err) != k || ais.NounOf(err) != ais.NounBucket || !strings.HasPrefix(err.Error(), "layer: no xxx") {
				t.Errorf("error of kind %v: got %.30v, kind %v, noun %q", k, err, ais.KindOf(err), ais.NounOf(err))
			}
		}
		_, err := a.Call(t.Context(), transport.Address{Host: host}, "/fail", []byte("plain"))
		if err == nil || ais.KindOf(err) != ais.Internal || err.Error() != "plain" {
			t.Errorf("plain error: got %v, kind %v; want it as Internal", err, ais.KindOf(err))
		}
	})
}

// TestRefusals: whatever is not allowed by a rule is refused, and what the client gets says why.
func TestRefusals(t *testing.T) {
	networks(t, func(t *testing.T, n network) {
		called := func(context.Context, transport.Peer, []byte) ([]byte, error) {
			t.Error("the handler was called")
			return nil, nil
		}
		mux := transport.NewMux()
		mux.Handle("/targets", transport.Rule{Roles: ais.RoleTarget, MaxBytes: 1000}, called)
		mux.Handle("/small", transport.Rule{MaxBytes: 1000}, called)
		mux.HandleStream("/stream", transport.Rule{Roles: ais.RoleTarget}, func(context.Context, transport.Peer, transport.Stream) error {
			t.Error("the handler was called")
			return nil
		})
		mux.HandleHTTP("/s3/", transport.Rule{Roles: ais.RoleTarget}, func(*fasthttp.RequestCtx, transport.Peer) {
			t.Error("the handler was called")
		})
		o := options(mux)
		o.Admit = func(p transport.Peer) error {
			if p.Node == 9 {
				return ais.Errorf(ais.Denied, "node %v was removed", p.Node)
			}
			return nil
		}
		server, host, _ := n.start(t, peer(2, bothRoles), o)
		proxy, _, _ := n.start(t, peer(1, ais.RoleProxy), options(nil))
		removed, _, _ := n.start(t, peer(9, bothRoles), options(nil))
		to := transport.Address{Node: 2, Host: host}
		call := func(e *transport.Endpoint, route string, size int) error {
			_, err := e.Call(t.Context(), to, route, make([]byte, size))
			return err
		}
		open := func(e *transport.Endpoint, route string) error {
			_, err := e.Open(t.Context(), to, route)
			return err
		}
		do := func(e *transport.Endpoint, path string) error {
			var req fasthttp.Request
			var resp fasthttp.Response
			req.SetRequestURI(path)
			return e.Do(t.Context(), to, &req, &resp)
		}
		for _, test := range []struct {
			what string
			err  error
			want ais.Kind
		}{
			{"unknown route", call(proxy, "/none", 0), ais.NotFound},
			{"route below another", call(proxy, "/small/er", 0), ais.NotFound},
			{"wrong role", call(proxy, "/targets", 0), ais.Denied},
			{"wrong role for a stream", open(proxy, "/stream"), ais.Denied},
			{"wrong role for HTTP", do(proxy, "/s3/b/o"), ais.Denied},
			{"call of a stream's route", call(proxy, "/stream", 0), ais.NotFound},
			{"stream of a call's route", open(proxy, "/small"), ais.NotFound},
			{"HTTP of a call's route", do(proxy, "/small"), ais.NotFound},
			{"HTTP dressed as a call", do(proxy, "/call/small"), ais.NotFound},
			{"HTTP dressed as a call by dots", do(proxy, "/../call/small"), ais.NotFound},
			{"removed node", call(removed, "/small", 0), ais.Denied},
			{"removed node's stream", open(removed, "/stream"), ais.Denied},
			{"too large", call(proxy, "/small", 1001), ais.Exhausted},
			{"much too large", call(proxy, "/small", 3<<20), ais.Exhausted},
			{"path with a line end", call(proxy, "/small HTTP/1.1\r\nX: y", 0), ais.Invalid},
			{"no path", call(proxy, "small", 0), ais.Invalid},
		} {
			wantKind(t, test.what, test.err, test.want)
		}
		if got := server.Counts().Refused; got != 12 {
			t.Errorf("refused requests counted: got %d, want 12", got)
		}
	})
}

func TestInFlight(t *testing.T) {
	networks(t, func(t *testing.T, n network) {
		mux := transport.NewMux()
		entered, leave := make(chan struct{}), make(chan struct{})
		mux.Handle("/slow", transport.Rule{InFlight: 1}, func(ctx context.Context, _ transport.Peer, b []byte) ([]byte, error) {
			entered <- struct{}{}
			<-leave
			return b, nil
		})
		a, _, _ := n.start(t, peer(1, bothRoles), options(nil))
		_, host, _ := n.start(t, peer(2, bothRoles), options(mux))
		first := make(chan error)
		go func() {
			_, err := a.Call(t.Context(), transport.Address{Host: host}, "/slow", nil)
			first <- err
		}()
		<-entered
		_, err := a.Call(t.Context(), transport.Address{Host: host}, "/slow", nil)
		wantKind(t, "second call at once", err, ais.Unavailable)
		close(leave)
		if err := <-first; err != nil {
			t.Errorf("first call: got %v, want nil", err)
		}
		go func() { <-entered }()
		if _, err := a.Call(t.Context(), transport.Address{Host: host}, "/slow", nil); err != nil {
			t.Errorf("call after the first: got %v, want nil", err)
		}
	})
}

// TestCancel: a ctx that ends frees the asker, and a deadline reaches the handler.
func TestCancel(t *testing.T) {
	networks(t, func(t *testing.T, n network) {
		mux := transport.NewMux()
		entered, leave := make(chan struct{}, 8), make(chan struct{})
		mux.Handle("/hang", transport.Rule{}, func(context.Context, transport.Peer, []byte) ([]byte, error) {
			entered <- struct{}{}
			<-leave
			return nil, nil
		})
		gone := make(chan error, 1)
		mux.Handle("/deadline", transport.Rule{}, func(ctx context.Context, _ transport.Peer, _ []byte) ([]byte, error) {
			<-ctx.Done()
			gone <- ctx.Err()
			return nil, ctx.Err()
		})
		a, _, _ := n.start(t, peer(1, bothRoles), options(nil))
		_, host, _ := n.start(t, peer(2, bothRoles), options(mux))
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-entered; cancel() }()
		_, err := a.Call(ctx, transport.Address{Host: host}, "/hang", nil)
		wantKind(t, "canceled call", err, ais.Canceled)
		close(leave)
		ctx, cancel = context.WithTimeout(t.Context(), 30*time.Millisecond)
		defer cancel()
		_, err = a.Call(ctx, transport.Address{Host: host}, "/deadline", nil)
		wantKind(t, "call past its deadline", err, ais.Unavailable)
		if err := <-gone; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the handler's ctx: got %v, want a deadline", err)
		}
		<-ctx.Done()
		_, err = a.Call(ctx, transport.Address{Host: host}, "/hang", nil)
		wantKind(t, "call begun past its deadline", err, ais.Unavailable)
	})
}

// TestUnreachable: nobody there, the wrong node there, a node that went away and came again.
func TestUnreachable(t *testing.T) {
	networks(t, func(t *testing.T, n network) {
		a, _, stopA := n.start(t, peer(1, bothRoles), options(nil))
		_, host, stop := n.start(t, peer(2, bothRoles), options(echoMux()))
		_, err := a.Call(t.Context(), transport.Address{Node: 3, Host: host}, "/echo", nil)
		wantKind(t, "the wrong node", err, ais.Unavailable)
		to := transport.Address{Node: 2, Host: host}
		if _, err := a.Call(t.Context(), to, "/echo", nil); err != nil {
			t.Fatalf("call: %v", err)
		}
		stop()
		_, err = a.Call(t.Context(), to, "/echo", nil)
		wantKind(t, "a node that has stopped", err, ais.Unavailable)
		_, err = a.Open(t.Context(), to, "/echo")
		wantKind(t, "a stream to a node that has stopped", err, ais.Unavailable)
		stopA()
		_, err = a.Call(t.Context(), to, "/echo", nil)
		wantKind(t, "a call of an endpoint that has stopped", err, ais.Unavailable)
		if got := a.Counts().Undialed; got < 3 {
			t.Errorf("failures to connect counted: got %d, want 3 or more", got)
		}
	})
}

// TestDrain: a call in flight ends well while the endpoint stops; one that does not end is cut.
func TestDrain(t *testing.T) {
	networks(t, func(t *testing.T, n network) {
		mux := transport.NewMux()
		entered, leave := make(chan struct{}), make(chan struct{})
		mux.Handle("/slow", transport.Rule{}, func(ctx context.Context, _ transport.Peer, b []byte) ([]byte, error) {
			entered <- struct{}{}
			select {
			case <-leave:
				return b, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		})
		a, _, _ := n.start(t, peer(1, bothRoles), options(nil))
		for _, drain := range []time.Duration{time.Minute, 0} {
			o := options(mux)
			o.Config.DrainTimeout = drain
			_, host, stop := n.start(t, peer(2, bothRoles), o)
			result := make(chan error)
			go func() {
				_, err := a.Call(t.Context(), transport.Address{Host: host}, "/slow", nil)
				result <- err
			}()
			<-entered
			stopped := make(chan struct{})
			go func() { stop(); close(stopped) }()
			if drain > 0 {
				leave <- struct{}{}
			}
			if err := <-result; (err == nil) != (drain > 0) {
				t.Errorf("call while draining for %v: got error %v", drain, err)
			}
			<-stopped
		}
	})
}
