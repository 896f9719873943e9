//! Hostile traffic that needs real connections, seen as packets.

use super::packet_base::PacketDraft;
use super::packet_flood::{draft, hosts};
use crate::episode::{Draft, Truth};
use crate::net::{Clients, PortPick, Sources, StreamKind, Talk, TalkKind, Targets, payload};
use crate::rng::Rng;
use crate::world::{Timing, public_v4};
use seawall_model::Cause;
use std::net::IpAddr;

/// Connections are counted by a flow table, so they are neither sampled nor one-sided.
fn whole(seed: u64, alone: f64) -> PacketDraft {
    let mut draft = draft(seed, alone);
    draft.sampling = 1;
    draft.inbound_only = false;
    draft
}

fn hostile(draft: &mut PacketDraft, kind: TalkKind, clients: Sources, port: u16, per_s: f64) {
    let talk = Talk {
        kind,
        clients: Clients::These(clients),
        servers: Targets::One(draft.host(10)),
        port: PortPick::Fixed(port),
        outward: false,
        rtt_ms: (8.0, 250.0),
    };
    let envelope = draft.on();
    draft.unwanted(StreamKind::Talk(talk), per_s, envelope);
}

fn finish(draft: PacketDraft, cause: Cause, vectors: &[&'static str], also: &[Cause]) -> Draft {
    let truth = Truth::new(cause, &draft.timing).vectors(vectors).or(also);
    draft.finish(truth)
}

/// Connections for their own sake: completed, then empty or dropped.
pub(super) fn connections(seed: u64) -> Draft {
    let mut draft = whole(seed, 0.25);
    let sources = hosts(&mut draft, 3.0, 3_000.0);
    let per_s = draft.flood_per_s() / 6.0;
    let seconds = draft.rng.log_uniform(0.05, 60.0).min(draft.timing.trouble_s() / 2.0);
    let port = *draft.rng.pick(&[80, 443, 22, 25_565]);
    hostile(&mut draft, TalkKind::HoldOpen { seconds }, sources, port, per_s);
    finish(draft, Cause::ConnectionFlood, &[], &[])
}

/// Handshakes that cost the server its arithmetic, and nothing after them.
pub(super) fn tls(seed: u64) -> Draft {
    let mut draft = whole(seed, 0.25);
    let sources = hosts(&mut draft, 2.0, 3_000.0);
    let per_s = draft.flood_per_s() / 9.0;
    hostile(&mut draft, TalkKind::Hello, sources, 443, per_s);
    finish(draft, Cause::TlsFlood, &[], &[])
}

/// Headers or bodies crumb by crumb.
pub(super) fn trickles(seed: u64) -> Draft {
    let mut rng = Rng::new(seed);
    let timing = slow_timing(&mut rng);
    let mut draft = PacketDraft::new(seed, timing, rng);
    let sources = hosts(&mut draft, 1.0, 400.0);
    let seconds = draft.rng.log_uniform(20.0, 120.0);
    let gap_s = draft.rng.log_uniform(1.0, 12.0);
    let connections = draft.rng.log_uniform(100.0, 2_500.0);
    let body = draft.rng.chance(0.35);
    let per_s = slow_per_s(&draft, connections, gap_s, seconds);
    hostile(&mut draft, TalkKind::Trickle { gap_s, body, seconds }, sources, 80, per_s);
    finish(draft, Cause::SlowHttp, &[], &[])
}

/// Answers taken in the smallest sips.
pub(super) fn sips(seed: u64) -> Draft {
    let mut rng = Rng::new(seed);
    let timing = slow_timing(&mut rng);
    let mut draft = PacketDraft::new(seed, timing, rng);
    let sources = hosts(&mut draft, 1.0, 400.0);
    let seconds = draft.rng.log_uniform(20.0, 120.0);
    let gap_s = draft.rng.log_uniform(0.8, 6.0);
    let connections = draft.rng.log_uniform(100.0, 2_000.0);
    let per_s = slow_per_s(&draft, connections, gap_s, seconds);
    hostile(&mut draft, TalkKind::SlowRead { gap_s, seconds }, sources, 80, per_s);
    finish(draft, Cause::SlowHttp, &[], &[])
}

/// New connections per second, so that so many are open after a while and the packets stay
/// within a budget.
fn slow_per_s(draft: &PacketDraft, connections: f64, gap_s: f64, seconds: f64) -> f64 {
    let trouble_s = draft.timing.trouble_s();
    let packets_each = 8.0 + seconds.min(trouble_s / 2.0) / gap_s * 2.0;
    (connections / 15.0).min(60_000.0 / trouble_s / packets_each)
}

fn slow_timing(rng: &mut Rng) -> Timing {
    let lead_s = if rng.chance(0.2) { 0.0 } else { rng.uniform(15.0, 80.0) };
    let trouble_s = rng.uniform(40.0, 110.0);
    Timing::new(rng, lead_s, trouble_s, 0.0)
}

/// Passwords for a terminal, a mailbox or a desktop.
pub(super) fn guessing(seed: u64) -> Draft {
    let mut rng = Rng::new(seed);
    let timing = slow_timing(&mut rng);
    let mut draft = PacketDraft::new(seed, timing, rng);
    let is_single = draft.rng.chance(0.6);
    let sources = if is_single { hosts(&mut draft, 1.0, 1.5) } else { hosts(&mut draft, 20.0, 300.0) };
    let port = *draft.rng.pick(&[22, 22, 22, 21, 3_389, 993, 5_900]);
    let per_s = draft.rng.log_uniform(0.6, 15.0);
    hostile(&mut draft, TalkKind::Guess { port_payload: payload::SSH_DATA }, sources, port, per_s);
    let vector = if is_single { "single-source" } else { "distributed" };
    finish(draft, Cause::CredentialAbuse, &[vector], &[])
}

/// One machine tries the ports of one host.
pub(super) fn port_scan(seed: u64) -> Draft {
    let mut draft = whole(seed, 0.35);
    let target = draft.host(10);
    scan(&mut draft, Targets::One(target), PortPick::Any);
    finish(draft, Cause::Scan, &[], &[])
}

/// One machine tries a port on every host.
pub(super) fn host_sweep(seed: u64) -> Draft {
    let mut draft = whole(seed, 0.35);
    let port = *draft.rng.pick(&[22, 23, 445, 3_389, 6_379, 8_080]);
    let targets = Targets::Carpet { base: draft.base, host_bits: 8 };
    scan(&mut draft, targets, PortPick::Fixed(port));
    finish(draft, Cause::Scan, &[], &[])
}

fn scan(draft: &mut PacketDraft, servers: Targets, port: PortPick) {
    let least = (60.0 / draft.timing.trouble_s()).max(3.0);
    let per_s = draft.rng.log_uniform(least, least.max(1.0) * 40.0).min(600.0);
    let kind = TalkKind::Probe {
        open_share: draft.rng.uniform(0.0, 0.05),
        refused_share: draft.rng.uniform(0.1, 0.95),
    };
    let source = IpAddr::V4(public_v4(&mut draft.rng));
    let talk = Talk {
        kind,
        clients: Clients::These(Sources::List(vec![source])),
        servers,
        port,
        outward: false,
        rtt_ms: (8.0, 250.0),
    };
    let envelope = draft.on();
    draft.unwanted(StreamKind::Talk(talk), per_s, envelope);
}
