//! Summaries of bounded size. Each merges exactly: the merged summary is the summary of all that
//! was counted, whatever the order and the grouping, so that threads and machines add up.

mod distinct;
mod histogram;
mod profiles;
mod sample;

pub use distinct::Distinct;
pub use histogram::Histogram;
pub use profiles::{Profile, Profiles};
pub use sample::Sample;
