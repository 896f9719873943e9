//! Days on which nothing is the matter.

use super::http_base::HttpDraft;
use crate::episode::{Draft, Truth};
use crate::rng::Rng;
use crate::world::Timing;
use seawall_model::Cause;

/// A site of any kind on any day.
pub(super) fn site(seed: u64) -> Draft {
    let mut rng = Rng::new(seed);
    let timing = Timing::quiet(&mut rng);
    let draft = HttpDraft::new(seed, None, timing, rng);
    draft.finish(Truth::new(Cause::Normal, &timing))
}
