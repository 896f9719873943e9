//! What name servers fail at: zones that they cannot serve or trust, answers that come late, and clients that
//! ask the same in vain over and over.

use super::dns::split_name;
use super::{Value, push, push_share};
use crate::feature::bits_as_count;
use crate::feature::dns::{AskerProfile, DnsWindow, is_broken};
use seawall_model::metric::Metric;
use seawall_model::record::DnsRecord;

/// Fewer failures say nothing of how long failures take.
const FAILURES_LEAST: u64 = 10;
/// Questions of a client from which on its habits are known, and how often it asks each name at least.
const KNOWN_QUESTIONS: u32 = 30;
const TIMES_EACH: f64 = 8.0;
/// A program in a loop asks for so many names at most; a mail server that asks block lists for thousands.
const FEW_NAMES: f64 = 40.0;

pub(super) fn measure(dns: &DnsWindow, out: &mut Vec<Value>) {
    // Logs of some servers hold every question and only the answers that failed.
    let answers = dns.responses.max(dns.queries);
    push_share(out, Metric::DnsBrokenShare, dns.broken as f64, answers as f64);
    if dns.broken >= FAILURES_LEAST {
        if let Some(late) = dns.broken_us.quantile(0.95) {
            push(out, Metric::DnsBrokenTime, late, dns.broken_us.count() as f64);
        }
        broken_zone(&dns.response_records(), out);
    }
    // Most of what a resolver is asked it has in its cache.
    if let Some(late) = dns.response_us.quantile(0.9) {
        push(out, Metric::DnsAnswerTime, late, dns.response_us.count() as f64);
    }
    if dns.responses > 0 {
        let sorted = dns.profiles.sorted();
        let questions = |of: &dyn Fn(&AskerProfile) -> bool| -> f64 {
            sorted.iter().map(|(_, p)| p).filter(|p| of(p)).map(|p| f64::from(asked(p))).sum()
        };
        push_share(out, Metric::DnsLoopShare, questions(&loops), questions(&|_| true));
    }
}

fn asked(p: &AskerProfile) -> u32 {
    p.queries.max(p.responses)
}

/// Asks few names again and again although they are not to be had.
fn loops(p: &AskerProfile) -> bool {
    let in_vain = p.failures >= p.responses.div_ceil(2);
    let names = bits_as_count(p.names);
    let few = names <= FEW_NAMES && f64::from(asked(p)) >= TIMES_EACH * names;
    asked(p) >= KNOWN_QUESTIONS && in_vain && few
}

/// How much of what fails is about one zone.
fn broken_zone(answers: &[DnsRecord], out: &mut Vec<Value>) {
    let broken = answers.iter().filter(|r| is_broken(r.response_code, r.recursion_desired));
    let mut zones: Vec<&str> = broken.map(|r| split_name(&r.name).0).collect();
    zones.sort_unstable();
    let most = zones.chunk_by(|a, b| a == b).map(<[&str]>::len).max().unwrap_or(0);
    push_share(out, Metric::DnsBrokenZoneShare, most as f64, zones.len() as f64);
}

#[cfg(test)]
mod tests {
    use super::super::findings;
    use super::*;
    use crate::Window;
    use seawall_model::observation::{Dns, Observation};
    use seawall_model::{Timestamp, hash};
    use std::net::IpAddr;

    fn answer(n: u64, client: u8, name: &'static [u8], code: u8, took_us: u64) -> Dns<'static> {
        Dns {
            time: Timestamp(n as i64 * 1_000_000),
            client: IpAddr::from([192, 0, 2, client]),
            server: IpAddr::from([198, 51, 100, 1]),
            client_port: 1_024,
            is_response: true,
            over_tcp: false,
            name,
            query_type: 1,
            opcode: 0,
            response_code: code,
            authoritative: false,
            truncated: false,
            recursion_desired: false,
            records: 0,
            message_bytes: 60,
            unsolicited: false,
            response_us: Some(took_us),
            malformed: false,
        }
    }

    fn measured(answers: &[Dns<'_>], metric: Metric) -> Option<f64> {
        let mut window = Window::default();
        for (n, dns) in answers.iter().enumerate() {
            window.observe(&Observation::Dns(*dns), hash::mix(n as u64));
        }
        window.seal(1.0);
        findings(&window, None, None).observed(metric)
    }

    #[test]
    fn a_zone_that_fails_at_once_is_told_from_one_that_is_waited_for() {
        let zone = |took_us| -> Vec<_> {
            (0..100)
                .map(|n| {
                    let code = if n % 2 == 0 { 2 } else { 0 };
                    let name: &[u8] = if code == 2 { b"www.lost.example" } else { b"www.fine.example" };
                    answer(n, n as u8, name, code, took_us)
                })
                .collect()
        };
        assert_eq!(measured(&zone(400), Metric::DnsBrokenShare), Some(0.5));
        assert_eq!(measured(&zone(400), Metric::DnsBrokenZoneShare), Some(1.0));
        assert!(measured(&zone(400), Metric::DnsBrokenTime).is_some_and(|t| t < 1e3));
        assert!(measured(&zone(2_000_000), Metric::DnsBrokenTime).is_some_and(|t| t > 1e6));
    }

    /// Broke: in a log of all questions and of the answers that failed, what succeeded counted as unanswered, and a
    /// zone that had expired stayed undecided.
    #[test]
    fn where_only_failures_are_told_what_succeeds_is_not_unanswered() {
        let log = |code: u8| -> Vec<_> {
            let name = b"www.lost.example";
            let asked = (0..300).map(|n| Dns { is_response: false, ..answer(n, n as u8, name, 0, 0) });
            let told =
                |n| Dns { response_us: None, ..answer(n, n as u8, name, if n == 0 { code } else { 2 }, 0) };
            asked.chain((0..90).map(told)).collect()
        };
        let shares = |code| {
            [Metric::DnsUnansweredShare, Metric::DnsFailureShare].map(|metric| measured(&log(code), metric))
        };
        assert_eq!(shares(2), [None, Some(0.3)], "only failures");
        assert_eq!(shares(0), [Some(0.7), Some(89.0 / 90.0)], "answers of all kinds");
        let questions: Vec<_> = log(2).into_iter().filter(|dns| !dns.is_response).collect();
        assert_eq!(measured(&questions, Metric::DnsFailureShare), None, "a capture of one direction");
    }

    #[test]
    fn who_asks_a_name_that_is_gone_over_and_over_is_in_a_loop() {
        let gone: Vec<_> = (0..200).map(|n| answer(n, 7, b"billing.corp.example", 3, 300)).collect();
        assert_eq!(measured(&gone, Metric::DnsLoopShare), Some(1.0));
        let names: Vec<String> = (0..3_000).map(|n| format!("{n}.list.example")).collect();
        let list: Vec<_> =
            names.iter().map(|name| Dns { name: name.as_bytes(), ..answer(0, 7, b"", 3, 300) }).collect();
        assert_eq!(
            measured(&list, Metric::DnsLoopShare),
            Some(0.0),
            "a block list is asked for every sender"
        );
        let served: Vec<_> = (0..200).map(|n| answer(n, 7, b"billing.corp.example", 0, 300)).collect();
        assert_eq!(measured(&served, Metric::DnsLoopShare), Some(0.0));
    }
}
