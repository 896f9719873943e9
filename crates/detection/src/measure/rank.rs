//! Who and what, in names: the heaviest values of each dimension.

use super::is_guesser;
use crate::Window;
use crate::feature::net::NetWindow;
use crate::feature::service;
use crate::feature::{LoginProfile, LoginWindow};
use seawall_model::finding::{PROVEN_LISTED, Ranked, Rankings};
use seawall_model::record::{DnsRecord, PacketRecord, RequestRecord};
use seawall_model::signature::{flag_names, protocol_name};
use seawall_model::text::{path_template, referrer_origin};
use seawall_model::{Prefix, address, dns_type};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Fewer slow connections are those of a few bad lines.
const HELD_LEAST: u32 = 10;
/// Values listed per dimension.
const LISTED: usize = 10;

/// Ranks the disturbed window's dimensions, with shares in the reference where there is one.
#[must_use]
pub fn rankings(during: &Window, reference: Option<&Window>) -> Rankings {
    let mut rankings = Rankings::default();
    let requests = during.http.as_ref().map(|h| h.records()).unwrap_or_default();
    let normal = reference.and_then(|r| r.http.as_ref()).map(|h| h.records()).unwrap_or_default();
    for (name, value) in REQUEST_DIMENSIONS {
        add(&mut rankings, name, &requests, &normal, value);
    }
    let packets = during.net.as_ref().map(|n| flood_records(n)).unwrap_or_default();
    let normal = reference.and_then(|r| r.net.as_ref()).map(|n| asking(n.records())).unwrap_or_default();
    if let Some(holders) = during.net.as_ref().map(|n| holders(n)).filter(|h| !h.is_empty()) {
        rankings.dimensions.push(("slow source".to_owned(), holders));
    }
    for (name, value) in PACKET_DIMENSIONS {
        add(&mut rankings, name, &packets, &normal, value);
    }
    let names = during.dns.as_ref().map(|d| d.asked_records()).unwrap_or_default();
    let normal = reference.and_then(|r| r.dns.as_ref()).map(|d| d.asked_records()).unwrap_or_default();
    for (name, value) in DNS_DIMENSIONS {
        add(&mut rankings, name, &names, &normal, value);
    }
    // A log of log-ins is all that tells of those who guess there.
    if let Some(logins) = during.logins.as_ref().filter(|_| requests.is_empty() && packets.is_empty()) {
        let guessers = guessers(logins, reference.and_then(|r| r.logins.as_deref()));
        if !guessers.is_empty() {
            rankings.dimensions.push(("source".to_owned(), guessers));
        }
    }
    rankings.proven_sources = proven(during);
    rankings
}

/// One-way packets where they are the bulk, else all.
fn flood_records(net: &NetWindow) -> Vec<PacketRecord> {
    if net.volumes.two_way.packets * 2 < net.volumes.all.packets {
        net.one_way_records()
    } else {
        asking(net.records())
    }
}

/// Without what servers send back: who is asked is no source of what happens to it.
fn asking(mut records: Vec<PacketRecord>) -> Vec<PacketRecord> {
    let is_servers = |port: u16| service::is_service_port(port) || service::is_web_port(port);
    records.retain(|r| !(r.two_way && is_servers(r.source_port) && !is_servers(r.destination_port)));
    records
}

/// Who holds connections by requests that never end or answers that are hardly read, with the share of them.
fn holders(net: &NetWindow) -> Vec<Ranked> {
    let sorted = net.hosts.sorted();
    let mut held: Vec<(u32, IpAddr)> =
        sorted.iter().filter_map(|(_, h)| Some((h.slow, h.address?))).filter(|(n, _)| *n > 0).collect();
    held.sort_unstable_by_key(|(n, host)| (std::cmp::Reverse(*n), *host));
    let all: u32 = held.iter().map(|(n, _)| n).sum();
    let ranked = |(n, host): &(u32, IpAddr)| Ranked {
        share: f64::from(*n) / f64::from(all),
        baseline_share: None,
        name: host.to_string(),
    };
    if all >= HELD_LEAST { held.iter().take(LISTED).map(ranked).collect() } else { Vec::new() }
}

/// Who fails to log in again and again, with the share of all failures, and of those before.
fn guessers(logins: &LoginWindow, before: Option<&LoginWindow>) -> Vec<Ranked> {
    let normal = before.map(|before| failure_shares(before, |_| true));
    let mut ranked: Vec<Ranked> = failure_shares(logins, is_guesser)
        .into_iter()
        .map(|(client, share)| Ranked {
            name: client.to_string(),
            share,
            baseline_share: normal.as_ref().map(|normal| normal.get(&client).copied().unwrap_or(0.0)),
        })
        .collect();
    ranked.sort_by(|a, b| b.share.total_cmp(&a.share));
    ranked.truncate(LISTED);
    ranked
}

/// What part of all failures is of each of these clients.
fn failure_shares(logins: &LoginWindow, wanted: fn(&LoginProfile) -> bool) -> BTreeMap<IpAddr, f64> {
    let sorted = logins.clients.sorted();
    let all: f64 = sorted.iter().map(|(_, p)| f64::from(p.in_vain())).sum();
    let chosen = sorted.iter().map(|(_, p)| p).filter(|p| wanted(p));
    chosen.filter_map(|p| Some((p.client?, f64::from(p.in_vain()) / all.max(1.0)))).collect()
}

type Dimension<R> = (&'static str, fn(&R) -> Option<String>);

const REQUEST_DIMENSIONS: [Dimension<RequestRecord>; 9] = [
    ("client", |r| Some(if r.client_name.is_empty() { r.client.to_string() } else { r.client_name.clone() })),
    ("client network", |r| (!address::is_named(r.client)).then(|| Prefix::network_of(r.client).to_string())),
    ("user agent", |r| Some(or_none(&r.user_agent))),
    ("tls fingerprint", |r| (!r.ja4.is_empty()).then(|| r.ja4.clone())),
    ("host", |r| (!r.host.is_empty()).then(|| r.host.clone())),
    ("path", |r| Some(path_template(&r.path))),
    ("status", |r| (r.status != 0).then(|| r.status.to_string())),
    ("method", |r| Some(format!("{} {}", r.method.as_str(), r.version.as_str()))),
    ("referrer", |r| {
        let origin = referrer_origin(&r.referrer);
        (!origin.is_empty()).then(|| origin.to_owned())
    }),
];

const PACKET_DIMENSIONS: [Dimension<PacketRecord>; 7] = [
    ("source", |r| Some(r.source.to_string())),
    ("source network", |r| Some(Prefix::network_of(r.source).to_string())),
    ("source port", |r| {
        (r.source_port != 0).then(|| format!("{}/{}", protocol_name(r.protocol), r.source_port))
    }),
    ("destination", |r| Some(r.destination.to_string())),
    ("destination port", |r| {
        (r.destination_port != 0).then(|| format!("{}/{}", protocol_name(r.protocol), r.destination_port))
    }),
    ("packet length", |r| Some(format!("{} bytes", r.length_bytes))),
    ("tcp flags", |r| (r.protocol == 6).then(|| flag_names(r.tcp_flags))),
];

const DNS_DIMENSIONS: [Dimension<DnsRecord>; 3] = [
    ("dns client", |r| Some(r.client.to_string())),
    ("dns name", |r| Some(or_none(&r.name))),
    ("dns type", |r| Some(dns_type::name(r.query_type).into_owned())),
];

fn or_none(text: &str) -> String {
    if text.is_empty() { "(none)".to_owned() } else { text.to_owned() }
}

fn add<R>(rankings: &mut Rankings, name: &str, now: &[R], before: &[R], value: fn(&R) -> Option<String>) {
    let counted = counts(now, value);
    if counted.is_empty() {
        return;
    }
    let normal = counts(before, value);
    let ranked = counted
        .into_iter()
        .take(LISTED)
        .map(|(name, count)| {
            let baseline = normal.iter().find(|(n, _)| *n == name).map_or(0, |(_, c)| *c);
            Ranked {
                share: count as f64 / now.len() as f64,
                baseline_share: (!before.is_empty()).then(|| baseline as f64 / before.len() as f64),
                name,
            }
        })
        .collect();
    rankings.dimensions.push((name.to_owned(), ranked));
}

/// Values and how often they occur, commonest first, equal ones by name.
fn counts<R>(records: &[R], value: fn(&R) -> Option<String>) -> Vec<(String, usize)> {
    let mut values: Vec<String> = records.iter().filter_map(value).collect();
    values.sort_unstable();
    let mut counted: Vec<(String, usize)> =
        values.chunk_by(|a, b| a == b).map(|run| (run[0].clone(), run.len())).collect();
    counted.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    counted
}

/// Sources that cannot be forged: they completed a handshake or sent a whole request.
fn proven(window: &Window) -> Vec<IpAddr> {
    let mut real: Vec<IpAddr> = Vec::new();
    if let Some(http) = &window.http {
        real.extend(
            http.profiles.sorted().iter().filter_map(|(_, p)| p.client).filter(|c| !address::is_named(*c)),
        );
    }
    if let Some(net) = &window.net {
        real.extend(
            net.hosts.sorted().iter().filter(|(_, h)| h.established > 0).filter_map(|(_, h)| h.address),
        );
    }
    if let Some(logins) = &window.logins {
        real.extend(logins.clients.sorted().iter().filter_map(|(_, p)| p.client));
    }
    real.sort_unstable();
    real.dedup();
    real.truncate(PROVEN_LISTED);
    real
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_model::Timestamp;
    use seawall_model::observation::{Login, Observation};

    /// Broke: of guesses at passwords that a log of log-ins showed nobody was told who sent them, and there was
    /// no rule against them.
    #[test]
    fn who_guesses_passwords_is_ranked_by_failures() {
        let mut window = Window::default();
        let mut log_in = |client: [u8; 4], times: i64, succeeded: bool| {
            for second in 0..times {
                let time = Timestamp::from_seconds(1_700_000_000 + second);
                let login = Login {
                    time,
                    client: client.into(),
                    succeeded,
                    challenged: false,
                    service: "ssh",
                    user: b"root",
                };
                window.observe(&Observation::Login(login), 1);
            }
        };
        log_in([198, 51, 100, 7], 30, false);
        log_in([198, 51, 100, 8], 9, false);
        log_in([192, 0, 2, 1], 1, false);
        log_in([192, 0, 2, 1], 5, true);
        let rankings = rankings(&window, None);
        let named: Vec<(&str, f64)> =
            rankings.of("source").iter().map(|r| (r.name.as_str(), (r.share * 40.0).round())).collect();
        assert_eq!(named, [("198.51.100.7", 30.0), ("198.51.100.8", 9.0)], "who only mistypes is not named");
    }
}
