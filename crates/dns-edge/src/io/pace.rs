//! Whether a thread waits for the next message, or for the next few at once.
//!
//! To sleep and be woken for each message costs more than to answer it: the thread's own switch,
//! and on the sender's side the waking. Where messages come often, a thread therefore rests for a
//! fixed time and then takes what has come, as network cards moderate their interrupts. Below that
//! rate it waits for each message, and nothing is late by a rest.
//!
//! Computes the rate over spans of ten milliseconds. Cold start: each message is waited for. A
//! burst shorter than a span is answered as it comes; after a burst at most a span of rests is
//! wasted.

/// Time over which a rate is measured.
const SPAN_US: u64 = 10_000;
/// Messages of one rest above which resting pays, and below which it no longer does.
const PAYS: u64 = 2;
const PAYS_NO_MORE: u64 = 1;
/// A rest that is shorter than this is none: the system cannot be that exact.
const LEAST_REST_US: u64 = 20;

#[derive(Debug)]
pub struct Pace {
    rest_us: u64,
    is_resting: bool,
    span_began_us: u64,
    messages: u64,
}

impl Pace {
    /// `rest_us`: how long to rest while messages come often; 0: never.
    #[must_use]
    pub fn new(rest_us: u64) -> Self {
        Self { rest_us, is_resting: false, span_began_us: 0, messages: 0 }
    }

    /// So many messages were taken.
    #[inline]
    pub fn took(&mut self, messages: usize) {
        self.messages += messages as u64;
    }

    /// How long to rest at `now_us`, when the work since `woke_us` is done; `None`: wait for the
    /// next message.
    pub fn rest_us(&mut self, woke_us: u64, now_us: u64) -> Option<u64> {
        let span_us = now_us.saturating_sub(self.span_began_us);
        if span_us >= SPAN_US {
            let of_one_rest = |messages: u64| messages * self.rest_us / span_us;
            self.is_resting = of_one_rest(self.messages) >= if self.is_resting { PAYS_NO_MORE } else { PAYS };
            (self.span_began_us, self.messages) = (now_us, 0);
        }
        if !self.is_resting {
            return None;
        }
        let left_us = self.rest_us.saturating_sub(now_us.saturating_sub(woke_us));
        Some(if left_us < LEAST_REST_US { 0 } else { left_us })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rounds of 100 us with so many messages each; how many of them ended in a rest.
    fn rests(pace: &mut Pace, from_us: u64, rounds: u64, messages: usize) -> u64 {
        (0..rounds)
            .map(|n| {
                let now_us = from_us + n * 100;
                pace.took(messages);
                u64::from(pace.rest_us(now_us, now_us).is_some_and(|rest| rest == 200))
            })
            .sum()
    }

    #[test]
    fn a_thread_rests_while_messages_come_often_and_not_before_or_after() {
        let mut pace = Pace::new(200);
        assert_eq!(rests(&mut pace, 0, 1_000, 0), 0);
        let often = rests(&mut pace, 100_000, 1_000, 3);
        assert!((890..=901).contains(&often), "{often}");
        let seldom = rests(&mut pace, 200_000, 1_000, 0);
        assert!(seldom <= 101, "{seldom}");
    }

    #[test]
    fn work_counts_as_rest_and_zero_means_never() {
        let mut pace = Pace::new(200);
        rests(&mut pace, 0, 300, 5);
        assert_eq!(pace.rest_us(30_000, 30_150), Some(50));
        assert_eq!(pace.rest_us(30_200, 30_390), Some(0));
        let mut never = Pace::new(0);
        assert_eq!(rests(&mut never, 0, 300, 5), 0);
        assert_eq!(never.rest_us(30_000, 30_000), None);
    }
}
