//! `seawall guard --dns` and `[[dns]]`: fronts of name servers become DNS edges.

use crate::config::GuardConfig;
use crate::config::dns::{DnsConfig, ZoneConfig};
use crate::config::reroute::RerouteConfig;
use crate::guard::clock;
use crate::guard::dns::DnsControl;
use crate::guard::dns_kernel::KernelAnswers;
use crate::guard::packets::Packets;
use crate::guard::store::{Opened, StateFolder, Store};
use crate::reroute::watch::Watch;
use anyhow::Context;
use seawall_dns_edge::{Edge, Limits, Settings, Tls};
use seawall_http_edge::tls::Certificates;
use seawall_model::policy::{Mode, Policy};
use std::sync::Arc;

/// Said where the kernel answers.
pub const ANSWERED_IN_KERNEL: &str = "DNS questions that many ask are answered by XDP";
/// Places for answers in the kernel, whatever the fronts may ask for together.
const MOST_PLACES: u32 = 65_536;

/// Fronts that have started, and what their folders had to say.
#[derive(Default)]
pub struct Started {
    pub fronts: Vec<DnsControl>,
    /// Incidents that had been cut off.
    pub cut_off: Vec<String>,
    /// Why nothing of a front is recorded.
    pub no_room: Vec<String>,
}

/// Starts an edge for each front.
///
/// # Errors
/// If it cannot listen, its certificates are none, or its folder cannot be made.
pub fn start(
    fronts: &[DnsConfig],
    threads: Option<usize>,
    policy: &Policy,
    state: Option<&StateFolder>,
    secret: &[u8; 32],
) -> anyhow::Result<Started> {
    let threads = threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let mut started = Started::default();
    for (number, front) in fronts.iter().enumerate() {
        let certificates = match &front.certificates[..] {
            [] => None,
            files => Some(Certificates::load(files.to_vec())?),
        };
        let tls = certificates.as_ref().map(|certificates| tls(front, certificates));
        let settings = Settings { tls, threads, ..settings(front, policy)? };
        let edge = Edge::start(settings, clock::now(), secret)?;
        let own = state.map(|s| StateFolder { path: s.path.join(format!("dns-{number}")), ..*s });
        let Opened { store, cut_off, no_room } = Store::open_if_room(own.as_ref(), policy, None)?;
        started.fronts.push(DnsControl::new(edge, policy.clone(), store, certificates));
        started.cut_off.extend(cut_off);
        started.no_room.extend(no_room);
    }
    Ok(started)
}

/// What an edge works by, without TLS and with one thread.
fn settings(front: &DnsConfig, policy: &Policy) -> anyhow::Result<Settings> {
    Ok(Settings {
        tls: None,
        listeners: front.listen.clone(),
        pools: front.pools.clone(),
        zones: front.zones.iter().map(ZoneConfig::source).collect::<Result<_, _>>()?,
        limits: front.limits,
        threads: 1,
        enforce: policy.mode == Mode::Enforce,
    })
}

/// What the fronts that run are to work by from now on, each in its place, and the configuration
/// that is in force then: what a front listens on, and the size of its tables, stay.
///
/// # Errors
/// If a key cannot be read.
pub fn changed(
    present: &[DnsConfig],
    wanted: &[DnsConfig],
    policy: &Policy,
) -> anyhow::Result<(Vec<Settings>, Vec<DnsConfig>)> {
    let kept: Vec<DnsConfig> = present
        .iter()
        .map(|front| {
            let Some(same) = wanted.iter().find(|other| is_same(front, other)) else { return front.clone() };
            let mut same = same.clone();
            same.certificates.clone_from(&front.certificates);
            sized_as(&mut same.limits, &front.limits);
            same
        })
        .collect();
    let settings = kept.iter().map(|front| settings(front, policy)).collect::<Result<_, _>>()?;
    Ok((settings, kept))
}

/// What of the fronts of name servers waits for the next start.
#[must_use]
pub fn unchanged(present: &[DnsConfig], wanted: &[DnsConfig]) -> Vec<String> {
    let mut notes = Vec::new();
    let has = |all: &[DnsConfig], front| all.iter().any(|other| is_same(front, other));
    if present.len() != wanted.len() || !present.iter().all(|front| has(wanted, front)) {
        notes.push("what [[dns]] listens on stays as it was until the next start".to_owned());
    }
    let differs = |front: &DnsConfig, other: &DnsConfig| {
        let mut sized = other.limits;
        sized_as(&mut sized, &front.limits);
        sized != other.limits || front.certificates != other.certificates
    };
    let pairs = present.iter().filter_map(|front| Some((front, wanted.iter().find(|o| is_same(front, o))?)));
    if pairs.into_iter().any(|(front, other)| differs(front, other)) {
        let names = "cache-bytes, learnt-names, kernel-answers and certificates";
        notes.push(format!("{names} of [[dns]] stay as they were until the next start"));
    }
    notes
}

/// Whether two are the same front: by where they listen.
fn is_same(front: &DnsConfig, other: &DnsConfig) -> bool {
    front.listen == other.listen && front.tls_listen == other.tls_listen
}

/// The size of tables is what it was at the start.
fn sized_as(limits: &mut Limits, present: &Limits) {
    limits.cache_bytes = present.cache_bytes;
    limits.learnt_names = present.learnt_names;
    limits.kernel_answers = present.kernel_answers;
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
