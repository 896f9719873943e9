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
        let asked = asked(self.now).count();
        if !self.has_risen() || asked < LEAST_RECORDS {
            return out;
        }
        let support = asked as f64 * (1.0 - self.asked_before_per_s() / self.asked_now_per_s());
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
        let searches = self.searches();
        add(Metric::CopyExcess, self.copy_excess(&searches));
        add(Metric::SearchedExcess, share(&self.keys(form), |k| searches.binary_search(&k.value).is_ok()));
        let kinds = self.keys(|r| r.class);
        add(Metric::FamiliarExcess, share(&kinds, |k| k.before >= USUAL));
        out
    }

    /// Whether enough more is asked for than before. Assets hide it: a crawler that doubles the pages adds a
    /// tenth to all requests.
    fn has_risen(&self) -> bool {
        self.asked_now_per_s() >= LEAST_RISE * self.asked_before_per_s()
    }

    fn asked_now_per_s(&self) -> f64 {
        asked_per_s(self.now, self.now_per_s, |_| true)
    }

    fn asked_before_per_s(&self) -> f64 {
        asked_per_s(self.before, self.before_per_s, |_| true)
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
        if !self.has_risen() {
            return Vec::new();
        }
        let mut clients = self.keys(|r| hash::address(r.client));
        clients.sort_by(|a, b| b.excess.total_cmp(&a.excess).then_with(|| a.value.cmp(&b.value)));
        let total: f64 = clients.iter().map(|k| k.excess).sum();
        let address = |k: &Key| self.now.iter().map(|r| r.client).find(|c| hash::address(*c) == k.value);
        let named = clients.iter().take(SENDERS_MOST).filter(|k| k.excess > 0.0);
        named.filter_map(|k| Some((address(k)?, k.excess / total))).collect()
    }

    /// How much of what is asked for more than before one client accounts for.
    pub(super) fn part_of_rise(&self, client: IpAddr) -> f64 {
        let is_its = |r: &Sampled| r.client == client;
        let all = self.asked_now_per_s() - self.asked_before_per_s();
        let its = asked_per_s(self.now, self.now_per_s, is_its)
            - asked_per_s(self.before, self.before_per_s, is_its);
        if all > 0.0 { (its / all).clamp(0.0, 1.0) } else { 0.0 }
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
        all.extend(asked(self.now).map(|r| (key(r), true)));
        all.extend(asked(self.before).map(|r| (key(r), false)));
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
    /// made up: a site that is read as a whole. Floods repeat few pages, people have favourites; packages and
    /// lists of them are there to be fetched by programs. What is found by one search after another is no page.
    fn copy_excess(&self, searches: &[u64]) -> Option<f64> {
        let asked = asked(self.now).count();
        let is_found = |r: &Sampled| r.own_query.is_some() && searches.binary_search(&form(r)).is_ok();
        let is_none = |r: &Sampled| {
            !matches!(r.method, Method::Get | Method::Head)
                || r.has_random_text
                || r.status >= 400
                || r.kind == PathKind::Api
                || classify::is_feed(r.path.as_bytes())
                || is_found(r)
        };
        let keys = self.keys(|r| if is_none(r) { 0 } else { r.url });
        let copied = share(&keys, |k| k.value != 0 && k.now <= COPIED_TIMES);
        copied.filter(|_| asked >= COPIED_LEAST)
    }

    /// Forms that people search by, sorted: filled in otherwise each time, before or now with words. Where much
    /// of a site was of one form, those are its pages, by their numbers or names.
    fn searches(&self) -> Vec<u64> {
        let of_query = |r: &Sampled| Some((form(r), r.own_query?));
        let mut usual: Vec<(u64, u64)> = asked(self.before).filter_map(of_query).collect();
        usual.sort_unstable();
        let most = SEARCHED_MOST * asked(self.before).count() as f64;
        let is_page = |form: u64| {
            let from = usual.partition_point(|u| u.0 < form);
            usual[from..].iter().take_while(|u| u.0 == form).count() as f64 > most
        };
        let mut worded: Vec<(u64, u64)> =
            asked(self.now).filter(|r| is_worded(r)).filter_map(of_query).collect();
        worded.sort_unstable();
        let mut searches = [filled_otherwise(&worded), filled_otherwise(&usual)].concat();
        searches.retain(|form| !is_page(*form));
        searches.sort_unstable();
        searches.dedup();
        searches
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

/// Requests but for assets.
fn asked(records: &[Sampled]) -> impl Iterator<Item = &Sampled> {
    records.iter().filter(|r| r.is_asked())
}

/// The rate of those that are `wanted`, where all that was sampled stands for so much.
fn asked_per_s(records: &[Sampled], all_per_s: f64, wanted: impl Fn(&Sampled) -> bool) -> f64 {
    asked(records).filter(|r| wanted(r)).count() as f64 / records.len().max(1) as f64 * all_per_s
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
/// A form is a search if it was seen so often, so much of that with another query each time, and no more of
/// what used to be asked for was of it.
const SEARCHED_LEAST: usize = 4;
const SEARCHED_DISTINCT: f64 = 0.7;
const SEARCHED_MOST: f64 = 0.3;
/// A word that is searched for has so many letters at least.
const WORD_LETTERS: usize = 3;
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
    let asks_first = |r: &Sampled| stores && matches!(r.method, Method::Head | Method::Propfind);
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

/// Whether an answer is not what was asked for: an error, or a way to somewhere else. Who has sent a form is
/// shown the way on where that went well.
fn fails(r: &Sampled) -> bool {
    r.status >= 400 || (is_moved(r.status) && r.method != Method::Post)
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

/// What is asked, but for what was filled in: the path, and the names of the query's parameters.
fn form(r: &Sampled) -> u64 {
    let names =
        r.query.iter().flat_map(|q| q.split('&')).map(|p| p.split_once('=').map_or(p, |(name, _)| name));
    names.fold(hash::bytes(r.path.as_bytes()), |of, name| hash::combine(of, hash::bytes(name.as_bytes())))
}

/// Forms that are hardly ever filled in the same way twice. `filled`: sorted.
fn filled_otherwise(filled: &[(u64, u64)]) -> Vec<u64> {
    let differs = |run: &&[(u64, u64)]| {
        let distinct = run.chunk_by(PartialEq::eq).count();
        run.len() >= SEARCHED_LEAST && distinct as f64 >= SEARCHED_DISTINCT * run.len() as f64
    };
    filled.chunk_by(|a, b| a.0 == b.0).filter(differs).map(|run| run[0].0).collect()
}

/// Whether words stand in the query, and nothing that is drawn at random.
fn is_worded(r: &Sampled) -> bool {
    let is_words = |value: &str| {
        let value = value.replace("%20", "+");
        value.len() >= WORD_LETTERS
            && value.split(['+', '-', '_']).all(|w| !w.is_empty() && w.chars().all(char::is_alphabetic))
    };
    let pairs = || r.query.iter().flat_map(|q| q.split('&')).filter_map(|pair| pair.split_once('='));
    !r.has_random_query && pairs().any(|(_, value)| is_words(value))
}

fn query(r: &Sampled) -> u64 {
    hash::combine(hash::bytes(r.path.as_bytes()), r.query.as_ref().map_or(0, |q| hash::bytes(q.as_bytes())))
}

#[cfg(test)]
mod tests;
