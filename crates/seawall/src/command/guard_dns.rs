//! `seawall guard --dns` and `[[dns]]`: fronts of name servers become DNS edges.

use crate::config::dns::DnsConfig;
use crate::guard::clock;
use crate::guard::dns::DnsControl;
use crate::guard::store::Store;
use anyhow::Context;
use seawall_dns_edge::{Edge, Settings, Tls};
use seawall_http_edge::tls::Certificates;
use seawall_model::policy::{Mode, Policy};
use std::path::Path;
use std::sync::Arc;

/// Starts an edge for each front.
///
/// # Errors
/// If it cannot listen, its certificates are none, or its folder cannot be made.
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
        let certificates = match &front.certificates[..] {
            [] => None,
            files => Some(Certificates::load(files.to_vec())?),
        };
        let settings = Settings {
            tls: certificates.as_ref().map(|certificates| tls(front, certificates)),
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
        all.push(DnsControl::new(edge, policy.clone(), store, certificates));
    }
    Ok(all)
}

/// What a front shows to those who come over TLS (RFC 7858).
fn tls(front: &DnsConfig, certificates: &Certificates) -> Tls {
    let mut config = (*certificates.config()).clone();
    config.alpn_protocols = vec![b"dot".to_vec()];
    Tls { listeners: front.tls_listen.clone(), config: Arc::new(config) }
}

/// Tells where the edges listen.
///
/// # Errors
/// If nobody reads it.
pub fn greet(all: &[DnsControl], out: &mut dyn std::io::Write) -> anyhow::Result<()> {
    for control in all {
        let names: Vec<&str> = control.edge().backends().map(|(name, _)| name).collect();
        let plain = control.edge().settings().listeners.len();
        for (number, address) in control.edge().addresses().iter().enumerate() {
            let scheme = if number < plain { "dns" } else { "dot" };
            writeln!(out, "guarding {scheme}://{address} in front of {}", names.join(", "))
                .context("cannot write")?;
        }
    }
    Ok(())
}
