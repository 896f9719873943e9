//! Days on which nothing is the matter, though some of them look like it.

use super::http_base::HttpDraft;
use crate::episode::{Draft, Origin, Truth};
use crate::http::{Behaviour, SiteKind, View, Walk, Walker, Who};
use crate::rng::Rng;
use crate::world::{Envelope, Networks, Timing};
use seawall_model::Cause;
use seawall_model::observation::Method;

fn quiet(seed: u64) -> (Timing, Rng) {
    let mut rng = Rng::new(seed);
    let timing = Timing::quiet(&mut rng);
    (timing, rng)
}

fn normal(draft: HttpDraft, also: &[Cause]) -> Draft {
    let truth = Truth::new(Cause::Normal, &draft.timing).or(also);
    draft.finish(truth)
}

/// A site of any kind on any day.
pub(super) fn site(seed: u64) -> Draft {
    let (timing, rng) = quiet(seed);
    normal(HttpDraft::new(seed, None, timing, rng), &[])
}

/// An interface for programs and nothing else.
pub(super) fn api(seed: u64) -> Draft {
    let (timing, rng) = quiet(seed);
    normal(HttpDraft::new(seed, Some(SiteKind::Api), timing, rng), &[])
}

/// The morning: three to five times as many people at the end as at the beginning.
pub(super) fn morning(seed: u64) -> Draft {
    let mut rng = Rng::new(seed);
    let length_s = rng.uniform(150.0, 300.0);
    let timing = Timing::new(&mut rng, 0.0, length_s, 0.0);
    let mut draft = HttpDraft::empty(seed, None, timing, rng);
    let least = draft.rng.uniform(0.2, 0.35);
    draft.day = Envelope::Drift { at_start: least, at_end: 1.0, length_s };
    draft.usual_visitors();
    normal(draft, &[])
}

/// Monitors everywhere, and hardly any people.
pub(super) fn monitored(seed: u64) -> Draft {
    let (timing, rng) = quiet(seed);
    let mut draft = HttpDraft::empty(seed, None, timing, rng);
    draft.base_per_s = draft.rng.log_uniform(0.1, 2.0);
    draft.usual_visitors();
    let (page, monitors) = (draft.site.pages[0], draft.pool.monitors.clone());
    let period_s = *draft.rng.pick(&[1.0, 2.0, 5.0, 10.0]);
    let count = draft.rng.between(3, 25) as u32;
    let method = if draft.rng.chance(0.5) { Method::Head } else { Method::Get };
    draft.periodic(page, method, period_s, 0.01, 0.0, count, monitors);
    normal(draft, &[])
}

/// A partner sends a catalogue of changes through the interface.
pub(super) fn import(seed: u64) -> Draft {
    let mut rng = Rng::new(seed);
    let timing = Timing::with_lead_in(&mut rng);
    let mut draft = HttpDraft::new(seed, Some(SiteKind::Api), timing, rng);
    let per_s = draft.rng.log_uniform(draft.base_per_s.clamp(1.0, 10.0), 60.0);
    let envelope = draft.on(0.0);
    let walker =
        Walker { regular: draft.rng.chance(0.5), ..draft.walker(Walk::Import, 1.0 / per_s, envelope) };
    let who = Who::OneOf(draft.pool.tools[..1].to_vec());
    let from = Networks::hosting(&mut draft.rng, 1);
    draft.cohort(1, timing.onset_s, 0.1, Behaviour::Walker(walker), Origin::Normal, from, who);
    normal(draft, &[Cause::Crawler, Cause::FlashCrowd])
}

/// One page load in a log of seconds: dozens of requests of one person at once.
pub(super) fn page_load(seed: u64) -> Draft {
    let mut rng = Rng::new(seed);
    let length_s = rng.log_uniform(3.0, 30.0);
    let timing = Timing::new(&mut rng, 0.0, length_s, 0.0);
    let kind = *rng.pick(&[SiteKind::Catalogue, SiteKind::News, SiteKind::SinglePage]);
    let mut draft = HttpDraft::empty(seed, Some(kind), timing, rng);
    let people = crate::http::People { returning: 0.1, without_assets: 0.0, ..draft.people.clone() };
    let count =
        if draft.site.frame_assets > 0 { draft.rng.between(1, 4) } else { draft.rng.between(8, 20) } as u32;
    let from = Networks::access(&mut draft.rng, 6, 0.2);
    draft.cohort(count, 0.0, length_s / 2.0, Behaviour::People(people), Origin::Normal, from, Who::Browser);
    normal(draft, &[])
}

/// A site behind a proxy that hides its visitors: one address does everything. Evaluation only.
pub(super) fn behind_a_proxy(seed: u64) -> Draft {
    let (timing, rng) = quiet(seed);
    let mut draft = HttpDraft::new(seed, None, timing, rng);
    draft.view = View::with_agents(&mut draft.rng);
    draft.hidden_behind = Some(std::net::IpAddr::V4(crate::world::internal_v4(&mut draft.rng)));
    normal(draft, &[])
}
