//! The words of Seawall: plain data that every stage of the flow speaks.
//!
//! ```text
//! Observation → Window → Finding → Diagnosis → Signature → Plan → Outcome → Incident
//! ```
//!
//! Nothing here reads a clock, does I/O or hashes with a random seed. Quantities carry their unit
//! last in their name (`duration_us`, `response_bytes`). Shares are fractions of one.

pub mod address;
pub mod cause;
pub mod change;
pub mod diagnosis;
pub mod dns_type;
pub mod edge;
pub mod finding;
pub mod hash;
pub mod math;
pub mod metric;
pub mod observation;
pub mod place;
pub mod plan;
pub mod policy;
pub mod record;
pub mod report;
pub mod signature;
pub mod text;
pub mod time;

pub use address::Prefix;
pub use cause::{Cause, Class};
pub use time::Timestamp;
