//! How things are asked for, whoever asks: items in the order of their numbers, many dear answers at once,
//! pages that poll, through nodes in front; and which server of a pool answers otherwise.

use super::http::costliest;
use super::sampled::Sampled;
use super::times::work_us;
use super::{Value, client, push, push_share, spread};
use crate::feature::classify::{AgentKind, PathKind};
use crate::feature::http::{ClientProfile, HttpWindow};
use seawall_model::metric::Metric;
use seawall_model::observation::Method;
use seawall_model::{Timestamp, hash};

/// How many requests for the costliest path one client waits for at once, by Little's law: their rate times
/// their duration. A person waits for one, and asks again when it does not come; a program need not wait.
/// How long a request with a body took may be its sender's doing, and is left out.
pub(super) fn holds(http: &HttpWindow, records: &[Sampled], seconds: f64, out: &mut Vec<Value>) {
    let Some(class) = costliest(records) else { return };
    let scale = http.counters.requests as f64 / records.len() as f64;
    // Of many behind one address, each has some browser.
    let visitor = |r: &Sampled| hash::combine(hash::address(r.client), r.agent.hash);
    let dear = records.iter().filter(|r| r.class == class && matches!(r.method, Method::Get | Method::Head));
    let mut held: Vec<(u64, u64)> = dear.filter_map(|r| Some((visitor(r), work_us(r)?))).collect();
    held.sort_unstable();
    let all = held.len() as f64;
    let sum: f64 = held
        .chunk_by(|a, b| a.0 == b.0)
        .map(|run| {
            let mean_s = run.iter().map(|(_, us)| *us as f64).sum::<f64>() / run.len() as f64 / 1e6;
            // Beside each request, the others of its client: one that was sampled says nothing of more.
            run.len() as f64 * (run.len() - 1) as f64 * scale / seconds * mean_s
        })
        .sum();
    if all >= HELD_LEAST {
        push(out, Metric::CostPathHold, sum / all, all);
    }
}

/// Fewer sampled requests do not say what clients wait for.
const HELD_LEAST: f64 = 30.0;

/// Where server errors fall: all on one path, or on many; and whether only health checks meet them, as
/// while one machine of several is not ready.
pub(super) fn errors(records: &[Sampled], out: &mut Vec<Value>) {
    /// Visitors are so much of the traffic at least, and meet so few errors, where they are served.
    const VISITORS: f64 = 0.2;
    const SERVED: f64 = 0.02;
    let fails = |r: &&Sampled| r.status >= 500;
    let of_kinds = spread(records.iter().filter(fails).map(|r| r.class).collect());
    let all = of_kinds.total as f64;
    push(out, Metric::ErrorPathConcentration, of_kinds.top, all);
    let (checks, visitors): (Vec<&Sampled>, Vec<&Sampled>) = records.iter().partition(|r| r.agent.is_monitor);
    let seen = visitors.len() as f64;
    let met = visitors.iter().filter(|r| fails(r)).count() as f64;
    let is_served = seen >= VISITORS * records.len() as f64 && met <= SERVED * seen;
    let of_checks = checks.iter().filter(|r| fails(r)).count() as f64;
    push_share(out, Metric::CheckErrorShare, if is_served { of_checks } else { 0.0 }, all);
}

/// How much of what pages name as their parts is not there, as after a release whose files are missing. Who
/// looks for holes comes from no page.
pub(super) fn lost_parts(records: &[Sampled], out: &mut Vec<Value>) {
    let is_part = |r: &&Sampled| {
        let is_named = !r.referrer.is_empty() && r.agent.kind == AgentKind::Browser;
        r.kind == PathKind::Asset && is_named && !r.has_random_query
    };
    let (lost, all) = records.iter().filter(is_part).fold((0.0, 0.0), |(lost, all), r| {
        (lost + f64::from(u8::from(matches!(r.status, 404 | 410))), all + 1.0)
    });
    push_share(out, Metric::LostPartsShare, lost, all);
}

/// How much of what is asked for are items in the order of their numbers: the longest rising series of
/// numbers of one kind of request. Visitors take items as they like, so that of `n` requests a series of
/// about 2√n rises by chance; who walks through a catalogue by many addresses keeps the order.
pub(super) fn ordered(records: &[Sampled], out: &mut Vec<Value>) {
    let asked: Vec<&Sampled> = records.iter().filter(|r| r.is_asked()).collect();
    let is_item = |r: &&&Sampled| {
        let agent = r.agent.kind;
        r.kind == PathKind::Page && !agent.is_program() && agent != AgentKind::Crawler
    };
    let mut items: Vec<(u64, Timestamp, u64)> =
        asked.iter().filter(is_item).filter_map(|r| Some((r.class, r.time, last_number(&r.path)?))).collect();
    items.sort_unstable();
    let mut best = 0;
    for run in items.chunk_by(|a, b| a.0 == b.0).filter(|run| run.len() >= ORDERED_LEAST) {
        let series = longest_rising(run.iter().map(|(_, _, number)| *number));
        if series as f64 >= ORDERED * run.len() as f64 {
            best = best.max(series);
        }
    }
    push_share(out, Metric::OrderedShare, best as f64, asked.len() as f64);
}

/// Fewer items are in order by chance.
const ORDERED_LEAST: usize = 60;
/// So much of a kind of items is taken in order.
const ORDERED: f64 = 0.5;

/// The number in the last part of a path that has one; numbers as large as times are none of items.
fn last_number(path: &str) -> Option<u64> {
    let is_number =
        |part: &&str| !part.is_empty() && part.len() <= 8 && part.bytes().all(|b| b.is_ascii_digit());
    path.split(|c: char| !c.is_ascii_alphanumeric()).rev().find(is_number)?.parse().ok()
}

/// Length of the longest series of numbers that rise, each above the one before (patience sorting).
fn longest_rising(numbers: impl Iterator<Item = u64>) -> usize {
    let mut ends: Vec<u64> = Vec::new();
    for number in numbers {
        match ends.partition_point(|end| *end < number) {
            at if at == ends.len() => ends.push(number),
            at => ends[at] = number,
        }
    }
    ends.len()
}

/// Share of the requests that come through what stands in front of the site.
pub(super) fn of_nodes(http: &HttpWindow, seconds: f64) -> f64 {
    let sorted = http.profiles.sorted();
    let requests_of = |wanted: &dyn Fn(&ClientProfile) -> bool| -> f64 {
        sorted.iter().map(|(_, p)| p).filter(|p| wanted(p)).map(|p| f64::from(p.requests)).sum()
    };
    requests_of(&|p| client::is_node(p, seconds)) / requests_of(&|_| true).max(1.0)
}

/// How much faster a page that is open asks for news than one did before: by the median page of each side.
/// A crowd leaves more pages open, each of which asks as ever. Where no page asked before, as fast as news come.
pub(super) fn poll_rise(now: &HttpWindow, before: &HttpWindow) -> Option<(f64, f64)> {
    const PAGES_LEAST: usize = 8;
    const ASKED_LEAST: f64 = 3.0;
    /// No page has news more often than this.
    const NEWS_PER_S: f64 = 1.0;
    let rates = |http: &HttpWindow| {
        let sorted = http.profiles.sorted();
        let asking =
            sorted.iter().map(|(_, p)| p).filter(|p| client::is_page_script(p) && p.asked() >= ASKED_LEAST);
        let mut rates: Vec<f64> =
            asking.map(|p| (p.asked() - 1.0) / p.last.since_s(p.first).max(1.0)).collect();
        rates.sort_unstable_by(f64::total_cmp);
        (rates.len() >= PAGES_LEAST).then(|| (rates[rates.len() / 2], rates.len() as f64))
    };
    let (now, pages) = rates(now)?;
    let before = rates(before).map_or(NEWS_PER_S, |(rate, _)| rate);
    Some((now / before, pages))
}

/// How long requests wait for a free server, in microseconds and more than before, while the servers are as fast as
/// ever: then it is too few of them that are given work. With how many requests prove it.
pub(super) fn queue_alone(now: &HttpWindow, before: &HttpWindow) -> Option<(f64, f64)> {
    const TIMED_LEAST: u64 = 20;
    const AS_FAST: f64 = 1.5;
    let queued_us = |http: &HttpWindow| {
        let c = &http.counters;
        (c.queued > 0).then(|| c.queue_us as f64 / c.queued as f64)
    };
    let served_us = |http: &HttpWindow| {
        let servers = http.servers.sorted();
        let (timed, us) =
            servers.iter().fold((0, 0), |(timed, us), (_, s)| (timed + s.timed, us + s.duration_us));
        (timed >= TIMED_LEAST).then(|| (us as f64 / timed as f64, timed))
    };
    let (now_us, timed) = served_us(now)?;
    let (before_us, _) = served_us(before)?;
    let longer_us = queued_us(now)? - queued_us(before)?;
    (now_us < AS_FAST * before_us).then_some((longer_us.max(0.0), timed as f64))
}

/// One server of a pool beside the others: how much more it fails, how much longer it takes.
pub(super) fn servers(http: &HttpWindow, out: &mut Vec<Value>) {
    let servers = http.servers.sorted();
    let mut times: Vec<f64> = servers
        .iter()
        .filter(|(_, s)| s.timed >= 8)
        .map(|(_, s)| (s.duration_us as f64 + 1_000.0) / s.timed as f64)
        .collect();
    times.sort_unstable_by(f64::total_cmp);
    if let [others @ .., slowest] = times.as_slice()
        && !others.is_empty()
    {
        let timed: u64 = servers.iter().map(|(_, s)| s.timed).sum();
        push(out, Metric::BackendTimeSkew, slowest / others[others.len() / 2], timed as f64);
    }
    let rates: Vec<f64> = servers
        .iter()
        .filter(|(_, s)| s.requests >= 8)
        .map(|(_, s)| s.failures as f64 / s.requests as f64)
        .collect();
    if rates.len() >= 2 {
        let (low, high) = rates.iter().fold((1.0_f64, 0.0_f64), |(l, h), r| (l.min(*r), h.max(*r)));
        let requests: u64 = servers.iter().map(|(_, s)| s.requests).sum();
        push(out, Metric::BackendSkew, high - low, requests as f64);
    }
}
