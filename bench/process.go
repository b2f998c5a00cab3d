package bench

import (
	"bytes"
	"os"
	"strconv"
	"time"

	"github.com/seed9b016523/ais"
)

// ticksPerSecond is USER_HZ, the unit of the times in /proc/PID/stat: 100 on every Linux that Go
// runs on.
const ticksPerSecond = 100

// processTime is the user and system time that a set of processes has used up, dead children left out.
type processTime struct{ user, system time.Duration }

func (a processTime) sub(b processTime) processTime {
	return processTime{a.user - b.user, a.system - b.system}
}

func timeOf(pids []int) (sum processTime, err error) {
	for _, pid := range pids {
		b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err != nil {
			return sum, ais.Errorf(ais.NotFound, "process %d: %w", pid, err)
		}
		t, err := parseStat(b)
		if err != nil {
			return sum, ais.Errorf(ais.Internal, "process %d: %w", pid, err)
		}
		sum.user += t.user
		sum.system += t.system
	}
	return sum, nil
}

// parseStat reads utime and stime, fields 14 and 15 of proc_pid_stat(5). Field 2, the name in
// parentheses, may hold spaces and parentheses, so counting starts behind its end, with field 3.
func parseStat(b []byte) (processTime, error) {
	fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(fields) < 13 {
		return processTime{}, ais.Errorf(ais.Invalid, "stat has %d fields behind the name", len(fields))
	}
	var t [2]time.Duration
	for i := range t {
		n, err := strconv.ParseInt(string(fields[11+i]), 10, 64)
		if err != nil {
			return processTime{}, ais.Errorf(ais.Invalid, "stat: %w", err)
		}
		t[i] = time.Duration(n) * (time.Second / ticksPerSecond)
	}
	return processTime{user: t[0], system: t[1]}, nil
}

// memoryOf is the resident memory of the processes in bytes; one that has ended counts nothing.
func memoryOf(pids []int) (sum int64) {
	for _, pid := range pids {
		b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
		if err != nil {
			continue
		}
		if f := bytes.Fields(b); len(f) > 1 {
			pages, _ := strconv.ParseInt(string(f[1]), 10, 64)
			sum += pages * int64(os.Getpagesize())
		}
	}
	return sum
}
