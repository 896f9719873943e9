//! Floods of requests, from loud and simple to hardly distinguishable from people.

use super::http_base::HttpDraft;
use super::http_demand::add_crowd;
use crate::episode::{Draft, Origin, Truth};
use crate::http::{
    Agent, Aim, Behaviour, Bot, Entry, Joining, Page, QueryStyle, ReferrerStyle, Resetter, Rhythm, Site,
    SiteKind, Slow, View, ViewKind, Who, outdated,
};
use crate::rng::Rng;
use crate::world::{Envelope, Networks, Timing};
use seawall_model::Cause;
use seawall_model::observation::Method;

/// An HTTP draft with usual visitors, and a lead-in but for this share of the seeds.
fn draft(seed: u64, alone: f64) -> HttpDraft {
    let mut rng = Rng::new(seed);
    let timing = Timing::any(&mut rng, alone);
    if timing.onset_s == 0.0 && rng.chance(0.5) {
        // nothing but the flood
        return HttpDraft::empty(seed, None, timing, rng);
    }
    HttpDraft::new(seed, None, timing, rng)
}

fn flood(draft: HttpDraft, vectors: &[&'static str], also: &[Cause]) -> Draft {
    let truth = Truth::new(Cause::HttpFlood, &draft.timing).vectors(vectors).or(also);
    draft.finish(truth)
}

/// A few loud sources with one tool.
pub(super) fn loud(seed: u64) -> Draft {
    let mut draft = draft(seed, 0.2);
    let sources = draft.rng.log_uniform(1.0, 60.0) as u32;
    let page = near_the_top(&mut draft);
    let per_s = draft.trouble_per_s(2.0, 60.0);
    let gap_s = f64::from(sources) / per_s;
    let envelope = draft.on(0.0);
    let mut bot = Bot::plain(page, gap_s, envelope);
    if draft.rng.chance(0.3) {
        bot.rhythm = Rhythm::Regular { gap_s };
    }
    bot.old_version = draft.rng.chance(0.15);
    let who = one_tool(&mut draft);
    let from = Networks::hosting(&mut draft.rng, (sources as usize / 3).max(1));
    add_bots(&mut draft, sources, bot, from, who, 0.5);
    flood(draft, &[spread(sources)], &[])
}

/// Tools that draw everything anew for each request: agent, query, referrer (HULK, GoldenEye).
pub(super) fn rotating(seed: u64) -> Draft {
    let mut draft = draft(seed, 0.3);
    let per_s = draft.trouble_per_s(2.0, 60.0);
    let sources = (per_s / draft.rng.uniform(8.0, 30.0)).clamp(1.0, 400.0) as u32;
    let page = draft.site.pages[0];
    let envelope = draft.on(0.0);
    let count = draft.rng.between(5, 120) as usize;
    let agents = outdated(&mut draft.rng, &mut draft.text, count);
    let bot = Bot {
        rhythm: if draft.rng.chance(0.6) {
            Rhythm::Closed
        } else {
            Rhythm::Random { gap_s: f64::from(sources) / per_s }
        },
        query: if draft.rng.chance(0.7) {
            QueryStyle::Pairs { pairs: draft.rng.between(1, 2) as u8 }
        } else {
            QueryStyle::Own
        },
        referrer: *draft.rng.pick(&[
            ReferrerStyle::RandomSearch,
            ReferrerStyle::RandomSearch,
            ReferrerStyle::Nothing,
        ]),
        method: if draft.rng.chance(0.8) { Method::Get } else { Method::Post },
        ..Bot::plain(page, 1.0, envelope)
    };
    let from = Networks::hosting(&mut draft.rng, (sources as usize / 2).max(1));
    add_bots(&mut draft, sources, bot, from, Who::Rotating(agents), 0.5);
    flood(draft, &[spread(sources)], &[Cause::CacheBusting])
}

/// Tens of thousands of sources at one request each.
pub(super) fn one_each(seed: u64) -> Draft {
    let mut draft = draft(seed, 0.1);
    let per_s = draft.trouble_per_s(3.0, 60.0);
    let page = near_the_top(&mut draft);
    let envelope = draft.on(0.0);
    let bot = Bot {
        requests: draft.rng.between(1, 2) as u32,
        aim: if draft.rng.chance(0.6) { Aim::One(page) } else { Aim::Popular },
        accept_language: draft.rng.chance(0.5),
        ..Bot::plain(page, 1.0, Envelope::On { from_s: 0.0, to_s: 1e9, rise_s: 0.0 })
    };
    let who = if draft.rng.chance(0.6) { Who::Browser } else { one_tool(&mut draft) };
    let from = Networks::scattered(&mut draft.rng, 4_000);
    draft.add(Joining::Arrivals { per_s, envelope }, Behaviour::Bot(bot), Origin::Unwanted, from, who);
    flood(draft, &["distributed"], &[])
}

/// Real user agents, real pages by their popularity, referrers, cookies, the pace of people.
pub(super) fn mimic(seed: u64) -> Draft {
    let mut draft = draft(seed, 0.0);
    let over_s = draft.rng.log_uniform(0.5, 20.0);
    add_mimics(&mut draft, 0.0, over_s, 1.0);
    flood(draft, &["distributed"], &[])
}

/// Browsers without a person: they fetch assets of some pages as well. Evaluation only.
pub(super) fn headless(seed: u64) -> Draft {
    let mut draft = draft(seed, 0.0);
    let assets = draft.rng.uniform(0.03, 0.15);
    let over_s = draft.rng.log_uniform(0.5, 10.0);
    add_mimics(&mut draft, assets, over_s, 0.7);
    flood(draft, &["distributed"], &[])
}

/// A flood that begins while a real crowd is there. Evaluation only.
pub(super) fn within_a_crowd(seed: u64) -> Draft {
    let mut draft = draft(seed, 0.0);
    let which = draft.rng.index(draft.site.referrers.len());
    let referrer = Some(draft.site.referrers[which]);
    add_crowd(&mut draft, Entry::Campaign { page: 0, referrer }, 15.0, 0.35);
    add_mimics(&mut draft, 0.0, 2.0, 0.8);
    flood(draft, &["distributed"], &[])
}

fn add_mimics(draft: &mut HttpDraft, assets: f64, over_s: f64, share: f64) {
    if draft.site.frame_assets == 0 {
        // without assets in the log only agents and referrers tell bots from people
        draft.view = View::with_agents(&mut draft.rng);
    }
    let per_s = draft.trouble_per_s(2.5, 40.0) * share;
    let gap_s = draft.rng.log_uniform(2.0, 30.0);
    let sources = (per_s * gap_s).clamp(50.0, 50_000.0) as u32;
    let envelope = draft.on(0.0);
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
        assets,
        real_fingerprint: draft.rng.chance(0.7),
        ..Bot::plain(page, gap_s, envelope)
    };
    let from = Networks::scattered(&mut draft.rng, sources as usize / 2);
    add_bots(draft, sources, bot, from, Who::Browser, over_s);
}

/// Bodies to be read.
pub(super) fn posts(seed: u64) -> Draft {
    let mut draft = draft(seed, 0.15);
    let per_s = draft.trouble_per_s(2.0, 40.0);
    let sources = draft.rng.log_uniform(3.0, 3_000.0) as u32;
    let page = near_the_top(&mut draft);
    let envelope = draft.on(0.0);
    let bot = Bot {
        method: Method::Post,
        request_bytes: draft.rng.log_uniform(100.0, 200_000.0) as u64,
        ..Bot::plain(page, f64::from(sources) / per_s, envelope)
    };
    let who = if draft.rng.chance(0.4) { Who::Browser } else { one_tool(&mut draft) };
    let from = Networks::scattered(&mut draft.rng, sources as usize);
    add_bots(&mut draft, sources, bot, from, who, 0.5);
    flood(draft, &[spread(sources)], &[])
}

/// Paths that do not exist.
pub(super) fn random_paths(seed: u64) -> Draft {
    let mut draft = draft(seed, 0.25);
    let per_s = draft.trouble_per_s(2.0, 60.0);
    let sources = draft.rng.log_uniform(1.0, 2_000.0) as u32;
    let envelope = draft.on(0.0);
    let page = draft.site.pages[0];
    let aim = Aim::RandomPath { style: draft.rng.below(4) as u8, length: draft.rng.between(5, 20) as u8 };
    let bot = Bot { aim, ..Bot::plain(page, f64::from(sources) / per_s, envelope) };
    let who = if draft.rng.chance(0.4) { Who::Browser } else { one_tool(&mut draft) };
    let from = Networks::scattered(&mut draft.rng, sources as usize);
    add_bots(&mut draft, sources, bot, from, who, 0.5);
    flood(draft, &[spread(sources)], &[Cause::CacheBusting])
}

/// Bytes that are no request at all.
pub(super) fn garbage(seed: u64) -> Draft {
    let mut draft = draft(seed, 0.2);
    let per_s = draft.trouble_per_s(2.0, 60.0);
    let sources = draft.rng.log_uniform(1.0, 1_500.0) as u32;
    let envelope = draft.on(0.0);
    let page = draft.site.pages[0];
    let bot = Bot { aim: Aim::Garbage, ..Bot::plain(page, f64::from(sources) / per_s, envelope) };
    let from = Networks::scattered(&mut draft.rng, sources as usize);
    add_bots(&mut draft, sources, bot, from, Who::Nothing, 0.5);
    flood(draft, &[spread(sources)], &[])
}

/// On for seconds, off for seconds.
pub(super) fn pulses(seed: u64) -> Draft {
    let mut draft = draft(seed, 0.0);
    let per_s = draft.trouble_per_s(4.0, 80.0);
    let sources = draft.rng.log_uniform(20.0, 3_000.0) as u32;
    let timing = draft.timing;
    let period_s = draft.rng.log_uniform(6.0, 30.0);
    let duty = draft.rng.uniform(0.2, 0.6);
    let envelope = Envelope::Pulse { from_s: timing.onset_s, to_s: timing.end_s, period_s, duty };
    let page = near_the_top(&mut draft);
    let gap_s = f64::from(sources) / per_s;
    let bot = Bot { rhythm: Rhythm::Random { gap_s }, ..Bot::plain(page, gap_s, envelope) };
    let who = if draft.rng.chance(0.5) { Who::Browser } else { one_tool(&mut draft) };
    let from = Networks::scattered(&mut draft.rng, sources as usize);
    add_bots(&mut draft, sources, bot, from, who, 0.5);
    flood(draft, &["pulse"], &[])
}

/// A flood that grows over most of a minute, so that no moment stands out.
pub(super) fn slow_ramp(seed: u64) -> Draft {
    let mut rng = Rng::new(seed);
    let (lead_s, trouble_s) = (rng.uniform(30.0, 90.0), rng.uniform(70.0, 170.0));
    let timing = Timing::new(&mut rng, lead_s, trouble_s, 0.0);
    let mut draft = HttpDraft::new(seed, None, timing, rng);
    let per_s = draft.trouble_per_s(4.0, 60.0);
    let sources = draft.rng.log_uniform(60.0, 8_000.0) as u32;
    let envelope = draft.on(0.0);
    let page = near_the_top(&mut draft);
    let bot = Bot { accept_language: true, ..Bot::plain(page, f64::from(sources) / per_s, envelope) };
    let who = if draft.rng.chance(0.6) { Who::Browser } else { one_tool(&mut draft) };
    let from = Networks::scattered(&mut draft.rng, sources as usize);
    let over_s = timing.trouble_s() * draft.rng.uniform(0.4, 0.8);
    add_bots(&mut draft, sources, bot, from, who, over_s);
    flood(draft, &["distributed"], &[])
}

/// A different query each time, so that no cache helps.
pub(super) fn cache_busting(seed: u64) -> Draft {
    let mut draft = draft(seed, 0.25);
    let sources = draft.rng.log_uniform(2.0, 5_000.0) as u32;
    let style = (draft.rng.below(5) as u8, draft.rng.between(5, 16) as u8);
    let query = match draft.rng.below(3) {
        0 => QueryStyle::Word { style: style.0, length: style.1 },
        1 => QueryStyle::Stamp,
        _ => QueryStyle::Pairs { pairs: draft.rng.between(1, 3) as u8 },
    };
    bust(draft, sources, query, Aim::Few(Vec::new()))
}

/// Random queries on all pages, by their popularity, with agents of people. Evaluation only.
pub(super) fn cache_busting_everywhere(seed: u64) -> Draft {
    let mut draft = draft(seed, 0.0);
    let sources = draft.rng.log_uniform(300.0, 9_000.0) as u32;
    let query =
        if draft.rng.chance(0.5) { QueryStyle::Stamp } else { QueryStyle::Word { style: 2, length: 10 } };
    bust(draft, sources, query, Aim::Popular)
}

fn bust(mut draft: HttpDraft, sources: u32, query: QueryStyle, aim: Aim) -> Draft {
    let per_s = draft.trouble_per_s(2.0, 60.0);
    let envelope = draft.on(0.0);
    let page = near_the_top(&mut draft);
    let aim = if matches!(aim, Aim::Few(_)) { Aim::One(page) } else { aim };
    let people = matches!(aim, Aim::Popular) || draft.rng.chance(0.4);
    let bot =
        Bot { query, aim, accept_language: people, ..Bot::plain(page, f64::from(sources) / per_s, envelope) };
    let who = if people { Who::Browser } else { one_tool(&mut draft) };
    let from = Networks::scattered(&mut draft.rng, sources as usize);
    add_bots(&mut draft, sources, bot, from, who, 0.5);
    let truth =
        Truth::new(Cause::CacheBusting, &draft.timing).or(&[Cause::HttpFlood]).vectors(&[spread(sources)]);
    draft.finish(truth)
}

/// Few requests of the kind that costs most.
pub(super) fn expensive(seed: u64) -> Draft {
    let mut rng = Rng::new(seed);
    let timing = Timing::with_lead_in(&mut rng);
    let mut draft = HttpDraft::new(seed, None, timing, rng);
    draft.view = if draft.rng.chance(0.85) { View::with_durations(&mut draft.rng) } else { draft.view };
    let (page, query) = match draft.rng.below(3) {
        0 => (draft.site.search, QueryStyle::Search),
        1 => (draft.site.report, QueryStyle::Own),
        _ => (draft.site.report, QueryStyle::Stamp),
    };
    // enough to fill the workers between one and five times over
    let model = &draft.server;
    let capacity =
        f64::from(model.servers * model.workers_per_server) / (model.work_us[page.work as usize] / 1e6);
    let per_s = (capacity * draft.rng.uniform(1.0, 5.0)).clamp(1.5, 400.0);
    let sources = draft.rng.log_uniform(1.0, 800.0) as u32;
    let envelope = draft.on(0.0);
    let bot = Bot {
        query,
        accept_language: draft.rng.chance(0.5),
        ..Bot::plain(page, f64::from(sources) / per_s, envelope)
    };
    let who = if draft.rng.chance(0.6) { Who::Browser } else { one_tool(&mut draft) };
    let from = Networks::scattered(&mut draft.rng, sources as usize);
    add_bots(&mut draft, sources, bot, from, who, 0.5);
    let is_flood = per_s > draft.base_per_s * 3.0;
    let also: &[Cause] = if is_flood { &[Cause::HttpFlood] } else { &[] };
    // A stamp that is never sent twice is what gets past a cache.
    let past_caches: &[Cause] = if matches!(query, QueryStyle::Stamp) { &[Cause::CacheBusting] } else { &[] };
    let truth = Truth::new(Cause::ExpensiveEndpoint, &timing).or(also).or(past_caches);
    draft.finish(truth)
}

/// Requests that never end, as the log shows them when their time is up.
pub(super) fn slow_requests(seed: u64) -> Draft {
    let mut rng = Rng::new(seed);
    let timing = Timing::with_lead_in(&mut rng);
    let mut draft = HttpDraft::new(seed, None, timing, rng);
    let connections = draft.rng.log_uniform(60.0, 3_000.0) as u32;
    let sources = draft.rng.log_uniform(1.0, 300.0) as usize;
    let slow = Slow {
        hold_s: draft.rng.log_uniform(5.0, 20.0).min(timing.trouble_s() / 3.0),
        again: true,
        slow_body: draft.rng.chance(0.3),
        envelope: draft.on(0.0),
    };
    let who = if draft.rng.chance(0.5) { one_tool(&mut draft) } else { Who::Nothing };
    let from = Networks::hosting(&mut draft.rng, sources);
    let over_s = draft.rng.uniform(0.5, 8.0);
    draft.cohort(connections, timing.onset_s, over_s, Behaviour::Slow(slow), Origin::Unwanted, from, who);
    draft.finish(Truth::new(Cause::SlowHttp, &timing))
}

/// HTTP/2 streams opened and reset at once, as a proxy that ends TLS sees it.
pub(super) fn http2_resets(seed: u64) -> Draft {
    let mut rng = Rng::new(seed);
    let timing = Timing::any(&mut rng, 0.2);
    let mut draft = HttpDraft::new(seed, None, timing, rng);
    draft.view = View::of(ViewKind::Edge);
    let per_s = draft.trouble_per_s(3.0, 60.0);
    let connections = draft.rng.log_uniform(3.0, 600.0) as u32;
    let resetter = Resetter {
        gap_s: f64::from(connections) / per_s,
        logged: draft.rng.uniform(0.0, 0.9),
        envelope: draft.on(0.0),
    };
    let from = Networks::hosting(&mut draft.rng, (connections as usize / 4).max(1));
    let who = one_tool(&mut draft);
    draft.cohort(
        connections,
        timing.onset_s,
        0.5,
        Behaviour::Resetter(resetter),
        Origin::Unwanted,
        from,
        who,
    );
    draft.finish(Truth::new(Cause::Http2Abuse, &timing))
}

/// Calls of an interface by many stolen or invented clients.
pub(super) fn on_an_api(seed: u64) -> Draft {
    let mut rng = Rng::new(seed);
    let timing = Timing::with_lead_in(&mut rng);
    let mut draft = HttpDraft::new(seed, Some(SiteKind::Api), timing, rng);
    let per_s = draft.trouble_per_s(3.0, 50.0);
    let sources = draft.rng.log_uniform(5.0, 4_000.0) as u32;
    let calls = few_calls(&draft.site, &mut draft.rng);
    let envelope = draft.on(0.0);
    let page = calls[0];
    let bot = Bot { aim: Aim::Few(calls), ..Bot::plain(page, f64::from(sources) / per_s, envelope) };
    let who = match draft.rng.below(3) {
        0 => Who::OneOf(draft.pool.apps.clone()),
        1 => Who::OneOf(draft.pool.tools.clone()),
        _ => one_tool(&mut draft),
    };
    let from = Networks::scattered(&mut draft.rng, sources as usize);
    add_bots(&mut draft, sources, bot, from, who, 1.0);
    flood(draft, &[spread(sources)], &[])
}

fn few_calls(site: &Site, rng: &mut Rng) -> Vec<Page> {
    let first = rng.index(site.calls.len());
    site.calls.iter().cycle().skip(first).take(rng.between(1, 3) as usize).copied().collect()
}

fn spread(sources: u32) -> &'static str {
    if sources <= 1 { "single-source" } else { "distributed" }
}

fn near_the_top(draft: &mut HttpDraft) -> Page {
    let among = draft.site.pages.len().min(5);
    draft.site.pages[draft.rng.index(among)]
}

/// Bots that come at the onset, within `over_s`.
pub(super) fn add_bots(draft: &mut HttpDraft, count: u32, bot: Bot, from: Networks, who: Who, over_s: f64) {
    let from_s = draft.timing.onset_s;
    draft.cohort(count, from_s, over_s, Behaviour::Bot(bot), Origin::Unwanted, from, who);
}

/// One tool or one browser for all.
pub(super) fn one_tool(draft: &mut HttpDraft) -> Who {
    let agent: Agent = match draft.rng.below(3) {
        0 => *draft.rng.pick(&draft.pool.tools),
        1 => *draft.rng.pick(&draft.pool.browsers),
        _ => return Who::Nothing,
    };
    Who::OneOf(vec![agent])
}
