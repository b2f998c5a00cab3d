package courier_test

import (
	"bytes"
	"context"
	"fmt"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/courier"
	"github.com/seed9b016523/ais/replica"
	"github.com/seed9b016523/ais/transport"
)

// oracle answers questions, each by what it was asked.
type oracle struct {
	*clerk
	err   error
	asked any // the newest question
}

func (o *oracle) Seal(_ context.Context, _ ais.NodeID, q *replica.Seal) (*replica.Sealed, error) {
	o.asked = q
	return &replica.Sealed{Map: q.Map + 1}, o.err
}

func (o *oracle) Look(_ context.Context, _ ais.NodeID, q *replica.Look) (*replica.Held, error) {
	o.asked = q
	return &replica.Held{Word: replica.Word{Map: q.Map, Groups: []bool{true, false}}, Items: []replica.Item{{Kind: replica.ItemEntry, Name: q.Name}}}, o.err
}

func (o *oracle) Scan(_ context.Context, _ ais.NodeID, q *replica.Scan) (*replica.Scanned, error) {
	o.asked = q
	return &replica.Scanned{Word: replica.Word{Map: q.Map, Whole: true}, More: true}, o.err
}

func (o *oracle) Fetch(_ context.Context, _ ais.NodeID, q *replica.Fetch) (*replica.Fetched, error) {
	o.asked = q
	return &replica.Fetched{Records: [][]replica.Record{{record(1, q.Bytes), record(2, 10)}, nil}}, o.err
}

func (o *oracle) FetchExtent(_ context.Context, _ ais.NodeID, q *replica.FetchExtent) (*replica.FetchedExtent, error) {
	o.asked = q
	return &replica.FetchedExtent{Record: record(3, ais.ExtentMax+1000)}, o.err
}

func (o *oracle) States(_ context.Context, _ ais.NodeID, q *replica.States) (*replica.Stated, error) {
	o.asked = q
	return &replica.Stated{Map: q.Map, States: []replica.SlotState{{Slot: 9, Count: 4}}, Lacking: q.Slots}, o.err
}

func (o *oracle) ListRaw(_ context.Context, _ ais.NodeID, q *replica.ListRaw) (*replica.RawList, error) {
	o.asked = q
	return &replica.RawList{Map: q.Map, More: true, Whole: q.Slots}, o.err
}

func (o *oracle) List(_ context.Context, _ ais.NodeID, q *replica.ListHomed) (*ais.ListPage, error) {
	o.asked = q
	return &ais.ListPage{Entries: []ais.ListEntry{{Name: q.Request.Prefix}}, Next: "n"}, o.err
}

func (o *oracle) ListUploads(_ context.Context, _ ais.NodeID, q *replica.ListHomed) (*ais.UploadPage, error) {
	o.asked = q
	return &ais.UploadPage{Prefixes: []string{q.Uploads.Prefix}, Truncated: true}, o.err
}

// TestQuestions asks each question; it arrives as it was, and so do its answer and its error.
func TestQuestions(t *testing.T) {
	slots := &ais.SlotSet{}
	slots.Add(7)
	slots.Add(65535)
	bucket := &ais.Bucket{ID: 5, Name: "bucket", Policy: "copies=2"}
	for _, test := range []struct {
		question any
		ask      func(ctx context.Context, c *courier.Courier, q any) (any, error)
		want     any
	}{
		{&replica.Seal{Map: 4}, func(ctx context.Context, c *courier.Courier, q any) (any, error) {
			return c.Seal(ctx, 2, q.(*replica.Seal))
		},
			&replica.Sealed{Map: 5}},
		{&replica.Look{Map: 4, Slot: 3, Copies: 2, Bucket: 1, Name: "a\x00b"},
			func(ctx context.Context, c *courier.Courier, q any) (any, error) {
				return c.Look(ctx, 2, q.(*replica.Look))
			},
			&replica.Held{Word: replica.Word{Map: 4, Groups: []bool{true, false}}, Items: []replica.Item{{Kind: replica.ItemEntry, Name: "a\x00b"}}}},
		{&replica.Scan{Map: 4, Slot: 3, Copies: 1, After: ais.MakeStamp(1, 1, 1, 1), Limit: 10},
			func(ctx context.Context, c *courier.Courier, q any) (any, error) {
				return c.Scan(ctx, 2, q.(*replica.Scan))
			},
			&replica.Scanned{Word: replica.Word{Map: 4, Whole: true}, More: true}},
		{&replica.Fetch{Slot: 3, Items: []replica.Item{{Kind: replica.ItemPart, Name: "x"}}, Bytes: 5 << 20},
			func(ctx context.Context, c *courier.Courier, q any) (any, error) {
				return c.Fetch(ctx, 2, q.(*replica.Fetch))
			},
			&replica.Fetched{Records: [][]replica.Record{{record(1, 5<<20), record(2, 10)}, nil}}},
		{&replica.FetchExtent{Slot: 3, Write: ais.WriteID{1}, Sequence: 8},
			func(ctx context.Context, c *courier.Courier, q any) (any, error) {
				return c.FetchExtent(ctx, 2, q.(*replica.FetchExtent))
			},
			&replica.FetchedExtent{Record: record(3, ais.ExtentMax+1000)}},
		{&replica.States{Map: 4, Slots: slots},
			func(ctx context.Context, c *courier.Courier, q any) (any, error) {
				return c.States(ctx, 2, q.(*replica.States))
			},
			&replica.Stated{Map: 4, States: []replica.SlotState{{Slot: 9, Count: 4}}, Lacking: slots}},
		{&replica.ListRaw{Map: 4, Slots: slots, Bucket: 5, Prefix: "p", After: "q", Versions: true, Limit: 9},
			func(ctx context.Context, c *courier.Courier, q any) (any, error) {
				return c.ListRaw(ctx, 2, q.(*replica.ListRaw))
			},
			&replica.RawList{Map: 4, More: true, Whole: slots}},
		{&replica.ListHomed{Map: 4, Request: ais.ListRequest{Bucket: bucket, Prefix: "p", Limit: 3}},
			func(ctx context.Context, c *courier.Courier, q any) (any, error) {
				return c.List(ctx, 2, q.(*replica.ListHomed))
			},
			&ais.ListPage{Entries: []ais.ListEntry{{Name: "p"}}, Next: "n"}},
		{&replica.ListHomed{Map: 4, Uploads: &ais.UploadListRequest{Bucket: bucket, Prefix: "p", Limit: 3}},
			func(ctx context.Context, c *courier.Courier, q any) (any, error) {
				return c.ListUploads(ctx, 2, q.(*replica.ListHomed))
			},
			&ais.UploadPage{Prefixes: []string{"p"}, Truncated: true}},
	} {
		t.Run(fmt.Sprintf("%T", test.question), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newTown(t, nil)
				o := &oracle{clerk: agree()}
				n.receive(t, 2, o, nil)
				got, err := test.ask(t.Context(), n.sender, test.question)
				if err != nil || !reflect.DeepEqual(got, test.want) {
					t.Errorf("answer: got %.200s, %v; want %.200s", fmt.Sprintf("%+v", got), err, fmt.Sprintf("%+v", test.want))
				}
				if !reflect.DeepEqual(o.asked, test.question) {
					t.Errorf("question: %+v came as %+v", test.question, o.asked)
				}
				o.err = ais.NounErrorf(ais.StaleMap, ais.NounBucket, "map 4 is old")
				_, err = test.ask(t.Context(), n.sender, test.question)
				if wantKind(t, "error", err, ais.StaleMap); ais.NounOf(err) != ais.NounBucket {
					t.Errorf("noun: got %q, want %q", ais.NounOf(err), ais.NounBucket)
				}
				n.memory.SetFault(host(2), host(1), transport.Fault{Drop: true})
				short, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, err = test.ask(short, n.sender, test.question)
				wantKind(t, "no answer", err, ais.Unavailable)
			})
		})
	}
}

// TestBadAnswers: what is no answer says nothing about the question; what is no question is refused.
func TestBadAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTown(t, nil)
		mux := transport.NewMux()
		mux.Handle(courier.RouteSeal, transport.Rule{}, func(context.Context, transport.Peer, []byte) ([]byte, error) {
			return []byte{1, 2, 3}, nil
		})
		mux.HandleStream(courier.RouteParcels, transport.Rule{}, func(ctx context.Context, _ transport.Peer, s transport.Stream) error {
			_ = s.Send(ctx, nil, bytes.Repeat([]byte{9}, 100))
			<-ctx.Done()
			return ctx.Err()
		})
		e, _ := n.endpoint(t, 2, mux)
		_, err := n.sender.Seal(t.Context(), 2, &replica.Seal{Map: 4})
		wantKind(t, "an answer that is none", err, ais.Unavailable)
		wantKind(t, "a stream of no answers", n.write(2, small(1)), ais.Unavailable)

		n.receive(t, 3, &oracle{clerk: agree()}, nil)
		to := transport.Address{Node: 3, Host: host(3)}
		for _, route := range []string{courier.RouteSeal, courier.RouteFetch, courier.RouteListUploads} {
			_, err = e.Call(t.Context(), to, route, []byte{1, 2, 3})
			wantKind(t, route+", a question that is none", err, ais.Invalid)
		}
		_, err = e.Call(t.Context(), to, courier.RouteListUploads, (&replica.ListHomed{}).AppendTo(nil))
		wantKind(t, "a list of uploads without a request", err, ais.Invalid)
		s, err := e.Open(t.Context(), to, courier.RouteParcels)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if err := s.Send(t.Context(), nil, bytes.Repeat([]byte{77}, 100)); err != nil {
			t.Fatal(err)
		}
		_, _, err = s.Receive(t.Context())
		wantKind(t, "a stream of no parcels", err, ais.Invalid)
	})
}

// TestRoles: a gateway may ask for lists, and for nothing else.
func TestRoles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTown(t, nil)
		n.receive(t, 2, &oracle{clerk: agree()}, nil)
		p := peer(3)
		p.Roles = ais.RoleProxy
		e, err := n.memory.Endpoint(host(3), p, transport.Options{Config: transport.Default()})
		if err != nil {
			t.Fatal(err)
		}
		ln, err := n.memory.Listen(host(3))
		if err != nil {
			t.Fatal(err)
		}
		running(t, func(ctx context.Context) error { return e.Run(ctx, ln) })
		c, err := courier.New(courier.Default(), e, func(id ais.NodeID) (string, bool) { return host(id), true }, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.List(t.Context(), 2, &replica.ListHomed{}); err != nil {
			t.Errorf("a list: got %v, want nil", err)
		}
		_, err = c.Look(t.Context(), 2, &replica.Look{})
		wantKind(t, "a look", err, ais.Denied)
		_, err = e.Open(t.Context(), transport.Address{Node: 2, Host: host(2)}, courier.RouteParcels)
		wantKind(t, "a stream", err, ais.Denied)
	})
}

// TestOverTLS is all of it over the real network.
func TestOverTLS(t *testing.T) {
	s := newShelf()
	o := &oracle{clerk: s.clerk}
	c := overTLS(t, o)
	result := make(chan error, 100)
	for slot := range 100 {
		w := small(slot)
		w.Records = append(w.Records, record(slot, slot*3000))
		c.Write(2, w, func(err error) { result <- err })
	}
	for range 100 {
		if err := <-result; err != nil {
			t.Errorf("write: got %v, want nil", err)
		}
	}
	for i := range 5 {
		x := extent(1, i, ais.ExtentMax)
		x.Last = i == 4
		if err := c.Extent(t.Context(), 2, x); err != nil {
			t.Errorf("extent: got %v, want nil", err)
		}
	}
	for i, x := range s.of(ais.WriteID{15: 1}) {
		if !bytes.Equal(x.Record, record(i, ais.ExtentMax)) {
			t.Errorf("extent %d came as another one", i)
		}
	}
	if got := len(s.of(ais.WriteID{15: 1})); got != 5 {
		t.Errorf("extents: got %d, want 5", got)
	}
	f, err := c.Fetch(t.Context(), 2, &replica.Fetch{Bytes: 6 << 20})
	if err != nil || len(f.Records) != 2 || len(f.Records[0][0]) != 6<<20 {
		t.Errorf("fetch of 6 MiB: got %v", err)
	}
	o.err = ais.NounErrorf(ais.NotFound, ais.NounObject, "not here")
	_, err = c.FetchExtent(t.Context(), 2, &replica.FetchExtent{})
	wantKind(t, "an extent that is not there", err, ais.NotFound)
}
