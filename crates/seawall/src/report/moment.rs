//! Instants for people: UTC, no finer than the length of the whole calls for.

use seawall_model::Timestamp;
use seawall_model::time::{MILLISECOND_NS, SECOND_NS};

/// Below this length the seconds are too coarse to tell things apart.
const FINE_BELOW_S: f64 = 20.0;
/// From this length on the time of day alone would be ambiguous.
const DAYS_FROM_S: f64 = 86_400.0;

/// How instants of one report are written, so that all of them look alike.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    millis: bool,
    dates: bool,
}

impl Clock {
    /// For instants like these. Milliseconds are shown where the whole is short and any of them
    /// has some.
    #[must_use]
    pub fn for_times(times: &[Timestamp]) -> Self {
        let first = times.iter().copied().min().unwrap_or_default();
        let last = times.iter().copied().max().unwrap_or_default();
        let is_fine = times.iter().any(|t| t.0.rem_euclid(SECOND_NS) >= MILLISECOND_NS);
        let span_s = last.since_s(first);
        let same_day = first.floor_to(86_400 * SECOND_NS) == last.floor_to(86_400 * SECOND_NS);
        Self {
            millis: is_fine && span_s < FINE_BELOW_S,
            dates: span_s >= DAYS_FROM_S || (!same_day && span_s > 0.0),
        }
    }

    /// Time of day, with the date where the span needs it: `14:03:07`, `2026-04-02 14:03:07`.
    #[must_use]
    pub fn short(self, t: Timestamp) -> String {
        if self.dates { format!("{} {}", date(t), self.time(t)) } else { self.time(t) }
    }

    /// Date and time: `2026-04-02 14:03:07 UTC`.
    #[must_use]
    pub fn full(self, t: Timestamp) -> String {
        format!("{} {} UTC", date(t), self.time(t))
    }

    fn time(self, t: Timestamp) -> String {
        let c = t.civil();
        let time = format!("{:02}:{:02}:{:02}", c.hour, c.minute, c.second);
        if self.millis { format!("{time}.{:03}", t.0.rem_euclid(SECOND_NS) / MILLISECOND_NS) } else { time }
    }
}

/// The year that stands for one that no input told.
const NO_YEAR: i64 = 1970;

/// `2026-04-02`; `2 Apr` where the year is not known.
#[must_use]
pub fn date(t: Timestamp) -> String {
    let c = t.civil();
    if c.year == NO_YEAR {
        return format!("{} {}", c.day, c.month_name());
    }
    format!("{:04}-{:02}-{:02}", c.year, c.month, c.day)
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Timestamp = Timestamp(1_775_138_587_250_000_000);

    /// Broke: a log whose stamps lack the year was said to be of 1970.
    #[test]
    fn a_year_that_nobody_told_is_not_shown() {
        let t = Timestamp::from_seconds((31 + 28 + 10) * 86_400);
        assert_eq!(date(t), "11 Mar");
        assert_eq!(Clock::for_times(&[t]).full(t), "11 Mar 00:00:00 UTC");
    }

    #[test]
    fn short_spans_get_milliseconds_and_long_ones_dates() {
        let minutes = Clock::for_times(&[T, T.plus_ns(160 * SECOND_NS)]);
        assert_eq!(minutes.short(T), "14:03:07");
        assert_eq!(minutes.full(T), "2026-04-02 14:03:07 UTC");
        let instant = Clock::for_times(&[T, T.plus_ns(SECOND_NS)]);
        assert_eq!(instant.short(T), "14:03:07.250");
        let whole = Timestamp::from_seconds(T.seconds());
        assert_eq!(Clock::for_times(&[whole, whole.plus_ns(SECOND_NS)]).short(whole), "14:03:07");
        let days = Clock::for_times(&[T, T.plus_ns(200_000 * SECOND_NS)]);
        assert_eq!(days.short(T), "2026-04-02 14:03:07");
    }
}
