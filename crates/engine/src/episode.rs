//! An episode: one stretch of time in which something was unlike before.

use crate::beside::{Beside, Rise};
use crate::both::Both;
use crate::ebb::Ebbs;
use crate::failing::Failing;
use crate::normal::observations;
use seawall_detection::Window;
use seawall_detection::detector::{Cusum, SERIES, SHARES, Series, ShareSeries, Shift};
use seawall_detection::measure::last_of_abuse;
use seawall_model::Cause;
use seawall_model::cause::Class;
use seawall_model::diagnosis::{Diagnosis, Verdict};
use seawall_model::finding::Findings;
use seawall_model::math;
use seawall_model::time::{SECOND_NS, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Seconds of calm that end an episode.
const CALM_S: i64 = 10;
/// The same for sparse traffic, until [`CALM_REQUESTS`] have been seen.
const SPARSE_CALM_S: i64 = 90;
const CALM_REQUESTS: u64 = 20;
/// Every second is diagnosed this long; after that, ever more rarely.
const CLOSE_WATCH_S: f64 = 30.0;
/// So many diagnoses in a row that say "normal" make it a false alarm, while little is known yet.
const EARLY_FALSE_ALARM_DIAGNOSES: u32 = 3;
/// So many later: what only begins to rise looks normal for some seconds.
const FALSE_ALARM_DIAGNOSES: u32 = 15;
/// And while it grows: a crowd gathers within a minute.
const GROWING_FALSE_ALARM_DIAGNOSES: u32 = 25;
/// While little is known and it goes on unlike before.
const COLD_FALSE_ALARM_DIAGNOSES: u32 = 8;
/// It grows if these many seconds hold so many times the requests of as many before.
const GROWTH_SECONDS: usize = 8;
const GROWTH: f64 = 1.15;
const SURELY_NORMAL: f64 = 0.8;
/// What moves so many seconds after an alarm that meant nothing is an alarm of its own.
const APART_S: f64 = 5.0;
/// A name that was held for so many seconds is not lost to the calm that follows.
/// And for this part of the episode, unless it went on with so much less.
const STOOD_S: f64 = 10.0;
const STOOD_PART: f64 = 0.5;
const STOOD_LESS: f64 = 0.5;
/// Failures of at least this part of the requests are what a fault consists of.
const FAILING_PART: f64 = 0.05;
/// A name stands on what was found when it was surest, or nearly so.
const SURER: f64 = 0.05;
/// Seconds that are kept apart while there is no name, and once there is one.
const RECENT_SECONDS: usize = 64;
const RECENT_SECONDS_NAMED: usize = 24;
/// Seconds whose values are kept, to be learnt from if it was a false alarm.
const WATCHED_KEPT: usize = 128;
/// So long after something has risen on top it may turn out to be another attack: as surely as this, so
/// many times in a row.
const TURN_S: f64 = 15.0;
const TURN_CONFIDENCE: f64 = 0.75;
const TURN_TIMES: u32 = 2;
/// Attacks after one another that one episode tells apart.
const MOST_EARLIER: usize = 4;
/// Growth between diagnoses after the close watch.
const WATCH_GROWTH: f64 = 1.25;

/// What a detector watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Watched {
    Rate(Series),
    /// Sums over steps of some seconds.
    Sum(Series),
    Share(ShareSeries),
    /// The times of kinds of requests.
    KindTimes,
    /// Names that nobody has, asked for since before anything was known.
    MadeUpNames,
}

/// An open episode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Episode {
    pub onset: Timestamp,
    /// Series that called it, and when each began to move.
    pub moved: Vec<(Watched, Timestamp)>,
    pub during: Window,
    /// The same with the part of a second that the present verdict was reached on, where it was.
    pub glance: Option<Window>,
    /// Its last seconds once more: trouble, or trouble of another kind, may only begin in one of them.
    recent: Recent,
    /// Whether it never had a name.
    is_unnamed: bool,
    /// What is usual inside it, so that what begins on top of it is seen.
    levels: Vec<Cusum>,
    /// What may be another attack, while it is looked at.
    turn: Option<Turn>,
    /// Attacks on top of what it is named for.
    pub beside: Beside,
    /// A crowd and a fault at once.
    pub both: Both,
    /// When requests failed in it.
    failing: Failing,
    /// When what an attack consists of was no longer there.
    ebbs: Ebbs,
    /// What it was before it became what it is.
    pub earlier: Vec<Concluded>,
    /// Seconds that look calm again, not yet sure.
    pub tail: Vec<(Timestamp, Window)>,
    pub diagnosis: Option<Diagnosis>,
    /// The last name that it had.
    standing: Option<Box<Standing>>,
    /// When the present verdict was first reached.
    pub named: Option<Timestamp>,
    pub last_active: Timestamp,
    /// The last second in which what is watched by the second had not come back.
    pub last_loud: Timestamp,
    pub last_second: Timestamp,
    /// The watched values of its seconds, in the order of the detectors.
    pub watched: Vec<SecondValues>,
    diagnosed: Option<Timestamp>,
    normal_in_a_row: u32,
}

/// A name, what it stands on, and from when to when it was held.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Standing {
    since: Timestamp,
    until: Timestamp,
    /// What the episode had amounted to when the name was surest.
    amount: Amount,
    diagnosis: Diagnosis,
    findings: Findings,
}

impl Standing {
    fn is_long(&self) -> bool {
        self.until.since_s(self.since) >= STOOD_S
    }
}

/// How much a part of an episode holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Amount {
    seconds: f64,
    requests: f64,
    failures: f64,
}

impl Amount {
    fn of(window: &Window) -> Self {
        let counters = window.http.as_ref().map(|h| &h.counters);
        Self {
            seconds: window.seconds(),
            requests: counters.map_or(0.0, |c| c.requests as f64),
            failures: counters.map_or(0.0, |c| (c.server_error + c.client_error + c.moved) as f64),
        }
    }

    fn less(self, part: Self) -> Self {
        Self {
            seconds: self.seconds - part.seconds,
            requests: self.requests - part.requests,
            failures: self.failures - part.failures,
        }
    }

    /// Whether this holds far less of what a trouble of `class` consists of, per second, than `loud`.
    fn is_calm_beside(self, loud: Self, class: Class) -> bool {
        let is_fault = class == Class::Fault;
        // A fault that is no failure, such as slowness, is not counted here.
        if is_fault && loud.failures < FAILING_PART * loud.requests {
            return false;
        }
        let rate = |a: Self| if is_fault { a.failures } else { a.requests } / a.seconds.max(1.0);
        rate(self) < STOOD_LESS * rate(loud)
    }
}

/// The last seconds apart, and all before them together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Recent {
    before: Window,
    seconds: VecDeque<(Timestamp, Window)>,
}

impl Recent {
    fn push(&mut self, second: Timestamp, window: Window) {
        self.seconds.push_back((second, window));
        if self.seconds.len() > RECENT_SECONDS
            && let Some((_, oldest)) = self.seconds.pop_front()
        {
            self.before.merge(&oldest);
        }
    }

    /// There is a name: what was before the last seconds will not be asked for.
    fn forget(&mut self) {
        self.before = Window::default();
        let surplus = self.seconds.len().saturating_sub(RECENT_SECONDS_NAMED);
        self.seconds.drain(..surplus);
    }

    fn since(&self, onset: Timestamp) -> Window {
        let mut since = Window::default();
        self.seconds.iter().filter(|(second, _)| *second >= onset).for_each(|(_, w)| since.merge(w));
        since
    }

    fn until(&self, onset: Timestamp) -> Window {
        let mut until = Window::default();
        self.seconds.iter().filter(|(second, _)| *second < onset).for_each(|(_, w)| until.merge(w));
        until
    }
}

/// Something has risen on top of a trouble that has a name.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Turn {
    since: Timestamp,
    /// How many times in a row it was found to be another attack.
    found: u32,
}

/// Detectors that have seen nothing.
fn levels() -> Vec<Cusum> {
    SERIES.iter().map(|series| Cusum::new(series.scale())).collect()
}

/// What the detectors saw in one second.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SecondValues {
    pub second: Timestamp,
    pub rates: Vec<Option<f64>>,
    pub shares: Vec<Option<(f64, f64)>>,
}

impl SecondValues {
    fn of(second: Timestamp, window: &Window) -> Self {
        Self {
            second,
            rates: SERIES.iter().map(|s| s.value(window)).collect(),
            shares: SHARES.iter().map(|s| s.value(window)).collect(),
        }
    }
}

impl Episode {
    pub(crate) fn open(onset: Timestamp, moved: Vec<(Watched, Timestamp)>, ebbs: Ebbs) -> Self {
        Self {
            onset,
            moved,
            during: Window::default(),
            glance: None,
            recent: Recent::default(),
            is_unnamed: true,
            levels: levels(),
            turn: None,
            beside: Beside::default(),
            both: Both::default(),
            failing: Failing::default(),
            ebbs,
            earlier: Vec::new(),
            tail: Vec::new(),
            diagnosis: None,
            standing: None,
            named: None,
            last_active: onset,
            last_loud: onset,
            last_second: onset,
            watched: Vec::new(),
            diagnosed: None,
            normal_in_a_row: 0,
        }
    }

    /// Adds one second; `calm` says that all series that moved are back.
    pub(crate) fn add(&mut self, second: Timestamp, window: Window, calm: bool) {
        if self.watched.len() < WATCHED_KEPT {
            self.watched.push(SecondValues::of(second, &window));
        }
        self.tail.push((second, window));
        if calm {
            return;
        }
        self.go_on(second);
    }

    fn take(&mut self, second: Timestamp, window: Window) {
        self.watch_levels(second, &window);
        self.failing.add(second, &window);
        self.ebbs.add(second, &window);
        self.during.merge(&window);
        self.recent.push(second, window);
        if !self.is_unnamed {
            self.recent.forget();
        }
    }

    /// Sees whether something rises that may be another attack.
    fn watch_levels(&mut self, second: Timestamp, window: &Window) {
        if self.turn.is_some_and(|turn| second.since_s(turn.since) > TURN_S) {
            self.turn = None;
            self.levels = levels();
        }
        for (level, series) in self.levels.iter_mut().zip(SERIES) {
            let shift = level.step(second, series.value(window).unwrap_or(0.0), true);
            if shift == Shift::Down {
                // What an attack leaves when it ebbs is what the next one rises from.
                level.relearn();
            }
            if shift == Shift::Up && self.turn.is_none() && !self.is_unnamed {
                self.turn = level.up_since().map(|since| Turn { since, found: 0 });
            }
        }
    }

    /// When trouble began inside an alarm that has meant nothing so far: what moved only well after
    /// the alarm, if anything did.
    pub(crate) fn begins_at(&self, shifted: &[(Watched, Timestamp)]) -> Option<Timestamp> {
        if !self.is_unnamed || self.diagnosis.as_ref()?.verdict.class != Class::Normal {
            return None;
        }
        let is_new = |watched: Watched| self.moved.iter().all(|(moved, _)| *moved != watched);
        let new = shifted.iter().filter(|(watched, _)| is_new(*watched)).map(|(_, since)| *since);
        new.min().filter(|since| since.since_s(self.onset) >= APART_S)
    }

    /// What is new at the end of this second and may be another attack: since when, and its seconds.
    pub(crate) fn turning(&self) -> Option<(Timestamp, Window)> {
        let since = self.turn.filter(|_| self.tail.is_empty())?.since;
        Some((since, self.recent.since(since)))
    }

    /// What has suddenly come on top, beside what is `usual`: with its seconds, and those before it.
    pub(crate) fn rise(&mut self, usual: Option<&Window>) -> Option<(Rise, Window, Window)> {
        let is_attack = self.standing.as_ref().is_some_and(|s| s.diagnosis.verdict.class == Class::Attack);
        if !is_attack || !self.tail.is_empty() {
            return None;
        }
        let rise = self.beside.rise(&self.recent.seconds, usual)?;
        Some((rise, self.recent.since(rise.since), self.recent.until(rise.since)))
    }

    /// Takes what that turns out to be; true if it is another attack, and news.
    pub(crate) fn add_beside(&mut self, rise: Rise, new: &Diagnosis) -> bool {
        let Some(standing) = &self.standing else { return false };
        let is_news = self.beside.take(rise, new, &standing.diagnosis);
        if let Some(present) = self.diagnosis.take() {
            self.diagnosis = Some(self.with_beside(present));
        }
        is_news
    }

    /// With what goes on beside it. Two attacks at once are less clear than one, and the whole may look like
    /// the second alone, also when that is over: neither is a reason to give up the name of the first.
    fn with_beside(&self, found: Diagnosis) -> Diagnosis {
        let is_undecided = found.verdict.class == Class::Undecided && !self.beside.is_empty();
        let is_unclear = is_undecided || self.beside.had(found.verdict.cause);
        let stands = self.standing.as_ref().filter(|_| is_unclear).map(|s| s.diagnosis.clone());
        let mut diagnosis = stands.unwrap_or(found);
        self.beside.join(&mut diagnosis);
        diagnosis
    }

    /// Whether what is new turns out to be an attack that the whole is not named for: thinned out by
    /// all that was before, it would not be seen.
    pub(crate) fn is_another(&mut self, new: &Diagnosis) -> bool {
        let mut known = self.diagnosis.iter().flat_map(|d| std::iter::once(&d.verdict).chain(&d.also));
        let is_news = known.all(|verdict| verdict.cause != new.verdict.cause);
        let is_sure = new.verdict.class == Class::Attack && new.class_confidence() >= TURN_CONFIDENCE;
        let Some(turn) = &mut self.turn else { return false };
        turn.found = if is_sure && is_news { turn.found + 1 } else { 0 };
        turn.found >= TURN_TIMES && self.earlier.len() < MOST_EARLIER
    }

    /// Goes on as what began at `onset`; returns all of it that was seen before.
    pub(crate) fn turn_at(&mut self, onset: Timestamp) -> Window {
        let lately = self.recent.since(onset);
        (self.turn, self.levels) = (None, levels());
        self.standing = None;
        self.onset = onset;
        std::mem::replace(&mut self.during, lately)
    }

    /// Parts with what was before `onset`: returns that, and its watched values.
    pub(crate) fn begin_at(&mut self, onset: Timestamp) -> (Window, Vec<SecondValues>) {
        let recent = std::mem::take(&mut self.recent);
        let tail = std::mem::take(&mut self.tail);
        let watched = std::mem::take(&mut self.watched);
        let (past_values, values) = watched.into_iter().partition(|v| v.second < onset);
        let mut past = recent.before;
        let ebbs = self.ebbs.anew();
        *self = Self { watched: values, ..Self::open(onset, Vec::new(), ebbs) };
        for (second, window) in recent.seconds.into_iter().chain(tail) {
            if second < onset {
                past.merge(&window);
            } else {
                self.take(second, window);
                self.last_active = second;
                self.note_loudness(second, true);
            }
        }
        (past, past_values)
    }

    /// Whether the calm has lasted: where hardly anything happens, ten seconds without trouble are
    /// no calm.
    pub(crate) fn is_over(&self, second: Timestamp) -> bool {
        let calm_s = second.since_ns(self.last_active) / SECOND_NS;
        calm_s > SPARSE_CALM_S || (calm_s > CALM_S && self.calm_requests() >= CALM_REQUESTS)
    }

    /// The later half of the calm seconds at the end, and the trouble that they may still hold.
    pub(crate) fn doubtful_calm(&self) -> Option<(Cause, Window)> {
        let verdict = &self.diagnosis.as_ref()?.verdict;
        let is_trouble = verdict.class.is_hostile() || verdict.class == Class::Fault;
        let later = self.tail.get(self.tail.len() / 2..).filter(|later| is_trouble && !later.is_empty())?;
        let mut lately = Window::default();
        later.iter().for_each(|(_, window)| lately.merge(window));
        Some((verdict.cause, lately))
    }

    /// Takes the seconds that have waited to be known as calm: they are not.
    pub(crate) fn go_on(&mut self, second: Timestamp) {
        for (waited, window) in std::mem::take(&mut self.tail) {
            self.take(waited, window);
        }
        self.last_active = second;
    }

    /// Notes whether what is watched by the second is back.
    pub(crate) fn note_loudness(&mut self, second: Timestamp, loud: bool) {
        if loud {
            self.last_loud = second;
        }
        self.last_second = second;
    }

    /// Seconds at the end in which all that is watched by the second was back.
    pub(crate) fn quiet_s(&self) -> f64 {
        self.last_second.since_s(self.last_loud).max(0.0)
    }

    /// Requests in the calm seconds at the end; without end where the input is no HTTP.
    fn calm_requests(&self) -> u64 {
        if self.during.http.is_none() {
            return u64::MAX;
        }
        self.tail.iter().filter_map(|(_, w)| w.http.as_ref()).map(|h| h.counters.requests).sum()
    }

    /// Whether a diagnosis is due at the end of this second; if so, notes it.
    pub(crate) fn diagnosis_due(&mut self, second: Timestamp) -> bool {
        let age_s = second.since_s(self.onset);
        let due = match self.diagnosed {
            None => true,
            Some(last) => age_s <= CLOSE_WATCH_S || age_s >= last.since_s(self.onset) * WATCH_GROWTH,
        };
        if due {
            self.diagnosed = Some(second);
        }
        due
    }

    /// Takes the present diagnosis, and what it stands on, at the end of a second.
    pub(crate) fn set_diagnosis(&mut self, second: Timestamp, diagnosis: Diagnosis, findings: Findings) {
        self.beside.part_with_what_is_over(&self.recent.seconds);
        let diagnosis = self.with_beside(diagnosis);
        let normal =
            diagnosis.verdict.class == Class::Normal && diagnosis.verdict.confidence >= SURELY_NORMAL;
        self.normal_in_a_row = if normal { self.normal_in_a_row + 1 } else { 0 };
        if diagnosis.verdict.class.is_named() {
            self.is_unnamed = false;
            let same = |s: &Standing| s.diagnosis.verdict.class == diagnosis.verdict.class;
            let surer = |s: &Standing| diagnosis.verdict.confidence + SURER < s.diagnosis.verdict.confidence;
            // What remains when the trouble is over does not rename it.
            let keeps = self.is_outlived_by(diagnosis.verdict.class);
            let held = self.standing.take();
            let held = held.filter(|s| keeps || same(s));
            self.standing = Some(match held {
                Some(held) if keeps => held,
                Some(held) if surer(&held) => Box::new(Standing { until: second, ..*held }),
                held => Box::new(Standing {
                    since: held.map_or(second, |s| s.since),
                    until: second,
                    amount: Amount::of(&self.during),
                    diagnosis: diagnosis.clone(),
                    findings,
                }),
            });
        }
        self.diagnosis = Some(diagnosis);
    }

    /// The verdict that stood when the calm began to come back, with what it stands on: minutes that
    /// are calm again thin out an episode until it looks like nothing.
    pub(crate) fn stood(&mut self) -> Option<(Findings, Diagnosis)> {
        let standing = self.standing.take()?;
        let held_s = standing.until.since_s(standing.since);
        let most = held_s >= STOOD_PART * self.last_active.since_s(self.onset);
        (standing.is_long() && (most || self.is_calm_since(&standing)))
            .then_some((standing.findings, standing.diagnosis))
    }

    /// When what it is named for was over, if that was before it was calm again: of an attack, what is watched
    /// by sums of several seconds comes back late; and a fault that consists of failing requests has a soft end,
    /// made of those who ask again and who come back.
    pub(crate) fn over_at(&self, verdict: &Verdict, calm_followed: bool) -> Option<Timestamp> {
        match (verdict.class, verdict.cause) {
            (Class::Attack, cause) => {
                let ebbed = self.ebbs.over(cause).filter(|over| *over > self.onset);
                let loud = self.last_loud.min(self.last_active).plus_ns(SECOND_NS);
                if calm_followed && self.last_loud > self.onset {
                    return Some(ebbed.map_or(loud, |over| over.min(loud)));
                }
                // Where something else has not come back, it was over if nothing of it came for so long.
                ebbed.filter(|over| self.last_second.since_s(*over) >= SPARSE_CALM_S as f64)
            }
            (Class::Abuse, cause) if calm_followed => {
                let end = self.last_active.plus_ns(SECOND_NS);
                let http = self.during.http.as_deref();
                let last =
                    http.and_then(|http| last_of_abuse(http, cause)).map(|last| last.plus_ns(SECOND_NS));
                let over = self.ebbs.over(cause).into_iter().chain(last).min();
                over.filter(|over| *over > self.onset).map(|over| over.min(end))
            }
            (_, Cause::ReleaseFault | Cause::Misconfiguration | Cause::LoadBalancerFault) => {
                self.failing.over(self.last_active)
            }
            _ => None,
        }
    }

    /// Whether the name that stands is of a class that `verdict` is not of, and what it stood on is over.
    pub(crate) fn is_outlived_by(&self, class: Class) -> bool {
        let stood = self.standing.as_deref();
        stood.is_some_and(|s| s.diagnosis.verdict.class != class && s.is_long() && self.is_calm_since(s))
    }

    /// Whether what came since a name was surest is far less than what it stood on.
    fn is_calm_since(&self, standing: &Standing) -> bool {
        let rest = Amount::of(&self.during).less(standing.amount);
        rest.is_calm_beside(standing.amount, standing.diagnosis.verdict.class)
    }

    /// Whether it has turned out to be nothing. What still grows, or goes on unlike before, gets
    /// more time to show what it is.
    /// But an alarm while nothing is known yet (`knows_normal` is false) is soon dismissed: until
    /// then nothing can be compared.
    pub(crate) fn is_false_alarm(&self, knows_normal: bool, early: bool) -> bool {
        let calm = !self.tail.is_empty();
        let patience = if !knows_normal || (early && calm) {
            EARLY_FALSE_ALARM_DIAGNOSES
        } else if self.is_growing() {
            GROWING_FALSE_ALARM_DIAGNOSES
        } else if early {
            COLD_FALSE_ALARM_DIAGNOSES
        } else {
            FALSE_ALARM_DIAGNOSES
        };
        self.normal_in_a_row >= patience
    }

    /// Whether more was asked for in its last seconds than in those before.
    fn is_growing(&self) -> bool {
        let Some(at) = SERIES.iter().position(|s| *s == Series::Requests) else { return false };
        let requests: Vec<f64> = self.watched.iter().filter_map(|s| s.rates[at]).collect();
        let recent = requests.len().saturating_sub(GROWTH_SECONDS);
        let earlier = &requests[recent.saturating_sub(GROWTH_SECONDS)..recent];
        let sum = |values: &[f64]| values.iter().sum::<f64>();
        earlier.len() == GROWTH_SECONDS && sum(&requests[recent..]) > GROWTH * sum(earlier)
    }

    pub(crate) fn note_moved(&mut self, watched: Watched, since: Timestamp) {
        if !self.moved.iter().any(|(w, _)| *w == watched) {
            self.moved.push((watched, since));
        }
    }
}

/// An episode that is over, or the input as a whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Concluded {
    pub findings: Findings,
    pub diagnosis: Diagnosis,
    /// Attacks on top of it, for a part of its time.
    pub beside: Vec<Verdict>,
    pub named: Option<Timestamp>,
    pub during: Window,
}

impl Concluded {
    /// How much an operator wants to hear of it: class first, then confidence and size. What is ten times as
    /// large is told first, if it is not much less sure.
    pub(crate) fn weight(&self) -> f64 {
        const CLASS: f64 = 10.0;
        const TEN_TIMES: f64 = 0.1;
        let class = match self.diagnosis.verdict.class {
            Class::Attack => 5.0,
            Class::Abuse => 4.0,
            Class::Fault => 3.0,
            Class::Demand => 2.0,
            Class::Undecided => 1.0,
            Class::Normal => 0.0,
        };
        let size = math::ln(1.0 + observations(&self.during)) / math::ln(10.0);
        CLASS * class + self.diagnosis.verdict.confidence + TEN_TIMES * size
    }

    /// Whether it has a name that is not "normal".
    pub(crate) fn is_named(&self) -> bool {
        self.diagnosis.verdict.class.is_named()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_diagnosis::diagnose;
    use seawall_model::observation::{Observation, Request};
    use seawall_model::policy::Policy;

    fn second(at: i64) -> (Timestamp, Window) {
        let (time, mut window) = (Timestamp::from_seconds(at), Window::default());
        let client = std::net::IpAddr::from([192, 0, 2, 1]);
        window.observe(&Observation::Request(Request::new(time, client)), at as u64);
        window.seal(1.0);
        (time, window)
    }

    #[test]
    fn a_name_outlives_the_calm_that_thins_its_episode_out() {
        let burst = |at: i64, requests: u64| {
            let (time, mut window) = second(at);
            for n in 0..requests {
                let client = std::net::IpAddr::from([192, 0, 2, 7]);
                window.observe(&Observation::Request(Request::new(time, client)), n);
            }
            window.seal(1.0);
            (time, window)
        };
        let named = |class: Class, cause| {
            let mut diagnosis = diagnose(&Findings::default(), &Policy::default());
            (diagnosis.verdict.class, diagnosis.verdict.cause, diagnosis.verdict.confidence) =
                (class, cause, 0.9);
            diagnosis
        };
        let after = |calm_requests: u64| {
            let mut episode = Episode::open(Timestamp::from_seconds(100), Vec::new(), Ebbs::default());
            for at in 100..700 {
                let (time, window) = burst(at, if at < 160 { 40 } else { calm_requests });
                episode.add(time, window, false);
                if at < 160 {
                    episode.set_diagnosis(
                        time,
                        named(Class::Attack, seawall_model::Cause::HttpFlood),
                        Findings::default(),
                    );
                }
            }
            let time = Timestamp::from_seconds(700);
            episode.set_diagnosis(
                time,
                named(Class::Fault, seawall_model::Cause::ClientFault),
                Findings::default(),
            );
            episode.stood().map(|(_, diagnosis)| diagnosis.verdict.class)
        };
        assert_eq!(after(0), Some(Class::Attack));
        assert_eq!(after(40), None, "it went on and was named anew a moment ago");
    }

    #[test]
    fn trouble_inside_a_false_alarm_is_dated_to_its_own_beginning() {
        let (errors, requests) = (Watched::Share(ShareSeries::ServerErrors), Watched::Rate(Series::Requests));
        let mut episode = Episode::open(
            Timestamp::from_seconds(100),
            vec![(errors, Timestamp::from_seconds(100))],
            Ebbs::default(),
        );
        for at in 100..130 {
            let (time, window) = second(at);
            episode.add(time, window, at % 2 == 0);
        }
        let shifted = [(requests, Timestamp::from_seconds(120))];
        assert_eq!(episode.begins_at(&shifted), None, "nothing is known of the alarm yet");
        let mut nothing = diagnose(&Findings::default(), &Policy::default());
        nothing.verdict.class = Class::Normal;
        episode.set_diagnosis(Timestamp::from_seconds(130), nothing, Findings::default());
        assert_eq!(episode.begins_at(&[(errors, Timestamp::from_seconds(120))]), None, "the alarm itself");
        let onset = episode.begins_at(&shifted);
        assert_eq!(onset, Some(Timestamp::from_seconds(120)));
        let (past, values) = episode.begin_at(Timestamp::from_seconds(120));
        assert_eq!((past.seconds(), values.len()), (20.0, 20));
        assert_eq!((episode.during.seconds(), episode.watched.len()), (10.0, 10));
    }
}
