//! Who comes, against who was here: scripts of pages that their clients never loaded, and visitors who go on
//! while no others come.
//!
//! Stands on the sampled clients of both sides. Cold start: without a reference nothing is said. Evaded by
//! loading the page first, which costs whoever floods as much as it costs visitors. Innocent look-alikes:
//! interfaces on a host of their own, where nobody ever loads a page; hence the comparison.

use super::client;
use super::sampled::Sampled;
use crate::feature::classify::AgentKind;
use crate::feature::http::{ClientProfile, HttpWindow};
use seawall_model::address;
use seawall_model::finding::{Finding, Findings};
use seawall_model::metric::Metric;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Of those who log in, so many go on at least, where going on means anything.
const ENTERS: f64 = 0.3;

/// Findings about newcomers in `now`, a window of so many seconds.
pub(super) fn compare(now: &HttpWindow, before: &HttpWindow, seconds: f64, findings: &mut Findings) {
    let onset = findings.onset;
    // Where log-ins never went on, as where programs renew what proves who they are, it says nothing.
    let is_usual = |f: &Finding| f.metric == Metric::EnteredShare && f.expected.is_some_and(|e| e < ENTERS);
    findings.findings.retain(|f| !is_usual(f));
    let mut add = |metric, observed, expected, support| {
        findings.insert(Finding { metric, observed, expected, surprise: 0.0, support, onset });
    };
    if let Some((share, support)) = lingerers(now, before, seconds) {
        add(Metric::LingererShare, share, None, support);
    }
    let (pageless, usual) = (pageless_scripts(now, Some(before)), pageless_scripts(before, None));
    let (Some(pageless), Some(usual)) = (pageless, usual) else { return };
    add(Metric::PagelessScriptShare, pageless, Some(usual), now.clients.count());
    // What only looks like the script of an open page is none.
    let false_share = (pageless - usual).max(0.0);
    for finding in &mut findings.findings {
        if matches!(finding.metric, Metric::PollShare | Metric::FailingScriptShare) {
            finding.observed = (finding.observed - false_share).max(0.0);
        }
    }
}

/// Requests that tools send from a few private addresses, where others come from public ones: tests of our
/// own. Where all come from private addresses, a proxy hides who they are.
pub(super) fn own_load(records: &[Sampled]) -> f64 {
    const MACHINES_MOST: usize = 20;
    const OTHERS_PRIVATE: f64 = 0.3;
    let is_tool = |r: &Sampled| matches!(r.agent.kind, AgentKind::Tool | AgentKind::LoadTool);
    let (own, others): (Vec<_>, Vec<_>) =
        records.iter().partition(|r| address::is_private(r.client) && is_tool(r));
    let machines: BTreeSet<IpAddr> = own.iter().map(|r| r.client).collect();
    let hidden = others.iter().filter(|r| address::is_private(r.client)).count() as f64;
    let beside = !others.is_empty() && hidden <= OTHERS_PRIVATE * others.len() as f64;
    if beside && machines.len() <= MACHINES_MOST { own.len() as f64 } else { 0.0 }
}

/// Share of what is asked for that scripts of pages seem to send whose clients loaded none, neither now nor
/// in `before`.
fn pageless_scripts(now: &HttpWindow, before: Option<&HttpWindow>) -> Option<f64> {
    let seen = before.map_or_else(|| now.profiles.sorted(), |before| now.profiles.beside(&before.profiles));
    let is_known = |hash: u64| before.is_some_and(|before| before.profiles.has_seen(hash));
    let (mut pageless, mut all) = (0.0, 0.0);
    for (hash, profile) in seen {
        all += profile.asked();
        if client::is_pageless_script(profile) && !is_known(*hash) {
            pageless += profile.asked();
        }
    }
    (all > 0.0).then(|| pageless / all)
}

/// How much rarer newcomers are than they were in a time of the same length just before, from 0 (as ever)
/// to 1 (none). In a fault of the way newcomers and others are missing alike; where a log ends, those who
/// were here are the last.
fn lingerers(now: &HttpWindow, before: &HttpWindow, seconds: f64) -> Option<(f64, f64)> {
    /// Nobody stays much longer.
    const VISIT_S: f64 = 90.0;
    /// Of those who came, so many were usually new.
    const USUALLY_NEW: f64 = 0.25;
    /// That none of so many is new by chance happens at most this often.
    const CHANCE: f64 = 0.1;
    const CLIENTS_LEAST: usize = 3;
    if seconds > VISIT_S {
        return None;
    }
    let known = before.profiles.sorted();
    let ended = known.iter().map(|(_, p)| p.last).max()?;
    let recent = |p: &&ClientProfile| ended.since_s(p.last) <= seconds;
    let of_late = || known.iter().map(|(_, p)| p).filter(recent);
    let new_of_late = of_late().filter(|p| ended.since_s(p.first) <= seconds).count() as f64;
    let usual = new_of_late / of_late().count().max(1) as f64;
    let seen = now.profiles.beside(&before.profiles);
    let chance = (0..seen.len()).fold(1.0, |chance, _| chance * (1.0 - usual));
    if seen.len() < CLIENTS_LEAST || usual < USUALLY_NEW || chance > CHANCE {
        return None;
    }
    let new =
        seen.iter().filter(|(hash, _)| !before.profiles.has_seen(*hash)).count() as f64 / seen.len() as f64;
    Some(((1.0 - new / usual).max(0.0), seen.len() as f64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Window;
    use crate::measure::sampled::sampled;
    use seawall_model::Timestamp;
    use seawall_model::observation::{Observation, Request};
    use seawall_model::record::RequestRecord;

    const BROWSER: &[u8] = b"Mozilla/5.0 (X11; Linux x86_64) Firefox/120.0";

    /// Requests by client and second, each for a path.
    fn window(asked: &[(u16, i64, &str)]) -> HttpWindow {
        let mut window = Window::default();
        for (n, (client, second, path)) in asked.iter().enumerate() {
            let [high, low] = client.to_be_bytes();
            let mut request =
                Request::new(Timestamp::from_seconds(*second), IpAddr::from([24, 8, high, low]));
            (request.path, request.user_agent) = (path.as_bytes(), BROWSER);
            (request.referrer, request.status) = (b"https://shop.example/", 200);
            window.observe(&Observation::Request(request), n as u64);
        }
        *window.http.expect("requests")
    }

    /// Visitors who load a page and its parts, one more each second, and call an interface for a while.
    fn visits(seconds: std::ops::Range<i64>) -> HttpWindow {
        let mut asked = Vec::new();
        for came in seconds.clone() {
            let client = came as u16;
            asked.extend([(client, came, "/"), (client, came, "/app.js")]);
            let calls = (came..came + 20).step_by(5).filter(|at| seconds.contains(at));
            asked.extend(calls.map(|at| (client, at, "/api/news")));
        }
        window(&asked)
    }

    #[test]
    fn calls_without_a_page_are_no_pages_that_are_open() {
        let before = visits(0..200);
        let pageless = |now: &HttpWindow, before: &HttpWindow| {
            let mut findings = Findings::default();
            compare(now, before, 100.0, &mut findings);
            let finding = findings.get(Metric::PagelessScriptShare).expect("measured");
            finding.observed - finding.expected.expect("expected")
        };
        let calls: Vec<(u16, i64, &str)> =
            (0..400).map(|n| (1_000 + n % 20, 200 + i64::from(n / 4), "/graphql")).collect();
        let calls = window(&calls);
        assert!(pageless(&calls, &before) > 0.9);
        assert!(pageless(&visits(200..300), &before) < 0.1);
        assert!(pageless(&calls, &calls) < 0.1, "an interface on a host of its own");
    }

    #[test]
    fn a_load_test_of_our_own_is_told_from_a_flood_behind_a_proxy() {
        let record = |client: [u8; 4], agent: &str| {
            let mut request = Request::new(Timestamp(0), IpAddr::from(client));
            request.user_agent = agent.as_bytes();
            RequestRecord::from(&request)
        };
        let beside = |visitor: [u8; 4]| {
            let mut records = vec![record([10, 1, 2, 3], "k6/0.49.0"); 90];
            records.extend((0..10).map(|_| record(visitor, "Mozilla/5.0 Firefox/120.0")));
            own_load(&sampled(records))
        };
        assert_eq!((beside([198, 51, 100, 7]), beside([10, 1, 2, 3])), (90.0, 0.0));
        let many: Vec<_> = (0..90).map(|n| record([10, 1, 2, n], "python-requests/2.31")).collect();
        assert_eq!(own_load(&sampled(many)), 0.0);
    }

    #[test]
    fn where_log_ins_never_went_on_it_says_nothing_that_they_do_not() {
        let entered = |expected| {
            let (metric, observed) = (Metric::EnteredShare, 0.0);
            let mut findings = Findings::default();
            findings.insert(Finding { metric, observed, expected, surprise: 0.0, support: 9.0, onset: None });
            compare(&visits(200..300), &visits(0..200), 100.0, &mut findings);
            findings.get(Metric::EnteredShare).is_some()
        };
        assert!(!entered(Some(0.0)) && entered(Some(0.9)) && entered(None));
    }

    #[test]
    fn where_a_log_ends_those_who_were_here_are_the_last() {
        let before = visits(0..200);
        let old: Vec<(u16, i64, &str)> =
            (0..40).map(|n| (185 + n % 15, 200 + i64::from(n / 2), "/api/news")).collect();
        let share = |now: &HttpWindow| lingerers(now, &before, 20.0).map_or(0.0, |(share, _)| share);
        assert!(share(&window(&old)) > 0.9);
        assert!(share(&visits(200..220)) < 0.3);
    }
}
