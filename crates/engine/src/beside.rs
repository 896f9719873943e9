//! Attacks that come on top of another that goes on: they are told apart by what is asked for, because
//! in the number of all requests, most of which are the first one's, they hardly show.

use seawall_detection::Window;
use seawall_detection::feature::http::HttpWindow;
use seawall_model::cause::Class;
use seawall_model::diagnosis::{Diagnosis, Hypothesis, Verdict};
use seawall_model::time::{SECOND_NS, Timestamp};
use seawall_model::{Cause, math};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// What rises is looked for in so many seconds, beside so many before at least.
const LATELY_S: usize = 3;
const BEFORE_S: usize = 4;
/// A kind of request has risen if there is so many times as much of it, by so many spreads.
const TIMES: f64 = 3.0;
const SPREADS: f64 = 8.0;
/// So long after something has risen it may turn out to be an attack: as long as the seconds are kept that
/// it is compared with.
const LOOKED_AT_S: f64 = 12.0;
/// An attack on top is believed if it is likelier than all else that it may be, so many times in a row.
/// That it is normal is no rival: something has come on top.
const CONFIDENCE: f64 = 0.5;
const FOUND_TIMES: u32 = 3;
/// It is over if in so many seconds there is less of its kind than this part of what there was.
const OVER_S: usize = 10;
const OVER_PART: f64 = 0.25;
/// Attacks on top of one that are told at once, and after they are over.
const MOST: usize = 3;
const MOST_OVER: usize = 8;

/// The attacks that go on beside the one that the episode is named for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Beside {
    known: Vec<Added>,
    /// Those that are over.
    pub over: Vec<Verdict>,
    /// What has risen, while it is looked at.
    rise: Option<Rise>,
    /// What was found last, and how many times in a row.
    found: Option<(Cause, u32)>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Added {
    verdict: Verdict,
    kind: u64,
    per_s: f64,
}

/// A kind of request of which there is suddenly more.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rise {
    pub since: Timestamp,
    kind: u64,
    per_s: f64,
}

impl Beside {
    /// What is looked at at the end of these seconds, or has risen in the last of them.
    pub(crate) fn rise(
        &mut self,
        seconds: &VecDeque<(Timestamp, Window)>,
        usual: Option<&Window>,
    ) -> Option<Rise> {
        let (now, newest) = seconds.back()?;
        self.rise = self.rise.filter(|rise| now.since_s(rise.since) <= LOOKED_AT_S);
        match &mut self.rise {
            Some(rise) => rise.per_s = rise.per_s.max(of_kind(newest, rise.kind)),
            None => self.rise = self.newly_risen(seconds, usual),
        }
        self.rise
    }

    /// The kind that has risen most of late, of those that are not known for an attack.
    fn newly_risen(&self, seconds: &VecDeque<(Timestamp, Window)>, usual: Option<&Window>) -> Option<Rise> {
        let before = seconds.len().checked_sub(LATELY_S).filter(|before| *before >= BEFORE_S)?;
        let requests = |range: std::ops::Range<usize>, kind: u64| -> f64 {
            seconds.range(range).map(|(_, window)| of_kind(window, kind)).sum()
        };
        let (newest, newest_window) = seconds.back()?;
        let usual_per_s = |kind| usual.map_or(0.0, |u| of_kind(u, kind) / u.seconds().max(1.0));
        let risen = |kind: u64| {
            let lately = requests(before..seconds.len(), kind);
            let per_s = (requests(0..before, kind) / before as f64).max(usual_per_s(kind));
            let expected = per_s * LATELY_S as f64;
            let spreads = 2.0 * (math::sqrt(lately + 0.375) - math::sqrt(expected + 0.375));
            (lately > TIMES * expected && spreads > SPREADS).then_some((spreads, kind, lately))
        };
        let http = newest_window.http.as_deref()?;
        let new = kinds(http).filter(|kind| self.known.iter().all(|added| added.kind != *kind));
        let (_, kind, lately) = new.filter_map(risen).max_by(|a, b| a.0.total_cmp(&b.0))?;
        let per_s = lately / LATELY_S as f64;
        let begun = seconds.range(before..).find(|(_, window)| of_kind(window, kind) * 2.0 >= per_s);
        Some(Rise { since: begun.map_or(*newest, |(second, _)| *second), kind, per_s })
    }

    /// Takes what the rise turns out to be beside all that was before it; true if that is another attack
    /// than those of `present`, and news.
    pub(crate) fn take(&mut self, rise: Rise, new: &Diagnosis, present: &Diagnosis) -> bool {
        let likeliest = new.hypotheses.iter().find(|h| h.cause != Cause::Normal);
        let likeliest = likeliest.filter(|h| h.confidence >= CONFIDENCE && is_told_by_itself(h.cause));
        let mut named = std::iter::once(&present.verdict).chain(&present.also);
        let is_room = self.known.len() < MOST;
        let news = likeliest.filter(|h| is_room && named.all(|known| known.cause != h.cause));
        let Some(Hypothesis { cause, vectors, confidence, .. }) = news.cloned() else {
            self.found = None;
            return false;
        };
        let times = self.found.filter(|(before, _)| *before == cause).map_or(0, |(_, times)| times) + 1;
        self.found = Some((cause, times));
        if times < FOUND_TIMES {
            return false;
        }
        (self.found, self.rise) = (None, None);
        let verdict = Verdict {
            class: cause.class(),
            cause,
            vectors,
            confidence,
            target: present.verdict.target.clone(),
            onset: Some(rise.since),
            end: None,
        };
        self.known.push(Added { verdict, kind: rise.kind, per_s: rise.per_s });
        true
    }

    /// Those of which hardly anything is left are over.
    pub(crate) fn part_with_what_is_over(&mut self, seconds: &VecDeque<(Timestamp, Window)>) {
        if seconds.len() < OVER_S {
            return;
        }
        let lately = || seconds.iter().rev().take(OVER_S);
        let goes_on = |added: &mut Added| {
            let requests: f64 = lately().map(|(_, window)| of_kind(window, added.kind)).sum();
            requests >= OVER_PART * added.per_s * OVER_S as f64
        };
        let over = self.known.extract_if(.., |added| !goes_on(added)).map(|added| {
            let still = |window: &Window| of_kind(window, added.kind) >= OVER_PART * added.per_s;
            let last = seconds.iter().rev().find(|(_, window)| still(window)).or(seconds.front());
            Verdict { end: last.map(|(second, _)| second.plus_ns(SECOND_NS)), ..added.verdict }
        });
        self.over.extend(over);
        self.over.truncate(MOST_OVER);
    }

    /// All that there are and were.
    pub(crate) fn all(self) -> Vec<Verdict> {
        let known = self.known.into_iter().map(|added| added.verdict);
        self.over.into_iter().chain(known).collect()
    }

    /// Whether an attack of this kind is on top, or was.
    pub(crate) fn had(&self, cause: Cause) -> bool {
        let known = self.known.iter().map(|added| &added.verdict);
        known.chain(&self.over).any(|verdict| verdict.cause == cause)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Adds them to what the episode is named for.
    pub(crate) fn join(&self, diagnosis: &mut Diagnosis) {
        if !diagnosis.verdict.class.is_hostile() {
            return;
        }
        for added in &self.known {
            let mut named = std::iter::once(&diagnosis.verdict).chain(&diagnosis.also);
            if named.all(|known| known.cause != added.verdict.cause) {
                diagnosis.also.push(added.verdict.clone());
            }
        }
    }
}

/// Whether it is told by what is asked for. What is held back of an attack looks like somebody who only
/// wants too much, and is no other trouble.
fn is_told_by_itself(cause: Cause) -> bool {
    cause.class() == Class::Attack || cause == Cause::CredentialAbuse
}

fn kinds(http: &HttpWindow) -> impl Iterator<Item = u64> {
    http.kinds.sorted().into_iter().map(|(kind, _)| *kind)
}

fn of_kind(window: &Window, kind: u64) -> f64 {
    let http = window.http.as_deref();
    http.and_then(|http| http.kinds.get(kind)).map_or(0.0, |seen| f64::from(seen.asked))
}

#[cfg(test)]
mod tests {
    use crate::ebb::Ebbs;
    use crate::episode::Episode;
    use seawall_diagnosis::diagnose;
    use seawall_model::Cause;
    use seawall_model::diagnosis::{Diagnosis, Verdict};
    use seawall_model::finding::Findings;
    use seawall_model::policy::Policy;
    use seawall_model::time::Timestamp;

    fn named(cause: Cause) -> Diagnosis {
        let mut diagnosis = diagnose(&Findings::default(), &Policy::default());
        diagnosis.verdict = Verdict { class: cause.class(), cause, confidence: 0.9, ..diagnosis.verdict };
        diagnosis
    }

    /// Broke: a flood on top of which passwords had been guessed was called password guessing when both were over,
    /// and was not in the write-up.
    #[test]
    fn what_was_on_top_of_an_attack_is_no_name_for_the_whole() {
        let second = Timestamp::from_seconds(100);
        let mut episode = Episode::open(second, Vec::new(), Ebbs::default());
        let mut is_called = |cause| {
            episode.set_diagnosis(second, named(cause), Findings::default());
            episode.beside.over = vec![named(Cause::CredentialAbuse).verdict];
            episode.diagnosis.as_ref().map(|diagnosis| diagnosis.verdict.cause)
        };
        assert_eq!(is_called(Cause::CacheBusting), Some(Cause::CacheBusting));
        assert_eq!(is_called(Cause::CredentialAbuse), Some(Cause::CacheBusting));
        assert_eq!(is_called(Cause::HttpFlood), Some(Cause::HttpFlood), "another name");
    }
}
