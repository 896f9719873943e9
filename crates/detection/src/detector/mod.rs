//! Sequential change detection, once a second: a two-sided CUSUM on each of a few rates and
//! times, and a likelihood-ratio CUSUM on each of a few shares.
//!
//! - [`Cusum`] and [`ShareCusum`]: the statistics.
//! - [`KindTimes`]: the time that each kind of request takes.
//! - [`Series`] and [`ShareSeries`]: what is watched, and how a window gives its value.

mod cusum;
mod kinds;
mod series;
mod share;

pub use cusum::{Cusum, Scale, Shift};
pub use kinds::KindTimes;
pub use series::{SERIES, SHARES, SHARES_OF_ALL, Series, ShareSeries};
pub use share::ShareCusum;
