//! Sequential change detection: a two-sided CUSUM on each of a few series, once a second.
//!
//! - [`Cusum`]: the statistic.
//! - [`Series`]: what is watched, and how a window gives its value.

mod cusum;
mod series;

pub use cusum::{Cusum, Scale, Shift};
pub use series::{SERIES, Series};
