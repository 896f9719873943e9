//! Decoders under mutation: one function per decoder that takes any bytes, and two drivers for
//! them. [`smoke`] mutates the corpora with a seed, on stable Rust; `fuzz/libfuzzer` lets libFuzzer
//! search for new coverage.

pub mod mutate;
pub mod smoke;
pub mod targets;

pub use targets::{TARGETS, Target};
