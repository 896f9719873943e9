//! Bytes to records and back: total functions without I/O, clock or state beyond their arguments.
//!
//! Any bytes give a record or a counted error, never a panic, and never an allocation whose size
//! an input's length field chooses.

pub mod log;
pub mod packet;
