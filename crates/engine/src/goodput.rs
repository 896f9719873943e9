//! Whether measures do harm: what became of clients that were good before the trouble.
//!
//! The obvious figure, good answers in all, is of no use: a flood that is answered looks like
//! success, and a measure that stops it like harm. So only clients that were known before the
//! onset are counted, and two things about them: the share of their requests that the measures
//! refused, and their good answers, compared with just before the measures. These must have fallen
//! both by the second and as a part of what they ask for: known clients end their visits, so that
//! the rate alone falls by itself.
//!
//! One call per second. Cold start: with fewer than [`LEAST_REQUESTS`] requests of known clients
//! since the measures began there is no judgement. Evaded by an attacker who visited before; then
//! his refusals count as harm and the plan is withdrawn, which errs on the safe side.

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

/// One second of clients that were known before the onset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownSecond {
    pub requests: u64,
    /// Answered without an error.
    pub good: u64,
    /// Refused, challenged or put off by a measure.
    pub refused: u64,
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
    /// A plan has come into force.
    pub fn engaged(&mut self, generation: u64, now: Timestamp) {
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

    /// Takes one second and says what the plan does.
    pub fn second(&mut self, known: KnownSecond) -> Effect {
        let Some(plan) = &mut self.plan else {
            self.before.push_back(known);
            if self.before.len() > BEFORE_S {
                self.before.pop_front();
            }
            return Effect::Open;
        };
        plan.seconds += 1;
        plan.requests += known.requests;
        if plan.seconds <= SETTLE_S {
            return Effect::Open;
        }
        let share = known.refused as f64 / known.requests.max(1) as f64;
        let good_per_s = known.good as f64;
        let refuses = share > MAX_REFUSED_SHARE;
        let good_share = known.good as f64 / known.requests.max(1) as f64;
        let lowers = plan.before_per_s >= LEAST_RATE_PER_S
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
        KnownSecond { requests, good, refused }
    }

    fn under_attack(good: u64) -> Goodput {
        let mut goodput = Goodput::default();
        for _ in 0..8 {
            assert_eq!(goodput.second(known(40, good, 0)), Effect::Open);
        }
        goodput.engaged(1, Timestamp::from_seconds(8));
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
