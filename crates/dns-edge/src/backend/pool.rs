//! One thread's view of a pool: who is asked next, and who has fallen silent.

use super::health::Health;
use super::room::Room;
use crate::settings::{self, Limits};
use std::net::SocketAddr;
use std::sync::Arc;

/// Questions in a row without any answer that take a server out.
const SILENT: u32 = 5;
/// Questions in a row that a server could not answer, and another one could, that take it out.
const FAILED_ALONE: u32 = 5;
/// Second attempts that may be saved up.
const SAVED_HEDGES: f32 = 50.0;
/// Parts by which an answer moves the mean of a server's times and their deviation.
const MEAN: f64 = 1.0 / 16.0;

/// A server, as one thread sees it.
#[derive(Debug)]
pub struct Member {
    /// Its place among all back ends.
    pub backend: u16,
    address: SocketAddr,
    /// It is told of clients.
    pub proxy_protocol: bool,
    weight: f32,
    tier: u32,
    outstanding: u32,
    /// Questions that were late while nothing else was answered.
    unanswered: u32,
    /// Questions that it could not answer and another one could, since it last could.
    failed_alone: u32,
    last_answer_us: u64,
    mean_us: f64,
    deviation_us: f64,
    health: Arc<Health>,
}

/// Servers that answer for a suffix.
#[derive(Debug)]
pub struct Pool {
    pub suffix: Box<[u8]>,
    pub members: Vec<Member>,
    pub room: Room,
    /// Its servers say that they recurse (RA).
    pub recurses: bool,
    next: usize,
    hedges: f32,
    hedges_per_query: f32,
    least_hedge_us: u64,
    most_hedge_us: u64,
}

impl Pool {
    /// `first`: the place of the pool's first server among all; `healths`: of all.
    #[must_use]
    pub fn new(pool: &settings::Pool, first: u16, healths: &[Arc<Health>], limits: &Limits) -> Self {
        let members = pool.backends.iter().zip(first..).map(|(backend, at)| Member {
            backend: at,
            address: backend.address,
            proxy_protocol: backend.proxy_protocol,
            weight: backend.weight.max(1) as f32,
            tier: backend.tier,
            outstanding: 0,
            unanswered: 0,
            failed_alone: 0,
            last_answer_us: 0,
            mean_us: 0.0,
            deviation_us: 0.0,
            health: Arc::clone(&healths[usize::from(at)]),
        });
        Self {
            suffix: pool.suffix.clone(),
            members: members.collect(),
            room: Room::new(limits.unknown_least, limits.unknown_most),
            recurses: false,
            next: 0,
            hedges: SAVED_HEDGES,
            hedges_per_query: limits.hedge_percent as f32 / 100.0,
            least_hedge_us: limits.hedge_ms * 1_000,
            most_hedge_us: (limits.backend_timeout_ms * 500).max(limits.hedge_ms * 1_000),
        }
    }

    /// The server with the fewest questions for its weight, of those of the lowest tier that are
    /// up; ties go round.
    /// With none up, of all: asking a server that is thought dead costs nothing more. A second attempt
    /// (`except`: the server of the first) goes to none that is out for what it says.
    pub fn choose(&mut self, now_ms: u64, except: Option<u16>) -> Option<usize> {
        let n = self.members.len();
        self.next = self.next.wrapping_add(1);
        let start = self.next % n.max(1);
        let order = || (0..n).map(|i| (start + i) % n).filter(|at| Some(self.members[*at].backend) != except);
        let cost = |at: usize, share: f32| {
            let member = &self.members[at];
            (member.outstanding + 1) as f32 / (member.weight * share)
        };
        let cheapest = |costs: &mut dyn Iterator<Item = (usize, f32)>| {
            costs.fold(None, |best: Option<(usize, f32)>, new| match best {
                Some(best) if best.1 <= new.1 => Some(best),
                _ => Some(new),
            })
        };
        let up = || {
            let with_share = order().map(|at| (at, self.members[at].health.share(now_ms)));
            with_share.filter(|(_, share)| *share > 0.0)
        };
        let tier = up().map(|(at, _)| self.members[at].tier).min();
        let mut up = up()
            .filter(|(at, _)| Some(self.members[*at].tier) == tier)
            .map(|(at, share)| (at, cost(at, share)));
        let last = || order().filter(|at| except.is_none() || self.members[*at].health.is_trusted());
        let chosen = cheapest(&mut up);
        chosen.or_else(|| cheapest(&mut last().map(|at| (at, cost(at, 1.0))))).map(|(at, _)| at)
    }

    #[must_use]
    pub fn has_up(&self) -> bool {
        self.members.iter().any(|m| m.health.is_up())
    }

    /// A question goes to a member.
    pub fn sent(&mut self, member: usize, is_first: bool) {
        self.members[member].outstanding += 1;
        if is_first {
            self.hedges = (self.hedges + self.hedges_per_query).min(SAVED_HEDGES);
        }
    }

    /// A question no longer waits for a member.
    pub fn over(&mut self, member: usize) {
        let outstanding = &mut self.members[member].outstanding;
        *outstanding = outstanding.saturating_sub(1);
    }

    /// A member has answered.
    pub fn answered(&mut self, member: usize, now_us: u64, took_us: u64) {
        let m = &mut self.members[member];
        m.unanswered = 0;
        m.last_answer_us = now_us;
        let took = took_us as f64;
        if m.mean_us == 0.0 {
            (m.mean_us, m.deviation_us) = (took, took / 2.0);
        }
        m.deviation_us += ((took - m.mean_us).abs() - m.deviation_us) * MEAN;
        m.mean_us += (took - m.mean_us) * MEAN;
        self.room.answered(took_us);
    }

    /// A member had an answer, whatever it said.
    pub fn could(&mut self, member: usize) {
        self.members[member].failed_alone = 0;
    }

    /// A member could not answer what another one could. Returns whether it was taken out for it.
    pub fn failed_alone(&mut self, member: usize) -> bool {
        let m = &mut self.members[member];
        m.failed_alone += 1;
        let is_wrong = m.failed_alone >= FAILED_ALONE;
        if is_wrong {
            m.health.distrust();
        }
        is_wrong && m.health.eject()
    }

    /// A question sent at `sent_us` is late. Returns whether the member was taken out for it.
    pub fn late(&mut self, member: usize, sent_us: u64) -> bool {
        let m = &mut self.members[member];
        if m.last_answer_us >= sent_us {
            return false;
        }
        m.unanswered += 1;
        m.unanswered >= SILENT && m.health.eject()
    }

    /// Takes a second attempt out of the budget.
    pub fn take_hedge(&mut self) -> bool {
        let has = self.hedges >= 1.0;
        self.hedges -= f32::from(u8::from(has));
        has
    }

    /// After how long a member's answer is late: its mean and four deviations, within limits.
    #[must_use]
    pub fn hedge_us(&self, member: usize) -> u64 {
        let m = &self.members[member];
        ((m.mean_us + 4.0 * m.deviation_us) as u64).clamp(self.least_hedge_us, self.most_hedge_us)
    }

    /// Takes over what an earlier pool for the same suffix has learnt of its servers. What waits
    /// there is to be asked anew.
    pub fn inherit(&mut self, old: &Self) {
        self.room.inherit(&old.room);
        (self.hedges, self.recurses) = (old.hedges, old.recurses);
        for member in &mut self.members {
            let Some(was) = old.members.iter().find(|m| m.address == member.address) else { continue };
            (member.mean_us, member.deviation_us) = (was.mean_us, was.deviation_us);
            (member.unanswered, member.failed_alone) = (was.unanswered, was.failed_alone);
            member.last_answer_us = was.last_answer_us;
        }
    }

    /// The member with this back end.
    #[must_use]
    pub fn member(&self, backend: u16) -> Option<usize> {
        self.members.iter().position(|m| m.backend == backend)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(weights: &[u32]) -> (Pool, Vec<Arc<Health>>) {
        let backends = weights
            .iter()
            .map(|weight| settings::Backend {
                name: String::new(),
                address: ([127, 0, 0, 1], 53).into(),
                weight: *weight,
                tier: 0,
                proxy_protocol: false,
            })
            .collect();
        let healths: Vec<_> = weights.iter().map(|_| Arc::<Health>::default()).collect();
        let told = settings::Pool { suffix: Box::new([0]), backends };
        (Pool::new(&told, 0, &healths, &Limits::default()), healths)
    }

    /// Questions to each member, of which `waiting` wait at any time.
    fn load(pool: &mut Pool, queries: usize, waiting: usize) -> Vec<usize> {
        let mut counts = vec![0; pool.members.len()];
        let mut queue = std::collections::VecDeque::new();
        for i in 0..queries {
            let at = pool.choose(60_000, None).expect("a member");
            pool.sent(at, true);
            counts[at] += 1;
            queue.push_back(at);
            if i >= waiting {
                pool.over(queue.pop_front().expect("one waits"));
            }
        }
        counts
    }

    #[test]
    fn questions_are_spread_evenly_and_by_weight() {
        for waiting in [0, 7, 100] {
            let counts = load(&mut pool(&[1, 1, 1]).0, 3_000, waiting);
            assert!(counts.iter().all(|n| (980..=1_020).contains(n)), "{counts:?}");
        }
        let counts = load(&mut pool(&[3, 1]).0, 4_000, 40);
        assert!((2_900..=3_100).contains(&counts[0]), "{counts:?}");
    }

    #[test]
    fn a_farther_tier_is_asked_when_the_nearer_one_is_out() {
        let (mut pool, healths) = pool(&[1, 1, 1]);
        pool.members[2].tier = 1;
        let counts = load(&mut pool, 1_000, 10);
        assert_eq!(counts[2], 0, "{counts:?}");
        assert_ne!(pool.choose(60_000, Some(0)), Some(2), "a second attempt stays near");
        healths[0].eject();
        assert_eq!(pool.choose(60_000, Some(1)), Some(2), "unless nobody else is there");
        healths[1].eject();
        assert_eq!(load(&mut pool, 10, 0), [0, 0, 10]);
    }

    #[test]
    fn a_slow_member_gets_fewer_questions() {
        let (mut pool, _) = pool(&[1, 1]);
        for _ in 0..10 {
            pool.sent(0, true);
        }
        for _ in 0..10 {
            assert_eq!(pool.choose(0, None), Some(1));
            pool.sent(1, true);
        }
    }

    #[test]
    fn a_silent_member_is_taken_out_and_the_last_one_is_still_asked() {
        let (mut pool, healths) = pool(&[1, 1]);
        for at in 1..=5 {
            assert_eq!(pool.late(0, at * 1_000), at == 5);
        }
        assert!(!healths[0].is_up());
        assert!((0..10).all(|_| pool.choose(60_000, None) == Some(1)));
        healths[1].eject();
        assert!(!pool.has_up() && pool.choose(60_000, None).is_some());
    }

    /// Broke: while one server was out and the machine had been too busy for the checks of the other,
    /// which answered again, whoever asked was told of a failure.
    #[test]
    fn a_second_attempt_goes_to_one_that_was_silent_and_to_none_that_lies() {
        let (mut pool, healths) = pool(&[1, 1]);
        healths[0].eject();
        assert_eq!(pool.choose(60_000, Some(1)), Some(0), "nobody else is there");
        for _ in 0..FAILED_ALONE {
            pool.failed_alone(0);
        }
        assert_eq!(pool.choose(60_000, Some(1)), None, "better late than wrong");
        assert_eq!(pool.choose(60_000, None), Some(1));
    }

    #[test]
    fn an_answer_in_between_keeps_a_member_in() {
        let (mut pool, healths) = pool(&[1]);
        for at in 1..=20 {
            assert!(!pool.late(0, at * 1_000) || !healths[0].is_up());
            if at % 4 == 0 {
                pool.answered(0, at * 1_000 + 1, 1);
            }
        }
        assert!(healths[0].is_up());
    }

    #[test]
    fn a_member_that_alone_cannot_answer_is_taken_out() {
        let (mut pool, healths) = pool(&[1, 1]);
        for _ in 0..3 {
            (0..4).for_each(|_| assert!(!pool.failed_alone(0)));
            pool.could(0);
        }
        (0..4).for_each(|_| assert!(!pool.failed_alone(0)));
        assert!(pool.failed_alone(0) && !healths[0].is_up() && healths[1].is_up());
    }

    #[test]
    fn second_attempts_have_a_budget() {
        let (mut pool, _) = pool(&[1, 1]);
        assert_eq!((0..100).filter(|_| pool.take_hedge()).count(), 50);
        (0..200).for_each(|_| pool.sent(0, true));
        let granted = (0..100).filter(|_| pool.take_hedge()).count();
        assert!((19..=20).contains(&granted), "{granted}");
    }
}
