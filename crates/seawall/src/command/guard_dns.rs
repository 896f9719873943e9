//! `seawall guard --dns` and `[[dns]]`: fronts of name servers become DNS edges.

use crate::config::dns::DnsConfig;
use crate::guard::clock;
use crate::guard::dns::DnsControl;
use crate::guard::store::Store;
use anyhow::Context;
use seawall_dns_edge::{Edge, Settings};
use seawall_model::policy::{Mode, Policy};
use std::path::Path;

/// Starts an edge for each front.
///
/// # Errors
/// If it cannot listen, or its folder cannot be made.
pub fn start(
    fronts: &[DnsConfig],
    threads: Option<usize>,
    policy: &Policy,
    state: Option<&Path>,
    secret: &[u8; 32],
) -> anyhow::Result<Vec<DnsControl>> {
    let threads = threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let mut all = Vec::new();
    for (number, front) in fronts.iter().enumerate() {
        let settings = Settings {
            listeners: front.listen.clone(),
            pools: front.pools.clone(),
            zones: front.zones.clone(),
            limits: front.limits,
            threads,
            enforce: policy.mode == Mode::Enforce,
        };
        let edge = Edge::start(settings, clock::now(), secret)?;
        let folder = state.map(|s| s.join(format!("dns-{number}")));
        let store = folder.map(|f| Store::open(&f, policy).map(|(store, _)| store)).transpose()?;
        all.push(DnsControl::new(edge, policy.clone(), store));
    }
    Ok(all)
}

/// Tells where the edges listen.
///
/// # Errors
/// If nobody reads it.
pub fn greet(all: &[DnsControl], out: &mut dyn std::io::Write) -> anyhow::Result<()> {
    for control in all {
        let names: Vec<&str> = control.edge().backends().map(|(name, _)| name).collect();
        for address in control.edge().addresses() {
            writeln!(out, "guarding dns://{address} in front of {}", names.join(", "))
                .context("cannot write")?;
        }
    }
    Ok(())
}
