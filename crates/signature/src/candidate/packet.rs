//! Candidates for packets.

use super::range::ranges;
use super::{Pool, Values, keyed};
use crate::matching::{has_ports, is_icmp, is_tcp};
use seawall_model::Prefix;
use seawall_model::record::PacketRecord;
use seawall_model::signature::Test;

/// Ports below are services' (RFC 6335 section 6).
const FIRST_PASSING_PORT: u32 = 1_024;
/// Senders that count their ports up leave a range of so few at once.
const FEW_PORTS: u32 = 16;

/// Tries every attribute of a packet.
pub(crate) fn collect(pool: &mut Pool<'_>, unwanted: &[PacketRecord], normal: &[PacketRecord]) {
    let mut exact = |key: &dyn Fn(&PacketRecord) -> Option<Test>| {
        pool.values(keyed(unwanted, key), keyed(normal, key), |t: &Test| Some(t.clone()));
    };
    exact(&|p| Some(Test::Protocol(p.protocol)));
    exact(&|p| Some(Test::Destination(Prefix::host(p.destination))));
    exact(&|p| Some(Test::Destination(Prefix::network_of(p.destination))));
    exact(&|p| Some(Test::Fragment(p.fragment)));
    exact(&|p| is_tcp(p).then_some(Test::TcpFlags(p.tcp_flags)));
    exact(&|p| is_tcp(p).then_some(Test::TcpWindow(p.tcp_window)));
    exact(&|p| is_tcp(p).then_some(Test::TcpOptions(p.tcp_options)));
    exact(&|p| is_icmp(p).then_some(Test::IcmpType(p.icmp_type)));
    source_ports(pool, unwanted, normal);
    numbers(
        pool,
        unwanted,
        normal,
        |p| has_ports(p).then_some(u32::from(p.destination_port)),
        |low, high| Test::DestinationPort { low: low as u16, high: high as u16 },
    );
    numbers(pool, unwanted, normal, |p| Some(p.length_bytes), |low, high| Test::LengthBytes { low, high });
    numbers(
        pool,
        unwanted,
        normal,
        |p| Some(u32::from(p.ttl)),
        |low, high| Test::Ttl { low: low as u8, high: high as u8 },
    );
    super::payload::collect(pool, unwanted, normal);
}

/// Source ports: single ones, and ranges that stay. Programs count the ports that they send from up, so
/// that the wide range of a short sample is left within seconds, and people come from the same ports.
fn source_ports(pool: &mut Pool<'_>, unwanted: &[PacketRecord], normal: &[PacketRecord]) {
    let port = |p: &PacketRecord| has_ports(p).then_some(u32::from(p.source_port));
    let unwanted: Values<u32> = keyed(unwanted, port);
    let normal: Values<u32> = keyed(normal, port);
    let test = |low: u32, high: u32| Test::SourcePort { low: low as u16, high: high as u16 };
    let stays = |(low, high): &(u32, u32)| *high < FIRST_PASSING_PORT || high - low < FEW_PORTS;
    for (low, high) in ranges(&unwanted, &normal, &pool.mixture()).into_iter().filter(stays) {
        pool.push(test(low, high));
    }
    pool.values(unwanted, normal, |n| Some(test(*n, *n)));
}

/// Candidates for exact values and for ranges of a number.
pub(crate) fn numbers<R>(
    pool: &mut Pool<'_>,
    unwanted: &[R],
    normal: &[R],
    key: impl Fn(&R) -> Option<u32>,
    test: impl Fn(u32, u32) -> Test,
) {
    let unwanted: Values<u32> = keyed(unwanted, &key);
    let normal: Values<u32> = keyed(normal, &key);
    for (low, high) in ranges(&unwanted, &normal, &pool.mixture()) {
        pool.push(test(low, high));
    }
    pool.values(unwanted, normal, |n| Some(test(*n, *n)));
}
