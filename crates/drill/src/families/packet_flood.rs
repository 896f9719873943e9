//! Floods of packets.

use super::packet_base::PacketDraft;
use crate::episode::{Draft, Truth};
use crate::net::{AMPLIFIERS, Answer, Flood, FloodKind, PortPick, SizePick, Sources, StreamKind, Targets};
use crate::rng::Rng;
use crate::world::{Timing, public_v4};
use seawall_model::Cause;
use seawall_model::observation::tcp_flags::SYN;
use std::net::IpAddr;

/// A draft with or without background and lead-in.
fn draft(seed: u64, alone: f64) -> PacketDraft {
    let mut rng = Rng::new(seed);
    let timing = Timing::any(&mut rng, alone);
    if timing.onset_s == 0.0 && rng.chance(0.6) {
        return PacketDraft::empty(seed, timing, rng);
    }
    PacketDraft::new(seed, timing, rng)
}

/// SYNs from addresses that nobody has.
pub(super) fn syn_spoofed(seed: u64) -> Draft {
    let mut draft = draft(seed, 0.4);
    let per_s = draft.flood_per_s();
    let port = *draft.rng.pick(&[80, 443, 22, 25, 25_565, 8_080, 53, 3_306]);
    let kind = syn(&mut draft.rng, PortPick::Fixed(port));
    let answer =
        if draft.rng.chance(0.5) { Answer::Nothing } else { Answer::SynAck(draft.rng.uniform(0.05, 1.0)) };
    let flood = Flood {
        kind,
        sources: Sources::Spoofed,
        targets: Targets::One(draft.host(10)),
        ttl: (30, 250),
        answer,
    };
    let envelope = draft.on();
    draft.unwanted(StreamKind::Flood(flood), per_s, envelope);
    let truth = Truth::new(Cause::SynFlood, &draft.timing).vectors(&["spoofed"]);
    draft.finish(truth)
}

/// Answers of open services to questions that somebody else asked in our name.
pub(super) fn amplification(seed: u64) -> Draft {
    let mut draft = draft(seed, 0.5);
    let by = draft.rng.pick(AMPLIFIERS);
    let per_s = draft.flood_per_s();
    let reflectors = draft.rng.log_uniform(20.0, 6_000.0) as usize;
    let list: Vec<IpAddr> = (0..reflectors).map(|_| IpAddr::V4(public_v4(&mut draft.rng))).collect();
    let destination_port =
        *draft.rng.pick(&[PortPick::Any, PortPick::Fixed(80), PortPick::Fixed(443), PortPick::Any]);
    let flood = Flood {
        kind: FloodKind::Amplified { by, destination_port },
        sources: Sources::List(list),
        targets: Targets::One(draft.host(10)),
        ttl: (40, 245),
        answer: Answer::Nothing,
    };
    let envelope = draft.on();
    draft.unwanted(StreamKind::Flood(flood), per_s, envelope);
    let truth = Truth::new(Cause::Amplification, &draft.timing).vectors(&[by.name]);
    draft.finish(truth)
}

/// SYNs as tools make them: with or without options, one window or any.
pub(super) fn syn(rng: &mut Rng, destination_port: PortPick) -> FloodKind {
    FloodKind::Tcp {
        flags: &[SYN],
        source_port: PortPick::Any,
        destination_port,
        window: *rng.pick(&[
            SizePick::Fixed(1_024),
            SizePick::Fixed(512),
            SizePick::Fixed(64_240),
            SizePick::Between(0, 65_535),
        ]),
        options: *rng.pick(&[0, 0, 0x0204, 0x0204_0402_080A]),
        payload_bytes: SizePick::Fixed(0),
    }
}
