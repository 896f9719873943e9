//! The step function and the state that it owns.

use crate::coarse::Coarse;
use crate::conclude::{self, Conclusion};
use crate::ebb::Ebbs;
use crate::episode::{Concluded, Episode, SecondValues, Watched};
use crate::hindsight::Parts;
use crate::normal::{REFERENCE_MIN_OBSERVATIONS, is_enough, observations};
use crate::origin;
use crate::silence::Silences;
use crate::timeline::Timeline;
use seawall_detection::Window;
use seawall_detection::detector::{Cusum, KindTimes, SERIES, SHARES, Scale, Series, ShareCusum, Shift};
use seawall_detection::measure::{self, Expected};
use seawall_diagnosis::diagnose;
use seawall_model::cause::Class;
use seawall_model::change::Change;
use seawall_model::diagnosis::Diagnosis;
use seawall_model::finding::{Finding, Findings};
use seawall_model::metric::Metric;
use seawall_model::place::Places;
use seawall_model::policy::Policy;
use seawall_model::time::{SECOND_NS, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::OnceLock;

/// Quiet seconds that are kept apart, so that an onset can be dated back into them.
const RING_SECONDS: usize = 64;
/// Concluded episodes that are kept, heaviest first.
const EPISODES_KEPT: usize = 8;
/// A disturbance this old that is neither attack nor fault is the new normal.
const NEW_NORMAL_S: f64 = 1_800.0;
/// While less than this is known to be quiet, false alarms are dismissed early.
const COLD_START_S: f64 = 45.0;
/// A silence this long, in seconds, after hardly anything was seen: what comes then is the beginning.
const FALSE_START_S: f64 = 900.0;
/// Changes that are kept.
const CHANGES_KEPT: usize = 1_000;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Input {
    /// What was seen in the tick that starts at `tick`.
    Window {
        tick: Timestamp,
        window: Box<Window>,
    },
    Change(Change),
    /// What is normal from now on, in place of any earlier baseline: it differs by time of day.
    Baseline(Box<Window>),
    /// Where the addresses are that [`Engine::addresses`] names.
    Places(Places),
    /// The input ends: everything open is concluded.
    Finish,
    /// The second under way is looked at before it is over: who defends has no second to lose.
    /// `last_second`: the counts of [`crate::LastSecond`]; empty where nobody kept them.
    Glance {
        last_second: Vec<f64>,
    },
    /// The policy from now on.
    Policy(Box<Policy>),
}

/// One thing that follows.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Something is unlike before, since `onset`.
    Opened { onset: Timestamp },
    /// The trouble has a (new) name.
    Diagnosed(Box<Diagnosis>),
    /// It is over.
    Closed { end: Timestamp },
    /// The answer to [`Input::Finish`].
    Concluded(Box<Conclusion>),
}

/// The reference as measured, until the reference changes. It follows from the rest of the state, and
/// is no part of it.
#[derive(Clone, Debug, Default)]
struct Expectation(OnceLock<Expected>);

impl PartialEq for Expectation {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// All state of one target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Engine {
    pub(crate) policy: Policy,
    /// Normal traffic that was known beforehand.
    pub(crate) baseline: Option<Window>,
    pub(crate) second: Option<(Timestamp, Window)>,
    pub(crate) ring: VecDeque<(Timestamp, Window)>,
    /// Everything quiet that has left the ring.
    pub(crate) quiet: Window,
    /// What the reference lets expect; measured when it is asked for.
    #[serde(skip)]
    expected: Expectation,
    pub(crate) detectors: Vec<Cusum>,
    pub(crate) share_detectors: Vec<ShareCusum>,
    pub(crate) coarse: Coarse,
    pub(crate) kind_times: KindTimes,
    pub(crate) episode: Option<Box<Episode>>,
    pub(crate) concluded: Vec<Concluded>,
    /// What dropped out of `concluded`, so that the whole stays whole.
    pub(crate) dropped: Window,
    pub(crate) timeline: Timeline,
    pub(crate) silences: Silences,
    /// All that was seen, in parts, for hindsight; with a baseline there is no need of it.
    pub(crate) parts: Parts,
    pub(crate) changes: Vec<Change>,
    pub(crate) places: Places,
}

impl Engine {
    /// An engine that has seen nothing. `baseline` is known normal traffic, if there is any.
    #[must_use]
    pub fn new(policy: Policy, baseline: Option<Window>) -> Self {
        Self {
            policy,
            baseline,
            second: None,
            ring: VecDeque::new(),
            quiet: Window::default(),
            expected: Expectation::default(),
            detectors: SERIES.iter().map(|s| s.detector()).collect(),
            share_detectors: SHARES.iter().map(|_| ShareCusum::default()).collect(),
            coarse: Coarse::default(),
            kind_times: KindTimes::default(),
            episode: None,
            concluded: Vec::new(),
            dropped: Window::default(),
            timeline: Timeline::default(),
            silences: Silences::default(),
            parts: Parts::default(),
            changes: Vec::new(),
            places: Places::default(),
        }
    }

    /// Takes one input at `now` and returns what follows, in order. `now` never runs backwards.
    #[must_use]
    pub fn step(&mut self, now: Timestamp, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        match input {
            Input::Window { tick, window } => self.take_window(tick.max(now), *window, &mut effects),
            Input::Change(change) => self.take_change(change),
            Input::Baseline(window) => {
                self.baseline = Some(*window);
                self.expected = Expectation::default();
            }
            Input::Places(places) => self.places = places,
            Input::Finish => {
                self.close_second(&mut effects);
                effects.push(Effect::Concluded(Box::new(conclude::conclude(self))));
            }
            Input::Policy(policy) => self.policy = *policy,
            Input::Glance { last_second } => self.glance(now, &last_second, &mut effects),
        }
        effects
    }

    /// The engine as it goes on in the disturbance that is open, after a moment in which nobody watched.
    #[must_use]
    pub fn after_gap(mut self) -> Self {
        self.coarse.pause();
        self.silences = Silences::default();
        self
    }

    /// The engine as it goes on after a time in which nobody watched: what is normal stays, and that
    /// time counts neither as silence nor as part of a disturbance.
    #[must_use]
    pub fn after_pause(mut self) -> Self {
        for (_, window) in std::mem::take(&mut self.ring) {
            self.quiet.merge(&window);
        }
        self.coarse.pause();
        self.silences = Silences::default();
        self.second = None;
        self.episode = None;
        self
    }

    /// The present diagnosis, while something is going on.
    #[must_use]
    pub fn diagnosis(&self) -> Option<&Diagnosis> {
        self.episode.as_ref()?.diagnosis.as_ref()
    }

    /// What is measured of the present episode, while something is going on.
    #[must_use]
    pub fn findings(&self) -> Option<Findings> {
        self.episode.as_ref().map(|episode| self.episode_findings(episode))
    }

    /// What the present disturbance amounts to so far, in full; `None` while nothing is going on,
    /// or nothing can be said of it yet.
    #[must_use]
    pub fn present(&self) -> Option<Conclusion> {
        conclude::present(self)
    }

    /// How long the present disturbance has been quiet again, in seconds; `None` while nothing is
    /// going on. It is over only after some more of them.
    #[must_use]
    pub fn quiet_s(&self) -> Option<f64> {
        self.episode.as_ref().map(|episode| episode.quiet_s())
    }

    /// What is known to be normal; `None` while too little has been seen.
    #[must_use]
    pub fn known_normal(&self) -> Option<&Window> {
        self.reference()
    }

    /// The addresses whose places would help the conclusion, ascending.
    #[must_use]
    pub fn addresses(&self) -> Vec<IpAddr> {
        origin::addresses(self)
    }

    fn take_change(&mut self, change: Change) {
        self.changes.push(change);
        self.changes.sort_by(|a, b| (a.time, a.kind, &a.text).cmp(&(b.time, b.kind, &b.text)));
        // The oldest explain least.
        let surplus = self.changes.len().saturating_sub(CHANGES_KEPT);
        self.changes.drain(..surplus);
    }

    fn take_window(&mut self, tick: Timestamp, mut window: Window, effects: &mut Vec<Effect>) {
        window.doubt_times_far_from(tick);
        let second = tick.floor_to(SECOND_NS);
        if self.second.as_ref().is_some_and(|(current, _)| *current < second) {
            self.close_second(effects);
        }
        match &mut self.second {
            Some((_, current)) => current.merge(&window),
            None => self.second = Some((second, window)),
        }
    }

    /// The current second is complete: watch it, and file it where it belongs.
    fn close_second(&mut self, effects: &mut Vec<Effect>) {
        let Some((second, mut window)) = self.second.take() else { return };
        window.seal(1.0);
        if self.is_false_start(second) {
            self.begin_anew();
        }
        self.timeline.add(second, &window);
        self.silences.add(second, observations(&window));
        if self.baseline.is_none() {
            self.parts.add(second, &window);
        }
        self.pass_silence(second, effects);
        if observations(&window) > 0.0 && self.has_seen_nothing() {
            self.detectors.iter_mut().for_each(Cusum::begin);
        }
        let shifted = self.shifted(second, &window);
        match self.episode.take() {
            Some(episode) => self.continue_episode(episode, second, window, shifted, effects),
            None if !shifted.is_empty() => self.open_episode(second, window, shifted, effects),
            None => self.file_quiet(second, window),
        }
    }

    /// Seconds without any input since the last one: they teach silence, and end an episode.
    fn pass_silence(&mut self, second: Timestamp, effects: &mut Vec<Effect>) {
        let last = self.ring.back().map(|(t, _)| *t).max(self.episode.as_ref().map(|e| e.last_second));
        let Some(last) = last else { return };
        let silent_s = second.since_ns(last) / SECOND_NS - 1;
        if silent_s <= 0 {
            return;
        }
        if self.episode.as_ref().is_some_and(|e| e.is_over(second)) {
            self.close_episode(true, effects);
        }
        if self.episode.is_none() {
            for (detector, series) in self.detectors.iter_mut().zip(SERIES) {
                if series.scale() == Scale::Count {
                    detector.learn_silence(u32::try_from(silent_s).unwrap_or(u32::MAX));
                }
            }
        }
    }

    /// Whether all that was seen before this second is a line or two, and a long silence after them.
    fn is_false_start(&self, second: Timestamp) -> bool {
        let Some((last, _)) = self.ring.back() else { return false };
        let seen = self.ring.iter().map(|(_, w)| observations(w)).sum::<f64>() + observations(&self.quiet);
        let nothing_yet = self.baseline.is_none() && self.episode.is_none() && self.concluded.is_empty();
        nothing_yet && seen < REFERENCE_MIN_OBSERVATIONS && second.since_s(*last) >= FALSE_START_S
    }

    /// Whether nothing at all has come since the start, which was some seconds ago.
    fn has_seen_nothing(&self) -> bool {
        let nothing_yet = self.episode.is_none() && self.concluded.is_empty() && self.quiet.seconds() == 0.0;
        nothing_yet && self.ring.iter().all(|(_, past)| observations(past) == 0.0)
    }

    /// A false start teaches nothing, and neither does the silence after it.
    fn begin_anew(&mut self) {
        let mut dropped = std::mem::take(&mut self.dropped);
        dropped.merge(&self.quiet);
        self.ring.iter().for_each(|(_, window)| dropped.merge(window));
        let timeline = std::mem::take(&mut self.timeline);
        let (changes, places) = (std::mem::take(&mut self.changes), std::mem::take(&mut self.places));
        *self = Self { dropped, timeline, changes, places, ..Self::new(self.policy.clone(), None) };
    }

    /// Feeds the detectors; returns the series that have shifted, with their onsets.
    fn watch(&mut self, second: Timestamp, window: &Window) -> Vec<(Watched, Timestamp)> {
        let learn = self.episode.is_none();
        let mut shifted = Vec::new();
        for (detector, series) in self.share_detectors.iter_mut().zip(SHARES) {
            let Some((hits, trials)) = series.value(window) else { continue };
            if detector.step(second, hits, trials, learn) {
                shifted.push((Watched::Share(series), detector.since().unwrap_or(second)));
            }
        }
        for (detector, series) in self.detectors.iter_mut().zip(SERIES) {
            let value = match (series.value(window), series.scale()) {
                (Some(value), _) => value,
                (None, Scale::Count | Scale::Sum) => 0.0,
                (None, Scale::Level) => continue,
            };
            match detector.step(second, value, learn) {
                Shift::Up => shifted.push((Watched::Rate(series), detector.up_since().unwrap_or(second))),
                Shift::Down if series.watches_falls() => {
                    shifted.push((Watched::Rate(series), detector.down_since().unwrap_or(second)));
                }
                Shift::Down | Shift::None => {}
            }
        }
        let slowed = window.http.as_ref().and_then(|http| self.kind_times.step(second, http, learn));
        shifted.extend(slowed.map(|since| (Watched::KindTimes, since)));
        let risen = self.coarse.add(second, window, learn);
        shifted.extend(risen.into_iter().map(|(series, since)| (Watched::Sum(series), since)));
        shifted
    }

    fn file_quiet(&mut self, second: Timestamp, window: Window) {
        self.ring.push_back((second, window));
        if self.ring.len() > RING_SECONDS
            && let Some((_, oldest)) = self.ring.pop_front()
        {
            self.add_quiet(&oldest);
        }
    }

    /// An episode with the quiet seconds that belong to it after all.
    fn begin_episode(
        &mut self,
        second: Timestamp,
        shifted: Vec<(Watched, Timestamp)>,
        effects: &mut Vec<Effect>,
    ) -> Episode {
        let onset = shifted.iter().map(|(_, since)| *since).min().unwrap_or(second);
        let ring = std::mem::take(&mut self.ring);
        let (quiet, since): (Vec<_>, Vec<_>) = ring.into_iter().partition(|(time, _)| *time < onset);
        quiet.iter().for_each(|(_, past)| self.add_quiet(past));
        let mut episode = Episode::open(onset, shifted, Ebbs::beside(self.reference()));
        since.into_iter().for_each(|(time, past)| episode.add(time, past, false));
        effects.push(Effect::Opened { onset });
        episode
    }

    fn open_episode(
        &mut self,
        second: Timestamp,
        window: Window,
        shifted: Vec<(Watched, Timestamp)>,
        effects: &mut Vec<Effect>,
    ) {
        let mut episode = self.begin_episode(second, shifted, effects);
        episode.add(second, window, false);
        episode.note_loudness(second, true);
        self.diagnose_episode(&mut episode, second, effects);
        self.episode = Some(Box::new(episode));
    }

    fn continue_episode(
        &mut self,
        mut episode: Box<Episode>,
        second: Timestamp,
        window: Window,
        shifted: Vec<(Watched, Timestamp)>,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(onset) = episode.begins_at(&shifted) {
            let (past, values) = episode.begin_at(onset);
            self.learn_from(&values);
            self.add_quiet(&past);
            effects.extend([Effect::Closed { end: onset }, Effect::Opened { onset }]);
        }
        for (series, since) in shifted {
            episode.note_moved(series, since.max(episode.onset));
        }
        episode.glance = None;
        let calm = episode.moved.iter().all(|(watched, _)| self.is_calm(*watched, &window));
        // Sums over several seconds come back late: they keep an episode open, and no measures on.
        let by_second = episode.moved.iter().filter(|(watched, _)| !matches!(watched, Watched::Sum(_)));
        let mut by_second = by_second.peekable();
        let loud = if by_second.peek().is_none() {
            !calm
        } else {
            by_second.any(|(watched, _)| self.is_loud(*watched, &window))
        };
        episode.note_loudness(second, loud);
        episode.add(second, window, calm);
        let over = episode.is_over(second) && !self.goes_on(&mut episode, second);
        if !over && episode.diagnosis_due(second) {
            self.diagnose_episode(&mut episode, second, effects);
        }
        self.look_for_turn(&mut episode, second, effects);
        self.look_beside(&mut episode, effects);
        let adopted = second.since_s(episode.onset) > NEW_NORMAL_S
            && episode
                .diagnosis
                .as_ref()
                .is_some_and(|d| !matches!(d.verdict.class, Class::Attack | Class::Abuse | Class::Fault));
        let false_alarm =
            episode.is_false_alarm(self.reference().is_some(), self.quiet.seconds() <= COLD_START_S);
        if false_alarm {
            self.learn_from(&episode.watched);
            if episode.moved.iter().any(|(watched, _)| *watched == Watched::KindTimes) {
                self.kind_times.relearn();
            }
        }
        self.episode = Some(episode);
        if over || adopted || false_alarm {
            self.close_episode(over, effects);
        }
        if adopted {
            self.forget_usual();
        }
    }

    /// What comes now is the new normal.
    fn forget_usual(&mut self) {
        self.detectors.iter_mut().for_each(Cusum::relearn);
        self.share_detectors.iter_mut().for_each(ShareCusum::relearn);
        self.coarse.relearn();
        self.kind_times.relearn();
    }

    /// It was nothing: the detectors learn from it, or they would call it again and again.
    fn learn_from(&mut self, watched: &[SecondValues]) {
        self.coarse.adopt(watched);
        for second in watched {
            for (detector, value) in self.detectors.iter_mut().zip(&second.rates) {
                value.iter().for_each(|v| detector.adopt(*v));
            }
            for (detector, value) in self.share_detectors.iter_mut().zip(&second.shares) {
                value.iter().for_each(|(hits, trials)| detector.adopt(*hits, *trials));
            }
        }
    }

    fn diagnose_episode(&mut self, episode: &mut Episode, second: Timestamp, effects: &mut Vec<Effect>) {
        let findings = self.episode_findings(episode);
        let diagnosis = episode.both.weighed(diagnose(&findings, &self.policy));
        let renamed = episode.diagnosis.as_ref().is_none_or(|d| d.verdict.cause != diagnosis.verdict.cause);
        if renamed {
            episode.named = Some(second.plus_ns(SECOND_NS));
            effects.push(Effect::Diagnosed(Box::new(diagnosis.clone())));
        }
        episode.set_diagnosis(second, diagnosis, findings);
    }

    /// An attack that begins while other trouble goes on is named for what is new, and not for the whole.
    fn look_for_turn(&self, episode: &mut Episode, second: Timestamp, effects: &mut Vec<Effect>) {
        let Some((onset, lately)) = episode.turning() else { return };
        let findings = self.findings_since(onset, None, &lately);
        let diagnosis = diagnose(&findings, &self.policy);
        if !episode.is_another(&diagnosis) {
            return;
        }
        let findings_before = Findings { end: Some(onset), ..self.episode_findings(episode) };
        let during = episode.turn_at(onset);
        if let Some(mut before) = episode.diagnosis.take() {
            before.verdict.end = Some(onset);
            let named = episode.named;
            let beside = std::mem::take(&mut episode.beside.over);
            let findings = findings_before;
            episode.earlier.push(Concluded { findings, diagnosis: before, beside, named, during });
        }
        episode.named = Some(second.plus_ns(SECOND_NS));
        effects.push(Effect::Diagnosed(Box::new(diagnosis.clone())));
        episode.set_diagnosis(second, diagnosis, findings);
    }

    /// An attack that begins on top of another is named beside it, for what it asks for more of than all
    /// that came before.
    fn look_beside(&self, episode: &mut Episode, effects: &mut Vec<Effect>) {
        let Some((rise, lately, before)) = episode.rise(self.reference()) else { return };
        let expected = Expected::of(&before);
        let findings = measure::findings_with(&lately, Some(&before), &expected, Some(rise.since));
        let is_news = episode.add_beside(rise, &diagnose(&findings, &self.policy));
        effects.extend(episode.diagnosis.clone().filter(|_| is_news).map(|d| Effect::Diagnosed(Box::new(d))));
    }

    pub(crate) fn episode_findings(&self, episode: &Episode) -> Findings {
        self.findings_of(episode, episode.glance.as_ref().unwrap_or(&episode.during))
    }

    fn findings_of(&self, episode: &Episode, during: &Window) -> Findings {
        self.findings_since(episode.onset, lead(episode), during)
    }

    fn findings_since(&self, onset: Timestamp, lead_s: Option<f64>, during: &Window) -> Findings {
        let reference = self.reference();
        let expected = self.expected.0.get_or_init(|| reference.map(Expected::of).unwrap_or_default());
        let mut findings = measure::findings_with(during, reference, expected, Some(onset));
        if let Some(lead_s) = lead_s {
            findings.insert(Finding {
                metric: Metric::DurationLead,
                observed: lead_s,
                expected: None,
                surprise: 0.0,
                support: 1.0,
                onset: Some(onset),
            });
        }
        findings.changes = self.changes_near(onset);
        let parts = &self.parts;
        let goes_on = parts.were_as_calm(onset, during) || parts.went_out_before(onset, during);
        if self.baseline.is_none() && goes_on {
            // Only what came on top before is gone again, or the day goes out.
            findings.findings.retain(|f| f.metric != Metric::MissingClients);
        }
        findings
    }

    /// Adds what turned out to be quiet.
    pub(crate) fn add_quiet(&mut self, window: &Window) {
        self.quiet.merge(window);
        self.expected = Expectation::default();
    }

    /// What is normal: the baseline if one was given, else what was quiet before, if enough.
    pub(crate) fn reference(&self) -> Option<&Window> {
        self.baseline.as_ref().or_else(|| is_enough(&self.quiet).then_some(&self.quiet))
    }

    /// Changes, the nearest to the onset first.
    pub(crate) fn changes_near(&self, onset: Timestamp) -> Vec<Change> {
        let mut near = self.changes.clone();
        near.sort_by_key(|c| onset.since_ns(c.time).abs());
        near.truncate(20);
        near
    }

    /// Closes the episode that is open. Its end is known only if calm was seen after it.
    pub(crate) fn close_episode(&mut self, calm_followed: bool, effects: &mut Vec<Effect>) {
        let Some(mut episode) = self.episode.take() else { return };
        let end = episode.last_active.plus_ns(SECOND_NS);
        let mut findings = self.episode_findings(&episode);
        findings.end = calm_followed.then_some(end);
        let mut diagnosis = diagnose(&findings, &self.policy);
        if (!diagnosis.verdict.class.is_named() || episode.is_outlived_by(diagnosis.verdict.class))
            && let Some((stood_on, stood)) = episode.stood()
        {
            (findings, diagnosis) = (Findings { end: findings.end, ..stood_on }, stood);
            diagnosis.verdict.end = findings.end;
        }
        if let Some(over) = episode.over_at(&diagnosis.verdict, calm_followed) {
            (findings.end, diagnosis.verdict.end) = (Some(over), Some(over));
        }
        effects.push(Effect::Closed { end: diagnosis.verdict.end.unwrap_or(end) });
        for (time, calm) in std::mem::take(&mut episode.tail) {
            self.file_quiet(time, calm);
        }
        self.detectors.iter_mut().for_each(Cusum::settle);
        self.share_detectors.iter_mut().for_each(ShareCusum::settle);
        self.coarse.settle();
        self.kind_times.settle();
        std::mem::take(&mut episode.earlier).into_iter().for_each(|earlier| self.keep(earlier));
        let during = std::mem::take(&mut episode.during);
        let beside = std::mem::take(&mut episode.beside).all();
        let concluded = Concluded { findings, diagnosis, beside, named: episode.named, during };
        if concluded.diagnosis.verdict.class == Class::Normal {
            self.add_quiet(&concluded.during);
        } else {
            self.keep(concluded);
        }
    }

    fn keep(&mut self, concluded: Concluded) {
        self.concluded.push(concluded);
        self.concluded.sort_by(|a, b| b.weight().total_cmp(&a.weight()));
        if self.concluded.len() > EPISODES_KEPT
            && let Some(least) = self.concluded.pop()
        {
            self.dropped.merge(&least.during);
        }
    }
}

/// Seconds by which answers slowed before requests rose; `None` where not both moved.
fn lead(episode: &Episode) -> Option<f64> {
    let moved =
        |wanted: Series| episode.moved.iter().find(|(s, _)| *s == Watched::Rate(wanted)).map(|(_, t)| *t);
    let slowed = moved(Series::Duration)?;
    match moved(Series::Requests) {
        Some(rose) => Some(rose.since_s(slowed)),
        None => Some(episode.last_active.since_s(slowed)),
    }
}

mod calm;
mod glance;
mod start;
#[cfg(test)]
mod tests;
