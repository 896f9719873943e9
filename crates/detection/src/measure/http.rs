//! HTTP windows as values.

use super::sampled::{Requests, Sampled};
use super::{
    Structure, Value, asking, client, excess, held, hosts, logins, newcomers, push, push_share, region,
    seeking, senders, spread, times,
};
use crate::Window;
use crate::feature::classify::{AgentKind, PathKind};
use crate::feature::http::{ClientProfile, HttpWindow};
use seawall_model::finding::{Finding, Findings};
use seawall_model::metric::Metric;
use seawall_model::observation::HttpVersion;
use seawall_model::signature::Layer;
use seawall_model::{hash, text};
use std::net::IpAddr;
use std::ops::Deref;

pub(super) fn measure(
    http: &HttpWindow,
    requests: &Requests,
    seconds: f64,
    out: &mut Vec<Value>,
    structure: &mut Structure,
) {
    let records = &requests.all;
    let weighed = http.weighed_profiles(records.iter().map(Deref::deref));
    let sorted: Vec<&(u64, ClientProfile)> = weighed.iter().collect();
    let top = senders::top_share(http, records);
    rates(http, seconds, out);
    statuses(http, out);
    push(out, Metric::TopClientShare, top, http.counters.requests as f64);
    clients(http, &sorted, seconds, out);
    bare_browsers(http, &sorted, seconds, out);
    agents(records, out);
    texts(records, senders::kept(&sorted), out);
    asking::ordered(records, out);
    seeking::measure(records, http.counters.requests as f64, out);
    past_the_cache(http, records, seconds, out);
    referrers(records, out);
    times(http, records, out);
    asking::holds(http, records, seconds, out);
    asking::errors(records, out);
    asking::lost_parts(records, out);
    asking::servers(http, out);
    held::slow_reads(http, records, seconds, out);
    held::reopened(http, records, out);
    held::preconnected(records, http, out);
    structure.targets.extend(hosts::target(records).map(|target| (Layer::Http, target)));
    senders::vectors(http, &sorted, top, structure);
}

fn rates(http: &HttpWindow, seconds: f64, out: &mut Vec<Value>) {
    let c = &http.counters;
    let n = c.requests as f64;
    push(out, Metric::RequestRate, n / seconds, n);
    push(out, Metric::RequestCount, n, n);
    push(out, Metric::PeakRequestRate, http.peak_requests_per_s, n);
    push(out, Metric::HttpBitRate, c.response_bytes as f64 * 8.0 / seconds, n);
    push(out, Metric::ClientCount, http.clients.count(), n);
    push(out, Metric::ClientRate, http.clients.count() / seconds, n);
    push(out, Metric::RequestsPerClient, n / http.clients.count().max(1.0), n);
    push(out, Metric::GoodputRate, (c.success + c.redirect) as f64 / seconds, n);
    push(out, Metric::ResponseBytes, c.response_bytes as f64 / n.max(1.0), n);
    push_share(out, Metric::PostShare, c.post as f64, n);
    push_share(out, Metric::WriteShare, (c.post + c.other_method) as f64, n);
    push_share(out, Metric::CacheHitShare, c.cache_hits as f64, c.cache_known as f64);
}

fn statuses(http: &HttpWindow, out: &mut Vec<Value>) {
    let c = &http.counters;
    let n = c.requests as f64;
    push_share(out, Metric::UnauthorisedShare, c.unauthorised as f64, n);
    push_share(out, Metric::NotFoundShare, c.not_found as f64, n);
    push_share(out, Metric::MovedShare, c.moved as f64, n);
    // The many files of a page hardly ever fail and must not drown the pages that do.
    let asked = c.asked() as f64;
    let worse = |all: u64, of_asked: u64| {
        let (share, of_asked) = (all as f64 / n.max(1.0), of_asked as f64 / asked.max(1.0));
        if of_asked > share { (of_asked, asked) } else { (share, n) }
    };
    let (share, support) = worse(c.client_error, c.asked_client_error);
    push(out, Metric::ClientErrorShare, share, support);
    let (share, support) = worse(c.server_error, c.asked_server_error);
    push(out, Metric::ServerErrorShare, share, support);
    // A server that gave an answer, which the proxy refused, is there.
    let gateway = (c.bad_gateway + c.unavailable + c.gateway_timeout).saturating_sub(c.answer_refused);
    // As far as errors fall on what is asked for, so do those of the servers behind.
    let raised = share * n / (c.server_error as f64).max(1.0);
    let of_servers = |count: u64| (count as f64 * raised.max(1.0)).min(n);
    push_share(out, Metric::GatewayErrorShare, of_servers(gateway), n);
    push_share(out, Metric::ClientAbortShare, c.client_closed.max(c.client_aborted) as f64, n);
    push_share(out, Metric::AssetAbortShare, c.asset_aborted as f64, c.assets as f64);
    push_share(out, Metric::RequestTimeoutShare, c.timed_out.max(c.client_timed_out) as f64, n);
    let failed = c.upstream_failed + c.upstream_timed_out + c.no_upstream + c.queue_timed_out;
    push_share(out, Metric::UpstreamFailureShare, of_servers(failed), n);
    // A server that was waited for was found: 504, what timed out in the queue, and a refusal that took
    // seconds are its slowness.
    let spoke = c.queue_timed_out + c.answer_refused + c.waited_refusal;
    let refused = (c.bad_gateway + c.unavailable).saturating_sub(spoke);
    push_share(out, Metric::NoServerShare, of_servers(refused.max(c.upstream_failed + c.no_upstream)), n);
    push_share(out, Metric::InvalidRequestShare, (c.malformed.max(c.client_invalid)) as f64, n);
    push_share(out, Metric::QueueTime, c.queue_us as f64, c.queued as f64);
}

/// What the sampled clients do, as shares of clients and of their requests.
fn clients(http: &HttpWindow, sorted: &[&(u64, ClientProfile)], seconds: f64, out: &mut Vec<Value>) {
    let profiles = || sorted.iter().map(|(_, p)| p);
    let known = profiles().count() as f64;
    let requests: f64 = profiles().map(|p| f64::from(p.requests)).sum();
    let requests_of = |wanted: &dyn Fn(&ClientProfile) -> bool| -> f64 {
        profiles().filter(|p| wanted(p)).map(|p| f64::from(p.requests)).sum()
    };
    let scale = http.counters.requests as f64 / requests.max(1.0);
    let single = profiles()
        .filter(|p| !client::is_shared(p) && !client::is_scanner(p))
        .filter(|p| !client::is_worker(p) && !client::is_page_script(p) && !client::is_crawler(p));
    let peak = single.map(|p| f64::from(p.peak_per_s)).fold(0.0, f64::max);
    push(out, Metric::PeakRequestsPerClient, peak, known);
    let least_s = seconds.min(STAY_LEAST_S);
    let active_s: f64 = profiles().map(|p| p.active_s(least_s)).sum();
    push(out, Metric::ActiveRequestRate, requests / active_s.max(1.0), known);
    let asked: f64 = profiles().map(ClientProfile::asked).sum();
    let common = client::common_names(profiles());
    paging(sorted, &common, asked, out);
    push_share(out, Metric::MachineClientShare, requests_of(&|p| client::is_machine(p, seconds)), requests);
    let is_class = client::classes(profiles());
    let disguised = requests_of(&|p| client::is_disguised(p) && !is_class(p));
    push_share(out, Metric::UserAgentRotation, disguised, requests);
    let renamed = requests_of(&|p| client::is_one_under_many_names(p) && !is_class(p));
    push(out, Metric::DisguisedRequests, renamed * scale, known);
    push_share(out, Metric::HiddenClientShare, requests_of(&client::is_shared), requests);
    push_share(out, Metric::WorkerShare, requests_of(&client::is_worker), requests);
    let asked_of = |wanted: &dyn Fn(&ClientProfile) -> bool| -> f64 {
        profiles().filter(|p| wanted(p)).map(ClientProfile::asked).sum()
    };
    push_share(out, Metric::PollShare, asked_of(&client::is_page_script), asked);
    push_share(out, Metric::FailingScriptShare, asked_of(&client::is_failing_script), asked);
    push_share(out, Metric::SubscriberShare, asked_of(&|p| client::is_subscriber(p, &common)), asked);
    push_share(out, Metric::EventShare, asked_of(&|p| client::tells_events(p, &common)), asked);
    push_share(out, Metric::TransferShare, senders::transfers(sorted), requests);
    push_share(out, Metric::RepeaterShare, requests_of(&client::is_repeater), requests);
    push_share(out, Metric::InvitedShare, asked_of(&client::is_invited), asked);
    logins::entries(sorted, scale / seconds, requests, out);
    push_share(out, Metric::BatchShare, requests_of(&client::is_batch), requests);
    push_share(out, Metric::CopierShare, requests_of(&client::is_copier), requests);
    push(out, Metric::CopierRequests, requests_of(&client::is_copier) * scale, known);
    push_share(out, Metric::SequentialWalkShare, requests_of(&client::walks), requests);
    push_share(out, Metric::ProbePathShare, profiles().map(|p| f64::from(p.probes)).sum(), requests);
    push_share(out, Metric::ProberShare, requests_of(&client::is_prober), requests);
    let waits = client::waiting(profiles());
    let logins: f64 = profiles().filter(|p| !waits(p)).map(|p| f64::from(p.logins)).sum();
    let is_guesser = |p: &ClientProfile| client::is_guesser(p) && !waits(p);
    push_share(out, Metric::LoginAttemptShare, logins, requests);
    push(out, Metric::LoginAttemptRate, logins * scale / seconds, requests);
    // Of many people behind one address some mistype, and all get in.
    let refused = profiles().filter(|p| p.unauthorised * 2 >= p.logins && !client::enters(p));
    let failed: f64 = refused.map(|p| f64::from(p.logins.min(p.unauthorised))).sum();
    push(out, Metric::FailedLogins, failed * scale, requests);
    push(out, Metric::LoginFailureRate, failed * scale / seconds, requests);
    push_share(out, Metric::GuesserShare, requests_of(&is_guesser), requests);
    let count_of = |wanted: &dyn Fn(&ClientProfile) -> bool| profiles().filter(|p| wanted(p)).count() as f64;
    let guessers = count_of(&is_guesser) * http.clients.count() / known.max(1.0);
    push(out, Metric::GuesserCount, guessers, known);
    push(out, Metric::ProberCount, count_of(&client::is_prober), known);
    push(out, Metric::WalkerCount, count_of(&client::walks), known);
    push(out, Metric::GuesserRequests, requests_of(&is_guesser), known);
    let probing = requests_of(&client::is_prober);
    // Where nobody probes, that few requests do says nothing against a scan of another kind.
    if probing > 0.0 {
        push(out, Metric::ProberRequests, probing, known);
    }
    push(out, Metric::WalkerRequests, requests_of(&client::walks), known);
    push(out, Metric::PageRate, asked * scale / seconds, requests);
}

/// Who asks for one page only is there for so long.
const STAY_LEAST_S: f64 = 10.0;

/// Pages and what is fetched along with them. What programs and scripts ask interfaces for are no pages
/// that anything belongs to.
fn paging(sorted: &[&(u64, ClientProfile)], common: &[u64], asked: f64, out: &mut Vec<Value>) {
    let profiles = || sorted.iter().map(|(_, p)| p);
    let served = || profiles().filter(|p| !client::is_left_unserved(p));
    let is_work = |p: &ClientProfile| {
        client::is_worker(p)
            || client::is_page_script(p)
            || client::works_in_pages(p)
            || client::tells_events(p, common)
    };
    let of_pages = || served().filter(|p| !is_work(p));
    let pages: f64 = of_pages().map(ClientProfile::asked).sum();
    let along: f64 = of_pages().map(|p| f64::from(p.requests) - p.asked()).sum();
    // Where hardly anything is asked for as pages, the few that are say nothing of the others.
    if pages >= PAGES_LEAST_PART * asked {
        push_share(out, Metric::AssetsPerPage, along, pages);
    }
    // Who only shows what others link to fetches one page, without its parts.
    let paged = || served().filter(|p| client::looks_at_pages(p) && !client::is_subscriber(p, common));
    let assetless = paged().filter(|p| p.assets == 0).count();
    let of_paged: f64 = paged().map(ClientProfile::asked).sum();
    if of_paged >= PAGES_LEAST_PART * asked {
        push_share(out, Metric::AssetlessClientShare, assetless as f64, paged().count() as f64);
    }
    let browsing = profiles().filter(|p| client::browses(p)).map(ClientProfile::asked).sum();
    push_share(out, Metric::BrowsingShare, browsing, asked);
}

/// Part of what is asked for that must be pages, if what is fetched along is to speak for all.
const PAGES_LEAST_PART: f64 = 0.25;

/// Browsers that nothing but their word makes browsers. A log without user agents has none.
fn bare_browsers(http: &HttpWindow, sorted: &[&(u64, ClientProfile)], seconds: f64, out: &mut Vec<Value>) {
    let requests_of = |wanted: &dyn Fn(&ClientProfile) -> bool| -> f64 {
        sorted.iter().filter(|(_, p)| wanted(p)).map(|(_, p)| f64::from(p.requests)).sum()
    };
    let all = requests_of(&|_| true);
    if all >= BARE_LEAST {
        let borrowed = client::borrowed_names(sorted.iter().map(|(_, p)| p));
        let bare = |p: &ClientProfile| client::is_bare_browser(p) || client::is_under(p, &borrowed);
        push_share(out, Metric::BareBrowserShare, requests_of(&bare), all);
        let rate = http.counters.requests as f64 / seconds;
        push(out, Metric::BareBrowserRate, rate * requests_of(&bare) / all, all);
    }
}

/// Fewer requests say nothing of what browsers leave out.
const BARE_LEAST: f64 = 100.0;

fn agents(records: &[Sampled], out: &mut Vec<Value>) {
    let n = records.len() as f64;
    push_share(out, Metric::OwnLoadShare, newcomers::own_load(records), n);
    if records.iter().all(|r| r.agent.kind == AgentKind::Absent) {
        return;
    }
    let share_of = |kind| records.iter().filter(|r| r.agent.kind == kind).count() as f64;
    let crawlers = excess::crawlers(records);
    let crawled = records.iter().filter(|r| crawlers.binary_search(&r.agent.hash).is_ok()).count();
    push_share(out, Metric::CrawlerShare, crawled as f64, n);
    push_share(out, Metric::ToolShare, share_of(AgentKind::Tool) + share_of(AgentKind::LoadTool), n);
    push_share(out, Metric::EmptyUserAgentShare, share_of(AgentKind::Absent), n);
    let own: Vec<u64> = records.iter().filter(|r| r.agent.kind.is_program()).map(|r| r.agent.hash).collect();
    let own_count = own.len() as f64;
    push_share(out, Metric::OwnClientShare, spread(own).top * own_count, n);
    let agents = spread(records.iter().map(|r| r.agent.hash).collect());
    push(out, Metric::TopUserAgentShare, agents.top, n);
    let prints: Vec<u64> = records
        .iter()
        .filter(|r| !r.ja4.is_empty() || r.header_order != 0)
        .map(|r| hash::combine(hash::bytes(r.ja4.as_bytes()), r.header_order))
        .collect();
    let printed = prints.len() as f64;
    push(out, Metric::TopFingerprintShare, spread(prints).top, printed);
}

/// Files are fetched along with pages, but not by the thousand each under a random query of its own:
/// so is asked for what no cache shall answer, and such requests count as asked for.
fn past_the_cache(http: &HttpWindow, records: &[Sampled], seconds: f64, out: &mut Vec<Value>) {
    let busting = records.iter().filter(|r| r.is_past_the_cache()).count() as f64;
    let share = busting / records.len().max(1) as f64;
    push(out, Metric::PastTheCacheShare, share, records.len() as f64);
    if share < PAST_THE_CACHE_LEAST {
        return;
    }
    let all = http.counters.requests as f64;
    let find = |out: &[Value], metric| out.iter().find(|v| v.metric == metric).copied();
    if let Some(pages) = find(out, Metric::PageRate) {
        push(out, Metric::PageRate, pages.value + share * all / seconds, pages.support);
    }
    if let Some(along) = find(out, Metric::AssetsPerPage) {
        let (of_pages, moved) = (along.support, share * all);
        let left = (along.value * of_pages - moved).max(0.0);
        push(out, Metric::AssetsPerPage, left / (of_pages + moved).max(1.0), of_pages + moved);
    }
}

/// A smaller part of the requests are files whose addresses are signed, and the like.
const PAST_THE_CACHE_LEAST: f64 = 0.2;

/// `kept`: share of what is asked for by clients that ask for the same again and again.
fn texts(records: &[Sampled], kept: f64, out: &mut Vec<Value>) {
    let n = records.len() as f64;
    let is_asked = |r: &&Sampled| r.is_asked() || r.is_past_the_cache();
    let asked: Vec<&Sampled> = records.iter().filter(is_asked).collect();
    let paths = spread(asked.iter().map(|r| hash::bytes(r.path.as_bytes())).collect());
    push(out, Metric::TopPathShare, paths.top, asked.len() as f64);
    push(out, Metric::TopUrlShare, spread(asked.iter().map(|r| r.url).collect()).top, asked.len() as f64);
    push(out, Metric::PathEntropy, paths.entropy, asked.len() as f64);
    push(out, Metric::DistinctPathShare, paths.once, asked.len() as f64);
    let queries: Vec<u64> = asked.iter().filter_map(|r| r.own_query).collect();
    push_share(
        out,
        Metric::DistinctQueryShare,
        spread(queries.clone()).once * queries.len() as f64,
        asked.len() as f64,
    );
    // Such a client keeps a word that was drawn once, such as a place in a queue.
    let random = asked.iter().filter(|r| r.has_random_text).count() as f64;
    let drawn = random.min((1.0 - kept) * asked.len() as f64);
    push_share(out, Metric::RandomTextShare, drawn, asked.len() as f64);
    push_share(out, Metric::TypingShare, typed(&asked), asked.len() as f64);
    let absurd = records.iter().filter(|r| r.version == HttpVersion::Invalid).count();
    push_share(out, Metric::InvalidVersionShare, absurd as f64, n);
}

/// Queries that another query of the same client, to the same path, extends by a few letters: a
/// page that asks at every key.
fn typed(asked: &[&Sampled]) -> f64 {
    let mut queries: Vec<(IpAddr, &str, &str)> =
        asked.iter().filter_map(|r| Some((r.client, r.path.as_str(), r.query.as_deref()?))).collect();
    queries.sort_unstable();
    queries.dedup();
    let extends = |pair: &&[(IpAddr, &str, &str)]| {
        let ((client, path, query), (next_client, next_path, next)) = (pair[0], pair[1]);
        let grows = next.len() <= query.len() + TYPED_LETTERS && next.starts_with(query);
        (client, path) == (next_client, next_path) && grows
    };
    // Of two neighbours one extends the other, so that the last of each word is not counted.
    queries.windows(2).filter(extends).count() as f64
}

/// Letters that are typed between two requests of a page that asks at every key.
const TYPED_LETTERS: usize = 4;

/// Outside origins that page views name as where they came from. Our own origin is the commonest
/// one among the requests for assets, which pages of ours refer to.
fn referrers(records: &[Sampled], out: &mut Vec<Value>) {
    if records.iter().all(|r| r.referrer.is_empty()) {
        return;
    }
    let origin = |r: &Sampled| hash::bytes(text::referrer_origin(&r.referrer).as_bytes());
    let of_assets: Vec<u64> =
        records.iter().filter(|r| r.kind == PathKind::Asset && !r.referrer.is_empty()).map(origin).collect();
    let own = most_common(of_assets);
    let pages: Vec<&Sampled> = records.iter().filter(|r| r.kind == PathKind::Page).collect();
    let hosts = |r: &Sampled| !r.host.is_empty() && r.referrer.contains(&r.host);
    let outside: Vec<u64> = pages
        .iter()
        .filter(|r| !r.referrer.is_empty() && !hosts(r))
        .map(|r| origin(r))
        .filter(|o| Some(*o) != own)
        .collect();
    let spread = spread(outside);
    push_share(out, Metric::TopReferrerShare, spread.top * spread.total as f64, pages.len() as f64);
    push_share(out, Metric::ReferrerRotation, spread.distinct as f64, pages.len() as f64);
}

fn most_common(mut keys: Vec<u64>) -> Option<u64> {
    keys.sort_unstable();
    keys.chunk_by(|a, b| a == b).max_by_key(|run| run.len()).map(|run| run[0])
}

fn times(http: &HttpWindow, records: &[Sampled], out: &mut Vec<Value>) {
    let n = http.durations_us.count() as f64;
    if let (Some(median), Some(p95)) = (http.durations_us.quantile(0.5), http.durations_us.quantile(0.95)) {
        push(out, Metric::DurationMedian, median, n);
        push(out, Metric::DurationP95, p95, n);
    }
    let mut cost: Vec<(u64, u64)> = records.iter().filter_map(timed).collect();
    cost.sort_unstable();
    let total: u64 = cost.iter().map(|(_, us)| us).sum();
    let costs =
        cost.chunk_by(|a, b| a.0 == b.0).map(|run| (run.iter().map(|(_, us)| us).sum::<u64>(), run.len()));
    if let Some((top_us, requests)) = costs.max() {
        push_share(out, Metric::CostConcentration, top_us as f64, total as f64);
        push_share(out, Metric::TopCostPathRequestShare, requests as f64, cost.len() as f64);
    }
}

/// The kind of a request and how long it took, where that is known.
fn timed(r: &Sampled) -> Option<(u64, u64)> {
    Some((r.class, times::work_us(r)?))
}

/// Findings that need both sides: who is new, and how much slower each kind of request is.
pub(super) fn compare(
    during: &Window,
    now_requests: &Requests,
    reference: &Window,
    before_requests: &Requests,
    findings: &mut Findings,
) {
    let Some(now) = &during.http else { return };
    forget_absent_assets(findings);
    let onset = findings.onset;
    let mut add = |metric, observed: f64, expected, support| {
        findings.insert(Finding { metric, observed, expected, surprise: 0.0, support, onset });
    };
    // Where too little is usual to say so, nothing was turned away.
    add(Metric::LoopShare, 0.0, None, 1.0);
    add(Metric::TopClientExcess, 0.0, None, 1.0);
    add(Metric::BatchExcess, 0.0, None, 1.0);
    let Some(before) = &reference.http else { return };
    let clients = now.clients.count();
    if let Some(new) = now.profiles.new_share(&before.profiles) {
        add(Metric::NewClientShare, new, None, clients);
        add(Metric::ReturningShare, returning_requests(now, before), None, clients);
        add(Metric::NewWorkerCount, new_workers(now, before, during.seconds()), None, clients);
        let part = during.seconds() / reference.seconds().max(1.0);
        if let Some(gone) = region::gone(&now.profiles, &before.profiles, part) {
            add(Metric::GoneNetworkShare, gone, None, clients);
        }
    }
    let (now_records, before_records) = (&now_requests.all, &before_requests.all);
    let rate = |w: &Window, h: &HttpWindow| h.counters.requests as f64 / w.seconds().max(1.0);
    let (now_answered, before_answered) = (now_requests.answered(), before_requests.answered());
    let service = times::service_times(&now_answered, &before_answered);
    let sides = excess::Sides {
        now: now_records,
        before: before_records,
        now_per_s: rate(during, now),
        before_per_s: rate(reference, before),
        beside_people: client::are_beside_people(now.profiles.sorted().iter().map(|(_, p)| p)),
        times_slower: service.map_or(1.0, |times| times.ratio()),
    };
    for (metric, value, support) in sides.measure() {
        add(metric, value, None, support);
    }
    times::compare(service, &now_answered, &before_answered, findings);
    hosts::forget_made_up(now_records, before_records, findings);
    compare_clients(&sides, (now, during.seconds()), (before, reference.seconds()), findings);
    let mut add = |metric, observed: f64, expected, support| {
        findings.insert(Finding { metric, observed, expected, surprise: 0.0, support, onset });
    };
    let weight = |class| {
        unit_cost(class, before_records).or_else(|| {
            let at_first = unqueued_cost(class, now_records, before_records).unwrap_or_default();
            unit_cost(class, now_records).map(|weight| weight.max(at_first))
        })
    };
    if let Some(weight) = costliest(now_records).and_then(weight) {
        add(Metric::CostPathWeight, weight, None, clients);
    }
    if let Some((share, usual)) = costliest_shares(now_records, before_records) {
        let rise = share * rate(during, now) / (usual * rate(reference, before)).max(1e-3);
        add(Metric::CostPathRise, rise, Some(1.0), clients);
    }
    if let Some((queued_us, support)) = asking::queue_alone(now, before) {
        add(Metric::QueueAlone, queued_us, Some(0.0), support);
    }
    if let Some((rise, support)) = asking::poll_rise(now, before) {
        add(Metric::PollRise, rise, Some(1.0), support);
    }
    let returning = findings.observed(Metric::ReturningShare).unwrap_or_default();
    let through_nodes = now.clients.count() >= NODES_LEAST
        && returning >= THROUGH_NODES
        && asking::of_nodes(before, reference.seconds()) >= THROUGH_NODES;
    if through_nodes || (are_hidden(now) && are_hidden(before)) {
        findings.findings.retain(|f| !OF_IDENTITY.contains(&f.metric));
    }
}

/// Findings about who sends, of both sides with their seconds.
fn compare_clients(
    sides: &excess::Sides<'_>,
    now: (&HttpWindow, f64),
    before: (&HttpWindow, f64),
    findings: &mut Findings,
) {
    senders::compare(&sides.busiest(), &|client| sides.part_of_rise(client), now.0, findings);
    held::preconnected_before(sides.now, now.0, before.0, findings);
    newcomers::compare(now.0, before.0, now.1, findings);
    logins::compare(now, before, findings);
}

/// Whether all clients of a log stand behind one address or two, as behind a proxy that hides them.
fn are_hidden(http: &HttpWindow) -> bool {
    http.clients.count() < 2.5 && http.agents.count() >= 5.0
}

/// What stands in front of a site everywhere has no fewer addresses.
const NODES_LEAST: f64 = 16.0;
/// Where so much comes through nodes, all does, and they are the same ones as before.
const THROUGH_NODES: f64 = 0.8;

/// What says nothing where the clients of a log are hidden.
const OF_IDENTITY: [Metric; 10] = [
    Metric::OfficeExcess,
    Metric::TopClientExcess,
    Metric::ReturningShare,
    Metric::NewClientShare,
    Metric::MachineClientShare,
    Metric::ClientRate,
    Metric::RequestsPerClient,
    Metric::TopClientShare,
    Metric::PeakRequestsPerClient,
    Metric::AssetlessClientShare,
];

/// No browsers fetch as few assets per page as this, all in all.
const FEW_ASSETS: f64 = 0.3;

/// Where nobody fetched assets before nor does now, their number says nothing about browsers.
fn forget_absent_assets(findings: &mut Findings) {
    let absent = |f: &Finding| {
        let few = |assets: f64| assets < FEW_ASSETS;
        f.metric == Metric::AssetsPerPage && few(f.observed) && f.expected.is_some_and(few)
    };
    findings.findings.retain(|f| !absent(f));
}

/// One program in the place of another is not the mix that was: what is expected of the commonest user
/// agent is what it had before, in whatever version.
pub(super) fn expect_of_the_same_agent(now: &Requests, before: &Requests, findings: &mut Findings) {
    let Some(finding) = findings.findings.iter_mut().find(|f| f.metric == Metric::TopUserAgentShare) else {
        return;
    };
    let mut agents: Vec<(u64, u64)> = now.all.iter().map(|r| (r.agent.hash, r.agent.letters)).collect();
    agents.sort_unstable();
    let commonest = agents.chunk_by(|a, b| a == b).max_by_key(|run| run.len()).map(|run| run[0].1);
    let same = before.all.iter().filter(|r| Some(r.agent.letters) == commonest).count() as f64;
    let usual = same / before.all.len().max(1) as f64;
    finding.expected = finding.expected.map(|expected| expected.min(usual));
}

/// Requests of one part of a site, whose last names are hardly ever asked for twice, such as the
/// titles of articles: same method, same first part of the path, equally deep.
pub(super) fn part_class(r: &Sampled) -> u64 {
    let depth = r.path.matches('/').count() as u64;
    let part = r.path.split('/').nth(1).filter(|_| depth > 1).unwrap_or_default();
    hash::combine(hash::combine(r.method as u64, depth), hash::bytes(part.as_bytes()))
}

/// Share of the sampled clients' requests that come from clients of the reference.
fn returning_requests(now: &HttpWindow, before: &HttpWindow) -> f64 {
    let began = now.profiles.sorted().iter().map(|(_, p)| p.first).min();
    // Who came just before is of the same visit, or of a trouble that was seen late.
    let earlier = |p: &ClientProfile| began.is_none_or(|began| began.since_s(p.first) >= EARLIER_S);
    let known = before.profiles.sorted();
    let long =
        known.iter().any(|(_, p)| began.is_some_and(|began| began.since_s(p.first) >= 3.0 * EARLIER_S));
    let known: Vec<u64> = known.iter().filter(|(_, p)| !long || earlier(p)).map(|(h, _)| *h).collect();
    let (mut returning, mut all) = (0.0, 0.0);
    for (hash, profile) in now.profiles.beside(&before.profiles) {
        let requests = f64::from(profile.requests);
        all += requests;
        returning += if known.binary_search(hash).is_ok() { requests } else { 0.0 };
    }
    if all > 0.0 { returning / all } else { 0.0 }
}

/// How many declared programs are at work that were never seen, under names never seen either.
fn new_workers(now: &HttpWindow, before: &HttpWindow, seconds: f64) -> f64 {
    let (known, seen) = (before.profiles.sorted(), now.profiles.sorted());
    let mut names: Vec<u64> =
        known.iter().flat_map(|(_, p)| [p.agent_low, p.agent_high, p.application]).collect();
    names.sort_unstable();
    let new = seen.iter().filter(|(hash, p)| {
        client::is_worker(p)
            // Webhooks and package managers come with somebody's release, all at once.
            && !p.is(AgentKind::Service)
            && p.requests >= WORK_LEAST
            && names.binary_search(&p.agent_low).is_err()
            && (p.application == 0 || names.binary_search(&p.application).is_err())
            && known.binary_search_by_key(hash, |(h, _)| *h).is_err()
    });
    let (count, requests) = new.fold((0.0, 0.0), |(n, r), (_, p)| (n + 1.0, r + p.asked()));
    // The profiles are a sample of the clients.
    let all = (now.clients.count() / seen.len().max(1) as f64).max(1.0);
    count * all * (requests * all / seconds.max(1.0) / NEW_WORKERS_PER_S).min(1.0)
}

/// Who asks less is not at work: it has looked something up.
const WORK_LEAST: u32 = 4;

/// New programs that together ask less than this per second come one by one, and not at once.
const NEW_WORKERS_PER_S: f64 = 10.0;

/// Seconds before, from which on a client counts as seen earlier, where that much is known.
pub(super) const EARLIER_S: f64 = 60.0;

/// Share of requests for the costliest kind of request, now and before.
fn costliest_shares(now: &[Sampled], before: &[Sampled]) -> Option<(f64, f64)> {
    let class = costliest(now)?;
    let share = |records: &[Sampled]| {
        let of_class = records.iter().filter(|r| r.class == class).count() as f64;
        // One request unseen in the reference is half a request, not none.
        of_class.max(0.5) / records.len().max(1) as f64
    };
    Some((share(now), share(before)))
}

/// The kind of request that takes most time in all.
pub(super) fn costliest(records: &[Sampled]) -> Option<u64> {
    // The time of a request that its client never finished is the client's.
    let finished = records.iter().filter(|r| r.status != 408);
    let mut timed: Vec<(u64, u64)> = finished.filter_map(timed).collect();
    timed.sort_unstable();
    timed
        .chunk_by(|a, b| a.0 == b.0)
        .map(|run| (run.iter().map(|(_, us)| us).sum::<u64>(), run[0].0))
        .max()
        .map(|m| m.1)
}

/// So many answers that are quicker may be luck.
const QUICKEST: usize = 2;

/// Mean time of a kind of request over the mean time of the others; `None` where not both exist. What is
/// fetched along takes no work, and beside it any page would be dear.
fn unit_cost(class: u64, records: &[Sampled]) -> Option<f64> {
    Some(mean_us(records, |r| r.class == class)? / mean_us(records, |r| r.class != class && r.is_asked())?)
}

/// The same of a kind that nobody asked for before: once a service is full everything takes long, so that only
/// its quickest answers say what it costs, beside what others took before.
fn unqueued_cost(class: u64, now: &[Sampled], before: &[Sampled]) -> Option<f64> {
    let answered = now.iter().filter(|r| r.class == class && r.status < 500);
    let mut quickest: Vec<u64> = answered.filter_map(times::work_us).collect();
    quickest.sort_unstable();
    Some(*quickest.get(QUICKEST)? as f64 / mean_us(before, |r| r.is_asked())?)
}

/// Mean time of some requests; a millisecond shared among them is added, since very short times are not known well.
fn mean_us(records: &[Sampled], of: impl Fn(&Sampled) -> bool) -> Option<f64> {
    let times = records.iter().filter(|r| of(r)).filter_map(times::work_us);
    let (sum, count) = times.fold((0.0, 0.0), |(s, n), us| (s + us as f64, n + 1.0));
    (count > 0.0).then(|| (sum + 1_000.0) / count)
}

#[cfg(test)]
mod tests;
