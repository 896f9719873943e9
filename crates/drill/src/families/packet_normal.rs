//! Captures in which nothing is the matter, though much passes; and a network that fails.

use super::packet_base::PacketDraft;
use crate::episode::{Draft, Truth};
use crate::net::{PortPick, SizePick, TalkKind, Targets, payload};
use crate::rng::Rng;
use crate::world::{Envelope, Timing, public_v4};
use seawall_model::Cause;
use seawall_model::change::{Change, ChangeKind};
use std::net::IpAddr;

fn quiet(seed: u64) -> PacketDraft {
    let mut rng = Rng::new(seed);
    let timing = Timing::quiet(&mut rng);
    PacketDraft::empty(seed, timing, rng)
}

fn normal(draft: PacketDraft) -> Draft {
    let truth = Truth::new(Cause::Normal, &draft.timing);
    draft.finish(truth)
}

/// Packets per second so that the episode stays within its budget.
fn packets_per_s(draft: &mut PacketDraft, least: f64) -> f64 {
    let most = (40_000.0 / draft.timing.length_s).max(least * 2.0);
    draft.rng.log_uniform(least, most)
}

/// A bit of everything.
pub(super) fn mixed(seed: u64) -> Draft {
    let mut draft = quiet(seed);
    let per_s = packets_per_s(&mut draft, 5.0);
    draft.usual_traffic(per_s);
    if draft.rng.chance(0.12) {
        draft.sampling = *draft.rng.pick(&[10, 100]);
    }
    normal(draft)
}

/// Calls, games and tunnels: much UDP, both ways.
pub(super) fn calls(seed: u64) -> Draft {
    let mut rng = Rng::new(seed);
    let length_s = rng.log_uniform(5.0, 120.0);
    let timing = Timing::new(&mut rng, 0.0, length_s, 0.0);
    let mut draft = PacketDraft::empty(seed, timing, rng);
    for _ in 0..draft.rng.between(1, 4) {
        let per_s = packets_per_s(&mut draft, 60.0);
        draft.call(per_s);
    }
    if draft.rng.chance(0.6) {
        draft.web(15.0);
    }
    normal(draft)
}

/// QUIC: the web as UDP on port 443.
pub(super) fn quic(seed: u64) -> Draft {
    let mut draft = quiet(seed);
    let per_s = packets_per_s(&mut draft, 40.0);
    let kind = TalkKind::Stream {
        client_gap_ms: draft.rng.uniform(20.0, 90.0),
        server_gap_ms: draft.rng.uniform(5.0, 25.0),
        client_bytes: SizePick::Between(30, 300),
        server_bytes: SizePick::Between(900, 1_330),
        payload: payload::QUIC,
        seconds: draft.rng.uniform(1.0, 8.0),
    };
    let servers = Targets::One(draft.host(10));
    draft.talk(kind, servers, PortPick::Fixed(443), false, per_s / 400.0);
    draft.questions(4.0, 53);
    normal(draft)
}

/// Large files in and out, as backups and updates make them.
pub(super) fn transfers(seed: u64) -> Draft {
    let mut draft = quiet(seed);
    let per_s = packets_per_s(&mut draft, 50.0);
    let upload = draft.rng.chance(0.4);
    let bytes = draft.rng.log_uniform(1e6, 2e7);
    let outward = draft.rng.chance(0.5);
    let servers = if outward {
        Targets::One(IpAddr::V4(public_v4(&mut draft.rng)))
    } else {
        Targets::One(draft.host(10))
    };
    let port = *draft.rng.pick(&[443, 22, 873, 80, 445]);
    let transfers_per_s = (per_s / (bytes / 1_448.0 * 1.5)).max(5.0 / draft.timing.length_s);
    draft.talk(TalkKind::Bulk { upload, bytes }, servers, PortPick::Fixed(port), outward, transfers_per_s);
    if draft.rng.chance(0.5) {
        draft.web(20.0);
    }
    normal(draft)
}

/// A few people open a page: seconds of dozens of connections each.
pub(super) fn page_burst(seed: u64) -> Draft {
    let mut rng = Rng::new(seed);
    let length_s = rng.log_uniform(1.0, 15.0);
    let timing = Timing::new(&mut rng, 0.0, length_s, 0.0);
    let mut draft = PacketDraft::empty(seed, timing, rng);
    let kind = TalkKind::Web { tls: true, requests_mean: 3.0, answer_bytes: 20_000.0, think_s: 0.1 };
    let outward = draft.rng.chance(0.7);
    let servers = if outward {
        Targets::Carpet { base: u32::from(public_v4(&mut draft.rng)) & !0xFF, host_bits: 5 }
    } else {
        Targets::One(draft.host(10))
    };
    let per_s = draft.rng.log_uniform(3.0, 40.0);
    draft.talk(kind, servers, PortPick::Fixed(443), outward, per_s);
    draft.questions(per_s, 53);
    normal(draft)
}

/// A busy resolver or time server among our hosts: thousands of small answers, all asked for.
pub(super) fn busy_questions(seed: u64) -> Draft {
    let mut draft = quiet(seed);
    let per_s = packets_per_s(&mut draft, 20.0);
    let port = *draft.rng.pick(&[53, 53, 123]);
    draft.questions(per_s, port);
    normal(draft)
}

/// Only one direction was captured: every flow looks unanswered. Evaluation only.
pub(super) fn one_sided(seed: u64) -> Draft {
    let mut draft = quiet(seed);
    let per_s = packets_per_s(&mut draft, 40.0);
    draft.usual_traffic(per_s);
    draft.inbound_only = true;
    normal(draft)
}

/// The line loses packets: segments come again, fewer conversations begin.
pub(super) fn lossy(seed: u64) -> Draft {
    let mut rng = Rng::new(seed);
    let timing = Timing::with_lead_in(&mut rng);
    let mut draft = PacketDraft::empty(seed, timing, rng);
    let per_s = draft.rng.log_uniform(60.0, (25_000.0 / timing.length_s).max(120.0));
    draft.usual_traffic(per_s);
    let (from_s, to_s) = (timing.onset_s, timing.end_s);
    let inside = draft.rng.uniform(0.15, 0.6);
    for stream in &mut draft.streams {
        stream.envelope = Envelope::Step { from_s, to_s, inside, outside: 1.0 };
    }
    draft.loss = Envelope::Step { from_s, to_s, inside: draft.rng.uniform(0.08, 0.35), outside: 0.002 };
    if draft.rng.chance(0.25) {
        let time = timing.at(timing.onset_s - draft.rng.uniform(0.5, 10.0));
        draft.changes.push(Change { time, kind: ChangeKind::Network, text: "provider maintenance".into() });
    }
    let truth = Truth::new(Cause::NetworkFault, &timing);
    draft.finish(truth)
}
