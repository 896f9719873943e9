//! Many people who want the same thing at the same time.

use super::http_base::{HttpDraft, requests_of_a_visit};
use crate::episode::{Draft, Origin, Truth};
use crate::http::{Behaviour, Entry, Joining, People, Who};
use crate::rng::Rng;
use crate::world::{Envelope, Networks, Timing};
use seawall_model::Cause;

/// A link on a popular page.
pub(super) fn referred(seed: u64) -> Draft {
    let mut rng = Rng::new(seed);
    let timing = Timing::with_lead_in(&mut rng);
    let mut draft = HttpDraft::new(seed, None, timing, rng);
    let which = draft.rng.index(draft.site.referrers.len());
    let referrer = Some(draft.site.referrers[which]);
    let page = draft.rng.index(draft.site.pages.len()) as u32;
    let rise_s = draft.rng.log_uniform(4.0, 40.0);
    add_crowd(&mut draft, Entry::Campaign { page, referrer }, rise_s, 1.0);
    draft.finish(Truth::new(Cause::FlashCrowd, &timing))
}

/// New people in their numbers, from the onset on; `share` of the usual most.
pub(super) fn add_crowd(draft: &mut HttpDraft, entry: Entry, rise_s: f64, share: f64) {
    let timing = draft.timing;
    let people = People {
        entry,
        pages_mean: draft.rng.log_uniform(1.2, 4.0),
        returning: draft.rng.uniform(0.02, 0.35),
        ..draft.people.clone()
    };
    let visit = requests_of_a_visit(&draft.site, &people);
    let per_s = draft.trouble_per_s(3.0, 40.0) * share / visit;
    let half_life_s = draft.rng.log_uniform(20.0, 400.0);
    let envelope = Envelope::Crowd { floor: 0.0, from_s: timing.onset_s, rise_s, half_life_s };
    let networks = draft.rng.log_uniform(40.0, 900.0) as usize;
    let v6 = draft.rng.uniform(0.0, 0.5);
    let from = Networks::access(&mut draft.rng, networks, v6);
    draft.add(
        Joining::Arrivals { per_s, envelope },
        Behaviour::People(people),
        Origin::Normal,
        from,
        Who::Browser,
    );
}
