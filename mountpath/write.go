package mountpath

import (
	"context"
	"time"

	"github.com/seed9b016523/ais"
)

// write makes the decision durable: target.json, the identities, and target.json again once no member
// lacks its identity. A member that fails is disabled; one that was to be made is an error.
func (op *opening) write(ctx context.Context, d *decision) error {
	id := identity{Cluster: op.Cluster, Target: d.target, Epoch: d.epoch, Forming: d.forming}
	for _, m := range d.members {
		id.Mountpaths = append(id.Mountpaths, m.record)
	}
	if err := op.writeFile(op.Record, id); err != nil {
		return ais.Errorf(ais.Unavailable, "write the target's record: %w", err)
	}
	if err := op.writeIdentities(ctx, d, id); err != nil {
		return err
	}
	if !d.forming {
		return nil
	}
	id.Forming = false
	if err := op.writeFile(op.Record, id); err != nil {
		return ais.Errorf(ais.Unavailable, "write the target's record: %w", err)
	}
	return nil
}

func (op *opening) writeFile(name string, id identity) error {
	b, err := id.encode()
	if err != nil {
		return err
	}
	return op.FS.WriteFileSync(name, b)
}

// writeIdentities writes all identities at once, and waits no longer than the patience for any.
func (op *opening) writeIdentities(ctx context.Context, d *decision, id identity) error {
	id.Forming = false
	waits := make([]<-chan error, len(d.members))
	for i, m := range d.members {
		if m.at == nil {
			continue
		}
		mine := id
		mine.Mountpath = m.record.ID
		done := make(chan error, 1) // buffered: nobody may be waiting any more
		go func() { done <- op.writeFile(identityName(m.at.dir), mine) }()
		waits[i] = done
	}
	deadline := time.NewTimer(op.Patience)
	defer deadline.Stop()
	overdue := false
	serving := 0
	for i := range d.members {
		m := &d.members[i]
		if waits[i] == nil {
			continue
		}
		var err error
		if overdue {
			select {
			case err = <-waits[i]:
			default:
				err = errSlow
			}
		} else {
			select {
			case err = <-waits[i]:
			case <-deadline.C:
				overdue, err = true, errSlow
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		if err != nil {
			m.err = ais.Errorf(ais.Unavailable, "mountpath %s (%s): write its identity: %w", m.record.ID, m.at.dir, err)
			if m.newborn {
				return m.err
			}
			op.Logger.Error("mountpath disabled", "mountpath", m.at.dir, "id", m.record.ID, "err", m.err)
			continue
		}
		serving++
	}
	if serving == 0 {
		return ais.Errorf(ais.Unavailable, "no mountpath of target %s takes its identity", d.target)
	}
	return nil
}

var errSlow = ais.Errorf(ais.Unavailable, "it does not answer")
