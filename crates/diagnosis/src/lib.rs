//! Diagnosis: findings are weighed as evidence for and against each cause, and the causes are
//! ranked.
//!
//! [`rules`] is the knowledge, as data: which metric speaks for or against which cause, how
//! strongly, and why. [`weigh`] is the arithmetic: evidence adds up as log-odds, each group of
//! evidence is capped so that none decides alone, and at least two must agree.

pub mod confidence;
mod missing;
mod refute;
pub mod rules;
mod shape;
pub mod weigh;

pub use refute::refute;
pub use shape::Shape;
pub use weigh::diagnose;
