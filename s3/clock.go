package s3

import "time"

const (
	weekdays = "SunMonTueWedThuFriSat"
	months   = "JanFebMarAprMayJunJulAugSepOctNovDec"
)

// civil is a date of the Gregorian calendar, in UTC.
type civil struct{ year, month, day int }

// civilOf gives the date of a day counted from 1970-01-01. The arithmetic is that of Howard Hinnant,
// "chrono-Compatible Low-Level Date Algorithms", civil_from_days: it counts in years that begin in
// March, so that the leap day comes last.
func civilOf(days int64) civil {
	days += 719468
	era := days / 146097
	if days < 0 {
		era = (days - 146096) / 146097
	}
	dayOfEra := days - era*146097
	yearOfEra := (dayOfEra - dayOfEra/1460 + dayOfEra/36524 - dayOfEra/146096) / 365
	dayOfYear := dayOfEra - (365*yearOfEra + yearOfEra/4 - yearOfEra/100)
	m := (5*dayOfYear + 2) / 153
	c := civil{year: int(yearOfEra + era*400), month: int(m + 3), day: int(dayOfYear - (153*m+2)/5 + 1)}
	if m >= 10 {
		c.month -= 12
		c.year++
	}
	return c
}

// divide cuts n into whole units and a rest that is never negative.
func divide(n, unit int64) (whole, rest int64) {
	whole, rest = n/unit, n%unit
	if rest < 0 {
		return whole - 1, rest + unit
	}
	return whole, rest
}

// appendISOTime appends milliseconds since 1970 as lists have it: 2006-01-02T15:04:05.000Z.
func appendISOTime(b []byte, unixMilli int64) []byte {
	seconds, milli := divide(unixMilli, 1000)
	days, second := divide(seconds, 86400)
	c := civilOf(days)
	b = appendDigits(b, c.year, 4)
	b = append(b, '-')
	b = appendDigits(b, c.month, 2)
	b = append(b, '-')
	b = appendDigits(b, c.day, 2)
	b = append(b, 'T')
	b = appendClock(b, int(second))
	b = append(b, '.')
	b = appendDigits(b, int(milli), 3)
	return append(b, 'Z')
}

// appendHTTPTime appends seconds since 1970 as headers have it: Mon, 02 Jan 2006 15:04:05 GMT.
func appendHTTPTime(b []byte, unix int64) []byte {
	days, second := divide(unix, 86400)
	c := civilOf(days)
	_, weekday := divide(days+4, 7) // 1970-01-01 was a Thursday
	b = append(b, weekdays[3*weekday:3*weekday+3]...)
	b = append(b, ", "...)
	b = appendDigits(b, c.day, 2)
	b = append(b, ' ')
	b = append(b, months[3*c.month-3:3*c.month]...)
	b = append(b, ' ')
	b = appendDigits(b, c.year, 4)
	b = append(b, ' ')
	b = appendClock(b, int(second))
	return append(b, " GMT"...)
}

func appendClock(b []byte, second int) []byte {
	b = appendDigits(b, second/3600, 2)
	b = append(b, ':')
	b = appendDigits(b, second/60%60, 2)
	b = append(b, ':')
	return appendDigits(b, second%60, 2)
}

func appendDigits(b []byte, n, width int) []byte {
	switch width {
	case 4:
		b = append(b, byte('0'+n/1000%10))
		fallthrough
	case 3:
		b = append(b, byte('0'+n/100%10))
		fallthrough
	default:
		return append(b, byte('0'+n/10%10), byte('0'+n%10))
	}
}

// parseHTTPTime reads a date of a conditional header in any of the forms of RFC 9110 §5.6.7; ISO 8601
// is taken too, as AWS takes it. A date that cannot be read makes the header count as absent.
func parseHTTPTime(s string) (unix int64, ok bool) {
	for _, layout := range []string{
		"Mon, 02 Jan 2006 15:04:05 GMT", time.RFC1123Z, time.RFC1123, time.RFC850, time.ANSIC, time.RFC3339,
	} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.Unix(), true
		}
	}
	return 0, false
}
