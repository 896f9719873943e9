//! Captures in which nothing is the matter.

use super::packet_base::PacketDraft;
use crate::episode::{Draft, Truth};
use crate::rng::Rng;
use crate::world::Timing;
use seawall_model::Cause;

/// A bit of everything.
pub(super) fn mixed(seed: u64) -> Draft {
    let mut rng = Rng::new(seed);
    let timing = Timing::quiet(&mut rng);
    let draft = PacketDraft::new(seed, timing, rng);
    draft.finish(Truth::new(Cause::Normal, &timing))
}
