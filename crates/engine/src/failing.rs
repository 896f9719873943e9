//! When requests failed: a fault is over when they no longer do, though what it leaves behind (who asks again,
//! who comes back) keeps traffic unlike before for a while.

use seawall_detection::Window;
use seawall_model::time::{SECOND_NS, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Failures are counted over so many seconds with requests.
const SECONDS: usize = 10;
/// Fewer requests than this in them say nothing.
const REQUESTS_LEAST: f64 = 8.0;
/// Requests fail where so large a part of them does, at the worst.
const WORST_LEAST: f64 = 0.15;
/// And go on failing while this part of the worst does.
const STILL: f64 = 0.25;
/// Failures are over if so many seconds without them follow.
const OVER_S: f64 = 20.0;

/// The failures of the last seconds, and when there were many.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Failing {
    lately: VecDeque<(f64, f64)>,
    worst: f64,
    last: Option<Timestamp>,
}

impl Failing {
    /// Adds a second, in the order of time.
    pub(crate) fn add(&mut self, second: Timestamp, window: &Window) {
        let Some(counters) = window.http.as_deref().map(|http| &http.counters) else { return };
        let failures = (counters.server_error + counters.client_error + counters.moved) as f64;
        self.lately.push_back((failures, counters.requests as f64));
        if self.lately.len() > SECONDS {
            self.lately.pop_front();
        }
        let (failed, all) = self.lately.iter().fold((0.0, 0.0), |sum, s| (sum.0 + s.0, sum.1 + s.1));
        if all < REQUESTS_LEAST {
            return;
        }
        let share = failed / all;
        self.worst = self.worst.max(share);
        if failures > 0.0 && share >= STILL * self.worst {
            self.last = Some(second);
        }
    }

    /// The end of the last second in which many requests failed, if it was well before `last_active`.
    pub(crate) fn over(&self, last_active: Timestamp) -> Option<Timestamp> {
        let last = self.last.filter(|_| self.worst >= WORST_LEAST)?;
        (last_active.since_s(last) >= OVER_S).then(|| last.plus_ns(SECOND_NS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_model::observation::{Observation, Request};

    /// Broke: half a minute of failures, and apps that asked again for minutes, was told as minutes.
    #[test]
    fn a_fault_is_over_when_requests_no_longer_fail() {
        let failing = |until: i64| {
            let mut failing = Failing::default();
            for at in 0..300 {
                let (time, mut window) = (Timestamp::from_seconds(at), Window::default());
                for n in 0..10_u64 {
                    let status = if (10..until).contains(&at) && n < 5 { 502 } else { 200 };
                    let client = std::net::IpAddr::from([192, 0, 2, n as u8]);
                    window
                        .observe(&Observation::Request(Request { status, ..Request::new(time, client) }), n);
                }
                window.seal(1.0);
                failing.add(time, &window);
            }
            failing.over(Timestamp::from_seconds(299))
        };
        assert_eq!(failing(40), Some(Timestamp::from_seconds(40)));
        assert_eq!(failing(300), None, "it goes on");
        assert_eq!(failing(10), None, "nothing failed");
    }
}
