//! Many people who want the same thing at the same time, and crawlers that say who they are.

use super::http_base::{HttpDraft, requests_of_a_visit};
use crate::episode::{Draft, Origin, Truth};
use crate::http::{App, Behaviour, Entry, Joining, People, SiteKind, Walk, Walker, Who};
use crate::rng::Rng;
use crate::world::{Envelope, Networks, Timing};
use seawall_model::Cause;
use seawall_model::change::ChangeKind;

fn draft(seed: u64, kind: Option<SiteKind>) -> HttpDraft {
    let mut rng = Rng::new(seed);
    let timing = Timing::with_lead_in(&mut rng);
    HttpDraft::new(seed, kind, timing, rng)
}

fn crowd(draft: HttpDraft) -> Draft {
    let truth = Truth::new(Cause::FlashCrowd, &draft.timing);
    draft.finish(truth)
}

/// A link on a popular page.
pub(super) fn referred(seed: u64) -> Draft {
    let mut draft = draft(seed, None);
    let which = draft.rng.index(draft.site.referrers.len());
    let referrer = Some(draft.site.referrers[which]);
    let page = draft.rng.index(draft.site.pages.len()) as u32;
    let rise_s = draft.rng.log_uniform(4.0, 40.0);
    add_crowd(&mut draft, Entry::Campaign { page, referrer }, rise_s, 1.0);
    crowd(draft)
}

/// A mailing: nobody sends a referrer.
pub(super) fn mailing(seed: u64) -> Draft {
    let mut draft = draft(seed, None);
    let page = draft.rng.index(draft.site.pages.len()) as u32;
    let rise_s = draft.rng.log_uniform(10.0, 60.0);
    add_crowd(&mut draft, Entry::Campaign { page, referrer: None }, rise_s, 1.0);
    if draft.rng.chance(0.3) {
        let at_s = draft.timing.onset_s - draft.rng.uniform(0.0, 20.0);
        draft.change(at_s, ChangeKind::Campaign, "newsletter sent");
    }
    crowd(draft)
}

/// A spot on television: everybody within seconds, at the front page or by a search.
pub(super) fn broadcast(seed: u64) -> Draft {
    let mut draft = draft(seed, None);
    let referrer = draft.rng.chance(0.4).then(|| draft.site.referrers[0]);
    let rise_s = draft.rng.uniform(1.0, 5.0);
    add_crowd(&mut draft, Entry::Campaign { page: 0, referrer }, rise_s, 1.0);
    crowd(draft)
}

/// News: people come by all ways at once, by search, by links and typed.
pub(super) fn news(seed: u64) -> Draft {
    let mut draft = draft(seed, Some(SiteKind::News));
    let rise_s = draft.rng.log_uniform(10.0, 60.0);
    add_crowd(&mut draft, Entry::Usual, rise_s, 1.0);
    crowd(draft)
}

/// A notification to an application: calls without referrer, from phones.
pub(super) fn notification(seed: u64) -> Draft {
    let mut rng = Rng::new(seed ^ 2);
    let kind = if rng.chance(0.5) { SiteKind::Api } else { SiteKind::SinglePage };
    let mut draft = draft(seed, Some(kind));
    let calls_mean = draft.rng.uniform(3.0, 15.0);
    let per_s = draft.trouble_per_s(3.0, 30.0) / calls_mean;
    let app = App { calls_mean, gap_s: draft.rng.log_uniform(0.3, 4.0), retry_s: 0.0, loops: None };
    let rise_s = draft.rng.log_uniform(2.0, 15.0);
    let half_life_s = draft.rng.log_uniform(15.0, 120.0);
    let envelope = Envelope::Crowd { floor: 0.0, from_s: draft.timing.onset_s, rise_s, half_life_s };
    let networks = draft.rng.log_uniform(40.0, 500.0) as usize;
    let from = Networks::access(&mut draft.rng, networks, 0.4);
    let who = Who::OneOf(draft.pool.apps.clone());
    draft.add(Joining::Arrivals { per_s, envelope }, Behaviour::App(app), Origin::Normal, from, who);
    crowd(draft)
}

/// Tickets go on sale: impatient people load the page again and again. Evaluation only.
pub(super) fn tickets(seed: u64) -> Draft {
    let mut draft = draft(seed, None);
    draft.people.refresh_gap_s = draft.rng.log_uniform(2.0, 8.0);
    draft.people.reloads = 0.9;
    let page = draft.rng.index(draft.site.pages.len()) as u32;
    let rise_s = draft.rng.log_uniform(2.0, 20.0);
    add_crowd(&mut draft, Entry::Campaign { page, referrer: None }, rise_s, 0.7);
    crowd(draft)
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
    // a crowd is many people, however few each of them loads: hundreds a minute, where few came before
    let usual_visits_per_s = draft.base_per_s / draft.session_requests;
    let least = (usual_visits_per_s * 3.0).max(4.0);
    let per_s = (draft.trouble_per_s(3.0, 40.0) / visit).max(least) * share;
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

/// A search engine reads the whole site.
pub(super) fn crawler(seed: u64) -> Draft {
    let mut draft = draft(seed, None);
    crawl(&mut draft, 1.0, false);
    let truth = Truth::new(Cause::Crawler, &draft.timing);
    draft.finish(truth)
}

/// A crawler that says who it is and has no manners.
pub(super) fn crawler_rude(seed: u64) -> Draft {
    let mut draft = draft(seed, None);
    crawl(&mut draft, 4.0, true);
    let truth = Truth::new(Cause::Crawler, &draft.timing);
    draft.finish(truth)
}

/// Several crawlers at once, as after a site map was announced. Evaluation only.
pub(super) fn crawlers_together(seed: u64) -> Draft {
    let mut draft = draft(seed, None);
    for _ in 0..draft.rng.between(2, 4) {
        crawl(&mut draft, 0.8, false);
    }
    let truth = Truth::new(Cause::Crawler, &draft.timing);
    draft.finish(truth)
}

fn crawl(draft: &mut HttpDraft, factor: f64, rude: bool) {
    draft.view = crate::http::View::with_agents(&mut draft.rng);
    let least = (draft.base_per_s * 0.7).clamp(1.5, 15.0);
    let per_s = draft.rng.log_uniform(least, (draft.base_per_s * 3.0).clamp(12.0, 50.0)) * factor;
    let machines = draft.rng.between(1, 20) as u32;
    let envelope = draft.on(0.0);
    let walker = Walker {
        robots_first: true,
        regular: draft.rng.chance(0.3),
        with_assets: if rude || draft.rng.chance(0.7) { 0.0 } else { 0.1 },
        ..draft.walker(Walk::LongTail, f64::from(machines) / per_s, envelope)
    };
    let agent = *draft.rng.pick(&draft.pool.crawlers);
    let from = Networks::hosting(&mut draft.rng, 1);
    let onset_s = draft.timing.onset_s;
    draft.cohort(
        machines,
        onset_s,
        3.0,
        Behaviour::Walker(walker),
        Origin::Normal,
        from,
        Who::OneOf(vec![agent]),
    );
}
