//! Where the traffic comes from: the addresses to look up, and the countries and networks ranked.

use crate::engine::Engine;
use seawall_detection::Window;
use seawall_model::finding::{Ranked, Rankings};
use seawall_model::place::{Place, Places};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Values listed per dimension.
const LISTED: usize = 10;

/// The addresses of every record that signatures and rankings may be made of, each once.
pub(crate) fn addresses(engine: &Engine) -> Vec<IpAddr> {
    let episodes = engine.concluded.iter().map(|c| &c.during);
    let open =
        engine.episode.iter().flat_map(|e| std::iter::once(&e.during).chain(e.tail.iter().map(|(_, w)| w)));
    let recent = engine.ring.iter().map(|(_, w)| w).chain(engine.second.iter().map(|(_, w)| w));
    let mut all: Vec<IpAddr> = [&engine.quiet, &engine.dropped]
        .into_iter()
        .chain(engine.baseline.iter())
        .chain(episodes)
        .chain(open)
        .chain(recent)
        .flat_map(senders)
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Adds the dimensions `country` and `network number`, where any place is known.
pub(crate) fn rank(rankings: &mut Rankings, during: &Window, reference: Option<&Window>, places: &Places) {
    if places.is_empty() {
        return;
    }
    let now = senders(during);
    let before = reference.map(senders).unwrap_or_default();
    let country = |p: &Place| p.country.clone();
    let number = |p: &Place| p.network_number.map(|n| format!("AS{n}"));
    let mut add = |name: &str, value: &dyn Fn(&Place) -> Option<String>| {
        let shares = |addresses: &[IpAddr]| -> BTreeMap<String, f64> {
            let mut counted = BTreeMap::new();
            for name in addresses.iter().filter_map(|a| places.get(*a)).filter_map(value) {
                *counted.entry(name).or_insert(0.0) += 1.0 / addresses.len() as f64;
            }
            counted
        };
        let normal = shares(&before);
        let usual = |name: &str| (!before.is_empty()).then(|| normal.get(name).copied().unwrap_or(0.0));
        let mut ranked: Vec<Ranked> = shares(&now)
            .into_iter()
            .map(|(name, share)| Ranked { baseline_share: usual(&name), name, share })
            .collect();
        ranked.sort_by(|a, b| b.share.total_cmp(&a.share).then_with(|| a.name.cmp(&b.name)));
        ranked.truncate(LISTED);
        if !ranked.is_empty() {
            rankings.dimensions.push((name.to_owned(), ranked));
        }
    };
    add("country", &country);
    add("network number", &number);
}

/// The senders of a window's sampled records, once for each record.
fn senders(window: &Window) -> Vec<IpAddr> {
    let requests = window.http.as_ref().map(|h| h.records()).unwrap_or_default();
    let packets = window.net.as_ref().map(|n| n.records()).unwrap_or_default();
    let queries = window.dns.as_ref().map(|d| d.asked_records()).unwrap_or_default();
    let clients = requests.iter().map(|r| r.client).chain(queries.iter().map(|d| d.client));
    clients.chain(packets.iter().map(|p| p.source)).collect()
}
