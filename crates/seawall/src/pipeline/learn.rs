//! What is normal, by part of the week, from raw files or from what `seawall learn` wrote.
//!
//! Traffic is counted into one window for each hour of the day, on workdays and on weekends apart
//! (UTC). A night is compared with nights: the reference for an instant is its own hour and the
//! two beside it, and the whole only where those have seen too little.

use super::frames::{FrameError, FrameReader, FrameWriter};
use super::watcher::Watcher;
use super::{LearnRequest, ProgressSink, Reading, TriageError, layout, run};
use seawall_detection::Window;
use seawall_detection::feature::Span;
use seawall_model::Timestamp;
use seawall_model::time::SECOND_NS;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// First line of a baseline file.
pub const KIND: &str = "seawall baseline 1";

const HOURS: u8 = 24;
const HOUR_S: i64 = 3_600;
/// Parts of the week that have seen less than this are no reference by themselves.
const PART_MIN_S: f64 = 1_200.0;
const PART_MIN_OBSERVATIONS: u64 = 2_000;

/// An hour of the day, on workdays (0 to 23) or on weekends (24 to 47), UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Part(u8);

impl Part {
    /// The part that holds an instant.
    #[must_use]
    pub fn of(time: Timestamp) -> Self {
        let hours = time.seconds().div_euclid(HOUR_S);
        // 1970-01-01 was a Thursday; 0 is Monday here.
        let weekday = (hours.div_euclid(i64::from(HOURS)) + 3).rem_euclid(7);
        let hour = hours.rem_euclid(i64::from(HOURS)) as u8;
        Self(if weekday >= 5 { HOURS + hour } else { hour })
    }

    fn hour(self) -> u8 {
        self.0 % HOURS
    }

    fn is_weekend(self) -> bool {
        self.0 >= HOURS
    }

    /// Whether `other` is at most an hour of the day away, on whatever day.
    fn is_near(self, other: Self) -> bool {
        let distance = (self.hour() + HOURS - other.hour()) % HOURS;
        matches!(distance, 0 | 1 | 23)
    }
}

/// One part's traffic.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Slot {
    window: Window,
    /// Seconds of traffic that the window sums up; its own span may cover weeks.
    seconds: f64,
}

impl Slot {
    fn merge(&mut self, other: &Self) {
        self.window.merge(&other.window);
        self.seconds += other.seconds;
    }
}

/// Normal traffic.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Baseline {
    parts: BTreeMap<Part, Slot>,
}

impl Baseline {
    /// Reads raw files and files of `seawall learn`, told apart by content.
    ///
    /// # Errors
    /// If a file cannot be read, or is a baseline of another version.
    pub fn read(
        files: &[PathBuf],
        reading: &Reading,
        progress: ProgressSink<'_>,
    ) -> Result<Self, TriageError> {
        Self::read_watched(files, reading, &mut |_, _| {}, progress)
    }

    /// As [`Baseline::read`]; `watch` sees every window of the raw files.
    fn read_watched(
        files: &[PathBuf],
        reading: &Reading,
        watch: &mut dyn FnMut(Timestamp, &Window),
        progress: ProgressSink<'_>,
    ) -> Result<Self, TriageError> {
        let mut sum = Self::default();
        let mut raw = Vec::new();
        for path in files {
            match stored(path)? {
                Some(baseline) => sum.merge(&baseline),
                None => raw.push(path.clone()),
            }
        }
        if !raw.is_empty() {
            sum.merge(&learnt(&raw, reading, watch, progress)?);
        }
        Ok(sum)
    }

    /// What is normal at an instant; `None` for an empty baseline.
    #[must_use]
    pub fn at(&self, part: Part) -> Option<Window> {
        let same_days = self.sum(|p| p.is_near(part) && p.is_weekend() == part.is_weekend());
        if is_enough(&same_days) {
            return condensed(same_days);
        }
        let any_days = self.sum(|p| p.is_near(part));
        condensed(if is_enough(&any_days) { any_days } else { self.sum(|_| true) })
    }

    /// What is normal over several parts together.
    #[must_use]
    pub fn over(&self, parts: &[Part]) -> Option<Window> {
        let sum = self.sum(|p| parts.iter().any(|other| p.is_near(*other)));
        condensed(if is_enough(&sum) { sum } else { self.sum(|_| true) })
    }

    fn observations(&self) -> u64 {
        self.parts.values().map(|s| observations(&s.window)).sum()
    }

    fn sum(&self, wanted: impl Fn(Part) -> bool) -> Slot {
        let mut sum = Slot::default();
        for (_, slot) in self.parts.iter().filter(|(part, _)| wanted(**part)) {
            sum.merge(slot);
        }
        sum
    }

    fn merge(&mut self, other: &Self) {
        for (part, slot) in &other.parts {
            self.parts.entry(*part).or_default().merge(slot);
        }
    }
}

fn is_enough(slot: &Slot) -> bool {
    slot.seconds >= PART_MIN_S && observations(&slot.window) >= PART_MIN_OBSERVATIONS
}

fn observations(window: &Window) -> u64 {
    window.http.as_ref().map_or(0, |h| h.counters.requests)
        + window.net.as_ref().map_or(0, |n| n.volumes.all.packets)
        + window.dns.as_ref().map_or(0, |d| d.queries + d.responses)
        + window.logins.as_ref().map_or(0, |l| l.attempts)
}

/// The slot's window with a span as long as the time it sums up, so that its rates are right.
fn condensed(slot: Slot) -> Option<Window> {
    let Slot { mut window, seconds } = slot;
    let span = window.span?;
    if seconds < span.seconds() {
        let rest_s = (seconds - 1.0).max(0.0);
        window.span = Some(Span {
            last: span.first.plus_ns((rest_s * SECOND_NS as f64) as i64),
            whole_seconds: true,
            ..span
        });
    }
    Some(window)
}

/// Counts raw files, second by second.
fn learnt(
    files: &[PathBuf],
    reading: &Reading,
    watch: &mut dyn FnMut(Timestamp, &Window),
    progress: ProgressSink<'_>,
) -> Result<Baseline, TriageError> {
    let mut counter = Counter::default();
    let mut add = |tick, window: Window| {
        watch(tick, &window);
        counter.add(tick, &window);
    };
    run::read(files, reading, &mut add, &mut |_| {}, progress)?;
    Ok(counter.finish())
}

#[derive(Debug, Default)]
struct Counter {
    parts: BTreeMap<Part, Slot>,
    second: Option<(Timestamp, Window)>,
    /// Hours since the epoch that hold traffic, by their first and last second.
    hours: BTreeMap<i64, (i64, i64)>,
}

impl Counter {
    fn add(&mut self, tick: Timestamp, window: &Window) {
        let at = tick.floor_to(SECOND_NS);
        match &mut self.second {
            Some((current, held)) if *current == at => held.merge(window),
            _ => {
                self.close_second();
                self.second = Some((at, window.clone()));
            }
        }
    }

    fn close_second(&mut self) {
        let Some((at, mut window)) = self.second.take() else { return };
        window.seal(1.0);
        self.parts.entry(Part::of(at)).or_default().window.merge(&window);
        let second = at.seconds();
        let hour = self.hours.entry(second.div_euclid(HOUR_S)).or_insert((second, second));
        *hour = (hour.0.min(second), hour.1.max(second));
    }

    /// An hour with traffic on both sides of it counts in full: silence in it was normal.
    fn finish(mut self) -> Baseline {
        self.close_second();
        for (hour, (first, last)) in &self.hours {
            let (start, end) = (hour * HOUR_S, (hour + 1) * HOUR_S);
            let from = if self.hours.contains_key(&(hour - 1)) { start } else { *first };
            let to = if self.hours.contains_key(&(hour + 1)) { end } else { last + 1 };
            let part = Part::of(Timestamp::from_seconds(start));
            self.parts.entry(part).or_default().seconds += (to - from) as f64;
        }
        Baseline { parts: self.parts }
    }
}

#[derive(Serialize, Deserialize)]
struct Header {
    layout: u64,
    program: String,
    parts: u8,
}

/// What was learnt, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Learnt {
    pub said: String,
    /// What in it does not look normal, a sentence each.
    pub doubts: Vec<String>,
}

/// Reads the files and writes what is normal; returns what to tell the user.
///
/// # Errors
/// If a file cannot be read or the baseline cannot be written.
pub fn learn(request: &LearnRequest, progress: ProgressSink<'_>) -> Result<Learnt, TriageError> {
    let mut watcher = Watcher::default();
    let mut watch = |tick, window: &Window| watcher.window(tick, window);
    let baseline = Baseline::read_watched(&request.files, &request.reading, &mut watch, progress)?;
    if let (0, Some(path)) = (baseline.observations(), request.files.first()) {
        let reason = "holds no record that could be read, so nothing was learnt".to_owned();
        return Err(TriageError::Content { path: path.clone(), reason });
    }
    let told = |source| TriageError::Write { path: request.output.clone(), source };
    let file = super::create_own(&request.output, KIND).map_err(told)?;
    write(&baseline, BufWriter::new(file)).map_err(told)?;
    let doubts = too_little(&baseline).into_iter().chain(watcher.doubts()).collect();
    Ok(Learnt { said: summary(&baseline, &request.output), doubts })
}

fn write(baseline: &Baseline, out: impl Write) -> std::io::Result<()> {
    let mut frames = FrameWriter::begin(out, KIND)?;
    let program = env!("CARGO_PKG_VERSION").to_owned();
    frames.put(&Header { layout: layout::fingerprint(), program, parts: baseline.parts.len() as u8 })?;
    for entry in &baseline.parts {
        frames.put(&entry)?;
    }
    frames.finish().map(drop)
}

/// The baseline in a file of `seawall learn`; `None` for any other file.
fn stored(path: &Path) -> Result<Option<Baseline>, TriageError> {
    if path == Path::new("-") {
        return Ok(None);
    }
    let file = File::open(path).map_err(|source| TriageError::Read { path: path.to_owned(), source })?;
    parse(BufReader::new(file)).map_err(|reason| TriageError::Content { path: path.to_owned(), reason })
}

/// Reads what [`write`] wrote; `None` for anything that does not begin like it. Nothing is taken
/// from a file that is cut short: half a week would pass for a whole one.
fn parse(input: impl Read) -> Result<Option<Baseline>, String> {
    let mut frames = match FrameReader::begin(input, KIND) {
        Ok(frames) => frames,
        // Folders and the like are told by the sensor, which says what to do.
        Err(FrameError::Kind | FrameError::Read(_)) => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let told = |error: FrameError| format!("is a baseline that is not whole: {error}");
    let header: Header = frames.next().map_err(told)?.ok_or("is a baseline without a header")?;
    if header.layout != layout::fingerprint() {
        let (theirs, ours) = (header.program, env!("CARGO_PKG_VERSION"));
        return Err(format!(
            "was learnt by seawall {theirs}, whose baselines this build of {ours} cannot read; run `seawall learn` again"
        ));
    }
    let mut baseline = Baseline::default();
    for _ in 0..header.parts {
        let entry: (Part, Slot) = frames.next().map_err(told)?.ok_or("is a baseline that is not whole")?;
        baseline.parts.insert(entry.0, entry.1);
    }
    Ok(Some(baseline))
}

fn summary(baseline: &Baseline, output: &Path) -> String {
    let seconds: f64 = baseline.parts.values().map(|s| s.seconds).sum();
    let count = baseline.observations();
    let of_days = |weekend: bool| {
        let hours = baseline.parts.iter().filter(|(p, s)| p.is_weekend() == weekend && is_enough(s));
        hours.count()
    };
    format!(
        "learnt {count} observations in {} to {}\nhours of the day with enough to compare with: {} of 24 on workdays, {} of 24 on weekends (UTC)",
        span(seconds),
        crate::report::text::visible(&output.display().to_string()),
        of_days(false),
        of_days(true)
    )
}

/// What to say of a baseline that has not seen enough for any hour of the day.
fn too_little(baseline: &Baseline) -> Option<String> {
    let all = baseline.sum(|_| true);
    (!is_enough(&all)).then(|| {
        format!(
            "{} observations in {} are too little to know what is normal: learn from at least {} with {} \
             observations, better from the logs of a week",
            observations(&all.window),
            span(all.seconds),
            span(PART_MIN_S),
            PART_MIN_OBSERVATIONS
        )
    })
}

fn span(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7_200.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3_600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_model::observation::{Observation, Request};

    fn second(requests: u64) -> Window {
        let mut window = Window::default();
        for n in 0..requests {
            let request = Request::new(Timestamp(0), std::net::IpAddr::from([192, 0, 2, 1]));
            window.observe(&Observation::Request(request), n);
        }
        window
    }

    /// Two weeks, ten seconds apart, ten times as busy from 08:00 to 20:00 on workdays.
    fn two_weeks() -> Baseline {
        let mut counter = Counter::default();
        // 2024-05-06 is a Monday.
        let monday: Timestamp = "2024-05-06T00:00:00Z".parse().expect("a time");
        for s in (0..14 * 86_400).step_by(60) {
            let at = monday.plus_ns(s * SECOND_NS);
            let part = Part::of(at);
            let busy = !part.is_weekend() && (8..20).contains(&part.hour());
            let mut window = second(if busy { 100 } else { 10 });
            window.span = Some(Span { first: at, last: at, whole_seconds: true });
            counter.add(at, &window);
        }
        counter.finish()
    }

    fn rate(window: &Window) -> f64 {
        observations(window) as f64 / window.seconds()
    }

    #[test]
    fn weekdays_and_hours_are_told_apart() {
        let part = |text: &str| Part::of(text.parse().expect("a time"));
        assert_eq!(part("2024-05-06T00:30:00Z"), Part(0));
        assert_eq!(part("2024-05-10T23:59:59Z"), Part(23));
        assert_eq!(part("2024-05-11T05:00:00Z"), Part(29));
        assert_eq!(part("1969-12-31T12:00:00Z"), Part(12));
        assert!(Part(0).is_near(Part(23)) && Part(23).is_near(Part(24)) && !Part(3).is_near(Part(5)));
    }

    #[test]
    fn a_night_is_compared_with_nights_at_its_true_rate() {
        let baseline = two_weeks();
        let night = rate(&baseline.at(Part(3)).expect("nights were seen"));
        let noon = rate(&baseline.at(Part(12)).expect("noons were seen"));
        let sunday_noon = rate(&baseline.at(Part(24 + 12)).expect("sundays were seen"));
        assert!((night - 10.0 / 60.0).abs() < 0.01, "{night}");
        assert!((noon - 100.0 / 60.0).abs() < 0.05, "{noon}");
        assert!((sunday_noon - 10.0 / 60.0).abs() < 0.01, "{sunday_noon}");
    }

    #[test]
    fn an_hour_never_seen_is_compared_with_the_whole() {
        let mut counter = Counter::default();
        for s in 0..30 {
            let mut window = second(5);
            let at = Timestamp::from_seconds(1_700_000_000 + s);
            window.span = Some(Span { first: at, last: at, whole_seconds: true });
            counter.add(at, &window);
        }
        let baseline = counter.finish();
        let other = baseline.at(Part(40)).expect("something was seen");
        assert_eq!(observations(&other), 150);
        assert!(too_little(&baseline).is_some_and(|said| said.starts_with("150 observations in 30 s")));
        assert_eq!(too_little(&two_weeks()), None);
        assert!((rate(&other) - 5.0).abs() < 0.01);
        assert_eq!(Baseline::default().at(Part(0)), None);
    }

    #[test]
    fn a_stored_baseline_comes_back_and_other_files_are_none() {
        let baseline = two_weeks();
        let mut bytes = Vec::new();
        write(&baseline, &mut bytes).expect("memory");
        assert_eq!(parse(&bytes[..]), Ok(Some(baseline)));
        assert_eq!(parse(&b"192.0.2.1 - - [x] \"GET /\" 200 1\n"[..]), Ok(None));
        assert!(parse(&bytes[..bytes.len() - 2]).is_err());
    }
}
