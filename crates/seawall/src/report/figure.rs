//! Numbers for people: three significant digits, a unit, and never more certainty than there is.

use super::text::NO_BREAK_SPACE;
use seawall_model::metric::{Metric, Unit};
use seawall_model::signature::ShareEstimate;

const DECIMAL: [&str; 5] = ["", "k", "M", "G", "T"];
const BYTES: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
const BITS: [&str; 5] = ["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"];
/// Whole counts up to here are shown to the last digit.
const EXACT_BELOW: f64 = 100_000.0;

/// The value of a metric in its unit.
#[must_use]
pub fn value(metric: Metric, x: f64) -> String {
    match metric.unit() {
        Unit::PerSecond => format!("{}/s", quantity(x)),
        Unit::BitsPerSecond => bits_per_second(x),
        Unit::Share => share(x),
        Unit::Count if is_uncounted(metric, x) => format!("over {}", count(FAN_OUT_TOLD)),
        Unit::Count => count(x),
        Unit::Ratio => quantity(x),
        Unit::Microseconds => duration(x / 1e6),
        Unit::Seconds => duration(x),
        Unit::Bytes => bytes(x),
        Unit::Entropy => fixed(x),
    }
}

/// The value with what it is: "12.4k requests per second", "answers 5xx: 31 %".
#[must_use]
pub fn phrase(metric: Metric, x: f64) -> String {
    let title = metric.title();
    match metric.unit() {
        Unit::PerSecond => format!("{}{NO_BREAK_SPACE}{title}", quantity(x)),
        Unit::Count => {
            let shown = value(metric, x);
            let what = if shown == "1" { of_one(title) } else { title.to_owned() };
            format!("{shown}{NO_BREAK_SPACE}{what}")
        }
        Unit::BitsPerSecond => {
            let what = title.replacen("bits per second", "", 1).replacen("bits ", "", 1).replacen(
                " per second",
                "",
                1,
            );
            format!("{} {}", bits_per_second(x), what.trim()).trim_end().into()
        }
        _ => format!("{title}: {}", value(metric, x)),
    }
}

/// What is told of doors that one source tried: beyond, its bitmap of them is full and counts no more.
const FAN_OUT_TOLD: f64 = 100.0;
const FAN_OUT_FULL: f64 = 150.0;

/// Whether so many were found that they were not counted.
pub fn is_uncounted(metric: Metric, x: f64) -> bool {
    matches!(metric, Metric::PortFanOut | Metric::HostFanOut | Metric::GuessedNames) && x >= FAN_OUT_FULL
}

/// A title of many things as the title of one: "distinct clients" as "distinct client".
fn of_one(title: &str) -> String {
    let mut made_one = false;
    let one_of = |word: &str| {
        let ending = match word {
            _ if made_one || word.ends_with("ss") || !word.ends_with('s') => 0,
            _ if word.ends_with("sses") => 2,
            _ => 1,
        };
        made_one |= ending > 0;
        word[..word.len() - ending].to_owned()
    };
    title.split(' ').map(one_of).collect::<Vec<_>>().join(" ")
}

/// How many times as much: "31 times".
#[must_use]
pub fn times(observed: f64, expected: f64) -> Option<String> {
    let ratio = observed / expected;
    (ratio.is_finite() && ratio >= 1.5).then(|| format!("{}{NO_BREAK_SPACE}times", quantity(ratio)))
}

/// `398`, `12.4k`, `1.2M`, `0.12`.
#[must_use]
pub fn quantity(x: f64) -> String {
    if !is_sayable(x) {
        return "unknown".into();
    }
    let (scaled, suffix) = scale(x, &DECIMAL);
    format!("{}{suffix}", digits(scaled))
}

/// A whole number: `37,623`, `1.2M`.
#[must_use]
pub fn count(x: f64) -> String {
    if !is_sayable(x) || x.abs() >= EXACT_BELOW || (x.fract() != 0.0 && x.abs() < 10.0) {
        return quantity(x);
    }
    grouped(x.round() as i64)
}

/// Every digit of a counter, in groups of three: `1,204,331`.
#[must_use]
pub fn whole(n: u64) -> String {
    grouped(i64::try_from(n).unwrap_or(i64::MAX))
}

fn grouped(n: i64) -> String {
    let text = n.unsigned_abs().to_string();
    let mut shown = String::with_capacity(text.len() + text.len() / 3 + 1);
    if n < 0 {
        shown.push('-');
    }
    for (i, digit) in text.chars().enumerate() {
        if i > 0 && (text.len() - i).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// A fraction of one as a percentage. Only exactly nothing is `0 %`, only exactly all is `100 %`.
#[must_use]
pub fn share(x: f64) -> String {
    if !is_sayable(x) {
        return "unknown".into();
    }
    let percent = x * 100.0;
    let number = match percent {
        p if p <= 0.0 => "0".into(),
        p if p < 0.01 => "under 0.01".into(),
        p if p < 0.095 => format!("{p:.2}"),
        p if p < 9.95 => trimmed(p, 1),
        p if p < 99.0 => format!("{p:.0}"),
        p if p < 99.9 => trimmed(p.min(99.9), 1),
        p if p < 99.99 => trimmed(p.min(99.98), 2),
        p if p < 100.0 => "over 99.99".into(),
        p => format!("{p:.0}"),
    };
    format!("{number}{NO_BREAK_SPACE}%")
}

/// A share with its interval where that is wide enough to matter: `94 % (91–96 %)`.
#[must_use]
pub fn estimate(e: ShareEstimate) -> String {
    let shown = share(e.share);
    if e.high - e.low < 0.005 {
        return shown;
    }
    format!("{shown} ({}–{}{NO_BREAK_SPACE}%)", rough(e.low), rough(e.high))
}

/// A weight of evidence, natural log-odds.
#[must_use]
pub fn weight(x: f64) -> String {
    if x.is_finite() && x.abs() < 1e6 { format!("{x:.1}") } else { "unknown".into() }
}

/// A probability; never certain.
#[must_use]
pub fn confidence(x: f64) -> String {
    match x {
        x if !x.is_finite() => "unknown".into(),
        x if x > 0.99 => format!("over 99{NO_BREAK_SPACE}%"),
        x if x < 0.01 => format!("under 1{NO_BREAK_SPACE}%"),
        x => format!("{:.0}{NO_BREAK_SPACE}%", x * 100.0),
    }
}

/// `1.2 kB`.
#[must_use]
pub fn bytes(x: f64) -> String {
    with_unit(x, &BYTES)
}

/// `3.2 Gbit/s`.
#[must_use]
pub fn bits_per_second(x: f64) -> String {
    with_unit(x, &BITS)
}

/// A span of seconds: `1.8 s`, `320 ms`, `2 min 40 s`, `3 h 5 min`, `4 d 2 h`.
#[must_use]
pub fn duration(seconds: f64) -> String {
    if !is_sayable(seconds) {
        return "unknown".into();
    }
    if seconds < 0.0 {
        return format!("-{}", duration(-seconds));
    }
    let n = NO_BREAK_SPACE;
    let whole = seconds.round() as u64;
    match seconds {
        0.0 => format!("0{n}s"),
        s if s < 0.000_999_5 => format!("{}{n}µs", digits(s * 1e6)),
        s if s < 0.9995 => format!("{}{n}ms", digits(s * 1e3)),
        s if s < 59.95 => format!("{}{n}s", trimmed(s, if s < 10.0 { 1 } else { 0 })),
        _ if whole < 3_600 => two_units(whole, 60, "min", 1, "s"),
        _ if whole < 86_400 => two_units(whole, 3_600, "h", 60, "min"),
        _ => two_units(whole, 86_400, "d", 3_600, "h"),
    }
}

/// Two decimals, for figures between 0 and 1.
fn fixed(x: f64) -> String {
    if x.abs() < 1e3 { format!("{x:.2}") } else { quantity(x) }
}

/// The end of an interval in percent: the nearest whole one, or one digit where that is nothing.
fn rough(x: f64) -> String {
    let percent = x * 100.0;
    if percent < 0.95 { trimmed(percent, 1) } else { format!("{percent:.0}") }
}

fn two_units(whole: u64, large: u64, large_name: &str, small: u64, small_name: &str) -> String {
    let n = NO_BREAK_SPACE;
    let (first, second) = (whole / large, whole % large / small);
    if second == 0 {
        format!("{first}{n}{large_name}")
    } else {
        format!("{first}{n}{large_name}{n}{second}{n}{small_name}")
    }
}

fn with_unit(x: f64, units: &[&'static str; 5]) -> String {
    if !is_sayable(x) {
        return "unknown".into();
    }
    let (scaled, unit) = scale(x, units);
    format!("{}{NO_BREAK_SPACE}{unit}", digits(scaled))
}

/// Whether a figure can have been measured at all.
fn is_sayable(x: f64) -> bool {
    x.abs() < 1e18
}

fn scale(x: f64, units: &[&'static str; 5]) -> (f64, &'static str) {
    let mut scaled = x;
    let mut i = 0;
    // 999.5 would round up to four digits.
    while scaled.abs() >= 999.5 && i + 1 < units.len() {
        scaled /= 1_000.0;
        i += 1;
    }
    (scaled, units[i])
}

/// Two to three significant digits, no trailing zeros.
fn digits(x: f64) -> String {
    match x.abs() {
        a if a >= 99.95 => format!("{x:.0}"),
        a if a >= 0.95 => trimmed(x, 1),
        0.0 => "0".into(),
        a if a >= 0.005 => trimmed(x, 2),
        _ => "under 0.01".into(),
    }
}

fn trimmed(x: f64, decimals: usize) -> String {
    let text = format!("{x:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::super::text::plain_spaces;
    use super::*;

    #[test]
    fn quantities_keep_three_digits() {
        let cases =
            [(0.0, "0"), (0.123, "0.12"), (7.04, "7"), (12_449.0, "12.4k"), (999.6, "1k"), (1.25e9, "1.2G")];
        for (x, shown) in cases {
            assert_eq!(quantity(x), shown);
        }
        assert_eq!(count(37_623.0), "37,623");
        assert_eq!(grouped(-1_204_331), "-1,204,331");
        assert_eq!(quantity(f64::NAN), "unknown");
    }

    /// Broke: "1 distinct source addresse".
    #[test]
    fn of_one_there_is_no_plural() {
        assert_eq!(of_one("distinct source addresses"), "distinct source address");
        assert_eq!(of_one("guesses of clients that only try"), "guess of clients that only try");
        assert_eq!(of_one("access to pages"), "access to page");
    }

    #[test]
    fn shares_never_round_to_certainty() {
        let cases = [
            (0.0, "0 %"),
            (0.000_05, "under 0.01 %"),
            (0.000_2, "0.02 %"),
            (0.042, "4.2 %"),
            (0.97, "97 %"),
            (0.996, "99.6 %"),
            (0.999_96, "over 99.99 %"),
            (1.0, "100 %"),
        ];
        for (x, shown) in cases {
            assert_eq!(plain_spaces(&share(x)), shown);
        }
        assert_eq!(plain_spaces(&confidence(1.0)), "over 99 %");
        let estimate = estimate(ShareEstimate { share: 0.94, low: 0.91, high: 0.96 });
        assert_eq!(plain_spaces(&estimate), "94 % (91–96 %)");
        let estimate = super::estimate(ShareEstimate { share: 1.0, low: 0.981, high: 0.999_99 });
        assert_eq!(plain_spaces(&estimate), "100 % (98–100 %)");
        let estimate = super::estimate(ShareEstimate { share: 0.002, low: 0.000_6, high: 0.007 });
        assert_eq!(plain_spaces(&estimate), "0.2 % (0.1–0.7 %)");
    }

    #[test]
    fn durations_use_two_units() {
        let cases = [
            (0.000_012, "12 µs"),
            (0.32, "320 ms"),
            (1.84, "1.8 s"),
            (59.99, "1 min"),
            (160.0, "2 min 40 s"),
            (11_100.0, "3 h 5 min"),
            (352_800.0, "4 d 2 h"),
        ];
        for (x, shown) in cases {
            assert_eq!(plain_spaces(&duration(x)), shown);
        }
    }

    #[test]
    fn metrics_are_said_in_their_unit() {
        assert_eq!(plain_spaces(&phrase(Metric::RequestRate, 12_400.0)), "12.4k requests per second");
        assert_eq!(plain_spaces(&phrase(Metric::BitRate, 3.21e9)), "3.2 Gbit/s");
        assert_eq!(plain_spaces(&phrase(Metric::ClientCount, 1.0)), "1 distinct client");
        let ports = phrase(Metric::PortFanOut, 266.2);
        assert_eq!(plain_spaces(&ports), "over 100 destination ports tried by the busiest prober");
        assert_eq!(plain_spaces(&phrase(Metric::HttpBitRate, 2e6)), "2 Mbit/s of answers");
        let unasked = plain_spaces(&phrase(Metric::ReflectedBitRate, 2e6));
        assert_eq!(unasked, "2 Mbit/s of unasked answers from one service port");
        assert_eq!(plain_spaces(&phrase(Metric::ServerErrorShare, 0.31)), "answers 5xx: 31 %");
        assert_eq!(plain_spaces(&value(Metric::DurationP95, 1_840_000.0)), "1.8 s");
    }
}
