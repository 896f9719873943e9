//! The way between the guard and a site, which can lose packets. In a lab it really loses them; on
//! loopback, where none can be lost, answers come as late as TCP would have made them.

use super::lab::{Space, filter};
use crate::rng::Rng;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use tokio::time::sleep;

/// Packets of a hundred that are lost, each way: a line whose two ends were set up differently.
const LOST_PERCENT: u64 = 20;
/// First and longest wait for a packet to be sent again (RFC 6298, with Linux's least), and its size.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(3);
const SEGMENT_BYTES: usize = 1_448;
/// The table of rules that lose packets in a lab.
const TABLE: &str = "way";

/// How packets travel.
#[derive(Debug)]
pub(super) struct Way {
    /// Where packets are lost; on loopback nowhere.
    space: Option<Space>,
    loses: AtomicBool,
}

impl Way {
    pub(super) fn on_loopback() -> Self {
        Self { space: None, loses: AtomicBool::new(false) }
    }

    pub(super) fn in_lab(space: &Space) -> Self {
        Self { space: Some(space.clone()), loses: AtomicBool::new(false) }
    }

    /// Packets are lost from now on.
    pub(super) fn lose(&self) -> io::Result<()> {
        self.loses.store(true, Relaxed);
        let Some(space) = &self.space else { return Ok(()) };
        let chain = |hook: &str, way: &str| {
            format!(
                " chain {hook} {{\n  type filter hook {hook} priority 0;\n  {way} \"lane\" numgen random mod 100 < \
                 {LOST_PERCENT} drop\n }}\n"
            )
        };
        filter(
            space,
            &format!("table inet {TABLE} {{\n{}{}}}\n", chain("input", "iif"), chain("output", "oif")),
        )
    }

    /// None is lost any more.
    pub(super) fn mend(&self) -> io::Result<()> {
        let has_lost = self.loses.swap(false, Relaxed);
        match &self.space {
            Some(space) if has_lost => filter(space, &format!("delete table inet {TABLE}\n")),
            _ => Ok(()),
        }
    }

    /// Waits for what a question and an answer of so many bytes lose on their way.
    pub(super) async fn carry(&self, bytes: usize, number: u64) {
        if self.space.is_none() && self.loses.load(Relaxed) {
            sleep(lost_time(bytes, &mut Rng::new(number))).await;
        }
    }
}

/// What lost packets cost whoever waits for an answer of so many bytes: each is sent again after a
/// wait, and after twice that if it is lost again.
fn lost_time(bytes: usize, rng: &mut Rng) -> Duration {
    let packets = 1 + bytes.div_ceil(SEGMENT_BYTES);
    let mut lost = Duration::ZERO;
    for _ in 0..packets {
        let mut wait = FIRST_WAIT;
        while rng.below(100) < LOST_PERCENT {
            lost += wait;
            wait = (2 * wait).min(LONGEST_WAIT);
        }
    }
    lost
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_answers_are_late_as_lose_a_packet() {
        let mut rng = Rng::new(5);
        let mut late = |bytes| (0..10_000).filter(|_| !lost_time(bytes, &mut rng).is_zero()).count();
        // Two packets, and five: 1 - 0.8^2 and 1 - 0.8^5.
        assert!(late(100).abs_diff(3_600) < 150, "of two");
        assert!(late(4 * SEGMENT_BYTES).abs_diff(6_723) < 150, "of five");
    }
}
