//! Hostile visits that are no denial of service: guessing, scanning, scraping.

use super::http_base::HttpDraft;
use super::http_flood::{add_bots, one_tool};
use crate::episode::{Draft, Origin, Truth};
use crate::http::{Aim, Behaviour, Bot, ReferrerStyle, Rhythm, SiteKind, Walk, Walker, Who};
use crate::rng::Rng;
use crate::world::{Networks, Timing};
use seawall_model::Cause;
use seawall_model::observation::Method;

fn draft(seed: u64, kind: Option<SiteKind>) -> HttpDraft {
    let mut rng = Rng::new(seed);
    let timing = Timing::any(&mut rng, 0.15);
    // guessers and scrapers need a while to show
    let timing = if timing.trouble_s() < 20.0 { Timing::with_lead_in(&mut rng) } else { timing };
    HttpDraft::new(seed, kind, timing, rng)
}

/// One machine, many passwords.
pub(super) fn guessing_single(seed: u64) -> Draft {
    let mut draft = draft(seed, None);
    let per_s = draft.rng.log_uniform(1.0, 30.0);
    let bot = guesser(&mut draft, 1.0 / per_s);
    let who = if draft.rng.chance(0.3) { Who::Browser } else { one_tool(&mut draft) };
    let from = Networks::hosting(&mut draft.rng, 1);
    add_bots(&mut draft, 1, bot, from, who, 0.1);
    let truth = Truth::new(Cause::CredentialAbuse, &draft.timing).vectors(&["single-source"]);
    draft.finish(truth)
}

/// Stolen passwords, each tried once, from many addresses, slowly.
pub(super) fn stuffing(seed: u64) -> Draft {
    let mut draft = draft(seed, None);
    let per_s = draft.rng.log_uniform(2.0, 60.0);
    let sources = draft.rng.log_uniform(40.0, 3_000.0) as u32;
    let mut bot = guesser(&mut draft, f64::from(sources) / per_s);
    bot.accept_language = draft.rng.chance(0.6);
    bot.referrer = if draft.rng.chance(0.5) { ReferrerStyle::Internal } else { ReferrerStyle::Nothing };
    let from = Networks::scattered(&mut draft.rng, sources as usize);
    add_bots(&mut draft, sources, bot, from, Who::Browser, 2.0);
    let truth = Truth::new(Cause::CredentialAbuse, &draft.timing).vectors(&["distributed"]);
    draft.finish(truth)
}

fn guesser(draft: &mut HttpDraft, gap_s: f64) -> Bot {
    let (page, envelope) = (draft.site.login, draft.on(0.0));
    Bot {
        aim: Aim::Login { succeeds: draft.rng.uniform(0.0, 0.02) },
        method: Method::Post,
        request_bytes: draft.rng.between(40, 160),
        rhythm: if draft.rng.chance(0.4) { Rhythm::Regular { gap_s } } else { Rhythm::Random { gap_s } },
        ..Bot::plain(page, gap_s, envelope)
    }
}

/// A scanner tries what other sites have forgotten.
pub(super) fn probing(seed: u64) -> Draft {
    let mut draft = draft(seed, None);
    let gap_s = 1.0 / draft.rng.log_uniform(1.0, 40.0);
    let envelope = draft.on(0.0);
    let walker = Walker {
        requests: draft.rng.between(60, 2_000) as u32,
        ..draft.walker(Walk::Probes, gap_s, envelope)
    };
    let sources = draft.rng.between(1, 3) as u32;
    let who = if draft.rng.chance(0.4) { Who::Browser } else { one_tool(&mut draft) };
    let from = Networks::hosting(&mut draft.rng, sources as usize);
    let onset_s = draft.timing.onset_s;
    draft.cohort(sources, onset_s, 1.0, Behaviour::Walker(walker), Origin::Unwanted, from, who);
    let truth = Truth::new(Cause::Scan, &draft.timing);
    draft.finish(truth)
}

/// Copies the catalogue item by item.
pub(super) fn scraping(seed: u64) -> Draft {
    let mut rng = Rng::new(seed ^ 1);
    let kind = *rng.pick(&[SiteKind::Catalogue, SiteKind::News, SiteKind::Forum]);
    let mut draft = draft(seed, Some(kind));
    let sources = draft.rng.log_uniform(1.0, 12.0) as u32;
    scrape(&mut draft, sources, Walk::InOrder);
    let truth = Truth::new(Cause::Scraping, &draft.timing);
    draft.finish(truth)
}

/// Many rented homes copy a stretch each. Evaluation only.
pub(super) fn scraping_spread(seed: u64) -> Draft {
    let mut draft = draft(seed, Some(SiteKind::Catalogue));
    let sources = draft.rng.log_uniform(40.0, 400.0) as u32;
    scrape(&mut draft, sources, Walk::InOrder);
    let truth = Truth::new(Cause::Scraping, &draft.timing).vectors(&["distributed"]);
    draft.finish(truth)
}

fn scrape(draft: &mut HttpDraft, sources: u32, walk: Walk) {
    let per_s = draft
        .rng
        .log_uniform((draft.base_per_s * 0.5).clamp(2.0, 20.0), (draft.base_per_s * 4.0).clamp(25.0, 80.0));
    let gap_s = f64::from(sources) / per_s;
    let envelope = draft.on(0.0);
    let walker = Walker {
        regular: draft.rng.chance(0.5),
        sends_referrer: draft.rng.chance(0.3),
        ..draft.walker(walk, gap_s, envelope)
    };
    let who = if draft.rng.chance(0.6) { Who::Browser } else { one_tool(draft) };
    let from = if sources > 20 {
        Networks::scattered(&mut draft.rng, sources as usize)
    } else {
        Networks::hosting(&mut draft.rng, 2)
    };
    let onset_s = draft.timing.onset_s;
    draft.cohort(sources, onset_s, 2.0, Behaviour::Walker(walker), Origin::Unwanted, from, who);
}
