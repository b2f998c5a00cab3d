package mountpath

import (
	"fmt"
	"strings"

	"github.com/seed9b016523/ais"
)

// finding is what Open found at one path.
type finding struct {
	dir      string
	identity *identity // nil: none there
	err      error     // it could not be read
	volumes  bool      // there are volume files
	weight   uint32    // what a new member here would weigh
	device   uint64    // id of the filesystem, equal for those that share one
}

// decision is the set as it is to be opened.
type decision struct {
	target  ais.TargetID
	epoch   ais.Epoch
	forming bool // members were added: their identities are to be made
	members []decidedMember
}

type decidedMember struct {
	record  memberRecord
	at      *finding // nil: missing
	err     error    // why it is missing
	behind  bool     // its identity is of an older epoch than another's: it was away
	newborn bool     // its identity is to be made
}

// plan decides whether what was found is the set that belongs here. It is pure but for newID, which it
// asks for the ids of what is made. record is target.json, nil if there is none.
func plan(o *Options, record *identity, found []*finding, newID func() (uint64, error)) (*decision, error) {
	authority, err := newest(record, found)
	if err != nil {
		return nil, err
	}
	if err := belongs(o, record, authority, found); err != nil {
		return nil, err
	}
	d := &decision{epoch: 1, target: o.Target}
	switch {
	case authority == nil && o.Target != 0:
	case authority == nil:
		id, err := newID()
		if err != nil {
			return nil, err
		}
		d.target = ais.TargetID(id)
	default:
		if authority.Epoch == ais.EpochMax {
			return nil, ais.Errorf(ais.Exhausted, "target %s has started %d times: no boot epoch is left", authority.Target, authority.Epoch)
		}
		d.target, d.epoch, d.forming = authority.Target, authority.Epoch+1, authority.Forming
		if err := d.takeMembers(o, authority, found); err != nil {
			return nil, err
		}
	}
	if err := d.addMembers(found, newID); err != nil {
		return nil, err
	}
	return d, o.checkShared(d)
}

// newest is the identity that knows the set: the one of the highest epoch, target.json before others,
// for it is written first.
func newest(record *identity, found []*finding) (*identity, error) {
	authority := record
	for _, f := range found {
		if f.identity != nil && (authority == nil || f.identity.Epoch > authority.Epoch) {
			authority = f.identity
		}
	}
	if authority == nil {
		for _, f := range found {
			if f.err != nil {
				return nil, f.err
			}
			if f.volumes {
				return nil, ais.Errorf(ais.Corrupt, "mountpath %s has volumes but no identity: it cannot be known whose they are", f.dir)
			}
		}
	}
	return authority, nil
}

// belongs refuses what is of another cluster or target, and what is given twice.
func belongs(o *Options, record, authority *identity, found []*finding) error {
	if record != nil && record.Cluster != o.Cluster {
		return ais.Errorf(ais.Invalid, "%s is of cluster %s, this node is of cluster %s", o.Record, record.Cluster, o.Cluster)
	}
	if o.Target != 0 && authority != nil && authority.Target != o.Target {
		return ais.Errorf(ais.Invalid, "the mountpaths are of target %s, this node is %s", authority.Target, o.Target)
	}
	seen := map[ais.MountpathID]string{}
	for _, f := range found {
		id := f.identity
		if id == nil {
			continue
		}
		switch {
		case id.Cluster != o.Cluster:
			return ais.Errorf(ais.Invalid, "mountpath %s is of cluster %s, this node is of cluster %s", f.dir, id.Cluster, o.Cluster)
		case id.Target != authority.Target:
			return ais.Errorf(ais.Invalid, "mountpath %s is of target %s, this one is target %s", f.dir, id.Target, authority.Target)
		case seen[id.Mountpath] != "":
			return ais.Errorf(ais.Invalid, "mountpath %s is given twice: as %s and as %s", id.Mountpath, seen[id.Mountpath], f.dir)
		case authority.member(id.Mountpath) == nil:
			return ais.Errorf(ais.Invalid, "mountpath %s (%s) is not of the set of target %s any more", id.Mountpath, f.dir, authority.Target)
		}
		seen[id.Mountpath] = f.dir
	}
	return nil
}

// takeMembers finds every member of the known set among what was found.
func (d *decision) takeMembers(o *Options, authority *identity, found []*finding) error {
	byID := map[ais.MountpathID]*finding{}
	byDir := map[string]*finding{}
	var newestThere ais.Epoch // of the last life that served: target.json may know one that did not come so far
	for _, f := range found {
		byDir[f.dir] = f
		if f.identity != nil {
			byID[f.identity.Mountpath] = f
			newestThere = max(newestThere, f.identity.Epoch)
		}
	}
	var missing []string
	for _, r := range authority.Mountpaths {
		m := decidedMember{record: r, at: byID[r.ID]}
		there := byDir[r.Path]
		switch {
		case m.at != nil:
			m.record.Path = m.at.dir
			m.behind = m.at.identity.Epoch < newestThere
		case authority.Forming && there != nil && there.err == nil && there.identity == nil && !there.volumes:
			m.at, m.newborn = there, true
		default:
			m.err = missingError(r, there)
			missing = append(missing, m.err.Error())
		}
		d.members = append(d.members, m)
	}
	if len(missing) == len(d.members) {
		return ais.Errorf(ais.Unavailable, "no mountpath of target %s is there: %s", authority.Target, strings.Join(missing, "; "))
	}
	if len(missing) > 0 && (!o.AllowMissing || authority.Forming) {
		return ais.Errorf(ais.Unavailable, "%s", strings.Join(missing, "; "))
	}
	return nil
}

func missingError(r memberRecord, there *finding) error {
	why := "it was not given"
	var cause error
	switch {
	case there == nil:
	case there.err != nil:
		why, cause = "it cannot be read", there.err
	case there.identity != nil:
		why = fmt.Sprintf("there is mountpath %s", there.identity.Mountpath)
	default:
		why = "there is no identity; is its disk mounted?"
	}
	if cause != nil {
		return ais.Errorf(ais.Unavailable, "mountpath %s, last seen at %s, is missing: %s: %w", r.ID, r.Path, why, cause)
	}
	return ais.Errorf(ais.Unavailable, "mountpath %s, last seen at %s, is missing: %s", r.ID, r.Path, why)
}

// addMembers makes members of what is new, if that moves no data.
func (d *decision) addMembers(found []*finding, newID func() (uint64, error)) error {
	taken := map[*finding]bool{}
	lastSeen := map[string]bool{}
	populated := ""
	for _, m := range d.members {
		if m.at == nil {
			lastSeen[m.record.Path] = true
			populated = m.record.Path // what is not there may hold anything
			continue
		}
		taken[m.at] = true
		if m.at.volumes {
			populated = m.at.dir
		}
	}
	for _, f := range found {
		if taken[f] || lastSeen[f.dir] {
			continue // lastSeen: the place of a missing member, which Options.AllowMissing lets pass
		}
		switch {
		case f.err != nil:
			return f.err
		case f.volumes:
			return ais.Errorf(ais.Corrupt, "mountpath %s has volumes but no identity: it cannot be known whose they are", f.dir)
		case populated != "":
			return ais.Errorf(ais.Invalid, "mountpath %s is new, and %s holds data already: slots would have to move to it, which this version cannot do", f.dir, populated)
		}
		id, err := newID()
		if err != nil {
			return err
		}
		d.forming = true
		d.members = append(d.members, decidedMember{
			record:  memberRecord{ID: ais.MountpathID(id), Weight: f.weight, Path: f.dir},
			at:      f,
			newborn: true,
		})
	}
	if len(d.members) == 0 || len(d.members) > membersMax {
		return ais.Errorf(ais.Invalid, "%d mountpaths: want 1 to %d", len(d.members), membersMax)
	}
	return nil
}

// checkShared refuses two mountpaths on one filesystem, unless that is allowed.
func (o *Options) checkShared(d *decision) error {
	if o.AllowSharedFilesystem {
		return nil
	}
	byDevice := map[uint64]string{}
	for _, m := range d.members {
		if m.at == nil {
			continue
		}
		if other := byDevice[m.at.device]; other != "" {
			return ais.Errorf(ais.Invalid, "mountpaths %s and %s are on the same filesystem: one disk's fault would take both", other, m.at.dir)
		}
		byDevice[m.at.device] = m.at.dir
	}
	return nil
}
