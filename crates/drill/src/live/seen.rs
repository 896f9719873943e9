//! What was seen of a drill: the requests of people and the events of the guard, and what they add
//! up to.

use super::card::{ANSWERED, CONTAINED_S, Card, Refutation};
use super::guard::Event;
use super::outage::Theory;
use super::people::{Asked, IN_TIME};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio::time::Instant;

/// Steps in which the moment of containment is looked for.
const STEP_S: f64 = 0.5;
/// Fewer requests of people than this in a stretch say nothing about it.
const LEAST_REQUESTS: u64 = 20;
/// Seconds before the onset that are told of.
const BEFORE_S: f64 = 10.0;

/// So many of so many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    pub part: u64,
    pub of: u64,
}

impl Share {
    /// 0 to 1; `None` of nothing.
    #[must_use]
    pub fn value(self) -> Option<f64> {
        (self.of > 0).then(|| self.part as f64 / self.of as f64)
    }
}

/// How the people fared who asked in one second.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Second {
    /// From the onset; negative before it.
    pub at_s: i32,
    pub asked: u64,
    pub good: u64,
    pub refused: u64,
    /// The median of what they waited, in milliseconds; `None` where nobody asked.
    pub wait_ms: Option<f64>,
}

/// Something that the guard told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Moment {
    /// Seconds from the onset.
    pub at_s: f64,
    /// The event's name (`seawall.guard-event/1`).
    pub event: String,
    pub text: String,
}

/// What a stage saw, for the card.
#[derive(Debug)]
pub(super) struct Seen<'a> {
    pub(super) theories: &'a [Theory],
    pub(super) right: Vec<&'static str>,
    /// Names of what comes beside the outage's own attack, in a lab.
    pub(super) forged: Vec<&'static str>,
    pub(super) onset: Instant,
    pub(super) end: Instant,
    /// When the guard was asked to end: what it withdraws then says nothing.
    pub(super) until: Instant,
    pub(super) asked: &'a [Asked],
    pub(super) events: &'a [Event],
}

impl Seen<'_> {
    /// Fills in everything that people and events tell; it is not judged yet.
    pub(super) fn card(&self, world: &str, seed: u64) -> Card {
        let named: Vec<&Event> = self.during().filter(|e| e.cause().is_some()).collect();
        let first_right = named.iter().find(|e| self.is_right(e));
        let length_s = self.length_s();
        let contained_s = contained(&self.steps(length_s)).map(|step| step as f64 * STEP_S);
        let from_s = contained_s.unwrap_or(CONTAINED_S).min(CONTAINED_S);
        let after = |a: &&Asked| self.at_s(a) >= from_s && self.at_s(a) < length_s;
        let attacked = |a: &&Asked| self.at_s(a) >= 0.0 && self.at_s(a) < length_s;
        Card {
            world: world.to_owned(),
            seed,
            right: self.right.iter().map(|c| (*c).to_owned()).collect(),
            length_s,
            noticed_s: self.first(|e| e.is("opened") || e.cause().is_some()),
            named_s: first_right.map(|e| e.since_s(self.onset)),
            told_s: self.first(|e| e.is("users")),
            contained_s,
            released_s: self.released_s(),
            names: named.iter().filter_map(|e| e.cause()).map(str::to_owned).collect(),
            beside: named
                .last()
                .map(|e| e.beside().map(|c| c.as_str().to_owned()).collect())
                .unwrap_or_default(),
            holds: named.last().is_some_and(|e| self.is_right(e)),
            refutations: self.refutations(first_right.copied()),
            measures: self.measures(),
            answered_after: self.share(after, Asked::is_good),
            answered_during: self.share(attacked, Asked::is_good),
            wrongly_refused: self.share(attacked, Asked::is_refused),
            refused_parts: self.share(attacked, |a| a.is_part && a.is_refused()).part,
            calm_ms: waited_ms(self.asked.iter().filter(|a| a.at < self.onset)),
            after_ms: waited_ms(self.asked.iter().filter(after)),
            course: course(self.asked, self.onset),
            story: self.story(),
            false_alarms: self.events.iter().filter(|e| !self.is_after(e) && e.is_alarm()).count() as u64,
            is_written_up: self.events.iter().any(Event::is_written_up),
            ..Card::default()
        }
    }

    /// Names given from the onset on, in order, and when the first right one was.
    pub(super) fn names(&self) -> (Vec<String>, Option<f64>) {
        let names = self.during().filter_map(Event::cause).map(str::to_owned).collect();
        (names, self.first(|e| self.is_right(e)))
    }

    /// Whether an event gives a right name: as the trouble's own, or as one of two where the other is
    /// right too.
    fn is_right(&self, event: &Event) -> bool {
        event.cause().is_some_and(|cause| {
            let is_told_beside = || event.beside().any(|c| self.right.contains(&c.as_str()));
            self.right.contains(&cause) || self.forged.contains(&cause) && is_told_beside()
        })
    }

    pub(super) fn story(&self) -> Vec<Moment> {
        let moment = |event: &Event| {
            Some(Moment {
                at_s: event.since_s(self.onset),
                event: event.value["event"].as_str()?.to_owned(),
                text: event.words()?,
            })
        };
        self.events.iter().filter_map(moment).collect()
    }

    fn length_s(&self) -> f64 {
        (self.end - self.onset).as_secs_f64()
    }

    fn is_after(&self, event: &Event) -> bool {
        Instant::from_std(event.at) >= self.onset
    }

    fn during(&self) -> impl Iterator<Item = &Event> {
        self.events.iter().filter(move |e| self.is_after(e) && Instant::from_std(e.at) <= self.end)
    }

    fn first(&self, is_it: impl Fn(&Event) -> bool) -> Option<f64> {
        self.during().find(|e| is_it(e)).map(|e| e.since_s(self.onset))
    }

    fn at_s(&self, asked: &Asked) -> f64 {
        since_s(asked.at, self.onset)
    }

    fn share(&self, among: impl Fn(&&Asked) -> bool, has: impl Fn(&Asked) -> bool) -> Share {
        let mut share = Share::default();
        for asked in self.asked.iter().filter(among) {
            share.of += 1;
            share.part += u64::from(has(asked));
        }
        share
    }

    /// Good answers by the step in which they were asked for.
    fn steps(&self, length_s: f64) -> Vec<Share> {
        let mut steps = vec![Share::default(); (length_s / STEP_S).ceil() as usize];
        for asked in self.asked {
            let at_s = self.at_s(asked);
            if at_s < 0.0 {
                continue;
            }
            let Some(share) = steps.get_mut((at_s / STEP_S) as usize) else { continue };
            share.of += 1;
            share.part += u64::from(asked.is_good());
        }
        steps
    }

    /// `None` while measures are in force, or where there were none.
    fn released_s(&self) -> Option<f64> {
        let is_before = |e: &&Event| Instant::from_std(e.at) <= self.until;
        let last = self.events.iter().filter(is_before).rfind(|e| e.is("measures") || e.is("withdrawn"))?;
        last.is("withdrawn").then_some(last.since_s(self.end).max(0.0))
    }

    fn measures(&self) -> Vec<String> {
        let mut all = Vec::new();
        let engaged = self.during().filter(|e| e.is("measures"));
        for measure in engaged.filter_map(|e| e.value["measures"].as_array()).flatten() {
            let text = measure["text"].as_str().unwrap_or_default();
            let shown = format!("{text}: {}", measure["scope"].as_str().unwrap_or_default());
            if !all.contains(&shown) {
                all.push(shown);
            }
        }
        all
    }

    fn refutations(&self, named: Option<&Event>) -> Vec<Refutation> {
        let rows = named.and_then(|e| e.value["refuted"].as_array()).cloned().unwrap_or_default();
        let all = self.theories.iter().map(|theory| {
            let row = rows.iter().find(|r| r["cause"] == theory.cause.as_str());
            let text = |key: &str| row.and_then(|r| r[key].as_str()).map(str::to_owned);
            Refutation {
                theory: theory.name.to_owned(),
                cause: theory.cause.as_str().to_owned(),
                figures: text("figures"),
                reason: text("reason").unwrap_or_default(),
            }
        });
        all.collect()
    }
}

/// How people fared second by second, from ten seconds before the onset on.
pub(super) fn course(asked: &[Asked], onset: Instant) -> Vec<Second> {
    let mut seconds: Vec<(Second, Vec<f64>)> = Vec::new();
    for one in asked {
        let at_s = since_s(one.at, onset);
        if at_s < -BEFORE_S {
            continue;
        }
        let at_s = at_s.floor() as i32;
        let first = seconds.first().map_or(at_s, |(s, _)| s.at_s);
        // They are in the order of asking.
        for missing in first + seconds.len() as i32..=at_s {
            let empty = Second { at_s: missing, asked: 0, good: 0, refused: 0, wait_ms: None };
            seconds.push((empty, Vec::new()));
        }
        let Some((second, waits)) = seconds.get_mut((at_s - first).max(0) as usize) else { continue };
        second.asked += 1;
        second.good += u64::from(one.is_good());
        second.refused += u64::from(one.is_refused());
        waits.push(wait_ms(one));
    }
    let with_median = |(second, mut waits): (Second, Vec<f64>)| {
        waits.sort_by(f64::total_cmp);
        Second { wait_ms: waits.get(waits.len() / 2).copied(), ..second }
    };
    seconds.into_iter().map(with_median).collect()
}

/// Good answers among requests begun in a stretch.
pub(super) fn good_share(asked: &[Asked], from: Instant, end: Instant) -> Share {
    let counted = decided(asked, end);
    let counted = counted.iter().filter(|a| a.at >= from);
    counted.fold(Share::default(), |share, a| Share {
        part: share.part + u64::from(a.is_good()),
        of: share.of + 1,
    })
}

/// Requests whose fate was known at an end. Who has just asked may still be answered in time.
pub(super) fn decided(asked: &[Asked], end: Instant) -> Vec<Asked> {
    let is_over = |a: &&Asked| a.took.is_some() || end.saturating_duration_since(a.at) > IN_TIME;
    asked.iter().filter(|a| a.at <= end).filter(is_over).copied().collect()
}

/// Seconds from one moment to another; negative where it is earlier.
pub(super) fn since_s(at: Instant, from: Instant) -> f64 {
    if at >= from { (at - from).as_secs_f64() } else { -(from - at).as_secs_f64() }
}

/// The first step from which on enough was answered, of all that was asked to the end.
pub(super) fn contained(course: &[Share]) -> Option<usize> {
    let mut rest = Share::default();
    let mut found = None;
    for (step, share) in course.iter().enumerate().rev() {
        rest = Share { part: rest.part + share.part, of: rest.of + share.of };
        if rest.of >= LEAST_REQUESTS && rest.value().is_some_and(|v| v >= ANSWERED) {
            found = Some(step);
        }
    }
    found
}

/// Who got no answer waited at least for as long as helps.
fn wait_ms(asked: &Asked) -> f64 {
    let longest = Duration::from_secs(12).max(IN_TIME);
    let waited = if asked.status == 0 { longest } else { asked.took.unwrap_or(longest) };
    waited.as_secs_f64() * 1e3
}

/// Median and 95th percentile.
fn waited_ms<'a>(asked: impl Iterator<Item = &'a Asked>) -> (f64, f64) {
    let mut all: Vec<f64> = asked.map(wait_ms).collect();
    all.sort_by(f64::total_cmp);
    let at = |q: f64| all.get((q * all.len() as f64) as usize).copied().unwrap_or(0.0);
    (at(0.5), at(0.95))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(part: u64, of: u64) -> Share {
        Share { part, of }
    }

    #[test]
    fn contained_is_from_when_on_it_is_good_to_the_end() {
        let course = |good: &[u64]| good.iter().map(|g| share(*g, 100)).collect::<Vec<_>>();
        assert_eq!(contained(&course(&[100, 40, 60, 100, 100, 100])), Some(3));
        assert_eq!(contained(&course(&[100, 100, 100])), Some(0));
        assert_eq!(contained(&course(&[100, 100, 50])), None);
        assert_eq!(contained(&[share(5, 5)]), None);
        // Broke: two late pages of the last hundred, after hundreds in time, were an attack not contained.
        assert_eq!(contained(&course(&[100, 100, 100, 100, 98])), Some(0));
    }

    #[test]
    fn a_course_has_every_second_also_those_in_which_nobody_asked() {
        let onset = Instant::now() + Duration::from_secs(30);
        let asked = |at_ms: i64, took_ms: u64| Asked {
            at: if at_ms < 0 {
                onset - Duration::from_millis(at_ms.unsigned_abs())
            } else {
                onset + Duration::from_millis(at_ms as u64)
            },
            took: Some(Duration::from_millis(took_ms)),
            status: 200,
            is_sites: true,
            is_part: false,
        };
        let all = [asked(-20_000, 1), asked(-1_500, 40), asked(200, 20), asked(300, 30), asked(900, 2_500)];
        let course = course(&all, onset);
        assert_eq!(course.iter().map(|s| s.at_s).collect::<Vec<_>>(), [-2, -1, 0]);
        assert_eq!(course.iter().map(|s| s.asked).collect::<Vec<_>>(), [1, 0, 3]);
        assert_eq!((course[2].good, course[2].wait_ms, course[1].wait_ms), (2, Some(30.0), None));
    }
}
