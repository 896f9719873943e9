//! Dates as logs write them, to instants. Local times without a zone are taken as UTC.

use super::scan::{decimal, integer};
use seawall_model::time::{Civil, SECOND_NS, is_day};
use seawall_model::{Prefix, Timestamp};
use std::sync::Arc;

/// Bytes of `17/May/2015:10:05:03 +0000`.
pub(super) const CLF_BYTES: usize = 26;

/// Bytes of `17/May/2015:10:05:`.
const MINUTE_BYTES: usize = 18;

/// Reads dates and remembers two things between lines: the last minute and zone, since most lines
/// of a busy log repeat them, and a reference instant for stamps that lack the year. Beside them it
/// hands on what else holds for all lines: the proxies to believe.
#[derive(Clone, Debug)]
pub(super) struct Dates {
    last_minute: [u8; MINUTE_BYTES],
    minute: Timestamp,
    /// The last instant whose year is known; a stamp without a year gets the year that brings it
    /// nearest to this.
    reference: Timestamp,
    /// Whether a date was read, with or without its year.
    has_read: bool,
    /// Whether the reference's year was read.
    has_year: bool,
    /// Addresses that may speak for others, beside those that are known to.
    proxies: Option<Arc<[Prefix]>>,
}

impl Default for Dates {
    /// Without any known year, stamps lie in 1970: their distances are right, their year is not.
    fn default() -> Self {
        // The middle of the year, from which all its days are nearest.
        let (minute, reference) = (Timestamp(0), Timestamp::from_seconds(181 * 86_400));
        let last_minute = [0; MINUTE_BYTES];
        Self { last_minute, minute, reference, has_read: false, has_year: false, proxies: None }
    }
}

#[cfg(test)]
impl Dates {
    /// As if a date in the middle of the year had been read.
    pub(super) fn in_year(year: i64) -> Self {
        let mut dates = Self::default();
        dates.saw(Civil { year, month: 7, day: 1, hour: 0, minute: 0, second: 0 }.timestamp());
        dates
    }
}

impl Dates {
    pub(super) fn trust(&mut self, proxies: Arc<[Prefix]>) {
        self.proxies = Some(proxies).filter(|p| !p.is_empty());
    }

    pub(super) fn proxies(&self) -> Option<Arc<[Prefix]>> {
        self.proxies.clone()
    }

    /// An instant with its year was read.
    pub(super) fn saw(&mut self, time: Timestamp) {
        self.reference = time;
        (self.has_read, self.has_year) = (true, true);
    }

    /// The date read last, if its year is known.
    pub(super) fn with_year(&self) -> Option<Timestamp> {
        self.has_year.then_some(self.reference)
    }

    /// The date read last, for lines that have none of their own.
    pub(super) fn latest(&self) -> Option<Timestamp> {
        self.has_read.then_some(self.reference)
    }

    /// `17/May/2015:10:05:03 +0000`, a fraction after the seconds allowed, zone optional; a space
    /// before the hour as Python's servers write it.
    #[inline]
    pub(super) fn clf(&mut self, text: &[u8]) -> Option<Timestamp> {
        let (minute, rest) = text.split_first_chunk::<MINUTE_BYTES>()?;
        if *minute != self.last_minute {
            self.minute = clf_minute(minute)?;
            self.last_minute = *minute;
        }
        let second = two(rest.get(..2)?).filter(|&s| s <= 60)?;
        let rest = &rest[2..];
        let (fraction_ns, offset) = if rest == b" +0000" {
            (0, 0)
        } else {
            let (fraction_ns, rest) = fraction(rest);
            (fraction_ns, zone(rest.strip_prefix(b" ").unwrap_or(rest))?)
        };
        let time = self.minute.plus_ns((i64::from(second) - offset) * SECOND_NS + fraction_ns);
        self.saw(time);
        Some(time)
    }

    /// `Sep 15 16:13:46` or `Sep  5 16:13:46`, in the year nearest to the last full date.
    pub(super) fn syslog(&mut self, text: &[u8]) -> Option<Timestamp> {
        if text.len() != SYSLOG_BYTES || text[3] != b' ' || text[6] != b' ' {
            return None;
        }
        let month = month(&text[..3])?;
        let day =
            if text[4] == b' ' { u8::try_from(two(&[b'0', text[5]])?).ok()? } else { day(&text[4..6])? };
        let (hour, minute, second) = clock(&text[7..])?;
        // Where the year is only guessed, there may be a 29th of February.
        is_day(LEAP_YEAR, month, day).then_some(())?;
        let reference = self.reference;
        let near = reference.civil().year;
        let time = [near, near - 1, near + 1]
            .map(|year| Civil { year, month, day, hour, minute, second }.timestamp())
            .into_iter()
            .min_by_key(|t| t.since_ns(reference).saturating_abs())?;
        self.reference = time;
        self.has_read = true;
        Some(time)
    }
}

/// Bytes of a syslog stamp without a year.
pub(super) const SYSLOG_BYTES: usize = 15;

/// Whether a date of the Common Log Format starts here.
pub(super) fn looks_like_clf(text: &[u8]) -> bool {
    text.len() >= 20
        && text[2] == b'/'
        && text[6] == b'/'
        && matches!(text[11], b':' | b' ')
        && text[14] == b':'
        && text[17] == b':'
        && text[0].is_ascii_digit()
}

/// Whether `2024-05-01T10:00` starts here.
pub(super) fn looks_like_iso(text: &[u8]) -> bool {
    text.len() >= 20 && text[4] == b'-' && text[7] == b'-' && text[10] == b'T' && text[13] == b':'
}

fn clf_minute(text: &[u8; MINUTE_BYTES]) -> Option<Timestamp> {
    let marks = [text[2], text[6], text[14], text[17]];
    if marks != *b"//::" || !matches!(text[11], b':' | b' ') {
        return None;
    }
    let (day, month, year) = (day(&text[..2])?, month(&text[3..6])?, year(&text[7..11])?);
    let (hour, minute) = (two(&text[12..14])?, two(&text[15..17])?);
    let valid = hour < 24 && minute < 60 && is_day(year, month, day);
    let civil = Civil { year, month, day, hour: hour as u8, minute: minute as u8, second: 0 };
    valid.then(|| civil.timestamp())
}

/// ISO 8601 and its relatives: `2021-05-13T23:39:43.945958Z`, a space or an underscore for the
/// `T`, `/` for `-`, comma for the point, any fraction, zone `Z`, `+01:00`, `+0100`, ` +0100`,
/// ` UTC` or none.
pub(super) fn iso(text: &[u8]) -> Option<Timestamp> {
    iso_prefix(text).and_then(|(time, rest)| rest.is_empty().then_some(time))
}

/// As [`iso`], at the start of `text`; gives what follows. Without a separator of `T` the zone
/// must follow at once to count.
pub(super) fn iso_prefix(text: &[u8]) -> Option<(Timestamp, &[u8])> {
    if text.len() < 19 || !matches!(text[4], b'-' | b'/') || text[7] != text[4] {
        return None;
    }
    if !matches!(text[10], b'T' | b't' | b' ' | b'_' | b'-' | b':') {
        return None;
    }
    let year = year(&text[..4])?;
    let month = u8::try_from(two(&text[5..7])?).ok().filter(|m| (1..=12).contains(m))?;
    let day = day(&text[8..10])?;
    let (hour, minute, second) = clock(&text[11..19])?;
    let (fraction_ns, rest) = fraction(&text[19..]);
    let (offset, rest) = zone_prefix(rest);
    let base = instant(year, (month, day), (hour, minute, second))?;
    Some((base.plus_ns(fraction_ns).plus_ns(-offset * SECOND_NS), rest))
}

/// `Fri Oct 08 17:08:41.203277 2021`, the fraction optional (Apache's error log).
pub(super) fn apache_error(text: &[u8]) -> Option<Timestamp> {
    if text.len() < 24 || text[3] != b' ' || text[7] != b' ' || text[10] != b' ' {
        return None;
    }
    let month = month(&text[4..7])?;
    let day = if text[8] == b' ' { day(&[b'0', text[9]])? } else { day(&text[8..10])? };
    let (hour, minute, second) = clock(&text[11..19])?;
    let (fraction_ns, rest) = fraction(&text[19..]);
    let year = year(rest.strip_prefix(b" ")?)?;
    Some(instant(year, (month, day), (hour, minute, second))?.plus_ns(fraction_ns))
}

/// `19-Oct-2022 05:34:02.425` at the start (BIND); gives what follows.
pub(super) fn named_prefix(text: &[u8]) -> Option<(Timestamp, &[u8])> {
    if text.len() < 20 || text[2] != b'-' || text[6] != b'-' || text[11] != b' ' {
        return None;
    }
    let day = day(&text[..2])?;
    let month = month(&text[3..6])?;
    let year = year(&text[7..11])?;
    let (hour, minute, second) = clock(&text[12..20])?;
    let (fraction_ns, rest) = fraction(&text[20..]);
    Some((instant(year, (month, day), (hour, minute, second))?.plus_ns(fraction_ns), rest))
}

/// Seconds, milliseconds, microseconds or nanoseconds since 1970, told apart by size: a number
/// with a fraction or below 10^11 is seconds (until the year 5138), below 10^14 milliseconds,
/// below 10^17 microseconds.
pub(super) fn epoch(text: &[u8]) -> Option<Timestamp> {
    let whole = decimal(text, 0)?;
    let scale = match whole {
        0..100_000_000_000 => 9,
        100_000_000_000..100_000_000_000_000 => 6,
        100_000_000_000_000..100_000_000_000_000_000 => 3,
        _ => 0,
    };
    i64::try_from(decimal(text, scale)?).ok().map(Timestamp)
}

/// `YYYY-MM-DD` to the start of that day.
pub(super) fn day_start(text: &[u8]) -> Option<Timestamp> {
    if text.len() != 10 || text[4] != b'-' || text[7] != b'-' {
        return None;
    }
    let month = u8::try_from(two(&text[5..7])?).ok().filter(|m| (1..=12).contains(m))?;
    let (year, day) = (year(&text[..4])?, day(&text[8..])?);
    instant(year, (month, day), (0, 0, 0))
}

/// `HH:MM:SS` with or without a fraction, as nanoseconds of the day.
pub(super) fn time_of_day_ns(text: &[u8]) -> Option<i64> {
    let (hour, minute, second) = clock(text.get(..8)?)?;
    let (fraction_ns, rest) = fraction(&text[8..]);
    let seconds = i64::from(hour) * 3_600 + i64::from(minute) * 60 + i64::from(second);
    rest.is_empty().then_some(seconds * SECOND_NS + fraction_ns)
}

/// Whatever it is: ISO, CLF, epoch.
pub(super) fn any(dates: &mut Dates, text: &[u8]) -> Option<Timestamp> {
    if looks_like_clf(text) {
        return dates.clf(text);
    }
    let time = iso(text).or_else(|| epoch(text)).or_else(|| apache_error(text));
    match time {
        Some(time) => {
            dates.saw(time);
            Some(time)
        }
        None => dates.syslog(text),
    }
}

fn two(text: &[u8]) -> Option<u32> {
    let (tens, ones) = (text[0].wrapping_sub(b'0'), text[1].wrapping_sub(b'0'));
    (tens <= 9 && ones <= 9).then(|| u32::from(tens) * 10 + u32::from(ones))
}

const LEAP_YEAR: i64 = 2000;

fn instant(year: i64, (month, day): (u8, u8), (hour, minute, second): (u8, u8, u8)) -> Option<Timestamp> {
    is_day(year, month, day).then(|| Civil { year, month, day, hour, minute, second }.timestamp())
}

fn day(text: &[u8]) -> Option<u8> {
    u8::try_from(two(text)?).ok().filter(|d| (1..=31).contains(d))
}

fn year(text: &[u8]) -> Option<i64> {
    if text.len() != 4 {
        return None;
    }
    integer(text).and_then(|y| i64::try_from(y).ok()).filter(|y| (1678..2262).contains(y))
}

fn month(text: &[u8]) -> Option<u8> {
    let lower = [text[0] | 0x20, text[1] | 0x20, text[2] | 0x20];
    Some(match &lower {
        b"jan" => 1,
        b"feb" => 2,
        b"mar" => 3,
        b"apr" => 4,
        b"may" => 5,
        b"jun" => 6,
        b"jul" => 7,
        b"aug" => 8,
        b"sep" => 9,
        b"oct" => 10,
        b"nov" => 11,
        b"dec" => 12,
        _ => return None,
    })
}

/// `HH:MM:SS`; second 60 is a leap second.
fn clock(text: &[u8]) -> Option<(u8, u8, u8)> {
    if text.len() < 8 || text[2] != b':' || text[5] != b':' {
        return None;
    }
    let (hour, minute, second) = (two(&text[..2])?, two(&text[3..5])?, two(&text[6..8])?);
    (hour < 24 && minute < 60 && second <= 60).then_some((hour as u8, minute as u8, second as u8))
}

/// A fraction of a second after a point or comma, as nanoseconds, and what follows.
fn fraction(text: &[u8]) -> (i64, &[u8]) {
    let Some((b'.' | b',', digits)) = text.split_first() else { return (0, text) };
    let count = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    if count == 0 {
        return (0, text);
    }
    let nine = digits[..count].iter().copied().chain(std::iter::repeat(b'0')).take(9);
    let value = nine.fold(0_i64, |value, digit| value * 10 + i64::from(digit - b'0'));
    (value, &digits[count..])
}

/// A whole zone as seconds east of UTC; none is UTC.
fn zone(text: &[u8]) -> Option<i64> {
    if text.is_empty() {
        return Some(0);
    }
    let (offset, rest) = zone_prefix(text);
    (rest.is_empty() && rest.len() != text.len()).then_some(offset)
}

/// A zone at the start as seconds east of UTC, and what follows it.
fn zone_prefix(text: &[u8]) -> (i64, &[u8]) {
    let inner = text.strip_prefix(b" ").unwrap_or(text);
    for name in [&b"Z"[..], b"z", b"UTC", b"GMT"] {
        if let Some(rest) = inner.strip_prefix(name)
            && !rest.first().is_some_and(u8::is_ascii_alphanumeric)
        {
            return (0, rest);
        }
    }
    let sign = match inner.first() {
        Some(b'+') => 1,
        Some(b'-') => -1,
        _ => return (0, text),
    };
    let digits = &inner[1..];
    let Some(hours) = digits.get(..2).and_then(two).filter(|&h| h < 24) else { return (0, text) };
    let after = &digits[2..];
    let after = after.strip_prefix(b":").unwrap_or(after);
    let (minutes, rest) = match after.get(..2).and_then(two).filter(|&m| m < 60) {
        Some(minutes) => (minutes, &after[2..]),
        None => (0, after),
    };
    (sign * i64::from(hours * 3_600 + minutes * 60), rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(time: Option<Timestamp>) -> String {
        time.map_or_else(|| "none".to_owned(), |t| t.to_string())
    }

    #[test]
    fn common_log_dates_know_zones_and_fractions() {
        let mut dates = Dates::default();
        for _ in 0..2 {
            assert_eq!(shown(dates.clf(b"17/May/2015:10:05:03 +0000")), "2015-05-17T10:05:03Z");
        }
        assert_eq!(shown(dates.clf(b"01/Jul/1995:00:00:01 -0400")), "1995-07-01T04:00:01Z");
        assert_eq!(shown(dates.clf(b"14/Jan/2015:12:48:57.127")), "2015-01-14T12:48:57.127Z");
        assert_eq!(shown(dates.clf(b"14/Jan/2015:12:48:57.127 +0530")), "2015-01-14T07:18:57.127Z");
        for bad in [
            "32/May/2015:10:05:03 +0000",
            "31/Feb/2015:10:05:03 +0000",
            "29/Feb/2015:10:05:03 +0000",
            "31/Apr/2015:10:05:03 +0000",
            "17/Mai/2015:10:05:03 +0000",
            "17/May/2015:24:05:03 +0000",
            "",
            "17/May/2015:10:05:03 +0000x",
        ] {
            assert_eq!(dates.clf(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn iso_dates_read_in_their_many_spellings() {
        for (text, expected) in [
            ("2021-05-13T23:39:43.945958Z", "2021-05-13T23:39:43.945Z"),
            ("2025-12-31T17:37:40.493035218+01:00", "2025-12-31T16:37:40.493Z"),
            ("2023-04-06T09:05:54,991Z", "2023-04-06T09:05:54.991Z"),
            ("2021/09/30 09:23:53", "2021-09-30T09:23:53Z"),
            ("2022-04-01T08:51:42", "2022-04-01T08:51:42Z"),
            ("2022-04-01 08:51:42 -0330", "2022-04-01T12:21:42Z"),
            ("2022-04-01 08:51:42 UTC", "2022-04-01T08:51:42Z"),
        ] {
            assert_eq!(shown(iso(text.as_bytes())), expected, "{text}");
        }
        assert_eq!(iso(b"2021-13-13T23:39:43"), None);
        assert_eq!(iso(b"2021-05-13T23:39:43 x"), None);
    }

    #[test]
    fn a_day_that_no_month_has_is_no_time() {
        for bad in
            ["2023-02-29T10:00:00Z", "2023-02-31 10:00:00", "2023-06-31T10:00:00Z", "1900-02-29T10:00:00"]
        {
            assert_eq!(iso(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(shown(iso(b"2024-02-29T10:00:00Z")), "2024-02-29T10:00:00Z");
        assert_eq!(apache_error(b"Fri Feb 30 17:08:41 2021"), None);
        assert_eq!(named_prefix(b"31-Nov-2022 05:34:02.425 client"), None);
        assert_eq!(day_start(b"2023-02-29"), None);
    }

    #[test]
    fn epochs_are_told_apart_by_size() {
        for (text, expected) in [
            ("807256800", "1995-08-01T06:00:00Z"),
            ("1711741827.9626286", "2024-03-29T19:50:27.962Z"),
            ("1711741827962", "2024-03-29T19:50:27.962Z"),
            ("1711741827962628", "2024-03-29T19:50:27.962Z"),
            ("1711741827962628600", "2024-03-29T19:50:27.962Z"),
        ] {
            assert_eq!(shown(epoch(text.as_bytes())), expected, "{text}");
        }
    }

    #[test]
    fn stamps_without_a_year_take_the_nearest() {
        let mut dates = Dates::default();
        assert_eq!(shown(dates.syslog(b"Sep 15 16:13:46")), "1970-09-15T16:13:46Z");
        assert_eq!((dates.latest().is_some(), dates.with_year()), (true, None));
        let mut dates = Dates::in_year(2021);
        assert_eq!(shown(dates.syslog(b"Sep  5 16:13:46")), "2021-09-05T16:13:46Z");
        assert_eq!(shown(dates.syslog(b"Dec 31 23:59:59")), "2021-12-31T23:59:59Z");
        assert_eq!(shown(dates.syslog(b"Jan  1 00:00:01")), "2022-01-01T00:00:01Z");
        assert_eq!(dates.syslog(b"Xxx  1 00:00:01"), None);
        assert_eq!(dates.syslog(b"Feb 31 00:00:01"), None);
        assert!(dates.syslog(b"Feb 29 00:00:01").is_some(), "the year may be another");
    }

    #[test]
    fn other_dates() {
        assert_eq!(shown(apache_error(b"Fri Oct 08 17:08:41.203277 2021")), "2021-10-08T17:08:41.203Z");
        assert_eq!(shown(apache_error(b"Fri Oct  8 17:08:41 2021")), "2021-10-08T17:08:41Z");
        let (time, rest) = named_prefix(b"19-Oct-2022 05:34:02.425 client").unwrap();
        assert_eq!((shown(Some(time)), rest), ("2022-10-19T05:34:02.425Z".to_owned(), &b" client"[..]));
        assert_eq!(time_of_day_ns(b"00:01:02.5"), Some(62_500_000_000));
        assert_eq!(shown(day_start(b"2013-07-30")), "2013-07-30T00:00:00Z");
    }
}
