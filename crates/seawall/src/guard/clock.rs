//! The program's wall clock: the one place of `seawall guard` that reads it.

use seawall_model::Timestamp;
use std::time::{Duration, SystemTime};

/// The wall time now; the epoch where the clock is set before it.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "this is where the binary reads the clock")]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// A moment to measure patience from.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "the guard waits for other programs in real time")]
pub fn instant() -> std::time::Instant {
    std::time::Instant::now()
}
