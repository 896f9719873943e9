//! A disturbance while it is open: its name, which is not changed lightly, and what the operator
//! and the users are told of it.

use super::store::{Store, WriteUp};
use crate::report::words;
use seawall_incident::status::Notice;
use seawall_incident::{Actor, Event, Ledger, Stage};
use seawall_model::diagnosis::Verdict;
use seawall_model::plan::{Outcome, Plan};
use seawall_model::report::TriageReport;
use seawall_model::time::SECOND_NS;
use seawall_model::{Cause, Class, Timestamp};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A name is replaced by another that was found so many times in a row, a second apart: sooner
/// while the trouble is young, and little of it has been seen.
const RENAME_YOUNG: u32 = 2;
const RENAME: u32 = 4;
const YOUNG_S: f64 = 6.0;
/// The same for a name that is given up or made less of: what was clear and is not any more.
const UNNAME: u32 = 8;
/// Seconds of a trouble in which it is looked at several times a second until it has a name and
/// something is done about it.
const GLANCES_S: f64 = 10.0;
/// While the trouble is younger than this, packets are looked at within the second also when it has
/// a name, and a plan is replaced as soon as more is known.
pub(super) const FIRST_LOOKS_S: f64 = 1.5;
/// So many seconds of calm are told of when it begins again.
const LULL_S: f64 = 4.0;
/// What begins so soon after the program may have been there before it.
const FROM_THE_START_S: f64 = 30.0;
/// An open incident's report is written so often, in seconds.
pub(super) const KEEP_EVERY_S: i64 = 5;
/// Lines of what was done that an incident keeps: a month of measures that come and go.
const MOST_LINES: usize = 2_000;

/// Something that the operator is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// Traffic is unlike before.
    Opened(Timestamp),
    /// The trouble has a (new) name.
    Named(Box<TriageReport>),
    /// What the users are told has been written.
    Notified { title: String, file: PathBuf },
    /// These measures are in force, or would be (`observe`); and what those did in whose place they are.
    Engaged { plan: Plan, observe: bool, replaced: Vec<Outcome> },
    /// They did no harm on a share, and act on all now.
    Widened,
    /// The measures are withdrawn, why, and what they did.
    Withdrawn { why: String, outcomes: Vec<Outcome> },
    /// It is over. `folder`: where it is written up.
    Ended { report: Box<TriageReport>, folder: Option<PathBuf> },
    /// Something that is good to know.
    Noted(String),
    /// Something of our own went wrong; the guard goes on.
    Failed(String),
}

/// Incidents that were cut off before this program began.
#[derive(Clone, Debug)]
pub(super) struct CutOff {
    pub(super) names: Vec<String>,
    pub(super) began: Timestamp,
}

/// A disturbance that is open.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Incident {
    pub(super) name: String,
    pub(super) onset: Timestamp,
    pub(super) report: Option<Box<TriageReport>>,
    /// When its report was written last.
    pub(super) kept: Option<Timestamp>,
    /// What the operator was told it is, and what is done about it.
    pub(super) stage: Stage,
    /// Attacks at the same time, that the operator was told of.
    #[serde(default)]
    beside: Vec<Cause>,
    /// For how many seconds it is calm.
    #[serde(default)]
    calm_s: f64,
    /// What is found instead, and how many times in a row.
    rival: Option<(Cause, u32)>,
    /// What the users were told of.
    notified: Option<Class>,
    /// What was done about it, and by whom.
    #[serde(default)]
    done: Ledger,
    /// What the measures in force have done so far.
    #[serde(default)]
    outcomes: Vec<Outcome>,
    /// The measures that were in force last: what is told of them at the end is no proposal.
    #[serde(default)]
    engaged: Option<Plan>,
}

impl Incident {
    pub(super) fn open(onset: Timestamp) -> Self {
        let name = onset.to_string().replace(':', "").trim_end_matches('Z').to_owned();
        Self {
            name,
            onset,
            report: None,
            kept: None,
            stage: Stage::Detected,
            beside: Vec::new(),
            calm_s: 0.0,
            rival: None,
            notified: None,
            done: Ledger::default(),
            outcomes: Vec::new(),
            engaged: None,
        }
    }

    /// The same in a program that comes after one whose incidents were cut off: what is there from the
    /// first moment may be the last of them, and nobody saw it begin. That is to be told.
    pub(super) fn open_after(onset: Timestamp, cut_off: &CutOff) -> (Self, Option<Told>) {
        let mut incident = Self::open(onset);
        let is_early = onset.since_s(cut_off.began) <= FROM_THE_START_S;
        let Some(name) = cut_off.names.last().filter(|_| is_early) else { return (incident, None) };
        let text = format!(
            "the guard had just been started: this may have begun before, as incident {name}, and no figure knows of that"
        );
        incident.note(onset, Actor::Seawall, Event::Note { text: text.clone() });
        (incident, Some(Told::Noted(text)))
    }

    /// It is over: written up, if it has been described and was not a stir that turned out to be
    /// nothing.
    pub(super) fn finish(self, end: Timestamp, store: Option<&mut Store>) -> Vec<Told> {
        let Some(mut report) = self.report else { return Vec::new() };
        report.verdict.end = report.verdict.onset.max(Some(end));
        report.plan = self.engaged.or(report.plan.take());
        let is_news = report.verdict.class != Class::Normal;
        let (folder, trouble) = match store {
            Some(store) if is_news => {
                store.finish(WriteUp { name: self.name, report: report.clone(), done: self.done })
            }
            _ => (None, Vec::new()),
        };
        [Told::Ended { report, folder }].into_iter().chain(trouble).collect()
    }

    /// Adds up what enforcers have read back.
    pub(super) fn add(&mut self, outcomes: Vec<Outcome>) {
        for new in outcomes {
            match self.outcomes.iter_mut().find(|o| o.measure == new.measure) {
                Some(outcome) => {
                    outcome.requests += new.requests;
                    outcome.packets += new.packets;
                }
                None => self.outcomes.push(new),
            }
        }
        self.outcomes.sort_by(|a, b| (a.measure.len(), &a.measure).cmp(&(b.measure.len(), &b.measure)));
    }

    /// What the measures in force have done so far.
    pub(super) fn outcomes(&self) -> &[Outcome] {
        &self.outcomes
    }

    /// What the measures did that are not in force any more, noted. What was only proposed did nothing.
    fn read_back(&mut self, observe: bool, now: Timestamp) -> Vec<Outcome> {
        let mut outcomes = std::mem::take(&mut self.outcomes);
        outcomes.retain(|_| !observe);
        for outcome in &outcomes {
            self.note(now, Actor::Seawall, Event::ReadBack(outcome.clone()));
        }
        outcomes
    }

    /// Notes that measures are in force, in the place of others if there were any; with `observe` they are only
    /// proposed. Returns what those others did.
    pub(super) fn engaged(&mut self, plan: &Plan, observe: bool, now: Timestamp) -> Vec<Outcome> {
        let outcomes = match self.stage.plan().cloned() {
            Some(before) => {
                let why = (Actor::Seawall, "another plan takes its place");
                self.withdrawn(&before, observe, why, now)
            }
            None => Vec::new(),
        };
        if observe {
            return outcomes;
        }
        self.engaged = Some(plan.clone());
        for measure in &plan.measures {
            let scope = words::scope(&measure.scope, measure.target.as_deref());
            let text = format!("{}: {scope}", words::action(&measure.action));
            self.note(now, Actor::Seawall, Event::Applied { measure: measure.id.clone(), text });
        }
        outcomes
    }

    /// Notes that they are not any more. Returns what they did.
    pub(super) fn withdrawn(
        &mut self,
        plan: &Plan,
        observe: bool,
        (by, why): (Actor, &str),
        now: Timestamp,
    ) -> Vec<Outcome> {
        let outcomes = self.read_back(observe, now);
        for measure in plan.measures.iter().filter(|_| !observe) {
            let event = Event::Withdrawn { measure: measure.id.clone(), reason: why.to_owned() };
            self.note(now, by.clone(), event);
        }
        outcomes
    }

    /// Takes for how long it has been calm, and notes it when it begins again.
    pub(super) fn note_calm(&mut self, calm_s: f64, now: Timestamp) {
        let before_s = std::mem::replace(&mut self.calm_s, calm_s);
        if calm_s < before_s && before_s >= LULL_S {
            self.note(now, Actor::Observed, Event::Resumed { calm_s: before_s });
        }
    }

    /// Notes something else that somebody did.
    pub(super) fn note(&mut self, now: Timestamp, by: Actor, event: Event) {
        if self.done.entries().len() < MOST_LINES {
            self.done.append(now, by, event);
        }
    }

    /// The guard was cut off in it, and goes on now.
    pub(super) fn goes_on_after_gap(&mut self, saved: Timestamp, now: Timestamp) {
        let text = format!(
            "the guard was restarted: nothing was seen for {:.0} s at most, and is in no figure",
            now.since_s(saved).max(1.0)
        );
        self.note(now, Actor::Seawall, Event::Note { text });
    }

    /// Takes a report; true if the trouble has a new name by it, or an attack beside it is news.
    pub(super) fn describe(&mut self, report: Box<TriageReport>, now: Timestamp) -> bool {
        let verdict = &report.verdict;
        let is_renamed = self.stage.diagnose(verdict.cause) != Some(verdict.cause);
        if is_renamed && verdict.class.is_named() {
            let (cause, vectors, confidence) = (verdict.cause, verdict.vectors.clone(), verdict.confidence);
            self.note(now, Actor::Seawall, Event::Named { cause, vectors, confidence });
        }
        let joined = self.joined(verdict.class, &report.also);
        let is_joined = !joined.is_empty();
        for Verdict { cause, vectors, confidence, .. } in joined {
            self.note(now, Actor::Seawall, Event::Named { cause, vectors, confidence });
        }
        self.report = Some(report);
        let is_new = is_renamed || is_joined;
        if is_new {
            self.rival = None;
        }
        is_new
    }

    /// What goes on at the same time that nobody was told of. Beside an attack only other attacks are news:
    /// that the service suffers is its doing.
    fn joined(&mut self, class: Class, also: &[Verdict]) -> Vec<Verdict> {
        let is_news = |v: &Verdict| class.is_named() && (v.class.is_hostile() || !class.is_hostile());
        let new = also.iter().filter(|v| is_news(v) && !self.beside.contains(&v.cause));
        let new: Vec<Verdict> = new.cloned().collect();
        self.beside.extend(new.iter().map(|verdict| verdict.cause));
        new
    }

    /// Whether the operator has been told nothing yet but that something is going on.
    pub(super) fn is_unnamed(&self) -> bool {
        !self.stage.cause().is_some_and(|cause| cause.class().is_named())
    }

    /// Whether it is looked at before a second is over: while it is young, and has no name or nothing
    /// is done about it. Packets are looked at also when they have a name: the first of a flood tell
    /// little of it.
    pub(super) fn is_looked_at(&self, has_packets: bool, now: Timestamp) -> bool {
        let age_s = now.since_s(self.onset);
        match self.stage {
            Stage::Monitoring { .. } => false,
            Stage::Mitigating { .. } if !self.is_unnamed() => has_packets && age_s < FIRST_LOOKS_S,
            Stage::Detected | Stage::Diagnosed { .. } | Stage::Mitigating { .. } => age_s <= GLANCES_S,
        }
    }

    /// Writes what the users are told, if that is news: first that there is trouble, then of which
    /// kind. A stir that is nothing is kept from them.
    fn notify(&mut self, store: &mut Store) -> Vec<Told> {
        let Some(report) = &self.report else { return Vec::new() };
        let class = report.verdict.class;
        if class == Class::Normal || self.notified == Some(class) {
            return Vec::new();
        }
        let kind = if class == Class::Undecided { Notice::First } else { Notice::Update };
        let outcome = store.notify(&self.name, report, kind);
        let trouble = store.noted(&outcome);
        let notified = outcome.ok().map(|(title, file)| Told::Notified { title, file });
        if notified.is_some() {
            self.notified = Some(class);
        }
        trouble.into_iter().chain(notified).collect()
    }

    /// Writes down what it is so far, for the users and for a program that comes after a crash.
    pub(super) fn keep(&mut self, store: &mut Store, now: Timestamp) -> Vec<Told> {
        let mut told = self.notify(store);
        let is_due = self.kept.is_none_or(|at| now.since_ns(at) >= KEEP_EVERY_S * SECOND_NS);
        if let Some(report) = self.report.as_ref().filter(|r| is_due && r.verdict.class != Class::Normal) {
            self.kept = Some(now);
            let outcome = store.keep(&self.name, report, &self.done);
            told.extend(store.noted(&outcome));
        }
        told
    }

    /// Whether a verdict is the incident's name, or has been found often enough to become it: our
    /// own measures change what is seen, and a name that changes every second helps nobody.
    pub(super) fn accepts(&mut self, verdict: &Verdict, now: Timestamp) -> bool {
        let Some(present) = self.stage.cause() else { return true };
        if present == verdict.cause || !present.class().is_named() {
            self.rival = None;
            return true;
        }
        let times = match self.rival {
            Some((cause, times)) if cause == verdict.cause => times + 1,
            _ => 1,
        };
        self.rival = Some((verdict.cause, times));
        let needed = match now.since_s(verdict.onset.map_or(self.onset, |onset| onset.max(self.onset))) {
            _ if !verdict.class.is_named() => UNNAME,
            // An attack that is held back looks like somebody who only wants too much.
            _ if present.class() == Class::Attack && verdict.class == Class::Abuse => UNNAME,
            age_s if age_s <= YOUNG_S => RENAME_YOUNG,
            _ => RENAME,
        };
        times >= needed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(cause: Cause) -> Verdict {
        Verdict {
            class: cause.class(),
            cause,
            vectors: Vec::new(),
            confidence: 0.9,
            target: None,
            onset: None,
            end: None,
        }
    }

    fn plan(generation: u64) -> Plan {
        Plan {
            generation,
            parent: None,
            cause: Cause::SlowHttp,
            created: Timestamp(0),
            expires: Timestamp(1),
            measures: Vec::new(),
        }
    }

    /// Broke: a flood from eight addresses was called scraping two seconds after it was named, because
    /// what was let through of it read page after page.
    #[test]
    fn an_attack_that_is_held_back_is_not_soon_called_abuse_and_a_crowd_is_soon_called_one() {
        let stage = Stage::Diagnosed { cause: Cause::HttpFlood };
        let named = || Incident { stage: stage.clone(), ..Incident::open(Timestamp::from_seconds(7)) };
        let times = |cause: Cause| {
            let mut incident = named();
            (1..20).find(|_| incident.accepts(&verdict(cause), Timestamp::from_seconds(9)))
        };
        assert_eq!(times(Cause::Scraping), Some(UNNAME));
        assert_eq!(times(Cause::FlashCrowd), Some(RENAME_YOUNG));
    }

    #[test]
    fn a_lull_is_noted_when_it_is_over() {
        let mut incident = Incident::open(Timestamp::from_seconds(7));
        let calm = [0.0, 1.0, 2.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 0.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0];
        for (second, calm_s) in (8..).zip(calm) {
            incident.note_calm(calm_s, Timestamp::from_seconds(second));
        }
        let noted: Vec<_> = incident.done.entries().iter().map(|e| (e.time, &e.event)).collect();
        assert_eq!(noted, [(Timestamp::from_seconds(17), &Event::Resumed { calm_s: 5.0 })]);
    }

    #[test]
    fn an_attack_beside_another_is_news_once() {
        let mut incident = Incident::open(Timestamp::from_seconds(7));
        let (attack, fault) = (Class::Attack, Class::Fault);
        assert!(incident.joined(attack, &[]).is_empty());
        assert!(!incident.joined(attack, &[verdict(Cause::HttpFlood)]).is_empty());
        assert!(incident.joined(attack, &[verdict(Cause::HttpFlood)]).is_empty());
        let both = [verdict(Cause::HttpFlood), verdict(Cause::SynFlood)];
        assert!(!incident.joined(attack, &both).is_empty());
        assert!(incident.joined(attack, &[verdict(Cause::SlowBackend)]).is_empty(), "no attack");
        assert!(
            !incident.joined(fault, &[verdict(Cause::FlashCrowd)]).is_empty(),
            "a crowd at the same time"
        );
    }

    /// Broke: measures that rested after four calm seconds of a slow attack were back a moment later, for
    /// a look at a second under way found that nothing was done about it, and so once a second.
    #[test]
    fn what_rests_is_not_planned_for_anew_while_it_is_calm() {
        let cause = Cause::SlowHttp;
        let is_looked_at = |stage| {
            let incident = Incident { stage, ..Incident::open(Timestamp::from_seconds(7)) };
            incident.is_looked_at(true, Timestamp::from_seconds(12))
        };
        assert!(is_looked_at(Stage::Diagnosed { cause }), "it has a name, and nothing is done");
        assert!(!is_looked_at(Stage::Monitoring { cause, plan: plan(1) }));
    }

    /// Broke: what went on when a guard was started again was told as having begun then.
    #[test]
    fn what_was_there_at_the_start_is_told_as_of_unknown_age() {
        let at = Timestamp::from_seconds;
        let notes = |onset: i64, cut_off: &[&str]| {
            let names = cut_off.iter().map(ToString::to_string).collect();
            let (incident, told) = Incident::open_after(at(onset), &CutOff { names, began: at(100) });
            assert_eq!(told.is_some(), !incident.done.entries().is_empty());
            incident.done.entries().len()
        };
        assert_eq!((notes(105, &["2026-11-22T160000"]), notes(105, &[]), notes(500, &["a"])), (1, 0, 0));
    }

    /// Broke: what was only proposed last was told as applied, at the end of an incident whose measures
    /// had been others.
    #[test]
    fn what_is_told_at_the_end_is_what_was_in_force() {
        let told = |engaged: Option<Plan>| {
            let mut incident = Incident::open(Timestamp::from_seconds(7));
            let golden = include_str!("../../tests/golden/http-flood.json");
            let mut report: TriageReport = serde_json::from_str(golden).expect("a report");
            report.plan = Some(plan(9));
            incident.report = Some(Box::new(report));
            if let Some(plan) = engaged {
                incident.engaged(&plan, false, Timestamp::from_seconds(8));
            }
            match &incident.finish(Timestamp::from_seconds(9), None)[..] {
                [Told::Ended { report, .. }] => report.plan.as_ref().map(|plan| plan.generation),
                _ => None,
            }
        };
        assert_eq!(told(Some(plan(3))), Some(3));
        assert_eq!(told(None), Some(9));
    }

    /// Broke: nobody could say what a measure had done: requests were counted as it held them back, and the
    /// count was read by nothing.
    #[test]
    fn what_measures_did_is_read_back() {
        let did = |measure: &str, requests, packets| Outcome { measure: measure.into(), requests, packets };
        let mut incident = Incident::open(Timestamp::from_seconds(7));
        incident.add(vec![did("m1", 5, 0), did("m2", 0, 0)]);
        incident.add(vec![did("m1", 2, 9)]);
        let expected = [did("m1", 7, 9), did("m2", 0, 0)];
        assert_eq!(incident.outcomes(), expected);
        let withdrawn =
            incident.withdrawn(&plan(1), false, (Actor::Seawall, "calm"), Timestamp::from_seconds(8));
        assert_eq!(withdrawn, expected);
        assert!(incident.outcomes().is_empty(), "what comes next counts from nothing");
        let read = |event: &Event| if let Event::ReadBack(o) = event { Some(o.clone()) } else { None };
        let told: Vec<Outcome> = incident.done.entries().iter().filter_map(|e| read(&e.event)).collect();
        assert_eq!(told, expected);
    }

    /// Broke: when one plan took the place of another, nobody was told what the first had done, nor that it
    /// was gone.
    #[test]
    fn a_plan_that_is_replaced_is_told_of() {
        let mut incident = Incident::open(Timestamp::from_seconds(7));
        let at = Timestamp::from_seconds;
        assert!(incident.engaged(&plan(1), false, at(8)).is_empty());
        incident.stage.engage(plan(1));
        let did = vec![Outcome { measure: "m1".into(), requests: 361, packets: 0 }];
        incident.add(did.clone());
        assert_eq!(incident.engaged(&plan(2), false, at(9)), did);
        incident.add(did);
        let dropped = incident.withdrawn(&plan(2), true, (Actor::Seawall, "calm"), at(10));
        assert!(dropped.is_empty() && incident.outcomes().is_empty(), "what was only proposed did nothing");
    }

    /// Broke: of a flood that turned into password guessing the write-up knew the guessing alone.
    #[test]
    fn every_name_that_it_had_is_kept() {
        let golden = include_str!("../../tests/golden/http-flood.json");
        let mut report: TriageReport = serde_json::from_str(golden).expect("a report");
        let mut incident = Incident::open(Timestamp::from_seconds(7));
        for (at, cause) in [(8, Cause::HttpFlood), (9, Cause::HttpFlood), (30, Cause::CredentialAbuse)] {
            (report.verdict.cause, report.verdict.class) = (cause, cause.class());
            incident.describe(Box::new(report.clone()), Timestamp::from_seconds(at));
        }
        let named = |event: &Event| if let Event::Named { cause, .. } = event { Some(*cause) } else { None };
        let names: Vec<_> = incident.done.entries().iter().map(|e| (e.time.0, named(&e.event))).collect();
        let at = |s: i64| Timestamp::from_seconds(s).0;
        assert_eq!(names, [(at(8), Some(Cause::HttpFlood)), (at(30), Some(Cause::CredentialAbuse))]);
    }
}
