//! `seawall guard --dns` and `[[dns]]`: fronts of name servers become DNS edges.

use crate::config::GuardConfig;
use crate::config::dns::{DnsConfig, ZoneConfig};
use crate::config::reroute::RerouteConfig;
use crate::guard::clock;
use crate::guard::dns::DnsControl;
use crate::guard::dns_kernel::KernelAnswers;
use crate::guard::packets::Packets;
use crate::guard::store::Store;
use crate::reroute::watch::Watch;
use anyhow::Context;
use seawall_dns_edge::{Edge, Settings, Tls};
use seawall_http_edge::tls::Certificates;
use seawall_model::policy::{Mode, Policy};
use std::path::Path;
use std::sync::Arc;

/// Said where the kernel answers.
pub const ANSWERED_IN_KERNEL: &str = "DNS questions that many ask are answered by XDP";
/// Places for answers in the kernel, whatever the fronts may ask for together.
const MOST_PLACES: u32 = 65_536;

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
            zones: front.zones.iter().map(ZoneConfig::source).collect::<Result<_, _>>()?,
            limits: front.limits,
            threads,
            enforce: policy.mode == Mode::Enforce,
        };
        let edge = Edge::start(settings, clock::now(), secret)?;
        let folder = state.map(|s| s.join(format!("dns-{number}")));
        let opened = folder.map(|f| Store::open_if_room(&f, policy, None)).transpose()?;
        let store = opened.and_then(|o| o.store);
        all.push(DnsControl::new(edge, policy.clone(), store, certificates));
    }
    Ok(all)
}

/// Places in the kernel for the answers of all fronts.
#[must_use]
pub fn places(fronts: &[DnsConfig]) -> u32 {
    let all = fronts.iter().map(|front| front.limits.kernel_answers).sum::<u64>();
    u32::try_from(all).unwrap_or(u32::MAX).min(MOST_PLACES)
}

/// What the kernel is to answer, if there is a filter and it can.
///
/// # Errors
/// Why it does not, although it was to.
pub fn answers_in_kernel(
    packets: Option<&mut Packets>,
    guard: &GuardConfig,
    dns: &[DnsControl],
) -> Result<Option<KernelAnswers>, String> {
    let (Some(packets), Some(interface)) = (packets, &guard.interface) else { return Ok(None) };
    let Some(tables) = packets.take_dns()? else { return Ok(None) };
    let fronts: Vec<&Edge> = dns.iter().map(DnsControl::edge).collect();
    let limit = places(&guard.dns) as usize;
    KernelAnswers::start(tables, interface, limit, &fronts).map(Some).map_err(|e| e.to_string())
}

/// Keeps the providers ready that zones can be rerouted to.
///
/// # Errors
/// If a key cannot be read, or the system has no more threads.
pub fn keep_ready(guard: &GuardConfig) -> anyhow::Result<Option<Watch>> {
    let plans = guard.reroute.iter().map(RerouteConfig::plan).collect::<anyhow::Result<Vec<_>>>()?;
    if plans.is_empty() {
        return Ok(None);
    }
    let watch = Watch::start(plans, guard.state_folder.as_deref());
    watch.map(Some).context("cannot keep providers of name service ready")
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
