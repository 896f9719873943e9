//! One timer for all deadlines of a connection. It is set anew only where a deadline comes
//! before the one that it is set for: most requests end long before, and setting a timer per
//! wait is what costs.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// A client is slow that is waited for longer than this, beyond the time that its bytes take at so
/// many times the least rate.
const SLOW: Duration = Duration::from_secs(1);
const SLOW_TIMES: u64 = 8;

/// A deadline has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLate;

#[derive(Debug)]
pub struct Alarm {
    sleep: Pin<Box<Sleep>>,
}

impl Alarm {
    /// An alarm whose first deadline is likely `at`.
    #[must_use]
    pub fn new(at: Instant) -> Self {
        Self { sleep: Box::pin(tokio::time::sleep_until(at)) }
    }

    /// Runs a future until `at`.
    ///
    /// # Errors
    /// If it is not complete by then.
    pub async fn guard<F: Future>(&mut self, at: Instant, future: F) -> Result<F::Output, TooLate> {
        let mut future = pin!(future);
        poll_fn(|context| {
            if let Poll::Ready(output) = future.as_mut().poll(context) {
                return Poll::Ready(Ok(output));
            }
            if self.sleep.deadline() > at {
                self.sleep.as_mut().reset(at);
            }
            while self.sleep.as_mut().poll(context).is_ready() {
                if Instant::now() >= at {
                    return Poll::Ready(Err(TooLate));
                }
                self.sleep.as_mut().reset(at);
            }
            Poll::Pending
        })
        .await
    }
}

/// How long a client may be waited for, by how much it has sent or taken: a grace, and then the
/// time that its bytes take at the least rate. Only time spent waiting for the client counts.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    grace: Duration,
    least_bytes_per_s: u64,
    waited: Duration,
    bytes: u64,
}

impl Pace {
    #[must_use]
    pub fn new(limits: &crate::settings::Limits) -> Self {
        Self {
            grace: crate::settings::ms(limits.rate_grace_ms),
            least_bytes_per_s: limits.min_rate_bytes_per_s.max(1),
            waited: Duration::ZERO,
            bytes: 0,
        }
    }

    /// When a wait that begins `now` must end.
    #[must_use]
    pub fn deadline(&self, now: Instant) -> Instant {
        let earned_ms = self.bytes.saturating_mul(1000) / self.least_bytes_per_s;
        // A day is for ever, and can always be added to an instant.
        let allowed =
            (self.grace + Duration::from_millis(earned_ms.min(86_400_000))).saturating_sub(self.waited);
        now + allowed
    }

    /// When a wait that begins `now` makes the client a slow one, long before the deadline.
    #[must_use]
    pub fn slow_at(&self, now: Instant) -> Instant {
        let earned_ms = self.bytes.saturating_mul(1000) / (SLOW_TIMES * self.least_bytes_per_s);
        now + (SLOW + Duration::from_millis(earned_ms.min(86_400_000))).saturating_sub(self.waited)
    }

    /// A wait has ended with `bytes` more.
    pub fn moved(&mut self, waited: Duration, bytes: usize) {
        self.waited += waited;
        self.bytes += bytes as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paused() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("runtime")
    }

    #[test]
    fn an_alarm_serves_near_and_far_deadlines_in_any_order() {
        paused().block_on(async {
            let start = Instant::now();
            let after = |s| start + Duration::from_secs(s);
            let mut alarm = Alarm::new(after(60));
            assert_eq!(alarm.guard(after(5), std::future::pending::<()>()).await, Err(TooLate));
            assert_eq!(Instant::now(), after(5));
            assert_eq!(alarm.guard(after(9), tokio::time::sleep(Duration::from_secs(1))).await, Ok(()));
            assert_eq!(alarm.guard(after(8), std::future::pending::<()>()).await, Err(TooLate));
            assert_eq!(Instant::now(), after(8));
        });
    }

    #[test]
    fn a_pace_gives_grace_and_then_what_the_bytes_earn() {
        paused().block_on(async {
            let limits = crate::settings::Limits {
                min_rate_bytes_per_s: 100,
                rate_grace_ms: 5_000,
                ..Default::default()
            };
            let (now, mut pace) = (Instant::now(), Pace::new(&limits));
            assert_eq!(pace.deadline(now), now + Duration::from_secs(5));
            pace.moved(Duration::from_secs(4), 200);
            assert_eq!(pace.deadline(now), now + Duration::from_secs(3));
            pace.moved(Duration::from_secs(9), 0);
            assert_eq!(pace.deadline(now), now);
        });
    }
}
