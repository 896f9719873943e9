//! Signatures: contrast mining between unwanted and normal traffic.
//!
//! [`mine`] looks for conjunctions of attribute tests that pick out the unwanted traffic and
//! leave normal traffic alone, each with both shares measured. Where nothing narrow exists it
//! returns nothing, and the planner must use a rate or a challenge instead. [`matches`] is the one
//! place that says what a signature means.
//!
//! ```text
//! records → candidates (one test each, as bit sets) → beam search → cover → Signature
//! ```

mod bits;
mod candidate;
mod estimate;
mod example;
mod matching;
mod mine;
mod prior;
mod sample;
mod unwanted;
mod view;

pub use matching::{NetworkLookup, holds_for_request, matches, matches_with};
pub use mine::{Contrast, Limits, mine};
pub use sample::Sample;
pub use view::{RequestView, kept};
