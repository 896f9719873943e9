//! Whether measures do harm: what became of clients that were good before the trouble.
//!
//! The obvious figure, good answers in all, is of no use: a flood that is answered looks like
//! success, and a measure that stops it like harm. So only clients that were known before the
//! onset are counted, and two things about them: the share of their requests that the measures
//! refused, and their good answers, compared with just before the measures. These must have fallen
//! both by the second and as a part of what they ask for: known clients end their visits, so that
//! the rate alone falls by itself.
//!
//! An attacker may have visited before. Where, just before the measures, known clients were given far
//! more pages than they usually ask for, and fetched nothing that those are made of, they are not, or
//! not all, the visitors that they were: then only those are counted who have looked at a page since the
//! onset, as people do.
//!
//! One call per second. Cold start: with fewer than [`LEAST_REQUESTS`] requests of known clients
//! since the measures began there is no judgement. Evaded by an attacker who visited before and fetches
//! the parts of pages, or whose visitors come when the measures are on already; then his refusals count
//! as harm and the plan is withdrawn, which errs on the safe side.

use seawall_model::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Seconds before a plan that its effect is compared with.
const BEFORE_S: usize = 5;
/// Seconds after which a plan must have shown what it does: answers under way end by then.
const SETTLE_S: u32 = 1;
/// Seconds in a row that must show harm, so that one bad second withdraws nothing.
const HARM_S: u32 = 2;
/// Requests of known clients since the measures began, from which there is a judgement.
const LEAST_REQUESTS: u64 = 10;
/// Share of known clients' requests that may be refused.
const MAX_REFUSED_SHARE: f64 = 0.05;
/// Rate of good answers, as a part of the rate before, below which a plan made things worse.
const LEAST_RATE_PART: f64 = 0.6;
/// Share of good answers, as a part of the share before, below which a plan made things worse.
const LEAST_SHARE_PART: f64 = 0.8;
/// Good answers a second before, from which their rate says something.
const LEAST_RATE_PER_S: f64 = 3.0;

/// Seconds over which the habits of known clients are learnt.
const HABIT_S: f64 = 64.0;
/// Seconds of `before` that may be the trouble's.
const LAST_S: usize = 2;
/// Pages beyond the usual of as many seconds, from which known clients are strays; and the least.
const STRAY_PART: f64 = 0.3;
const STRAY_PAGES: f64 = 10.0;
/// Parts of such pages, over what pages usually have, below which nobody looks at them.
const UNSEEN_PART: f64 = 0.5;
/// Share that may be refused of what those ask for who have looked at pages. Some of the attacker's may
/// have been in the middle of their visits.
const MAX_REFUSED_LOOKING: f64 = 0.2;

/// One second of clients that were known before the onset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownSecond {
    pub requests: u64,
    /// Answered without an error.
    pub good: u64,
    /// Refused, challenged or put off by a measure.
    pub refused: u64,
    /// Pages that they were given.
    pub pages: u64,
    /// What pages are made of, that they asked for.
    pub parts: u64,
    /// Of the requests and of those that were refused: of clients who have looked at a page since the
    /// onset.
    pub looking: u64,
    pub looking_refused: u64,
}

impl KnownSecond {
    /// What came on top of `before`, where both count from the same beginning.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        Self {
            requests: self.requests.saturating_sub(before.requests),
            good: self.good.saturating_sub(before.good),
            refused: self.refused.saturating_sub(before.refused),
            pages: self.pages.saturating_sub(before.pages),
            parts: self.parts.saturating_sub(before.parts),
            looking: self.looking.saturating_sub(before.looking),
            looking_refused: self.looking_refused.saturating_sub(before.looking_refused),
        }
    }
}

/// What a plan does to known clients.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Effect {
    /// No plan is on, or it is too early to say.
    Open,
    Harmless,
    /// Withdraw it: so many of a hundred of their requests were refused, or their good answers
    /// fell from one rate to another.
    Refuses {
        share: f64,
    },
    Lowers {
        before_per_s: f64,
        after_per_s: f64,
    },
}

/// Watches one plan at a time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Goodput {
    before: VecDeque<KnownSecond>,
    plan: Option<Engaged>,
    usual: Habits,
    /// Known clients were found not to be the visitors that they were, in this trouble.
    has_strays: bool,
}

/// What known clients do in calm times, a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Habits {
    pages: f64,
    parts: f64,
    seconds: f64,
}

impl Habits {
    fn learn(&mut self, known: KnownSecond) {
        self.seconds = (self.seconds + 1.0).min(HABIT_S);
        self.pages += (known.pages as f64 - self.pages) / self.seconds;
        self.parts += (known.parts as f64 - self.parts) / self.seconds;
    }

    /// Whether so many pages in so many seconds are far more than usual, and nobody looks at them.
    fn are_left(self, pages: f64, parts: f64, seconds: f64) -> bool {
        let beyond = pages - self.pages * seconds;
        let parts_beyond = parts - self.parts * seconds;
        self.parts >= LEAST_RATE_PER_S
            && beyond >= STRAY_PAGES.max(STRAY_PART * self.pages * seconds)
            && parts_beyond < UNSEEN_PART * beyond * self.parts / self.pages.max(1e-9)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Engaged {
    generation: u64,
    since: Timestamp,
    before_per_s: f64,
    before_share: f64,
    seconds: u32,
    requests: u64,
    refusing: u32,
    lowered: u32,
}

impl Goodput {
    /// A plan has come into force. `so_far`: what the second under way has been. Whether it is news that
    /// known clients are not the visitors that they were.
    pub fn engaged(&mut self, generation: u64, so_far: KnownSecond, now: Timestamp) -> bool {
        let is_news = self.plan.is_none() && !self.has_strays && self.sees_strays(so_far);
        self.has_strays |= is_news;
        let n = self.before.len().max(1) as f64;
        let good: u64 = self.before.iter().map(|s| s.good).sum();
        let requests: u64 = self.before.iter().map(|s| s.requests).sum();
        self.plan = Some(Engaged {
            generation,
            since: now,
            before_per_s: good as f64 / n,
            before_share: good as f64 / requests.max(1) as f64,
            seconds: 0,
            requests: 0,
            refusing: 0,
            lowered: 0,
        });
        is_news
    }

    fn sees_strays(&self, so_far: KnownSecond) -> bool {
        let last = || self.before.iter().rev().take(LAST_S).chain([&so_far]);
        let pages: u64 = last().map(|s| s.pages).sum();
        let parts: u64 = last().map(|s| s.parts).sum();
        self.usual.are_left(pages as f64, parts as f64, last().count() as f64)
    }

    /// No plan is in force any more.
    pub fn released(&mut self) {
        self.plan = None;
        self.before.clear();
    }

    /// The plan that is watched and since when.
    #[must_use]
    pub fn watched(&self) -> Option<(u64, Timestamp)> {
        self.plan.as_ref().map(|p| (p.generation, p.since))
    }

    /// It is calm, and this is what known clients do then.
    pub fn calm_second(&mut self, known: KnownSecond) {
        self.has_strays = false;
        self.usual.learn(known);
    }

    /// Takes one second and says what the plan does.
    pub fn second(&mut self, known: KnownSecond) -> Effect {
        let has_strays = self.has_strays;
        let Some(plan) = &mut self.plan else {
            self.before.push_back(known);
            if self.before.len() > BEFORE_S {
                self.before.pop_front();
            }
            return Effect::Open;
        };
        plan.seconds += 1;
        plan.requests += if has_strays { known.looking } else { known.requests };
        if plan.seconds <= SETTLE_S {
            return Effect::Open;
        }
        let share = match has_strays {
            true => known.looking_refused as f64 / known.looking.max(1) as f64,
            false => known.refused as f64 / known.requests.max(1) as f64,
        };
        let good_per_s = known.good as f64;
        let refuses = share > if has_strays { MAX_REFUSED_LOOKING } else { MAX_REFUSED_SHARE };
        let good_share = known.good as f64 / known.requests.max(1) as f64;
        let lowers = !has_strays
            && plan.before_per_s >= LEAST_RATE_PER_S
            && good_per_s < LEAST_RATE_PART * plan.before_per_s
            && good_share < LEAST_SHARE_PART * plan.before_share;
        plan.refusing = if refuses { plan.refusing + 1 } else { 0 };
        plan.lowered = if lowers { plan.lowered + 1 } else { 0 };
        if plan.requests < LEAST_REQUESTS {
            Effect::Open
        } else if plan.refusing >= HARM_S {
            Effect::Refuses { share }
        } else if plan.lowered >= HARM_S && known.requests > 0 {
            Effect::Lowers { before_per_s: plan.before_per_s, after_per_s: good_per_s }
        } else {
            Effect::Harmless
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(requests: u64, good: u64, refused: u64) -> KnownSecond {
        KnownSecond { requests, good, refused, ..KnownSecond::default() }
    }

    /// A second of people who look at six pages, and of others who are given or refused so many without
    /// looking.
    fn visited(others: u64, parts: u64, refused: u64) -> KnownSecond {
        let looking = 6 + parts;
        let requests = looking + others + refused;
        let good = requests - refused;
        KnownSecond { requests, good, refused, pages: 6 + others, parts, looking, looking_refused: 0 }
    }

    fn after_calm(trouble: KnownSecond) -> Goodput {
        let mut goodput = Goodput::default();
        for _ in 0..60 {
            goodput.calm_second(visited(0, 18, 0));
            goodput.second(visited(0, 18, 0));
        }
        goodput.second(trouble);
        goodput.engaged(1, KnownSecond::default(), Timestamp::from_seconds(61));
        goodput
    }

    fn withdrawn_after_s(trouble: KnownSecond, then: KnownSecond) -> Option<u32> {
        let mut goodput = after_calm(trouble);
        (1..30).find(|_| matches!(goodput.second(then), Effect::Refuses { .. } | Effect::Lowers { .. }))
    }

    /// Broke: programs that had visited for half a minute counted as known when their attack came; what
    /// was refused to them was called harm, and the measure that held them back was withdrawn.
    #[test]
    fn what_is_refused_to_programs_that_visited_before_is_no_harm() {
        assert_eq!(withdrawn_after_s(visited(40, 18, 0), visited(0, 17, 60)), None);
    }

    /// The same measure takes the pages from people too, who had looked at some.
    #[test]
    fn people_who_are_hit_beside_such_programs_are_seen_within_five_seconds() {
        let hit = KnownSecond { looking: 8, looking_refused: 5, ..visited(0, 3, 60) };
        assert_eq!(withdrawn_after_s(visited(40, 18, 0), hit), Some(3));
    }

    /// Known visitors who come to a sale look at its pages: what is refused to them is harm.
    #[test]
    fn known_visitors_who_come_in_numbers_are_still_people() {
        assert_eq!(withdrawn_after_s(visited(40, 130, 0), visited(0, 18, 60)), Some(3));
    }

    fn under_attack(good: u64) -> Goodput {
        let mut goodput = Goodput::default();
        for _ in 0..8 {
            assert_eq!(goodput.second(known(40, good, 0)), Effect::Open);
        }
        goodput.engaged(1, KnownSecond::default(), Timestamp::from_seconds(8));
        goodput
    }

    #[test]
    fn a_plan_that_helps_stays() {
        let mut goodput = under_attack(10);
        let effects: Vec<_> = (0..10).map(|_| goodput.second(known(40, 39, 0))).collect();
        assert_eq!(effects[0], Effect::Open);
        assert!(effects[1..].iter().all(|e| *e == Effect::Harmless));
    }

    #[test]
    fn a_plan_that_refuses_known_clients_is_called_within_five_seconds() {
        let mut goodput = under_attack(30);
        let called = (1..=5).find(|_| matches!(goodput.second(known(40, 30, 8)), Effect::Refuses { .. }));
        assert_eq!(called, Some(3));
    }

    #[test]
    fn a_plan_under_which_known_clients_get_less_is_called_within_five_seconds() {
        let mut goodput = under_attack(30);
        let called = (1..=5).find(|_| matches!(goodput.second(known(40, 10, 0)), Effect::Lowers { .. }));
        assert_eq!(called, Some(3));
    }

    #[test]
    fn one_bad_second_and_few_clients_withdraw_nothing() {
        let mut goodput = under_attack(30);
        for second in 0..20 {
            let now = if second % 2 == 0 { known(40, 10, 8) } else { known(40, 40, 0) };
            assert!(!matches!(goodput.second(now), Effect::Refuses { .. } | Effect::Lowers { .. }));
        }
        let mut quiet = under_attack(0);
        assert!((0..4).all(|_| quiet.second(known(2, 0, 2)) == Effect::Open));
    }

    #[test]
    fn known_clients_that_end_their_visits_are_no_harm() {
        let mut goodput = under_attack(30);
        assert!((0..20).all(|_| !matches!(goodput.second(known(8, 8, 0)), Effect::Lowers { .. })));
    }

    #[test]
    fn silence_of_known_clients_is_not_the_plans_doing() {
        let mut goodput = under_attack(30);
        goodput.second(known(40, 40, 0));
        assert!((0..10).all(|_| !matches!(goodput.second(known(0, 0, 0)), Effect::Lowers { .. })));
    }
}
