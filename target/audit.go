package target

import (
	"context"
	"fmt"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/audit"
)

// Audit says how each mountpath stands. With deep every record of every store is read and verified, one
// mountpath after the other, while the target serves.
func (t *Target) Audit(ctx context.Context, deep bool) ([]audit.Store, error) {
	all := make([]audit.Store, 0, len(t.mounts))
	for _, m := range t.mounts {
		s := audit.Store{Mountpath: m.path.ID, Dir: m.path.Dir}
		st, err := m.serving()
		if err != nil {
			s.Error = err.Error()
			all = append(all, s)
			continue
		}
		x := st.Stats()
		s.Records, s.Live, s.Dropping, s.Quarantined, s.Missing = x.Records, x.Live, st.Dropping(), x.Quarantined, x.Missing
		if deep {
			r, err := st.Check(ctx)
			if err != nil {
				return nil, ais.Errorf(ais.KindOf(err), "mountpath %s: check: %w", m.path.Dir, err)
			}
			s.Check = &audit.Check{Volumes: r.Volumes, Records: r.Records, Bytes: r.Bytes}
			for _, f := range r.Findings {
				text := fmt.Sprintf("volume %s, offset %d: %s", f.Volume, f.Offset, f.What)
				if f.Object != "" {
					text = fmt.Sprintf("object %q, %s", f.Object, text)
				}
				s.Check.Findings = append(s.Check.Findings, text)
			}
		}
		all = append(all, s)
	}
	return all, nil
}
