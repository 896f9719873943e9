//! Networks that have fallen silent while the others come as ever: whose carrier, or whose way, is broken.
//!
//! Clients are counted by wide network (the first byte of an IPv4 address, and the first two; the first
//! two and four of IPv6), on the sources that both sides have in sight. Evaded by nothing: nobody hides that
//! they are not there. Innocent look-alike: a log so small that a network's absence is chance, hence the
//! least counts; a client network that sleeps, hence it must have been a large part.

use crate::feature::classify::AgentKind;
use crate::feature::http::ClientProfile;
use crate::sketch::Profiles;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Clients of a network, expected in the time that is judged, from which on its silence means something.
const EXPECTED_LEAST: f64 = 5.0;
/// The same of all silent networks together.
const SILENT_LEAST: f64 = 12.0;
/// Of the expected clients, so many at most still come from a silent network.
const SILENT: f64 = 0.15;
/// And at least so many from the others.
const OTHERS: f64 = 0.6;

/// Share of the usual clients that belong to networks from which hardly anybody comes any more; `None` where
/// the others are missing too, or nothing can be said. `part` is the time judged over the time known.
pub(super) fn gone(
    now: &Profiles<ClientProfile>,
    before: &Profiles<ClientProfile>,
    part: f64,
) -> Option<f64> {
    let (seen, usual) = (clients(now, before), clients(before, now));
    let visitors = visitors(before, now);
    let by = |bytes| {
        let counts = |clients: &[IpAddr]| counts(clients, bytes);
        share_gone(&counts(&seen), &counts(&usual), &counts(&visitors), part.min(1.0))
    };
    [by(1), by(2)].into_iter().flatten().max_by(f64::total_cmp)
}

/// Clients of the sources that both sides have in sight.
fn clients(of: &Profiles<ClientProfile>, beside: &Profiles<ClientProfile>) -> Vec<IpAddr> {
    of.beside(beside).into_iter().filter_map(|(_, p)| p.client).collect()
}

/// Those of them that are no machines which watch a service, or tell it of events: such come and go all at
/// once, when somebody sets them up.
fn visitors(of: &Profiles<ClientProfile>, beside: &Profiles<ClientProfile>) -> Vec<IpAddr> {
    let visitors = of.beside(beside).into_iter().filter(|(_, p)| !p.is(AgentKind::Service));
    visitors.filter_map(|(_, p)| p.client).collect()
}

/// Clients by network.
fn counts(clients: &[IpAddr], bytes: u32) -> BTreeMap<u64, f64> {
    let mut counts = BTreeMap::new();
    for client in clients {
        *counts.entry(network(*client, bytes)).or_default() += 1.0;
    }
    counts
}

fn network(client: IpAddr, bytes: u32) -> u64 {
    match client {
        IpAddr::V4(v4) => u64::from(u32::from(v4) >> (32 - 8 * bytes)),
        IpAddr::V6(v6) => (u128::from(v6) >> (128 - 16 * bytes)) as u64 | 1 << 63,
    }
}

fn share_gone(
    seen: &BTreeMap<u64, f64>,
    usual: &BTreeMap<u64, f64>,
    visitors: &BTreeMap<u64, f64>,
    part: f64,
) -> Option<f64> {
    let (mut gone, mut others, mut others_seen) = (0.0, 0.0, 0.0);
    for (network, clients) in usual {
        let expected = clients * part;
        let come = seen.get(network).copied().unwrap_or(0.0);
        if expected >= EXPECTED_LEAST && come <= SILENT * expected {
            gone += visitors.get(network).copied().unwrap_or(0.0) * part;
        } else {
            others += expected;
            others_seen += come;
        }
    }
    let holds = others >= SILENT_LEAST && others_seen >= OTHERS * others;
    holds.then(|| if gone >= SILENT_LEAST { gone / (gone + others) } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_model::hash;

    /// A hundred clients of each of some networks.
    fn from(networks: &[u8], each: u8) -> Profiles<ClientProfile> {
        let mut profiles = Profiles::default();
        for network in networks {
            for host in 0..each {
                let client = IpAddr::from([*network, 7, 1, host]);
                if let Some(p) = profiles.entry(hash::address(client)) {
                    *p = ClientProfile { client: Some(client), requests: 1, ..ClientProfile::default() };
                }
            }
        }
        profiles
    }

    #[test]
    fn a_silent_carrier_is_told_from_a_night() {
        let usual = from(&[37, 79, 84, 91, 188], 60);
        assert!(gone(&from(&[84, 91, 188], 60), &usual, 1.0).is_some_and(|share| (share - 0.4).abs() < 0.01));
        assert_eq!(gone(&from(&[37, 79, 84, 91, 188], 10), &usual, 1.0), None);
        assert_eq!(gone(&usual, &usual, 1.0), Some(0.0));
    }

    /// Broke: the calm before probes were set up was called a broken way.
    #[test]
    fn machines_that_watch_and_stop_are_no_silent_carrier() {
        let mut usual = from(&[37, 79, 84, 91, 188], 60);
        usual.for_each(|p| {
            let watches = matches!(p.client, Some(IpAddr::V4(v4)) if [37, 79].contains(&v4.octets()[0]));
            p.agent = Some(if watches { AgentKind::Service } else { AgentKind::Browser } as u8);
        });
        assert_eq!(gone(&from(&[84, 91, 188], 60), &usual, 1.0), Some(0.0));
    }
}
