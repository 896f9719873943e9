//! Unanswered UDP: what of it are questions, and what it carries, the same again and again or filler.

use super::net::UNIFORM_LEAST;
use super::{Value, push, spread};
use crate::feature::net::{NetWindow, Volume};
use crate::feature::service;
use seawall_model::hash;
use seawall_model::metric::Metric;
use seawall_model::observation::{Fragment, protocol};
use seawall_model::record::PacketRecord;

/// A packet to a service that is a question has such a length, in the mean.
const QUESTION_LENGTH_BYTES: std::ops::RangeInclusive<u64> = 44..=110;
/// No server is asked more over UDP in a second.
const QUESTIONS_PER_S: f64 = 20_000.0;
/// No network's own questions have more answers, of name and time servers, in a second.
const SMALL_ANSWERS_PER_S: f64 = 3_000.0;

/// Fewer packets say nothing of how their first bytes are spread.
const RANDOM_LEAST: usize = 48;
/// Values of a byte of which most protocols use some few.
const USUAL_VALUES: usize = 16;
/// Bytes in which the mark of a protocol stands.
const MARKED_BYTES: usize = 8;
/// From this share on it is filler that comes.
const MOSTLY_RANDOM: f64 = 0.6;
/// From this share on one payload is what comes, beside that of others who ask.
const MOSTLY_THE_SAME: f64 = 0.5;
/// From this share on nothing but one payload comes.
const ALL_THE_SAME: f64 = 0.95;
/// Filler is as large as can be.
const FILLER_BYTES: u32 = 256;

/// Questions that nobody answered. Where a capture holds one direction only, no answer can be
/// seen, and small packets to services pass for questions, unless they are all one.
pub(super) fn ignored_questions(net: &NetWindow, one_way: &[PacketRecord], seconds: f64) -> Volume {
    let v = &net.volumes;
    let mut ignored = Volume::default();
    let one_sided = v.two_way.packets == 0;
    let length_bytes = v.udp_questions.bytes / v.udp_questions.packets.max(1);
    let few = v.udp_questions.packets as f64 <= QUESTIONS_PER_S * seconds;
    let like_questions = few && QUESTION_LENGTH_BYTES.contains(&length_bytes) && !are_one(one_way);
    if !(one_sided && like_questions) {
        ignored.packets = v.udp_questions.packets.saturating_sub(v.udp_answers.packets);
        ignored.bytes = v.udp_questions.bytes.saturating_sub(v.udp_answers.bytes);
    }
    // So many small answers are more than anybody asks for.
    if v.udp_small_answers.packets as f64 > SMALL_ANSWERS_PER_S * seconds {
        ignored.merge(&v.udp_small_answers);
    }
    ignored
}

/// Whether what goes to services is mostly one packet again and again. Of what is asked, each question has a number
/// or a key of its own; only clocks ask without.
fn are_one(one_way: &[PacketRecord]) -> bool {
    const TIME_PORT: u16 = 123;
    let asks = |r: &&PacketRecord| {
        r.protocol == protocol::UDP
            && service::is_service_port(r.destination_port)
            && !service::is_service_port(r.source_port)
            && r.destination_port != TIME_PORT
            // What looks for services is sent to all, again and again.
            && !r.destination.is_multicast()
    };
    let asked: Vec<&PacketRecord> = one_way.iter().filter(asks).collect();
    let are_filled = asked.iter().all(|r| !r.payload().is_empty());
    asked.len() >= UNIFORM_LEAST
        && are_filled
        && spread(asked.iter().map(|r| hash::bytes(r.payload())).collect()).top >= MOSTLY_THE_SAME
}

/// Unanswered UDP to one host with one and the same payload, as tools fill their packets. Streams, of which
/// perhaps one direction was captured, number or encrypt theirs.
pub(super) fn uniform_payloads(one_way: &[PacketRecord], out: &mut Vec<Value>) {
    let filled = |r: &&&PacketRecord| r.protocol == protocol::UDP && !r.payload().is_empty();
    let mut by_target: Vec<&PacketRecord> =
        one_way.iter().filter(|r| filled(&r) && !r.destination.is_multicast()).collect();
    by_target.sort_by_key(|r| r.destination);
    let targets = by_target.chunk_by(|a, b| a.destination == b.destination);
    let Some(busiest) = targets.max_by_key(|run| run.len()) else { return };
    let payloads: Vec<u64> =
        busiest.iter().map(|r| hash::combine(hash::bytes(r.payload()), u64::from(r.length_bytes))).collect();
    if payloads.len() >= UNIFORM_LEAST {
        let (n, top) = (payloads.len() as f64, spread(payloads).top);
        push(out, Metric::UniformPayloadShare, top, n);
        let bytes = busiest.iter().map(|r| u64::from(r.length_bytes)).sum::<u64>() as f64 / n;
        // Streams number what they send; only what keeps a connection alive repeats itself, and is small.
        if top >= ALL_THE_SAME && bytes >= f64::from(FILLER_BYTES) {
            out.retain(|v| v.metric != Metric::UdpNewShare);
        }
    }
}

/// Large unanswered UDP of which every first byte takes all values, as tools fill their packets.
/// Streams hold a version, a type, a mark or the upper part of a number there, also where the rest is
/// encrypted.
pub(super) fn random_payloads(one_way: &[PacketRecord], out: &mut Vec<Value>) {
    let is_udp = |r: &&PacketRecord| {
        r.protocol == protocol::UDP && r.fragment != Fragment::Later && !r.destination.is_multicast()
    };
    let all = one_way.iter().filter(is_udp).count();
    let large = || {
        one_way.iter().filter(is_udp).filter(|r| r.length_bytes >= FILLER_BYTES).map(PacketRecord::payload)
    };
    let heads: Vec<&[u8]> = large().filter_map(|payload| payload.get(..MARKED_BYTES)).collect();
    if heads.len() < RANDOM_LEAST {
        return;
    }
    let random = (0..MARKED_BYTES).map(|at| unusual(heads.iter().map(|head| head[at]))).min().unwrap_or(0);
    let share = random as f64 / all as f64;
    push(out, Metric::RandomPayloadShare, share, all as f64);
    // A tool that fills packets may send all of them from one port: that makes no stream of them.
    if share >= MOSTLY_RANDOM {
        out.retain(|v| v.metric != Metric::UdpNewShare);
    }
}

/// How many of some bytes have other values than the commonest.
fn unusual(bytes: impl Iterator<Item = u8>) -> usize {
    let mut counts = [0_usize; 256];
    bytes.for_each(|byte| counts[usize::from(byte)] += 1);
    counts.sort_unstable_by(|a, b| b.cmp(a));
    counts[USUAL_VALUES..].iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_model::Timestamp;
    use seawall_model::record::PAYLOAD_PREFIX_BYTES;
    use std::net::IpAddr;

    fn asked(n: u8, port: u16, payload: [u8; 2]) -> PacketRecord {
        let mut prefix = [0; PAYLOAD_PREFIX_BYTES];
        prefix[..2].copy_from_slice(&payload);
        PacketRecord {
            time: Timestamp(0),
            source: IpAddr::from([198, 51, 100, n]),
            destination: IpAddr::from([203, 0, 113, 1]),
            protocol: protocol::UDP,
            source_port: 40_000 + u16::from(n),
            destination_port: port,
            length_bytes: 46,
            ttl: 60,
            fragment: Fragment::Whole,
            tcp_flags: 0,
            tcp_window: 0,
            tcp_options: 0,
            icmp_type: 0,
            payload_prefix: (prefix, 18),
            two_way: false,
        }
    }

    /// Broke: one small packet from everywhere, of which a capture held one direction, passed for questions.
    #[test]
    fn one_packet_from_everywhere_asks_nothing() {
        let all = |port: u16, payload: &dyn Fn(u8) -> [u8; 2]| {
            are_one(&(0..100).map(|n| asked(n, port, payload(n))).collect::<Vec<_>>())
        };
        assert!(all(53, &|_| [7, 7]));
        assert!(!all(53, &|n| [n, 7]), "each question has a number of its own");
        assert!(!all(123, &|_| [0x1b, 0]), "clocks ask without one");
        assert!(all(53, &|n| [if n % 3 == 0 { n } else { 7 }, 7]), "beside those of others");
        assert!(!all(53, &|n| [if n % 3 == 0 { 7 } else { n }, 7]), "some ask without one");
    }
}
