//! The last second as it passes, whichever part of it belongs to the second of the clock before.
//!
//! A rise that begins late in a second of the clock shows in neither of two halves for long; in the
//! second that ends now it shows whenever it began.

use seawall_detection::Window;
use seawall_detection::detector::{SERIES, Series};
use seawall_model::time::{SECOND_NS, Timestamp};
use std::collections::VecDeque;

/// Ticks of a second that are kept at most.
const MOST_TICKS: usize = 64;

/// Watched counts of the ticks of the last second.
#[derive(Clone, Debug, Default)]
pub struct LastSecond {
    ticks: VecDeque<(Timestamp, Vec<f64>)>,
}

impl LastSecond {
    /// Takes what was seen in the tick that ends at `now`.
    pub fn add(&mut self, now: Timestamp, window: &Window) {
        let begin = now.plus_ns(-SECOND_NS);
        while self.ticks.front().is_some_and(|(time, _)| *time <= begin) || self.ticks.len() >= MOST_TICKS {
            self.ticks.pop_front();
        }
        let count = |series: Series| {
            if series.adds_up() { series.value(window).unwrap_or(0.0) } else { 0.0 }
        };
        self.ticks.push_back((now, SERIES.into_iter().map(count).collect()));
    }

    /// The counts of the second that ended with the last tick, in the order of [`SERIES`]; 0 for what
    /// does not add up.
    #[must_use]
    pub fn counts(&self) -> Vec<f64> {
        let mut sums = vec![0.0; SERIES.len()];
        for (_, counts) in &self.ticks {
            sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_model::observation::{Observation, Request};

    #[test]
    fn it_holds_the_ticks_of_one_second_and_what_adds_up() {
        let mut last = LastSecond::default();
        let client = std::net::IpAddr::from([192, 0, 2, 1]);
        for tick in 1..=25 {
            let now = Timestamp(tick * SECOND_NS / 10);
            let mut window = Window::default();
            for n in 0..tick {
                window.observe(&Observation::Request(Request::new(now, client)), n as u64);
            }
            last.add(now, &window);
        }
        let counts = last.counts();
        let of = |wanted: Series| SERIES.iter().position(|s| *s == wanted).map(|at| counts[at]);
        assert_eq!(of(Series::Requests), Some((16..=25).sum::<i64>() as f64));
        assert_eq!(of(Series::Clients), Some(0.0));
    }
}
