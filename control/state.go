package control

import (
	"context"
	"log/slog"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/disk"
)

// snapshotEveryDefault bounds the log: a start replays at most so many commands.
const snapshotEveryDefault = 1024

// Options opens a state.
type Options struct {
	FS     disk.FS
	Dir    string // the database's own directory, DIR/control; made if it does not exist
	Logger *slog.Logger
	// SnapshotEvery is the number of commands after which the state is written whole and the log
	// before it dropped; 0 is 1,024.
	SnapshotEvery int
}

// State is the control state on disk and in memory. It is safe for concurrent use.
type State struct {
	logger        *slog.Logger
	dir           string
	snapshotEvery int

	// newest is the state whose command is durable. Only the holder of turn replaces it.
	newest *Newest

	// turn holds one token; who has it may append. A channel rather than a lock, so that waiting ends
	// with the caller's context.
	turn chan struct{}

	// Guarded by turn.
	store   *store
	logSize int   // commands in the log, after the snapshot
	failure error // set once the disk failed: what the log holds is not known any more
}

// Open reads the state: the newest snapshot, and the commands after it. It starts nothing. Errors are
// of kind Corrupt where the database is damaged, Invalid where a newer ais wrote it.
func Open(o Options) (*State, error) {
	if o.SnapshotEvery == 0 {
		o.SnapshotEvery = snapshotEveryDefault
	}
	store, err := openStore(o.FS, o.Dir, o.Logger)
	if err != nil {
		return nil, err
	}
	view, logSize, err := store.load()
	if err != nil {
		store.abandon()
		return nil, ais.Errorf(ais.KindOf(err), "control state in %s: %w", o.Dir, err)
	}
	s := &State{
		logger:        o.Logger,
		dir:           o.Dir,
		snapshotEvery: o.SnapshotEvery,
		turn:          make(chan struct{}, 1),
		store:         store,
		logSize:       logSize,
		newest:        NewNewest(view),
	}
	s.turn <- struct{}{}
	if unknown := view.Config().Unknown(); len(unknown) > 0 {
		o.Logger.Warn("configuration passed over: unknown to this version", "keys", unknown)
	}
	return s, nil
}

// Begin is the function Begin on this state.
func (s *State) Begin(ctx context.Context, f FirstStart) (*Key, error) { return Begin(ctx, s, f) }

// View is the newest state. It takes no lock.
func (s *State) View() *View { return s.newest.View() }

// Index is the index of the newest command.
func (s *State) Index() ais.ControlIndex { return s.View().index }

// Watch implements Proposer. The error is of kind Unavailable once the state is closed.
func (s *State) Watch(ctx context.Context, after ais.ControlIndex) (*View, error) {
	return s.newest.Watch(ctx, after)
}

// Propose appends a command to the log and applies it. It returns when the command is durable: the
// index of the command, and what the state made of it. A refusal by the state (the bucket exists, the
// revision is an old one) is an error with an index other than 0. After an error of kind Unavailable
// from the disk, whether the command is in the log is not known until the next Open.
//
// Commands are applied one at a time, in the order of their indices. ctx ends the wait for the turn;
// once the command is being written it is written to the end.
func (s *State) Propose(ctx context.Context, c Command) (ais.ControlIndex, Result, error) {
	if err := Check(c); err != nil {
		return 0, Result{}, err
	}
	encoded, err := Encode(c)
	if err != nil {
		return 0, Result{}, err
	}
	// What is applied is what a replay will read, not what the caller may still hold and change.
	c, err = Decode(encoded)
	if err != nil {
		return 0, Result{}, err
	}
	select {
	case <-s.turn:
	case <-ctx.Done():
		return 0, Result{}, context.Cause(ctx)
	}
	defer func() { s.turn <- struct{}{} }()
	if s.failure != nil {
		return 0, Result{}, s.failure
	}
	if err := CheckLevel(s.View(), c); err != nil {
		return 0, Result{}, err
	}
	at := s.View().index + 1
	if err := s.store.append(at, encoded); err != nil {
		return 0, Result{}, s.fail(err)
	}
	s.logSize++
	next, result, err := s.View().Apply(at, c)
	s.newest.Publish(next)
	if s.logSize >= s.snapshotEvery {
		s.snapshot()
	}
	return at, result, err
}

// fail ends all further commands. The turn is held.
func (s *State) fail(err error) error {
	s.failure = ais.Errorf(ais.Unavailable, "control state in %s takes no more commands: %w", s.dir, err)
	s.logger.Error("control state failed", "dir", s.dir, "err", err)
	return s.failure
}

// snapshot writes the newest state and drops the log before it. The turn is held. The command that led
// here is durable already, so a failure concerns the next one only.
func (s *State) snapshot() {
	if err := s.store.writeSnapshot(s.View()); err != nil {
		_ = s.fail(err) // logged there; whoever proposes next gets it
		return
	}
	s.logSize = 0
}

// Close waits for the command under way, ends all watches and releases the database. The newest view
// stays readable.
func (s *State) Close() error {
	<-s.turn
	defer func() { s.turn <- struct{}{} }()
	if s.store == nil {
		return nil
	}
	s.newest.Close()
	err := s.store.close()
	s.store = nil
	if s.failure == nil {
		s.failure = ais.Errorf(ais.Unavailable, "control state in %s is closed", s.dir)
	}
	return err
}
