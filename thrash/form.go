package thrash

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/api"
	"github.com/seed9b016523/ais/cmap"
)

const (
	formMax        = time.Minute
	firstSettleMax = 90 * time.Second
	askEvery       = 200 * time.Millisecond
)

// settings of the cluster: small volumes, so that they fill and are vacuumed; short times, so that what
// takes minutes elsewhere happens often.
var settings = [...]struct{ key, value string }{
	{"volume.size", "64MiB"}, {"cluster.lease", "4s"}, {"cluster.out_after", "15s"}, {"vacuum.min_age", "1s"},
}

// form makes the cluster: the first node alone, the others join it; then the bucket.
func (r *run) form(ctx context.Context) error {
	for range r.Nodes {
		if err := r.launch(ctx, r.fleet.add()); err != nil {
			return err
		}
	}
	if err := r.until(ctx, formMax, "all nodes are alive", func(c *api.Cluster) error { return allAlive(c, r.Nodes) }); err != nil {
		return err
	}
	change := api.SettingsChange{}
	for _, s := range settings {
		change[s.key] = &s.value
	}
	if err := r.operate(ctx, func(c *api.Client) error { _, err := c.ChangeConfig(ctx, change); return err }); err != nil {
		return fmt.Errorf("configure the cluster: %w", err)
	}
	err := r.operate(ctx, func(c *api.Client) error {
		_, err := c.CreateBucket(ctx, api.BucketCreate{Name: r.bucket, Policy: "copies=2"})
		return err
	})
	if err != nil && !ais.IsKind(err, ais.Exists) {
		return fmt.Errorf("make the bucket: %w", err)
	}
	// Every node must know the bucket before clients ask for it.
	for _, m := range r.fleet.members() {
		if err := r.awaitBucket(ctx, m); err != nil {
			return err
		}
	}
	// A version of ais whose maps are never settled does not move objects: then nothing here waits for it.
	r.settles = r.until(ctx, firstSettleMax, "the first map is settled", settled) == nil
	if !r.settles {
		r.ledger.note("no map was settled within %v of the start: nothing waits for copies to be whole, and no node leaves or is lost", firstSettleMax)
	}
	return ctx.Err()
}

func (r *run) awaitBucket(ctx context.Context, m *member) error {
	ctx, cancel := context.WithTimeout(ctx, formMax)
	defer cancel()
	for {
		reply, err := r.client.do(ctx, m.index, &call{method: "GET", path: "/" + r.bucket, query: "list-type=2&max-keys=1"})
		if err == nil && reply.status == 200 {
			return nil
		}
		if !pause(ctx, askEvery) {
			return fmt.Errorf("%s does not list the new bucket: %s, %w", m.name(), class(reply, err), errors.Join(err, ctx.Err()))
		}
	}
}

func allAlive(c *api.Cluster, want int) error {
	alive := 0
	var not []string
	for _, n := range c.Nodes {
		if n.State == "alive" {
			alive++
		} else {
			not = append(not, n.State+" "+n.Why)
		}
	}
	if alive < want {
		return fmt.Errorf("%d nodes of %d are alive; others: %s", alive, want, strings.Join(not, ", "))
	}
	return nil
}

// operator is a client of the REST API at one node.
func (r *run) operator(m *member) (*api.Client, error) {
	return api.NewClient(api.ClientOptions{Endpoint: "http://" + m.listen(publicPort), AccessKey: r.fleet.access, Secret: r.fleet.secret})
}

// operate does something to the cluster by whichever node does it. It is not done by several where one has
// refused it for good.
func (r *run) operate(ctx context.Context, do func(*api.Client) error) error {
	last := errors.New("no node runs")
	for _, m := range r.fleet.running() {
		c, err := r.operator(m)
		if err != nil {
			return err
		}
		err = do(c)
		c.Close()
		if err == nil || !ais.IsKind(err, ais.Unavailable) || ctx.Err() != nil {
			return err
		}
		last = err
	}
	return last
}

// until asks for the state of the cluster until ok has no objection.
func (r *run) until(ctx context.Context, most time.Duration, what string, ok func(*api.Cluster) error) error {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	if err := awaitCluster(ctx, askEvery, r.cluster, ok); err != nil {
		return fmt.Errorf("waited %v for: %s: %w", most, what, err)
	}
	return nil
}

// awaitCluster asks for the state of the cluster until ok has no objection, or ctx ends: then the error is the last
// objection.
func awaitCluster(ctx context.Context, every time.Duration, ask func(context.Context) (*api.Cluster, error), ok func(*api.Cluster) error) error {
	last := errors.New("not asked")
	for {
		c, err := ask(ctx)
		if err == nil {
			err = ok(c)
		}
		if err == nil {
			return nil
		}
		if ctx.Err() == nil {
			last = err
		}
		if !pause(ctx, every) {
			return fmt.Errorf("it did not come: %w", last)
		}
	}
}

// clusterMax is how long one node may take to describe the cluster.
const clusterMax = 5 * time.Second

// cluster is the state of the cluster as some node sees it.
func (r *run) cluster(ctx context.Context) (c *api.Cluster, err error) {
	err = r.operate(ctx, func(client *api.Client) error {
		one, cancel := context.WithTimeout(ctx, clusterMax)
		defer cancel()
		c, err = client.Cluster(one)
		if one.Err() != nil && ctx.Err() == nil {
			return ais.Errorf(ais.Unavailable, "no answer: %w", err)
		}
		return err
	})
	return c, err
}

// watch tells how the map changes, so that what clients saw can be set beside it.
func (r *run) watch(ctx context.Context) {
	told := ""
	for pause(ctx, askEvery) {
		var m *cmap.Map
		err := r.operate(ctx, func(c *api.Client) error {
			one, cancel := context.WithTimeout(ctx, clusterMax)
			defer cancel()
			var err error
			m, err = c.Map(one, "")
			return err
		})
		if err != nil {
			continue
		}
		if now := r.describe(m); now != told {
			r.ledger.event("%s", now)
			told = now
		}
	}
}

// describe is a map in a line: who is not alive, and which names of ours are not in it.
func (r *run) describe(m *cmap.Map) string {
	names := map[string]string{}
	for _, n := range r.fleet.members() {
		names[r.fleet.idOf(n)] = n.name()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "map %d, settled %d, cut %d", m.Version(), m.Settled(), m.Cut())
	for _, n := range m.Nodes() {
		name := names[n.ID.String()]
		if name == "" {
			name = n.ID.String()
		}
		if n.State != cmap.Alive {
			fmt.Fprintf(&b, ", %s %v", name, n.State)
		}
		delete(names, n.ID.String())
	}
	for _, id := range sortedKeys(names) {
		if id != "" {
			fmt.Fprintf(&b, ", %s is not in it", names[id])
		}
	}
	return b.String()
}
