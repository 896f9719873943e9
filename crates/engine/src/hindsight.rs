//! Hindsight: where no alarm found anything, the whole input is looked at once more, in parts.
//!
//! A detector that must speak within seconds cannot know how a series goes on; what rises slowly,
//! or little, passes it. When the input has ended, any stretch of it can be compared with the rest.
//! Computes: the input in at most [`PARTS`] parts of equal length (they join and double as it
//! grows), and for each watched series the stretch of parts that differs most from the others, by a
//! scan statistic (Kulldorff, "A spatial scan statistic", 1997) on square roots of counts and on
//! shares, each in units of the spread that the other parts show.
//!
//! Cold start: an input of few parts has no stretches. Evaded by what lasts all the time. Innocent
//! look-alikes: the course of a day, which begins and ends softly, so a stretch needs edges; and
//! chance, so the difference must be many times the spread.

use seawall_detection::Window;
use seawall_detection::detector::{SERIES, SHARES, SHARES_OF_ALL, Scale, Series, ShareSeries};
use seawall_model::Timestamp;
use seawall_model::math;
use seawall_model::time::SECOND_NS;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Parts kept.
const PARTS: usize = 24;
/// Fewer parts hold no stretch with something to compare.
const FEWEST_PARTS: usize = 8;
/// Parts on the side that a stretch is compared with.
const FEWEST_QUIET_PARTS: usize = 4;
/// A difference of fewer spreads is chance: some hundred stretches of two dozen series are tried.
const LEAST_SURPRISE: f64 = 7.0;
/// Parts at the beginning that are no stretch of their own.
const FIRST_PARTS: usize = 2;
/// An edge has this part of the whole difference, within two parts.
const EDGE: f64 = 0.75;
/// And is so many times a usual step of two parts.
const EDGE_STEPS: f64 = 2.0;
/// Spread of the square root of a Poisson count.
const POISSON_SPREAD: f64 = 0.5;
/// As calm as before is what is asked at most so many times as often.
const AS_CALM: f64 = 1.5;
/// For at least so many seconds and this part of the time.
const CALM_BEFORE_S: f64 = 15.0;
const CALM_BEFORE_PART: f64 = 0.15;
/// A part with so much less than the one before is of a day that goes out.
const GOING_OUT: f64 = 0.9;
/// What has broken off leaves less than this.
const BROKEN_OFF: f64 = 0.2;
/// And the part before that one had less than this of its own predecessor.
const STILL_FALLING: f64 = 0.97;
/// Of what was to follow, so much makes it the same course.
const FOLLOWS: f64 = 0.4;
/// Stretches returned.
const STRETCHES: usize = 6;

/// The input in parts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Parts {
    start: Option<Timestamp>,
    part_s: i64,
    parts: Vec<Window>,
}

/// Parts that differ from the others.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stretch {
    pub parts: Range<usize>,
    surprise: f64,
}

impl Default for Parts {
    fn default() -> Self {
        Self { start: None, part_s: 1, parts: Vec::new() }
    }
}

impl Parts {
    /// Adds a second, in the order of time.
    pub(crate) fn add(&mut self, second: Timestamp, window: &Window) {
        let start = *self.start.get_or_insert(second);
        let offset_s = second.since_ns(start).max(0) / SECOND_NS;
        while offset_s / self.part_s >= PARTS as i64 {
            self.join();
        }
        let at = (offset_s / self.part_s) as usize;
        if at >= self.parts.len() {
            self.parts.resize_with(at + 1, Window::default);
        }
        self.parts[at].merge(window);
    }

    fn join(&mut self) {
        self.part_s = self.part_s.saturating_mul(2);
        let mut joined: Vec<Window> = Vec::with_capacity(PARTS);
        for (at, part) in std::mem::take(&mut self.parts).into_iter().enumerate() {
            match joined.last_mut() {
                Some(last) if at % 2 == 1 => last.merge(&part),
                _ => joined.push(part),
            }
        }
        self.parts = joined;
    }

    /// Stretches that differ most from the rest, the most surprising first.
    pub(crate) fn stretches(&self) -> Vec<Stretch> {
        if self.parts.len() < FEWEST_PARTS {
            return Vec::new();
        }
        let rates = SERIES.iter().filter_map(|s| self.rate(*s)).filter_map(|values| scan(&values));
        let shares = SHARES
            .iter()
            .chain(&SHARES_OF_ALL)
            .filter_map(|s| self.share(*s))
            .filter_map(|values| scan(&values));
        let mut found: Vec<Stretch> = rates.chain(shares).collect();
        found.sort_by(|a, b| b.surprise.total_cmp(&a.surprise));
        let mut distinct: Vec<Stretch> = Vec::new();
        for mut stretch in found {
            if stretch.parts.end + 1 == self.parts.len() {
                stretch.parts.end += 1;
            }
            if distinct.len() < STRETCHES && distinct.iter().all(|d| d.parts != stretch.parts) {
                distinct.push(stretch);
            }
        }
        distinct
    }

    /// Whether some of what was seen before `onset` was about as little as this.
    pub(crate) fn were_as_calm(&self, onset: Timestamp, during: &Window) -> bool {
        let rate = |w: &Window| w.http.as_ref().map(|h| h.counters.requests as f64 / w.seconds().max(1.0));
        let Some(now) = rate(during).filter(|now| *now > 0.0) else { return false };
        let before = self.parts.iter().filter(|w| w.span.is_some_and(|s| s.last < onset));
        let (mut calm_s, mut all_s) = (0.0, 0.0);
        for part in before {
            all_s += part.seconds();
            calm_s += if rate(part).is_some_and(|r| r <= AS_CALM * now) { part.seconds() } else { 0.0 };
        }
        calm_s >= CALM_BEFORE_S && calm_s >= CALM_BEFORE_PART * all_s
    }

    /// Whether it had been getting less before `onset`, and this is what was to follow: a day that goes out
    /// brings no fault with it.
    pub(crate) fn went_out_before(&self, onset: Timestamp, during: &Window) -> bool {
        let rate =
            |w: &Window| w.http.as_ref().map_or(0.0, |h| h.counters.requests as f64 / w.seconds().max(1.0));
        let before: Vec<f64> =
            self.parts.iter().filter(|w| w.span.is_some_and(|s| s.last < onset)).map(rate).collect();
        let [ref rest @ .., earlier, last] = before[..] else { return false };
        // A part in which traffic stopped halfway also looks like a fall, if the part before was ordinary.
        let breaks_off = rate(during) < BROKEN_OFF * earlier;
        if breaks_off && rest.last().is_some_and(|usual| earlier > STILL_FALLING * usual) {
            return false;
        }
        let fallen = last / earlier.max(f64::MIN_POSITIVE);
        fallen <= GOING_OUT && rate(during) >= FOLLOWS * last * fallen
    }

    /// What was seen well before `from`, or well after `to` if that is more.
    pub(crate) fn well_apart_from(&self, from: Timestamp, to: Option<Timestamp>) -> Window {
        let spans = self.parts.iter().enumerate().filter_map(|(at, part)| Some((at, part.span?)));
        let (mut before, mut after) = (0, self.parts.len());
        for (at, span) in spans {
            before = if span.last < from { at } else { before };
            after = if to.is_some_and(|to| span.first < to) { at + 2 } else { after };
        }
        let after = if to.is_some() { after.min(self.parts.len())..self.parts.len() } else { 0..0 };
        self.merged(if after.len() > before { after } else { 0..before })
    }

    /// A stretch's traffic, and that of the longer quiet side of it.
    pub(crate) fn windows(&self, stretch: &Stretch) -> (Window, Window) {
        let before = 0..stretch.parts.start;
        let after = stretch.parts.end..self.parts.len();
        let quiet = if before.len() >= FEWEST_QUIET_PARTS { before } else { after };
        (self.merged(stretch.parts.clone()), self.merged(quiet))
    }

    fn merged(&self, range: Range<usize>) -> Window {
        let mut whole = Window::default();
        self.parts[range].iter().for_each(|part| whole.merge(part));
        whole
    }

    /// Parts that cannot grow any more: the last one holds less than the others.
    fn complete(&self) -> &[Window] {
        self.parts.split_last().map_or(&[], |(_, complete)| complete)
    }

    /// The series part by part, on a scale on which chance has the same spread everywhere.
    fn rate(&self, series: Series) -> Option<Vec<Sample>> {
        let seen = self.complete().iter().any(|p| series.value(p).is_some_and(|v| v > 0.0));
        let sample = |part: &Window| match series.scale() {
            Scale::Level => {
                series.value(part).map(|v| Sample { value: math::ln(v.max(1.0)), spread: POISSON_SPREAD })
            }
            Scale::Count | Scale::Sum => {
                Some(Sample { value: series.value(part).unwrap_or(0.0).sqrt(), spread: POISSON_SPREAD })
            }
        };
        seen.then(|| self.complete().iter().map(sample).collect()).flatten()
    }

    fn share(&self, series: ShareSeries) -> Option<Vec<Sample>> {
        let counts: Option<Vec<(f64, f64)>> = self.complete().iter().map(|p| series.value(p)).collect();
        let counts = counts.filter(|c| c.iter().all(|(_, trials)| *trials > 0.0))?;
        let (hits, trials) = counts.iter().fold((0.0, 0.0), |sum, c| (sum.0 + c.0, sum.1 + c.1));
        let p = ((hits + 1.0) / (trials + 2.0)).clamp(0.0, 1.0);
        let sample = |(hits, trials): &(f64, f64)| Sample {
            value: hits / trials,
            spread: (p * (1.0 - p) / trials).sqrt(),
        };
        Some(counts.iter().map(sample).collect())
    }
}

/// A value of one part, and the spread that chance alone gives it.
#[derive(Clone, Copy)]
struct Sample {
    value: f64,
    spread: f64,
}

/// The stretch that differs most from the rest.
fn scan(samples: &[Sample]) -> Option<Stretch> {
    let parts = samples.len();
    let mut best: Option<Stretch> = None;
    for from in 0..parts {
        for to in from + 2..=parts {
            if from.max(parts - to) < FEWEST_QUIET_PARTS || to - from > parts * 3 / 4 {
                continue;
            }
            // In the first moments every flow and every client is new, to whoever begins to look.
            if from == 0 && to <= FIRST_PARTS {
                continue;
            }
            let surprise = surprise(samples, from..to);
            if surprise >= LEAST_SURPRISE && best.as_ref().is_none_or(|b| b.surprise < surprise) {
                best = Some(Stretch { parts: from..to, surprise });
            }
        }
    }
    best
}

/// How far a stretch is from the rest, in spreads of a mean of so many parts; 0 without edges.
fn surprise(samples: &[Sample], stretch: Range<usize>) -> f64 {
    let mean = |of: &[Sample]| of.iter().map(|s| s.value).sum::<f64>() / of.len().max(1) as f64;
    let inside = &samples[stretch.clone()];
    let outside: Vec<Sample> = [&samples[..stretch.start], &samples[stretch.end..]].concat();
    let (high, low) = (mean(inside), mean(&outside));
    let difference = high - low;
    // What is low until the rest begins is the night before a day, or the quiet before a crowd.
    if stretch.start == 0 && difference < 0.0 {
        return 0.0;
    }
    let step = |from: usize, to: usize| {
        samples.get(from).zip(samples.get(to)).map_or(0.0, |(from, to)| (to.value - from.value).abs())
    };
    let usual_step =
        (2..samples.len()).map(|at| step(at - 2, at)).sum::<f64>() / (samples.len() - 2).max(1) as f64;
    let least_step = (EDGE * difference.abs()).max(EDGE_STEPS * usual_step);
    // a change within a part shows half in it and half in the next
    let has_edge = |at: usize| {
        at == 0
            || at == samples.len()
            || step(at - 1, at).max(step(at - 1, at + 1)).max(step(at.saturating_sub(2), at)) >= least_step
    };
    if !has_edge(stretch.start) || !has_edge(stretch.end) {
        return 0.0;
    }
    let variance = outside.iter().map(|s| (s.value - low) * (s.value - low)).sum::<f64>()
        / (outside.len().max(2) - 1) as f64;
    let chance = mean(&outside.iter().map(|s| Sample { value: s.spread, ..*s }).collect::<Vec<_>>());
    let spread =
        variance.sqrt().max(chance) * (1.0 / inside.len() as f64 + 1.0 / outside.len() as f64).sqrt();
    if spread > 0.0 { difference.abs() / spread } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_model::observation::{Connection, ConnectionEvent, Observation, Request};

    /// Parts of a course of requests per second.
    fn parts(seconds: i64, requests: impl Fn(i64) -> u64) -> Parts {
        let mut parts = Parts::default();
        for s in 0..seconds {
            let mut window = Window::default();
            for n in 0..requests(s) {
                let client = std::net::IpAddr::from([192, 0, 2, (n + s as u64) as u8]);
                window.observe(&Observation::Request(Request::new(Timestamp::from_seconds(s), client)), n);
            }
            window.seal(1.0);
            parts.add(Timestamp::from_seconds(s), &window);
        }
        parts
    }

    #[test]
    fn what_breaks_off_is_no_day_that_goes_out() {
        let busy = |s: i64| if (380..800).contains(&s) { 2 } else { 30 };
        let window = |range: std::ops::Range<i64>| {
            let all = parts(range.end, busy);
            let first = (range.start / all.part_s) as usize;
            all.merged(first..all.parts.len())
        };
        let at = Timestamp::from_seconds;
        assert!(!parts(600, busy).went_out_before(at(400), &window(400..600)));
        let evening = |until| parts(until, |s| (60.0 * seawall_model::math::pow(0.994, s as f64)) as u64);
        let last = evening(720);
        let late = (600 / last.part_s) as usize;
        assert!(evening(600).went_out_before(at(600), &last.merged(late..last.parts.len())));
    }

    #[test]
    fn a_small_rise_in_the_middle_is_found_where_it_was() {
        let noise = |s: i64| (s * 7919 % 5) as u64;
        let parts = parts(240, |s| if (120..180).contains(&s) { 10 + noise(s) } else { 4 + noise(s) });
        let stretches = parts.stretches();
        let found =
            stretches.first().map(|s| s.parts.start as i64 * parts.part_s..s.parts.end as i64 * parts.part_s);
        assert!(
            found.as_ref().is_some_and(|f| (112..=128).contains(&f.start) && (172..=192).contains(&f.end)),
            "{found:?}"
        );
        let (during, quiet) = parts.windows(&stretches[0]);
        assert!(during.seconds() < 80.0 && quiet.seconds() > 100.0);
    }

    /// Broke: a service that refused its visitors from some time on, who came as often as ever, was normal.
    #[test]
    fn as_many_attempts_that_are_refused_from_some_time_on_are_a_stretch() {
        let mut parts = Parts::default();
        for s in 0..240 {
            let mut window = Window::default();
            let time = Timestamp::from_seconds(s);
            for n in 0..6 {
                let event = if s < 150 { ConnectionEvent::Established } else { ConnectionEvent::Refused };
                let connection = Connection {
                    time,
                    event,
                    client: std::net::IpAddr::from([192, 0, 2, (6 * s + n) as u8]),
                    server: std::net::IpAddr::from([198, 51, 100, 1]),
                    client_port: 40_000,
                    server_port: 443,
                    client_bytes: 0,
                    server_bytes: 0,
                    duration_us: 0,
                    requests: 0,
                    ja4: 0,
                };
                window.observe(&Observation::Connection(connection), n as u64);
            }
            window.seal(1.0);
            parts.add(time, &window);
        }
        let stretches = parts.stretches();
        let found = stretches.iter().map(|stretch| stretch.parts.start as i64 * parts.part_s);
        assert!(found.clone().any(|start| (142..=158).contains(&start)), "{:?}", found.collect::<Vec<_>>());
    }

    #[test]
    fn well_apart_is_neither_the_stretch_nor_what_is_beside_it() {
        let parts = parts(240, |_| 1);
        let seconds = |from: i64, to: Option<i64>| {
            let at = Timestamp::from_seconds;
            let apart = parts.well_apart_from(at(from), to.map(at));
            apart.span.map(|s| (s.first.since_s(at(0)), s.last.since_s(at(0))))
        };
        let (_, last) = seconds(120, Some(130)).expect("before");
        assert!(last <= 110.0, "{last}");
        let (first, _) = seconds(20, Some(60)).expect("after");
        assert!(first >= 70.0, "{first}");
        assert_eq!((seconds(5, None), seconds(0, Some(240))), (None, None));
    }

    #[test]
    fn chance_and_the_course_of_a_day_are_no_stretches() {
        let noise = |s: i64| (s * 7919 % 9) as u64;
        assert_eq!(parts(300, |s| 4 + noise(s)).stretches(), []);
        let day = |s: i64| (20.0 + 15.0 * (s as f64 / 380.0 * std::f64::consts::TAU).sin()) as u64;
        assert_eq!(parts(380, |s| day(s) + noise(s)).stretches(), []);
    }

    #[test]
    fn the_quiet_before_a_crowd_is_no_stretch() {
        let noise = |s: i64| (s * 7919 % 5) as u64;
        let parts = parts(240, |s| if s < 80 { 1 + noise(s) } else { 30 + noise(s) });
        assert!(parts.stretches().iter().all(|stretch| stretch.parts.start > 0), "{:?}", parts.stretches());
    }

    #[test]
    fn an_evening_that_goes_out_is_told_from_a_way_that_is_cut() {
        let parts = parts(480, |s| 40 - s as u64 / 14);
        let rest = |per_s: u64| {
            let mut window = Window::default();
            for s in 470..480 {
                for n in 0..per_s {
                    let request = Request::new(
                        Timestamp::from_seconds(s),
                        std::net::IpAddr::from([192, 0, 2, n as u8]),
                    );
                    window.observe(&Observation::Request(request), n);
                }
            }
            parts.went_out_before(Timestamp::from_seconds(470), &window)
        };
        assert!(rest(6) && !rest(1));
    }

    #[test]
    fn memory_is_bounded_by_the_number_of_parts() {
        let mut parts = parts(100, |_| 1);
        parts.add(Timestamp::from_seconds(3_000_000_000), &Window::default());
        assert!(parts.parts.len() <= PARTS);
    }
}
