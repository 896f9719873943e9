//! Floods of packets.

use super::packet_base::PacketDraft;
use crate::episode::{Draft, Truth};
use crate::net::payload;
use crate::net::{
    AMPLIFIERS, Amplifier, Answer, Flood, FloodKind, PortPick, SizePick, Sources, StreamKind, Targets,
};
use crate::rng::Rng;
use crate::world::{Envelope, Timing, public_v4};
use seawall_model::Cause;
use seawall_model::observation::protocol;
use seawall_model::observation::tcp_flags::{ACK, FIN, PSH, RST, SYN, URG};
use std::net::IpAddr;

/// A draft with or without background and lead-in; sometimes sampled or seen from one side.
pub(super) fn draft(seed: u64, alone: f64) -> PacketDraft {
    let mut rng = Rng::new(seed);
    let timing = Timing::any(&mut rng, alone);
    let mut draft = if timing.onset_s == 0.0 && rng.chance(0.6) {
        PacketDraft::empty(seed, timing, rng)
    } else {
        PacketDraft::new(seed, timing, rng)
    };
    if draft.rng.chance(0.12) {
        draft.sampling = *draft.rng.pick(&[10, 100, 512, 1_000]);
    }
    draft.inbound_only = draft.rng.chance(0.15);
    draft
}

fn finish(draft: PacketDraft, cause: Cause, vectors: &[&'static str], also: &[Cause]) -> Draft {
    let truth = Truth::new(cause, &draft.timing).vectors(vectors).or(also);
    draft.finish(truth)
}

fn add(draft: &mut PacketDraft, flood: Flood, per_s: f64, envelope: Envelope) {
    draft.unwanted(StreamKind::Flood(flood), per_s, envelope);
}

/// SYNs from addresses that nobody has.
pub(super) fn syn_spoofed(seed: u64) -> Draft {
    syn(draft(seed, 0.4), Sources::Spoofed, "spoofed")
}

/// SYNs of one machine.
pub(super) fn syn_single(seed: u64) -> Draft {
    let mut draft = draft(seed, 0.4);
    let source = IpAddr::V4(public_v4(&mut draft.rng));
    syn(draft, Sources::List(vec![source]), "single-source")
}

/// SYNs of a botnet with its true addresses.
pub(super) fn syn_botnet(seed: u64) -> Draft {
    let mut draft = draft(seed, 0.3);
    let sources = hosts(&mut draft, 20.0, 3_000.0);
    syn(draft, sources, "distributed")
}

fn syn(mut draft: PacketDraft, sources: Sources, vector: &'static str) -> Draft {
    let per_s = draft.flood_per_s();
    let port = *draft.rng.pick(&[80, 443, 22, 25, 25_565, 8_080, 53, 3_306]);
    let flood = Flood {
        kind: syns(&mut draft.rng, PortPick::Fixed(port)),
        sources,
        targets: Targets::One(draft.host(10)),
        ttl: hops(&mut draft.rng),
        answer: backlog(&mut draft.rng),
    };
    let envelope = draft.on();
    add(&mut draft, flood, per_s, envelope);
    finish(draft, Cause::SynFlood, &[vector], &[])
}

/// SYNs over a whole prefix, little for each host. Evaluation only.
pub(super) fn syn_carpet(seed: u64) -> Draft {
    let mut draft = draft(seed, 0.3);
    let per_s = draft.flood_per_s();
    let flood = Flood {
        kind: syns(&mut draft.rng, PortPick::OneOf(&[80, 443])),
        sources: Sources::Spoofed,
        targets: Targets::Carpet { base: draft.base, host_bits: 8 },
        ttl: hops(&mut draft.rng),
        answer: Answer::Nothing,
    };
    let envelope = draft.on();
    add(&mut draft, flood, per_s, envelope);
    finish(draft, Cause::SynFlood, &["spoofed", "carpet"], &[])
}

fn backlog(rng: &mut Rng) -> Answer {
    if rng.chance(0.5) { Answer::Nothing } else { Answer::SynAck(rng.uniform(0.05, 1.0)) }
}

/// SYNs as tools make them: with or without options, one window or any.
fn syns(rng: &mut Rng, destination_port: PortPick) -> FloodKind {
    let windows =
        [SizePick::Fixed(1_024), SizePick::Fixed(512), SizePick::Fixed(64_240), SizePick::Between(0, 65_535)];
    FloodKind::Tcp {
        flags: &[SYN],
        source_port: PortPick::Any,
        destination_port,
        window: *rng.pick(&windows),
        options: *rng.pick(&[0, 0, 0x0204, 0x0204_0402_080A]),
        payload_bytes: SizePick::Fixed(0),
    }
}

/// Stray segments: acknowledgements, resets, all flags, none.
pub(super) fn flags(seed: u64) -> Draft {
    let mut draft = draft(seed, 0.35);
    let per_s = draft.flood_per_s();
    let kinds: [&'static [u8]; 8] = [
        &[ACK],
        &[ACK],
        &[ACK | PSH],
        &[RST],
        &[FIN],
        &[FIN | PSH | URG],
        &[0],
        &[ACK, RST, FIN | ACK, PSH | ACK],
    ];
    let flags: &'static [u8] = draft.rng.pick::<&[u8]>(&kinds);
    let sources = if draft.rng.chance(0.6) { Sources::Spoofed } else { hosts(&mut draft, 1.0, 2_000.0) };
    let kind = FloodKind::Tcp {
        flags,
        source_port: PortPick::Any,
        destination_port: *draft.rng.pick(&[PortPick::Fixed(443), PortPick::Fixed(80), PortPick::Any]),
        window: *draft.rng.pick(&[SizePick::Fixed(512), SizePick::Between(0, 65_535)]),
        options: 0,
        payload_bytes: *draft.rng.pick(&[
            SizePick::Fixed(0),
            SizePick::Fixed(0),
            SizePick::Between(0, 1_400),
        ]),
    };
    let answer =
        if draft.rng.chance(0.5) { Answer::Nothing } else { Answer::Reset(draft.rng.uniform(0.1, 1.0)) };
    let flood =
        Flood { kind, sources, targets: Targets::One(draft.host(10)), ttl: hops(&mut draft.rng), answer };
    let envelope = draft.on();
    add(&mut draft, flood, per_s, envelope);
    finish(draft, Cause::TcpFlagFlood, &[], &[])
}

/// Servers all over the world answer SYNs that somebody else sent in our name.
pub(super) fn tcp_reflection(seed: u64) -> Draft {
    let mut draft = draft(seed, 0.35);
    let per_s = draft.flood_per_s();
    let sources = hosts(&mut draft, 60.0, 6_000.0);
    let ports: [&'static [u16]; 4] = [&[443], &[80], &[80, 443, 22], &[179, 23, 443]];
    let flags: [&'static [u8]; 3] =
        [&[SYN | ACK], &[SYN | ACK, SYN | ACK, SYN | ACK, RST | ACK], &[SYN | ACK, RST]];
    let kind = FloodKind::Tcp {
        flags: draft.rng.pick::<&[u8]>(&flags),
        source_port: PortPick::OneOf(draft.rng.pick::<&[u16]>(&ports)),
        destination_port: PortPick::Any,
        window: SizePick::Between(14_000, 65_535),
        options: 0x0204,
        payload_bytes: SizePick::Fixed(0),
    };
    let answer = if draft.rng.chance(0.5) { Answer::Nothing } else { Answer::Reset(0.9) };
    let flood = Flood { kind, sources, targets: Targets::One(draft.host(10)), ttl: (40, 245), answer };
    let envelope = draft.on();
    add(&mut draft, flood, per_s, envelope);
    finish(draft, Cause::TcpReflection, &[], &[])
}

/// UDP packets with nothing in them.
pub(super) fn udp(seed: u64) -> Draft {
    let mut draft = draft(seed, 0.35);
    let flood = udp_flood(&mut draft);
    let per_s = draft.flood_per_s();
    let envelope = draft.on();
    add(&mut draft, flood, per_s, envelope);
    finish(draft, Cause::UdpFlood, &[], &[])
}

/// In pulses of seconds.
pub(super) fn udp_pulses(seed: u64) -> Draft {
    let mut draft = draft(seed, 0.0);
    let flood = udp_flood(&mut draft);
    let per_s = draft.flood_per_s() * 2.0;
    let envelope = pulses(&mut draft);
    add(&mut draft, flood, per_s, envelope);
    finish(draft, Cause::UdpFlood, &["pulse"], &[])
}

/// Over a whole prefix in pulses. Evaluation only.
pub(super) fn udp_carpet_pulses(seed: u64) -> Draft {
    let mut draft = draft(seed, 0.0);
    let targets = Targets::Carpet { base: draft.base, host_bits: 8 };
    let flood = Flood { targets, ..udp_flood(&mut draft) };
    let per_s = draft.flood_per_s() * 2.0;
    let envelope = pulses(&mut draft);
    add(&mut draft, flood, per_s, envelope);
    finish(draft, Cause::UdpFlood, &["carpet", "pulse"], &[])
}

fn udp_flood(draft: &mut PacketDraft) -> Flood {
    let rng = &mut draft.rng;
    let sizes =
        [SizePick::Fixed(512), SizePick::Between(20, 1_400), SizePick::Fixed(1_400), SizePick::Fixed(18)];
    let kind = FloodKind::Udp {
        source_port: PortPick::Any,
        destination_port: *rng.pick(&[
            PortPick::Any,
            PortPick::Fixed(443),
            PortPick::Fixed(27_015),
            PortPick::Fixed(9_987),
        ]),
        payload_bytes: *rng.pick(&sizes),
        payload: rng.pick::<&[u8]>(&[payload::ZEROS, payload::LETTERS, payload::GAME]),
    };
    let answer = if rng.chance(0.6) { Answer::Nothing } else { Answer::Unreachable(rng.uniform(0.01, 0.5)) };
    let sources = match rng.below(3) {
        0 => Sources::Spoofed,
        1 => Sources::List(vec![IpAddr::V4(public_v4(rng))]),
        _ => hosts(draft, 5.0, 3_000.0),
    };
    Flood { kind, sources, targets: Targets::One(draft.host(12)), ttl: hops(&mut draft.rng), answer }
}

fn pulses(draft: &mut PacketDraft) -> Envelope {
    let period_s = draft.rng.log_uniform(4.0, 25.0);
    let duty = draft.rng.uniform(0.2, 0.6);
    Envelope::Pulse { from_s: draft.timing.onset_s, to_s: draft.timing.end_s, period_s, duty }
}

/// Echo requests and other control messages.
pub(super) fn icmp(seed: u64) -> Draft {
    let mut draft = draft(seed, 0.35);
    let per_s = draft.flood_per_s();
    let (kind, code) = *draft.rng.pick(&[(8, 0), (8, 0), (3, 3), (11, 0), (13, 0), (0, 0)]);
    let payload_bytes =
        *draft.rng.pick(&[SizePick::Fixed(56), SizePick::Fixed(1_400), SizePick::Between(0, 1_400)]);
    let sources = if draft.rng.chance(0.5) { Sources::Spoofed } else { hosts(&mut draft, 1.0, 2_000.0) };
    let answer = if kind == 8 && draft.rng.chance(0.6) {
        Answer::Echo(draft.rng.uniform(0.1, 1.0))
    } else {
        Answer::Nothing
    };
    let kind = FloodKind::Icmp { kind, code, payload_bytes };
    let flood =
        Flood { kind, sources, targets: Targets::One(draft.host(10)), ttl: hops(&mut draft.rng), answer };
    let envelope = draft.on();
    add(&mut draft, flood, per_s, envelope);
    finish(draft, Cause::IcmpFlood, &[], &[])
}

/// Fragments that belong to nothing.
pub(super) fn fragments(seed: u64) -> Draft {
    let mut draft = draft(seed, 0.35);
    let per_s = draft.flood_per_s();
    let kind = FloodKind::Fragments {
        protocol: *draft.rng.pick(&[protocol::UDP, protocol::UDP, protocol::TCP, protocol::ICMP]),
        bytes: *draft.rng.pick(&[SizePick::Fixed(1_500), SizePick::Between(28, 1_500), SizePick::Fixed(28)]),
    };
    let sources = if draft.rng.chance(0.6) { Sources::Spoofed } else { hosts(&mut draft, 1.0, 2_000.0) };
    let flood = Flood {
        kind,
        sources,
        targets: Targets::One(draft.host(10)),
        ttl: hops(&mut draft.rng),
        answer: Answer::Nothing,
    };
    let envelope = draft.on();
    add(&mut draft, flood, per_s, envelope);
    finish(draft, Cause::FragmentFlood, &[], &[])
}

/// Answers of open services to questions that somebody else asked in our name.
pub(super) fn amplification(seed: u64) -> Draft {
    let mut draft = draft(seed, 0.5);
    let by = draft.rng.pick(AMPLIFIERS);
    let targets = Targets::One(draft.host(10));
    amplify(&mut draft, by, targets, 1.0);
    finish(draft, Cause::Amplification, &[by.name], &[])
}

/// The same over a whole prefix.
pub(super) fn amplification_carpet(seed: u64) -> Draft {
    let mut draft = draft(seed, 0.2);
    let by = draft.rng.pick(AMPLIFIERS);
    let targets = Targets::Carpet { base: draft.base, host_bits: 8 };
    amplify(&mut draft, by, targets, 1.0);
    finish(draft, Cause::Amplification, &[by.name, "carpet"], &[])
}

/// Two services at once. Evaluation only.
pub(super) fn amplification_mixed(seed: u64) -> Draft {
    let mut draft = draft(seed, 0.3);
    let first = draft.rng.index(AMPLIFIERS.len());
    let step = draft.rng.between(1, AMPLIFIERS.len() as u64 - 1) as usize;
    let (a, b) = (&AMPLIFIERS[first], &AMPLIFIERS[(first + step) % AMPLIFIERS.len()]);
    let targets = Targets::One(draft.host(10));
    amplify(&mut draft, a, targets, 0.5);
    amplify(&mut draft, b, targets, 0.5);
    finish(draft, Cause::Amplification, &[a.name, b.name], &[])
}

fn amplify(draft: &mut PacketDraft, by: &'static Amplifier, targets: Targets, share: f64) {
    let packets = f64::from((by.bytes.0 + by.bytes.1) / 2 / 1_480 + 1) * f64::from(by.packets + 1) / 2.0;
    let per_s = draft.flood_per_s() * share / packets;
    let sources = hosts(draft, 20.0, 6_000.0);
    let destination_port =
        *draft.rng.pick(&[PortPick::Any, PortPick::Fixed(80), PortPick::Fixed(443), PortPick::Any]);
    let kind = FloodKind::Amplified { by, destination_port };
    let flood = Flood { kind, sources, targets, ttl: (40, 245), answer: Answer::Nothing };
    let envelope = draft.on();
    add(draft, flood, per_s, envelope);
}

/// Forged packets of one machine have come the same way, those of many have not.
fn hops(rng: &mut Rng) -> (u8, u8) {
    if rng.chance(0.4) {
        let left = rng.between(36, 240) as u8;
        return (left, left + rng.below(4) as u8);
    }
    (30, 250)
}

/// So many real machines.
pub(super) fn hosts(draft: &mut PacketDraft, least: f64, most: f64) -> Sources {
    let count = draft.rng.log_uniform(least, most) as usize;
    Sources::List((0..count.max(1)).map(|_| IpAddr::V4(public_v4(&mut draft.rng))).collect())
}
