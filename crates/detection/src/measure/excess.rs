//! What came on top of the usual requests, and what became of the usual ones.
//!
//! A mixture hides what its parts are: ten loops of our own program among a hundred people look
//! like a hundred and ten odd clients. So requests are counted by a key (user agent, kind of
//! request) on both sides, at their rates, and only what rose is judged.
//!
//! Stands on the samples of both sides. Cold start: without a reference nothing is said. Evaded by
//! taking over the keys of the usual traffic. Innocent look-alike: a site whose reference is too
//! small to have seen its own visitors; hence the least counts.

use super::client::{CRAWLER_NETWORKS_MOST, FETCHED_MOST, wide_network};
use super::http::{EARLIER_S, part_class};
use super::sampled::Sampled;
use crate::feature::classify::{self, AgentKind, PathKind};
use crate::feature::http::is_moved;
use seawall_model::metric::Metric;
use seawall_model::observation::Method;
use seawall_model::{address, hash};
use std::net::IpAddr;

/// Both sides of a comparison: samples, and the rates of all requests that they stand for.
pub(super) struct Sides<'a> {
    pub now: &'a [Sampled],
    pub before: &'a [Sampled],
    pub now_per_s: f64,
    pub before_per_s: f64,
    /// Most clients that send under an application's name visit with a browser too.
    pub beside_people: bool,
    /// How many times as long the same requests take as before.
    pub times_slower: f64,
}

/// Less rise than this, against before, is no excess to judge.
const LEAST_RISE: f64 = 1.15;
/// More than this, against before, is no fall to judge.
const LEAST_FALL: f64 = 0.6;
/// Kinds of requests that one program makes, at most.
const FALLEN_KINDS: usize = 2;
/// Samples smaller than this say nothing.
const LEAST_RECORDS: usize = 10;
/// A program of ours that was never seen before runs on so many machines at most.
const OWN_CLIENTS_MOST: usize = 20;
/// A key was usual if it was seen so often before.
const USUAL: f64 = 2.0;

/// One key on both sides.
struct Key {
    value: u64,
    now: f64,
    before: f64,
    /// Requests per second more than before; never negative.
    excess: f64,
}

impl Sides<'_> {
    /// The metrics, each with its value and the number of sampled requests that it stands on.
    pub(super) fn measure(&self) -> Vec<(Metric, f64, f64)> {
        let mut out = Vec::new();
        if self.now.len() < LEAST_RECORDS || self.before.len() < LEAST_RECORDS {
            return out;
        }
        let usual = self.before.len() as f64;
        out.extend(self.turned(fails).map(|broken| (Metric::BrokenShare, broken, usual)));
        out.extend(self.turned(|r| is_moved(r.status)).map(|moved| (Metric::LoopShare, moved, usual)));
        if let Some((part, support)) = self.fall_of_few_kinds() {
            out.push((Metric::FallOfFewKinds, part, support));
        }
        if self.now_per_s < LEAST_RISE * self.before_per_s {
            return out;
        }
        let asked = self.now.iter().filter(|r| r.is_asked()).count();
        if asked < LEAST_RECORDS {
            return out;
        }
        let support = self.now.len() as f64 * (1.0 - self.before_per_s / self.now_per_s);
        let mut add = |metric, share: Option<f64>| {
            if let Some(share) = share {
                out.push((metric, share, support));
            }
        };
        if self.now.iter().any(|r| !r.user_agent.is_empty()) {
            let agents = self.keys(|r| r.agent.hash);
            add(Metric::OwnProgramExcess, self.own_program_excess());
            add(Metric::ServiceExcess, self.service_excess());
            add(Metric::WatchExcess, self.watch_excess());
            let crawlers = crawlers(self.now);
            add(Metric::CrawlerExcess, share(&agents, |k| crawlers.binary_search(&k.value).is_ok()));
            add(Metric::NewAgentExcess, share(&agents, |k| k.before < 1.0));
        }
        add(Metric::BatchExcess, self.batch_excess());
        add(Metric::OwnNetworkExcess, self.own_network_excess());
        let requests = self.keys(|r| hash::combine(r.class, query(r)));
        let most = requests.iter().max_by(|a, b| a.excess.total_cmp(&b.excess)).map(|k| k.value);
        add(Metric::RepeatedExcess, share(&requests, |k| Some(k.value) == most));
        add(Metric::CopyExcess, self.copy_excess());
        let kinds = self.keys(|r| r.class);
        add(Metric::FamiliarExcess, share(&kinds, |k| k.before >= USUAL));
        out
    }

    /// Where fewer requests come: how much of that the two kinds explain that fell most. In a fault
    /// of the way everything falls; when a program has done its work, that alone.
    fn fall_of_few_kinds(&self) -> Option<(f64, f64)> {
        let whole = self.now_per_s / self.before_per_s.max(1e-9);
        if whole > LEAST_FALL {
            return None;
        }
        let by_agent = self.keys(|r| r.agent.hash);
        let by_kind = self.keys(|r| r.class);
        let rests = [by_agent, by_kind].into_iter().filter_map(|keys| self.rest_of(keys));
        let (rest, support) = rests.max_by(|a, b| a.0.total_cmp(&b.0))?;
        Some((((rest - whole) / (1.0 - whole)).clamp(0.0, 1.0), support))
    }

    /// Those who send most of the excess, busiest first, each with its share of it.
    pub(super) fn busiest(&self) -> Vec<(IpAddr, f64)> {
        if self.now_per_s < LEAST_RISE * self.before_per_s {
            return Vec::new();
        }
        let mut clients = self.keys(|r| hash::address(r.client));
        clients.sort_by(|a, b| b.excess.total_cmp(&a.excess).then_with(|| a.value.cmp(&b.value)));
        let total: f64 = clients.iter().map(|k| k.excess).sum();
        let address = |k: &Key| self.now.iter().map(|r| r.client).find(|c| hash::address(*c) == k.value);
        let named = clients.iter().take(SENDERS_MOST).filter(|k| k.excess > 0.0);
        named.filter_map(|k| Some((address(k)?, k.excess / total))).collect()
    }

    fn rest_of(&self, mut keys: Vec<Key>) -> Option<(f64, f64)> {
        let now = |k: &Key| k.now * self.now_per_s / self.now.len() as f64;
        let before = |k: &Key| k.before * self.before_per_s / self.before.len() as f64;
        keys.sort_by(|a, b| (before(b) - now(b)).total_cmp(&(before(a) - now(a))));
        let rest = keys.get(FALLEN_KINDS..)?;
        let sum = |of: &dyn Fn(&Key) -> f64| rest.iter().map(of).sum::<f64>();
        // Where the rest was hardly seen before, one more of it may have been missed.
        let usual = sum(&before) + self.before_per_s / self.before.len() as f64;
        let support = sum(&|k| k.now);
        (support >= LEAST_RECORDS as f64).then(|| (sum(&now) / usual, support))
    }

    /// How much of the excess is sent by what nobody visits with: services, and tools made for load.
    fn service_excess(&self) -> Option<f64> {
        let is_service = |r: &Sampled| {
            let kind = r.agent.kind;
            u64::from(matches!(kind, AgentKind::Service | AgentKind::LoadTool))
        };
        share(&self.keys(is_service), |k| k.value == 1)
    }

    /// How much of the excess is sent by monitors and health checks. There are more of them when there are
    /// more machines to look at, or more that look.
    fn watch_excess(&self) -> Option<f64> {
        share(&self.keys(|r| u64::from(r.agent.is_monitor)), |k| k.value == 1)
    }

    /// How much of the excess machines of our own send, by their private addresses, where visitors come from
    /// public ones.
    fn own_network_excess(&self) -> Option<f64> {
        let own = |records: &[Sampled]| {
            records.iter().filter(|r| address::is_private(r.client)).count() as f64 / records.len() as f64
        };
        let beside = own(self.before) <= OWN_NETWORK_MOST;
        let excess = share(&self.keys(|r| u64::from(address::is_private(r.client))), |k| k.value == 1);
        excess.filter(|_| beside)
    }

    /// Requests by key, assets aside.
    fn keys(&self, key: impl Fn(&Sampled) -> u64) -> Vec<Key> {
        let mut all: Vec<(u64, bool)> = Vec::with_capacity(self.now.len() + self.before.len());
        let asked = |r: &&Sampled| r.is_asked();
        all.extend(self.now.iter().filter(asked).map(|r| (key(r), true)));
        all.extend(self.before.iter().filter(asked).map(|r| (key(r), false)));
        all.sort_unstable();
        all.chunk_by(|a, b| a.0 == b.0)
            .map(|run| {
                let now = run.iter().filter(|(_, is_now)| *is_now).count() as f64;
                let before = run.len() as f64 - now;
                let rate_now = now * self.now_per_s / self.now.len() as f64;
                let rate_before = before * self.before_per_s / self.before.len() as f64;
                Key { value: run[0].0, now, before, excess: (rate_now - rate_before).max(0.0) }
            })
            .collect()
    }

    /// How much of the excess programs send that were usual here, or can only be ours.
    fn own_program_excess(&self) -> Option<f64> {
        let welcome = self.earlier().filter(|r| is_accepted(r));
        let mut usual: Vec<u64> = welcome.filter_map(Sampled::program).collect();
        usual.sort_unstable();
        let is_usual = |key: u64| {
            let from = usual.partition_point(|u| *u < key);
            usual[from..].iter().take_while(|u| **u == key).count() as f64 >= USUAL
        };
        let ours = self.new_applications();
        let keys = self.keys(|r| r.program().unwrap_or(r.agent.hash));
        share(&keys, |k| is_usual(k.value) || ours.binary_search(&k.value).is_ok())
    }

    /// What was seen well before, where that much is known: the last moments may belong to a trouble that
    /// was noticed late.
    fn earlier(&self) -> impl Iterator<Item = &Sampled> {
        let began = self.now.iter().map(|r| r.time).min();
        let age_s = move |r: &Sampled| began.map_or(0.0, |began| began.since_s(r.time));
        let long = self.before.iter().any(|r| age_s(r) >= 3.0 * EARLIER_S);
        self.before.iter().filter(move |r| !long || age_s(r) >= EARLIER_S)
    }

    /// Names of applications that call the interface made for programs, sorted: nobody else knows it.
    fn new_applications(&self) -> Vec<u64> {
        let is_ours = |r: &&Sampled| r.agent.kind == AgentKind::Application && r.kind == PathKind::Api;
        let named = self.now.iter().filter(is_ours).filter_map(|r| Some((r.program()?, r.client)));
        let mut own: Vec<(u64, IpAddr)> = named.collect();
        own.sort_unstable();
        own.dedup();
        // A name that was never seen before, and comes from everywhere at once, proves nothing.
        own.chunk_by(|a, b| a.0 == b.0)
            .filter(|clients| self.beside_people || clients.len() <= OWN_CLIENTS_MOST)
            .map(|clients| clients[0].0)
            .collect()
    }

    /// How much of the excess is the work of programs that each do a job of their own, alone or at the same
    /// hour: a few go through a list by an interface, each entry about once, with success, at a pace of work;
    /// others fetch what they subscribe to. One that does not say its name is known by its address, and is
    /// believed while nobody else has to wait for it.
    fn batch_excess(&self) -> Option<f64> {
        let senders = self.keys(sender);
        let mut of: Vec<(u64, &Sampled)> = self.now.iter().map(|r| (sender(r), r)).collect();
        of.sort_by_key(|(sender, _)| *sender);
        let is_named = |r: &Sampled| r.agent.kind != AgentKind::Absent;
        let believed = |r: &Sampled| is_named(r) || self.times_slower <= AS_FAST;
        let rate = |key: u64| senders.iter().find(|k| k.value == key).map_or(0.0, |k| k.excess);
        let works = |run: &&[(u64, &Sampled)]| {
            let of_it = || run.iter().map(|(_, r)| *r);
            let orderly = is_batch(of_it()) || (is_entering(of_it()) && rate(run[0].0) <= ENTERED_PER_S);
            let hurts = self.times_slower > AS_FAST;
            let most = if hurts { HURTING_PER_S } else { BATCH_PER_S };
            let has_job = orderly || (!hurts && is_fetching_feeds(of_it()));
            has_job && rate(run[0].0) <= most && of_it().all(believed)
        };
        let mut workers: Vec<(u64, bool)> =
            of.chunk_by(|a, b| a.0 == b.0).filter(works).map(|run| (run[0].0, is_named(run[0].1))).collect();
        // So many without a name are no partners.
        if workers.iter().filter(|(_, named)| !named).count() > BATCH_CLIENTS_MOST {
            workers.retain(|(_, named)| *named);
        }
        share(&senders, |k| workers.binary_search_by_key(&k.value, |w| w.0).is_ok())
    }

    /// How much of the excess is page after page, each about as often as the others, all there and none
    /// made up: a site that is read as a whole. Floods repeat few pages, people have favourites.
    fn copy_excess(&self) -> Option<f64> {
        let asked = self.now.iter().filter(|r| r.is_asked()).count();
        let keys = self.keys(|r| {
            if r.has_random_text || r.status >= 400 || r.kind == PathKind::Api { 0 } else { r.url }
        });
        let copied = share(&keys, |k| k.value != 0 && k.now <= COPIED_TIMES);
        copied.filter(|_| asked >= COPIED_LEAST)
    }

    /// Of the kinds of requests that used to be otherwise, weighed by how usual they were: how much
    /// of them is `such` now. What scanners and floods ask for was never usual.
    fn turned(&self, such: impl Fn(&Sampled) -> bool) -> Option<f64> {
        let all = |_: usize, _: usize, _: usize| true;
        // Where names are hardly ever asked for twice, parts of the site are looked at: whether most of one is
        // gone. What comes on top may never have been usual, though it looks for something in such a part.
        let per_s = |count: usize, side: &[Sampled], rate: f64| count as f64 / side.len() as f64 * rate;
        let is_gone = |failed: usize, now: usize, before: usize| {
            failed as f64 >= MOSTLY * now as f64
                && per_s(now, self.now, self.now_per_s)
                    <= NOT_RISEN * per_s(before, self.before, self.before_per_s)
        };
        let (by_kind, by_part) =
            (self.turned_by(|r| r.class, &such, all), self.turned_by(part_class, &such, is_gone));
        by_kind.into_iter().chain(by_part).max_by(f64::total_cmp)
    }

    /// As [`Self::turned`], of the keys that are `judged` by how many are such now, of how many, and how many
    /// were before.
    fn turned_by(
        &self,
        key: impl Fn(&Sampled) -> u64,
        such: &impl Fn(&Sampled) -> bool,
        judged: impl Fn(usize, usize, usize) -> bool,
    ) -> Option<f64> {
        let failures = |records: &[Sampled]| {
            let mut of: Vec<(u64, bool)> = records.iter().map(|r| (key(r), such(r))).collect();
            of.sort_unstable();
            of.chunk_by(|a, b| a.0 == b.0)
                .map(|run| (run[0].0, run.iter().filter(|(_, failed)| *failed).count(), run.len()))
                .collect::<Vec<_>>()
        };
        let (now, before) = (failures(self.now), failures(self.before));
        let (mut broken, mut usual) = (0.0, 0.0);
        for (class, failed, count) in &before {
            let Ok(at) = now.binary_search_by_key(class, |n| n.0) else { continue };
            let weight = *count as f64;
            // Three more of each side that succeeded: few requests prove little.
            let rate = |failed: usize, count: usize| failed as f64 / (count as f64 + 3.0);
            let risen = rate(now[at].1, now[at].2) - rate(*failed, *count);
            usual += weight;
            broken += if judged(now[at].1, now[at].2, *count) { weight * risen.max(0.0) } else { 0.0 };
        }
        (usual >= LEAST_RECORDS as f64).then(|| broken / usual)
    }
}

/// Of a part of a site that is gone, at least this much fails.
const MOSTLY: f64 = 0.6;
/// What is asked for at most so many times as often has not risen.
const NOT_RISEN: f64 = 1.3;
/// Of a site that is open to the world, so much at most comes from private addresses.
const OWN_NETWORK_MOST: f64 = 0.3;
/// Faster than this, in requests per second, nobody makes entries one by one.
const ENTERED_PER_S: f64 = 30.0;
/// Others are served as fast as before, within this factor.
const AS_FAST: f64 = 1.5;
/// More senders than these are many.
const SENDERS_MOST: usize = 20;
/// Faster than this, in requests per second, nobody works through a list; nor so fast that others have to
/// wait for it.
const BATCH_PER_S: f64 = 300.0;
const HURTING_PER_S: f64 = 100.0;
/// Sampled requests of a program that tell how it works.
const BATCH_LEAST: usize = 8;
/// Machines that share such work, at most.
const BATCH_CLIENTS_MOST: usize = 12;
/// A page that is sampled more often is a favourite.
const COPIED_TIMES: f64 = 3.0;
/// Fewer sampled requests repeat nothing yet.
const COPIED_LEAST: usize = 200;

/// Whether these requests of one user agent are a list that is worked through.
fn is_batch<'a>(requests: impl Iterator<Item = &'a Sampled>) -> bool {
    let requests: Vec<&Sampled> = requests.collect();
    let Some(first) = requests.first() else { return false };
    let distinct = |key: &dyn Fn(&Sampled) -> u64| {
        let mut keys: Vec<u64> = requests.iter().map(|r| key(r)).collect();
        keys.sort_unstable();
        keys.dedup();
        keys.len()
    };
    let count = |wanted: &dyn Fn(&Sampled) -> bool| requests.iter().filter(|r| wanted(r)).count();
    let writes = count(&|r| !matches!(r.method, Method::Get | Method::Head | Method::Options));
    let calls = count(&|r| r.kind == PathKind::Api);
    // What is stored under the hash of what it says (backups, registries) has names that look drawn at random,
    // and whoever stores asks first whether it is there.
    let stores = writes * 3 >= requests.len();
    let asks_first = |r: &Sampled| stores && r.method == Method::Head;
    let is_drawn = |r: &Sampled| r.has_random_text && !(stores && r.method != Method::Get);
    // What is new is written to the list as a whole, and worked on under a path of its own.
    let made = count(&|r| r.method == Method::Post);
    let worked_on = requests.len() - made;
    let mut entries: Vec<u64> = requests.iter().filter(|r| r.method != Method::Post).map(|r| r.url).collect();
    entries.sort_unstable();
    entries.dedup();
    let is_list = distinct(&|r| r.url) * 2 >= requests.len()
        || (worked_on * 4 >= requests.len() && entries.len() * 2 >= worked_on);
    (first.agent.kind.is_program() || first.agent.kind == AgentKind::Absent)
        && !first.agent.is_hostile
        && requests.len() >= BATCH_LEAST
        && distinct(&|r| hash::address(r.client)) <= BATCH_CLIENTS_MOST
        && (calls.max(writes) * 10 >= requests.len() * 7 || stores)
        && is_list
        && count(&is_drawn) * 4 < requests.len()
        && count(&|r| r.status >= 400 && !(asks_first(r) && r.status == 404)) * 20 <= requests.len()
}

/// Whether these requests of one sender are entries that it makes, each with success: what is new is written
/// to the list as a whole, and not to a path of its own.
fn is_entering<'a>(mut requests: impl Iterator<Item = &'a Sampled> + Clone) -> bool {
    let Some(first) = requests.clone().next() else { return false };
    let is_program = first.agent.kind.is_program() || first.agent.kind == AgentKind::Absent;
    let enters = |r: &Sampled| {
        matches!(r.method, Method::Post | Method::Put)
            && (200..300).contains(&r.status)
            && r.client == first.client
            && !classify::is_login_path(r.path.as_bytes())
    };
    is_program && requests.clone().count() >= BATCH_LEAST && requests.all(enters)
}

/// Whether these requests of one program are for feeds and calendars, of which each of its clients fetches
/// a few.
fn is_fetching_feeds<'a>(mut requests: impl Iterator<Item = &'a Sampled> + Clone) -> bool {
    let mut clients: Vec<IpAddr> = requests.clone().map(|r| r.client).collect();
    clients.sort_unstable();
    let is_few = clients.chunk_by(PartialEq::eq).all(|run| run.len() as u32 <= FETCHED_MOST);
    let is_declared = |r: &Sampled| r.agent.kind.is_program() || r.agent.kind == AgentKind::Crawler;
    is_few && requests.all(|r| is_declared(r) && classify::is_feed(r.path.as_bytes()))
}

/// What tells senders apart: the name of their program, or where there is none their address.
fn sender(r: &Sampled) -> u64 {
    if r.agent.kind == AgentKind::Absent { hash::address(r.client) } else { r.agent.hash }
}

/// Whether a program was welcome: what a library asked for in vain makes it no program of ours.
fn is_accepted(r: &Sampled) -> bool {
    r.status < 400 || r.agent.kind != AgentKind::Tool
}

/// Whether an answer is not what was asked for: an error, or a way to somewhere else.
fn fails(r: &Sampled) -> bool {
    r.status >= 400 || is_moved(r.status)
}

/// The share of the whole excess that falls on some keys; `None` where nothing rose clearly.
fn share(keys: &[Key], wanted: impl Fn(&Key) -> bool) -> Option<f64> {
    let total: f64 = keys.iter().filter(|k| k.now >= 1.0).map(|k| k.excess).sum();
    let some: f64 = keys.iter().filter(|k| k.now >= 1.0 && wanted(k)).map(|k| k.excess).sum();
    (total > 0.0).then(|| some / total)
}

/// Hashes of the user agents of crawlers, sorted. Whoever crawls comes from its own few networks; a
/// name that comes from everywhere is only borrowed.
pub(super) fn crawlers(records: &[Sampled]) -> Vec<u64> {
    let named = |r: &&Sampled| r.agent.kind == AgentKind::Crawler;
    let name = |r: &Sampled| (r.agent.hash, wide_network(r.client));
    let mut crawlers: Vec<(u64, u64)> = records.iter().filter(named).map(name).collect();
    crawlers.sort_unstable();
    crawlers.dedup();
    crawlers
        .chunk_by(|a, b| a.0 == b.0)
        .filter(|networks| networks.len() <= CRAWLER_NETWORKS_MOST)
        .map(|networks| networks[0].0)
        .collect()
}

fn query(r: &Sampled) -> u64 {
    hash::combine(hash::bytes(r.path.as_bytes()), r.query.as_ref().map_or(0, |q| hash::bytes(q.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::sampled::sampled;
    use seawall_model::Timestamp;
    use seawall_model::observation::Request;
    use seawall_model::record::RequestRecord;

    fn record(agent: &str, path: &str, status: u16) -> RequestRecord {
        let mut request = Request::new(Timestamp(0), IpAddr::from([192, 0, 2, 1]));
        request.user_agent = agent.as_bytes();
        request.path = path.as_bytes();
        request.status = status;
        RequestRecord::from(&request)
    }

    fn people() -> Vec<RequestRecord> {
        (0..60).map(|n| record("Mozilla/5.0", ["/", "/news", "/shop"][n % 3], 200)).collect()
    }

    fn measured(now: &[RequestRecord], before: &[RequestRecord], rise: f64, metric: Metric) -> Option<f64> {
        let (now, before) = (&sampled(now.to_vec()), &sampled(before.to_vec()));
        let sides = Sides {
            now,
            before,
            now_per_s: rise,
            before_per_s: 1.0,
            beside_people: false,
            times_slower: 1.0,
        };
        sides.measure().into_iter().find(|m| m.0 == metric).map(|m| m.1)
    }

    #[test]
    fn our_own_program_in_a_loop_is_told_from_people_around_it() {
        let app = |path| record("ShopApp/4.2", path, 401);
        let mut before = people();
        before.extend((0..10).map(|_| app("/v1/cart")));
        let mut now = people();
        now.extend((0..120).map(|_| app("/v1/token")));
        assert!(measured(&now, &before, 3.0, Metric::OwnProgramExcess).is_some_and(|s| s > 0.9));
        assert!(measured(&now, &before, 3.0, Metric::RepeatedExcess).is_some_and(|s| s > 0.8));
        let mut flood = people();
        flood.extend((0..120).map(|_| record("python-requests/2.31", "/v1/token", 200)));
        assert!(measured(&flood, &before, 3.0, Metric::OwnProgramExcess).is_some_and(|s| s < 0.1));
        assert!(measured(&flood, &before, 3.0, Metric::NewAgentExcess).is_some_and(|s| s > 0.9));
    }

    #[test]
    fn a_program_that_has_done_its_work_is_told_from_a_way_that_is_cut() {
        let mut before = people();
        before.extend((0..300).map(|_| record("Importer/1.0", "/v1/items", 200)));
        let fall = |now: &[RequestRecord], per_s: f64| measured(now, &before, per_s, Metric::FallOfFewKinds);
        assert!(fall(&people(), 60.0 / 360.0).is_some_and(|r| r > 0.9));
        assert!(fall(&before, 0.1).is_some_and(|p| p < 0.1));
        assert_eq!(fall(&before, 1.0), None);
    }

    #[test]
    fn what_services_add_is_no_crowd() {
        let with = |agent: &str| -> Vec<RequestRecord> {
            people().into_iter().chain((0..120).map(|_| record(agent, "/v1/items", 200))).collect()
        };
        let added = |agent| measured(&with(agent), &people(), 3.0, Metric::ServiceExcess);
        assert!(added("Apache-Maven/3.9.6").is_some_and(|s| s > 0.9));
        assert!(added("okhttp/4.12.0").is_some_and(|s| s < 0.1));
    }

    #[test]
    fn more_health_checks_are_told_from_a_program_in_a_loop() {
        let checks = |agent: &str, count: usize| -> Vec<RequestRecord> {
            people().into_iter().chain((0..count).map(|_| record(agent, "/health", 200))).collect()
        };
        let watched = |agent| measured(&checks(agent, 120), &checks(agent, 10), 3.0, Metric::WatchExcess);
        for agent in ["kube-probe/1.31", "ELB-HealthChecker/2.0", "Amazon-Route53-Health-Check-Service"] {
            assert!(watched(agent).is_some_and(|s| s > 0.9), "{agent}");
        }
        assert!(watched("ShopApp/4.2").is_some_and(|s| s < 0.1));
    }

    #[test]
    fn a_crawler_comes_from_few_networks() {
        let crawl = |networks: u8| -> Vec<RequestRecord> {
            let agent = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
            let one = |n: u8| RequestRecord {
                client: IpAddr::from([66, n % networks, 64, n]),
                ..record(agent, &format!("/page{n}"), 200)
            };
            people().into_iter().chain((0..200).map(one)).collect()
        };
        assert!(measured(&crawl(2), &people(), 4.0, Metric::CrawlerExcess).is_some_and(|s| s > 0.9));
        assert_eq!(measured(&crawl(100), &people(), 4.0, Metric::CrawlerExcess), Some(0.0));
    }

    #[test]
    fn a_new_name_from_everywhere_is_not_ours() {
        let crowd = (0..120)
            .map(|n| {
                let mut request = Request::new(Timestamp(0), IpAddr::from([198, 51, 100, n]));
                (request.user_agent, request.path, request.status) = (b"ShopApp/5.2", b"/api/v2/news", 200);
                RequestRecord::from(&request)
            })
            .collect();
        let (now, before) = (&sampled(crowd), &sampled(people()));
        let own = |beside_people| {
            let sides =
                Sides { now, before, now_per_s: 3.0, before_per_s: 1.0, beside_people, times_slower: 1.0 };
            sides.measure().into_iter().find(|m| m.0 == Metric::OwnProgramExcess).map(|m| m.1)
        };
        assert_eq!((own(false), own(true)), (Some(0.0), Some(1.0)));
    }

    #[test]
    fn a_new_version_of_our_application_is_ours() {
        let poll = |agent: &str| record(agent, "/api/v1/unread", 200);
        let mut before = people();
        before.extend((0..10).map(|_| poll("Shop/5.2.1 (iOS 17.5)")));
        let now = |agent: &str| -> Vec<RequestRecord> {
            people().into_iter().chain((0..120).map(|_| poll(agent))).collect()
        };
        let own = |agent: &str| measured(&now(agent), &before, 3.0, Metric::OwnProgramExcess);
        assert!(own("Shop/5.3.0 (iOS 17.6)").is_some_and(|s| s > 0.9));
        assert!(own("okhttp/4.9.3").is_some_and(|s| s < 0.1));
    }

    #[test]
    fn a_version_that_is_a_hash_is_no_other_program() {
        let hook = |agent: &str| record(agent, "/hooks", 202);
        let mut before = people();
        before.extend((0..10).map(|n| hook(&format!("GitHub-Hookshot/a{n}fe{n}d"))));
        let now: Vec<RequestRecord> =
            people().into_iter().chain((0..120).map(|_| hook("GitHub-Hookshot/3f8d2ab"))).collect();
        assert!(measured(&now, &before, 3.0, Metric::OwnProgramExcess).is_some_and(|s| s > 0.9));
    }

    #[test]
    fn a_partners_list_is_a_batch_and_a_repeated_call_is_none() {
        let agent = "Apache-HttpClient/4.5.14 (Java/17.0.9)";
        let with = |url: &dyn Fn(usize) -> String| -> Vec<RequestRecord> {
            people().into_iter().chain((0..120).map(|n| record(agent, &url(n), 200))).collect()
        };
        let batch = |now: &[RequestRecord]| measured(now, &people(), 3.0, Metric::BatchExcess);
        assert!(batch(&with(&|n| format!("/api/v1/stock/{}", 9_000 + n))).is_some_and(|s| s > 0.9));
        assert!(batch(&with(&|_| "/api/v1/stock/9000".to_owned())).is_some_and(|s| s < 0.1));
    }

    /// Broke: a nightly export and the readers of a feed, at the same hour, were a flood of costly requests.
    #[test]
    fn programs_that_each_do_a_job_of_their_own_are_no_excess_of_another_kind() {
        let batch = |feed: &str| {
            let export =
                (0..60).map(|n| record("python-requests/2.32.3", &format!("/api/export?page={n}"), 200));
            let reader = |n: u8| RequestRecord {
                client: IpAddr::from([198, 51, 100, n]),
                ..record("FreshRSS/1.24.0 (Linux; https://freshrss.org)", feed, 200)
            };
            let now: Vec<RequestRecord> =
                people().into_iter().chain(export).chain((0..60).map(reader)).collect();
            measured(&now, &people(), 3.0, Metric::BatchExcess)
        };
        assert!(batch("/feed.xml").is_some_and(|s| s > 0.9), "{:?}", batch("/feed.xml"));
        assert!(batch("/item/7").is_some_and(|s| s < 0.7), "what nobody subscribes to");
    }

    /// Broke: a partner's nightly work without a user agent, from one address, was called a flood.
    #[test]
    fn orderly_work_without_a_name_is_a_batch_while_it_harms_nobody() {
        let works = |url: &dyn Fn(usize) -> String| -> Vec<RequestRecord> {
            people().into_iter().chain((0..120).map(|n| record("", &url(n), 200))).collect()
        };
        let batch = |now: &[RequestRecord], times_slower: f64| {
            let (now, before) = (&sampled(now.to_vec()), &sampled(people()));
            let (now_per_s, before_per_s, beside_people) = (3.0, 1.0, false);
            let sides = Sides { now, before, now_per_s, before_per_s, beside_people, times_slower };
            sides.measure().into_iter().find(|m| m.0 == Metric::BatchExcess).map_or(0.0, |m| m.1)
        };
        let orders = works(&|n| format!("/api/v1/orders/{}/items", 9_000 + n));
        assert!(batch(&orders, 1.0) > 0.9);
        assert!(batch(&orders, 4.0) < 0.1, "others have to wait for it");
        let again = works(&|_| "/api/v1/orders".to_owned());
        assert!(batch(&again, 1.0) < 0.1, "one path again and again");
        let written = |status: u16| -> Vec<RequestRecord> {
            let entry = |r: &RequestRecord| match r.user_agent.is_empty() {
                true => RequestRecord { method: Method::Post, status, ..r.clone() },
                false => r.clone(),
            };
            again.iter().map(entry).collect()
        };
        assert!(batch(&written(202), 1.0) > 0.9, "entries that are made");
        assert!(batch(&written(503), 1.0) < 0.1 && batch(&written(202), 4.0) < 0.1);
    }

    #[test]
    fn a_catalogue_that_is_read_is_told_from_pages_that_are_hit() {
        let reads = |pages: usize| -> Vec<RequestRecord> {
            let items = (0..600).map(|n| record("Mozilla/5.0", &format!("/p/lamp-{}", n % pages), 200));
            people().into_iter().chain(items).collect()
        };
        let copied = |pages| measured(&reads(pages), &people(), 10.0, Metric::CopyExcess);
        assert!(copied(400).is_some_and(|s| s > 0.9));
        assert!(copied(20).is_some_and(|s| s < 0.1));
    }

    #[test]
    fn pages_that_send_elsewhere_are_a_loop_and_a_moved_flood_is_none() {
        let looping: Vec<RequestRecord> =
            people().into_iter().map(|r| RequestRecord { status: 301, ..r }).collect();
        assert!(measured(&looping, &people(), 1.0, Metric::LoopShare).is_some_and(|s| s > 0.8));
        let flood = (0..600).map(|n| record("Mozilla/5.0", &format!("/x{n}"), 301));
        let flooded: Vec<RequestRecord> = people().into_iter().chain(flood).collect();
        assert!(measured(&flooded, &people(), 10.0, Metric::LoopShare).is_some_and(|s| s < 0.1));
    }

    #[test]
    fn failing_scanners_break_nothing_that_worked() {
        let mut scanned = people();
        scanned.extend((0..60).map(|n| record("x", &format!("/.env{}", n * 7919), 404)));
        assert!(measured(&scanned, &people(), 2.0, Metric::BrokenShare).is_some_and(|s| s < 0.05));
        let broken: Vec<RequestRecord> = (0..60)
            .map(|n| record("Mozilla/5.0", ["/", "/news", "/shop"][n % 3], [200, 403, 200][n % 3]))
            .collect();
        assert!(measured(&broken, &people(), 1.0, Metric::BrokenShare).is_some_and(|s| s > 0.2));
    }

    /// Broke: a backup to a store that names things by their hash was called a flood past the cache.
    #[test]
    fn storing_under_hashes_is_a_batch_and_asking_for_made_up_names_is_none() {
        let named = |n: u64| format!("/repo/data/{:016x}{:016x}", hash::mix(n), hash::mix(n + 999));
        let with = |method: &dyn Fn(u64) -> (Method, u16)| -> Vec<RequestRecord> {
            let one = |n: u64| {
                let (method, status) = method(n);
                RequestRecord { method, ..record("Go-http-client/2.0", &named(n), status) }
            };
            people().into_iter().chain((0..120).map(one)).collect()
        };
        let stores = with(&|n| if n % 2 == 0 { (Method::Head, 404) } else { (Method::Post, 200) });
        let batch = |now: &[RequestRecord]| measured(now, &people(), 3.0, Metric::BatchExcess);
        assert!(batch(&stores).is_some_and(|s| s > 0.9));
        assert!(batch(&with(&|_| (Method::Get, 200))).is_some_and(|s| s < 0.1));
    }

    /// Broke: a site whose articles had moved was called normal, as hardly one is asked for twice.
    #[test]
    fn a_part_of_a_site_that_is_gone_is_broken_and_a_part_that_is_searched_is_not() {
        let read = |from: usize, count: usize, status: u16| -> Vec<RequestRecord> {
            let slug =
                |n: usize| format!("/news/{}", (n * 7_919) % 9_973).replace(['1', '2', '3', '7'], "ab");
            let one = |n: usize| record("Mozilla/5.0", &format!("{}-more", slug(n)), status);
            (from..from + count).map(one).collect()
        };
        let before = [people(), read(0, 60, 200)].concat();
        let gone = [people(), read(100, 60, 404)].concat();
        assert!(measured(&gone, &before, 1.0, Metric::BrokenShare).is_some_and(|s| s > 0.3));
        let searched = [people(), read(100, 60, 200), read(200, 300, 404)].concat();
        assert!(measured(&searched, &before, 4.0, Metric::BrokenShare).is_some_and(|s| s < 0.2));
    }
}
