//! Sensors: files of logs and captures to observations, counted into ticks.
//!
//! ```text
//! input (open, unpack, recognise) → log lines ──────────────┐
//!                                 → packets → flow table ───┴→ ticks → merged by time
//! ```
//!
//! [`read()`] is the whole of it. Nothing here reads a clock: time comes from the records, so that
//! a file gives the same ticks today and in a year, on one thread or on many.

pub mod error;
pub mod flow;
pub mod follow;
pub mod input;
pub mod read;
pub mod report;

pub use error::ReadError;
pub use read::{Options, Progress, Tally, read};
pub use report::InputReport;
