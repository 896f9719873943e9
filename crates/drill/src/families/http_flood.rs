//! Floods of requests, from loud and simple to hardly distinguishable from people.

use super::http_base::HttpDraft;
use crate::episode::{Draft, Origin, Truth};
use crate::http::{Aim, Behaviour, Bot, QueryStyle, ReferrerStyle, Rhythm, Who};
use crate::rng::Rng;
use crate::world::{Networks, Timing};
use seawall_model::Cause;

/// A few loud sources with one tool.
pub(super) fn loud(seed: u64) -> Draft {
    let mut rng = Rng::new(seed);
    let timing = Timing::any(&mut rng, 0.15);
    let mut draft = HttpDraft::new(seed, None, timing, rng);
    let sources = draft.rng.log_uniform(1.0, 60.0) as u32;
    let page = draft.site.pages[draft.rng.index(draft.site.pages.len().min(5))];
    let per_s = draft.trouble_per_s(2.0, 60.0);
    let envelope = draft.on(0.0);
    let mut bot = Bot::plain(page, f64::from(sources) / per_s, envelope);
    if draft.rng.chance(0.3) {
        bot.rhythm = Rhythm::Regular { gap_s: f64::from(sources) / per_s };
    }
    bot.old_version = draft.rng.chance(0.15);
    let who = one_tool(&mut draft);
    let from = Networks::hosting(&mut draft.rng, (sources as usize / 3).max(1));
    add_bots(&mut draft, sources, bot, from, who);
    let vector = if sources == 1 { "single-source" } else { "distributed" };
    draft.finish(Truth::new(Cause::HttpFlood, &timing).vectors(&[vector]))
}

/// Real user agents, real pages by their popularity, referrers, cookies, the pace of people.
pub(super) fn mimic(seed: u64) -> Draft {
    let mut rng = Rng::new(seed);
    let timing = Timing::with_lead_in(&mut rng);
    let mut draft = HttpDraft::new(seed, None, timing, rng);
    let per_s = draft.trouble_per_s(2.5, 40.0);
    let gap_s = draft.rng.log_uniform(2.0, 30.0);
    let sources = (per_s * gap_s).clamp(50.0, 50_000.0) as u32;
    let rise_s = draft.rng.log_uniform(0.5, 20.0);
    let envelope = draft.on(rise_s);
    let page = draft.site.pages[0];
    let bot = Bot {
        rhythm: if draft.rng.chance(0.5) {
            Rhythm::Human { gap_s: gap_s * 0.7 }
        } else {
            Rhythm::Random { gap_s }
        },
        aim: Aim::Popular,
        referrer: *draft.rng.pick(&[ReferrerStyle::Internal, ReferrerStyle::Usual, ReferrerStyle::Internal]),
        cookie: draft.rng.chance(0.5),
        accept_language: true,
        real_fingerprint: draft.rng.chance(0.7),
        ..Bot::plain(page, gap_s, envelope)
    };
    let from = Networks::scattered(&mut draft.rng, sources as usize / 2);
    add_bots(&mut draft, sources, bot, from, Who::Browser);
    draft.finish(Truth::new(Cause::HttpFlood, &timing).vectors(&["distributed"]))
}

/// A different query each time, so that no cache helps.
pub(super) fn cache_busting(seed: u64) -> Draft {
    let mut rng = Rng::new(seed);
    let timing = Timing::any(&mut rng, 0.15);
    let mut draft = HttpDraft::new(seed, None, timing, rng);
    let per_s = draft.trouble_per_s(2.0, 60.0);
    let sources = draft.rng.log_uniform(2.0, 5_000.0) as u32;
    let envelope = draft.on(0.0);
    let page = draft.site.pages[draft.rng.index(draft.site.pages.len().min(4))];
    let query = match draft.rng.below(3) {
        0 => QueryStyle::Word { style: draft.rng.below(5) as u8, length: draft.rng.between(5, 16) as u8 },
        1 => QueryStyle::Stamp,
        _ => QueryStyle::Pairs { pairs: draft.rng.between(1, 3) as u8 },
    };
    let bot = Bot { query, ..Bot::plain(page, f64::from(sources) / per_s, envelope) };
    let who = if draft.rng.chance(0.5) { Who::Browser } else { one_tool(&mut draft) };
    let from = Networks::scattered(&mut draft.rng, sources as usize);
    add_bots(&mut draft, sources, bot, from, who);
    draft.finish(Truth::new(Cause::CacheBusting, &timing).or(&[Cause::HttpFlood]).vectors(&["distributed"]))
}

/// Bots that wait for the onset.
pub(super) fn add_bots(draft: &mut HttpDraft, count: u32, bot: Bot, from: Networks, who: Who) {
    let (onset_s, over_s) = (draft.timing.onset_s, draft.timing.trouble_s() * 0.02);
    draft.cohort(count, onset_s, over_s.min(1.0), Behaviour::Bot(bot), Origin::Unwanted, from, who);
}

/// One tool or one browser for all.
pub(super) fn one_tool(draft: &mut HttpDraft) -> Who {
    let agent = match draft.rng.below(3) {
        0 => *draft.rng.pick(&draft.pool.tools),
        1 => *draft.rng.pick(&draft.pool.browsers),
        _ => return Who::Nothing,
    };
    Who::OneOf(vec![agent])
}
